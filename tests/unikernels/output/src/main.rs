// SPDX-License-Identifier: ISC
//! Long output arrives whole: many lines, and one that is longer than any buffer.

#![no_std]
#![no_main]

use fata::prelude::*;

#[fata::main]
async fn main() {
    for n in 0..20_000 {
        println!("line {n} of many");
    }
    println!("{}", "0123456789abcdef".repeat(8192));
    println!("SUCCESS");
}
