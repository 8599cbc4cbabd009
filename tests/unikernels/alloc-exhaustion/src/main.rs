// SPDX-License-Identifier: ISC
//! An image that needs more memory than it was given says so and ends.

#![no_std]
#![no_main]

use fata::prelude::*;

#[fata::main]
async fn main() {
    let mut blocks = Vec::new();
    loop {
        blocks.push(core::hint::black_box(vec![1_u8; 64 << 10]));
    }
}
