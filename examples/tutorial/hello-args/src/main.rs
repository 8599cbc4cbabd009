// SPDX-License-Identifier: ISC
//! Says what its boot argument tells it to say.
//!
//! Try `cargo run -p hello-args -- --hello=Hola`, then `--help`, then `--helo=Hola`.

#![no_std]
#![no_main]

use fata::prelude::*;

/// Boot arguments. The documentation of each is its help, and `--help` is answered by the
/// unikernel itself: it needs no manual beside it.
#[derive(fata::Args)]
struct Args {
    /// What to say.
    #[arg(default = "Hello World!")]
    hello: String,
    /// How often to say it.
    #[arg(default = 4)]
    times: u32,
    /// Time between two times.
    #[arg(default = "1s")]
    every: Duration,
}

#[fata::main]
async fn main(args: Args) {
    for _ in 0..args.times {
        info!("{}", args.hello);
        sleep(args.every).await;
    }
}
