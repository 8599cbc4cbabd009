// SPDX-License-Identifier: ISC
//! Freeing a block of the heap twice is found.

#![no_std]
#![no_main]

extern crate alloc;

use alloc::alloc::{Layout, alloc, dealloc};

use fata::prelude::*;

#[fata::main]
async fn main() {
    let layout = Layout::new::<[u64; 8]>();
    // SAFETY: the layout has a size.
    let block = core::hint::black_box(unsafe { alloc(layout) });
    // SAFETY: it was allocated with this layout.
    unsafe { dealloc(block, layout) };
    // SAFETY: that it is not there to be freed, and this found, is the test.
    unsafe { dealloc(block, layout) };
    println!("REACHED");
}
