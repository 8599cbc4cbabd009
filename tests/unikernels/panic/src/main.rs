// SPDX-License-Identifier: ISC
//! A panic prints its message, its place and return addresses, and ends with status 255.

#![no_std]
#![no_main]

use fata::prelude::*;

#[fata::main]
async fn main() {
    fails(42);
    println!("REACHED");
}

#[inline(never)]
fn fails(number: u32) {
    assert!(core::hint::black_box(number) != 42, "on purpose: {number}");
}
