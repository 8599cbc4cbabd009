// SPDX-License-Identifier: ISC
//! Addresses worth attacking.

use core::cell::UnsafeCell;

use fata::prelude::*;

use crate::machine::{load, peek};

/// Where the tender puts its information.
const BOOT_INFO: u64 = 0x1_0000;
/// Where the image begins, and so its text.
const IMAGE: u64 = 0x10_0000;
/// Bytes of both rings.
const RINGS: u64 = 2 * 0xd000;

/// Memory of the image to aim at what is allowed.
#[repr(C, align(4096))]
struct Data(UnsafeCell<[u8; 0x2000]>);

// SAFETY: it is only ever used by its address.
unsafe impl Sync for Data {}

static DATA: Data = Data(UnsafeCell::new([0; 0x2000]));
static CALL: Data = Data(UnsafeCell::new([0; 0x2000]));
/// A page of read-only data, whatever the linker puts around it.
static CONSTANT: [u8; 4096] = [0xa5; 4096];

/// The address with this name, or the number.
pub(crate) fn place(name: &str) -> u64 {
    match name {
        "null" => 0,
        "low" => BOOT_INFO,
        "tables" => 0x2000,
        "hole" => 0x2_0000,
        "before-hole" => 0x2_0000 - 4,
        "text" => IMAGE,
        "rodata" => constant(),
        "data" => data(),
        "odd" => data() + 1,
        "call" => call(),
        "ring" => rings(),
        "end" => end(),
        "straddle" => end() - 4,
        "top" => 0xffff_fff0,
        "far" => 1 << 40,
        "wrap" => u64::MAX - 255,
        number => number.parse().expect("a place, or a number"),
    }
}

/// Two pages of data.
pub(crate) fn data() -> u64 {
    DATA.0.get().expose_provenance() as u64
}

/// Two pages for structures of calls.
pub(crate) fn call() -> u64 {
    CALL.0.get().expose_provenance() as u64
}

fn constant() -> u64 {
    CONSTANT.as_ptr().expose_provenance() as u64
}

/// Where the rings are: behind the memory that the image is told of.
pub(crate) fn rings() -> u64 {
    load(BOOT_INFO)
}

/// The end of all memory.
pub(crate) fn end() -> u64 {
    rings() + RINGS
}

/// A digest of what nobody may write to: the first page of text, and one of read-only data.
pub(crate) fn digest() -> u64 {
    let bytes = (IMAGE..IMAGE + 4096).chain(constant()..constant() + 4096);
    bytes.fold(0, |sum: u64, at| {
        sum.wrapping_mul(31).wrapping_add(peek(at).into())
    })
}

/// Prints the verdict of attacks that a guest outlives, and halts.
pub(crate) fn outlived(count: usize) -> ! {
    println!("{count} attacks");
    println!("SUCCESS");
    crate::calls::halt(0)
}
