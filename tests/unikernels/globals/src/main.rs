// SPDX-License-Identifier: ISC
//! Globals hold what they were initialised with, or zero, and keep what is stored.

#![no_std]
#![no_main]

use core::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use fata::prelude::*;

const SIZE: usize = 300_000;

static CONSTANT: [u32; 4] = [1, 2, 3, 0xdead_beef];
static INITIALISED: AtomicU64 = AtomicU64::new(0x1234_5678_9abc_def0);
/// An address in data, which whoever loads the image must not need to change.
static REFERENCE: &&str = &"through two references";
/// Larger than what is left of the last page of the file's content.
static ZEROED: [AtomicU8; SIZE] = [const { AtomicU8::new(0) }; SIZE];

#[fata::main]
async fn main() {
    assert_eq!(core::hint::black_box(&CONSTANT)[3], 0xdead_beef);
    assert_eq!(INITIALISED.load(Ordering::Relaxed), 0x1234_5678_9abc_def0);
    assert_eq!(
        **core::hint::black_box(REFERENCE),
        *"through two references"
    );
    for (n, byte) in ZEROED.iter().enumerate() {
        assert_eq!(byte.swap(n as u8, Ordering::Relaxed), 0, "byte {n}");
    }
    INITIALISED.store(1, Ordering::Relaxed);
    for (n, byte) in ZEROED.iter().enumerate() {
        assert_eq!(byte.load(Ordering::Relaxed), n as u8, "byte {n}");
    }
    assert_eq!(INITIALISED.load(Ordering::Relaxed), 1);
    println!("SUCCESS");
}
