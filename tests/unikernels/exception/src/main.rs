// SPDX-License-Identifier: ISC
//! An instruction that only a kernel may execute ends the image.

#![no_std]
#![no_main]

use core::arch::asm;

use fata::prelude::*;

#[fata::main]
async fn main() {
    // SAFETY: `hlt` touches neither memory nor registers; that it is refused is the test.
    unsafe { asm!("hlt", options(nomem, nostack)) };
    println!("REACHED");
}
