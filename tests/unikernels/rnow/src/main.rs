// SPDX-License-Identifier: ISC
//! Constants cannot be written to.

#![no_std]
#![no_main]

use fata::prelude::*;

static CONSTANT: [u8; 64] = [7; 64];

#[fata::main]
async fn main() {
    let address = core::hint::black_box(&raw const CONSTANT)
        .cast::<u8>()
        .cast_mut();
    // SAFETY: that the write faults is the test; were it done, nobody reads the constant.
    unsafe { address.write_volatile(1) };
    println!("REACHED");
}
