// SPDX-License-Identifier: ISC
//! Says hello four times, a second apart: the smallest program that does something.
//!
//! Run it as a process with `cargo run -p hello`, and as a unikernel with
//! `cargo fata run -p hello`.

// A unikernel has no operating system below it, so there is no standard library, and nothing that
// would call a `fn main`: `#[fata::main]` makes the entry point.
#![no_std]
#![no_main]

use fata::prelude::*;

#[fata::main]
async fn main() {
    for _ in 0..4 {
        info!("hello");
        // While this task sleeps others could run; with none to run, the CPU is idle.
        sleep(Duration::from_secs(1)).await;
    }
}
