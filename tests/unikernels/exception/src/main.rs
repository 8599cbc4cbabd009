// SPDX-License-Identifier: ISC
//! An instruction that the CPU refuses, whatever page tables say and at any privilege, ends the image.

#![no_std]
#![no_main]

use core::arch::asm;

use fata::prelude::*;

#[fata::main]
async fn main() {
    // SAFETY: no memory has such an address; that the CPU refuses it is the test.
    unsafe { asm!("mov {0}, [{0}]", inout(reg) 1_u64 << 63 => _, options(nostack, readonly)) };
    println!("REACHED");
}
