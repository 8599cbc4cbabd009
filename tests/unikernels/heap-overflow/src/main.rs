// SPDX-License-Identifier: ISC
//! Writing behind a block of the heap is found when the block is freed.

#![no_std]
#![no_main]

use fata::prelude::*;

#[fata::main]
async fn main() {
    let mut block = vec![0_u8; 24];
    let behind = core::hint::black_box(block.as_mut_ptr()).wrapping_add(block.len());
    // SAFETY: that this byte is not ours, and the write found, is the test. With the checks off it
    // is padding of the block: blocks are multiples of 16.
    unsafe { behind.write_volatile(1) };
    drop(block);
    println!("REACHED");
}
