// SPDX-License-Identifier: ISC
//! Code cannot be written to.

#![no_std]
#![no_main]

use fata::prelude::*;

#[inline(never)]
fn code() {
    println!("code");
}

#[fata::main]
async fn main() {
    code();
    let address = code as fn() as *mut u8;
    // SAFETY: that the write faults is the test; were it done, `code` is not called again.
    unsafe { address.write_volatile(0xc3) };
    println!("REACHED");
}
