//! A unikernel that says hello.
#![no_std]
#![no_main]

use fata::prelude::*;

/// Boot arguments: `cargo fata run -- --whom=you`.
#[derive(fata::Args)]
struct Args {
    /// Whom to greet.
    #[arg(default = "world")]
    whom: String,
}

#[fata::main]
async fn main(args: Args) {
    println!("Hello, {}!", args.whom);
}
