// SPDX-License-Identifier: ISC
//! The boot argument arrives as it was given, whatever characters it has.

#![no_std]
#![no_main]

use fata::prelude::*;

#[derive(fata::Args)]
struct Args {
    /// What to say.
    hello: String,
}

#[fata::main]
async fn main(args: Args) {
    println!("[{}]", args.hello);
    println!("SUCCESS");
}
