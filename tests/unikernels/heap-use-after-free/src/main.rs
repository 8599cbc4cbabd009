// SPDX-License-Identifier: ISC
//! Writing to a freed block of the heap is found before its memory is used again.

#![no_std]
#![no_main]

use fata::prelude::*;

#[fata::main]
async fn main() {
    let mut block = vec![0_u8; 64];
    let address = core::hint::black_box(block.as_mut_ptr());
    drop(block);
    // SAFETY: that it is not ours any more, and the write found, is the test.
    unsafe { address.wrapping_add(20).write_volatile(1) };
    // Freed blocks are held back for a while.
    for n in 0..10_000_usize {
        drop(core::hint::black_box(vec![0_u8; n % 200]));
    }
    println!("REACHED");
}
