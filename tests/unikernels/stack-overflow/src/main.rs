// SPDX-License-Identifier: ISC
//! A stack that overflows faults at a guard page.

#![no_std]
#![no_main]

use fata::prelude::*;

#[fata::main]
async fn main() {
    // The heap lies below the stack: were there no guard, this is what is damaged.
    let block = vec![0x5a_u8; 1 << 20];
    let depth = recurse(1);
    println!(
        "REACHED {depth}, intact: {}",
        block.iter().all(|&byte| byte == 0x5a)
    );
}

#[expect(unconditional_recursion, reason = "the test")]
#[inline(never)]
fn recurse(depth: u64) -> u64 {
    let frame = core::hint::black_box([depth; 16]);
    recurse(depth + 1) + frame[3]
}
