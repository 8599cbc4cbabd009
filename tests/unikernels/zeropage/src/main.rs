// SPDX-License-Identifier: ISC
//! Nothing is mapped at address zero.

#![no_std]
#![no_main]

use core::{hint::black_box, ptr};

use fata::prelude::*;

#[fata::main]
async fn main() {
    let address: *mut u8 = black_box(ptr::null_mut());
    // SAFETY: nothing of the program lies in the first page; that the write faults is the test.
    unsafe { address.write_volatile(1) };
    println!("REACHED");
}
