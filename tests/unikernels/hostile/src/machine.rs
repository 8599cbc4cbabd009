// SPDX-License-Identifier: ISC
//! The virtual CPU, at the highest privilege: ports, and page tables that hide nothing.

use core::{arch::asm, cell::UnsafeCell};

/// What one entry of the second level maps.
const LARGE: u64 = 2 << 20;
/// Present, writable, and of 2 MB; everything may be executed.
const ALL: u64 = 1 << 7 | 1 << 1 | 1;
/// Gigabytes that are mapped, whether there is memory or not.
const GIGABYTES: usize = 4;

#[repr(C, align(4096))]
struct Tables(UnsafeCell<[[u64; 512]; 2 + GIGABYTES]>);

// SAFETY: the image has one thread.
unsafe impl Sync for Tables {}

static TABLES: Tables = Tables(UnsafeCell::new([[0; 512]; 2 + GIGABYTES]));

/// Writes 32 bits to a port.
pub(crate) fn out(port: u16, value: u32) {
    // SAFETY: whatever the host does then, the attack has asked for it.
    unsafe { asm!("out dx, eax", in("dx") port, in("eax") value, options(nostack)) };
}

/// Makes a hypercall.
pub(crate) fn call(number: u64, at: u64) {
    out(0x500 + number as u16, at as u32);
}

/// Maps the first gigabytes of addresses to themselves, all of it for everything: what the tender
/// hides, what is read-only, what is no memory.
pub(crate) fn seize() {
    let tables = TABLES.0.get();
    // SAFETY: nobody else refers to the tables, and the CPU not yet.
    let [root, gigabytes, rest @ ..] = unsafe { &mut *tables };
    let below = |table: *const [u64; 512]| table.expose_provenance() as u64 | 3;
    root[0] = below(gigabytes);
    for (number, table) in rest.iter_mut().enumerate() {
        gigabytes[number] = below(table);
        for (index, entry) in table.iter_mut().enumerate() {
            *entry = ((number * 512 + index) as u64 * LARGE) | ALL;
        }
    }
    let root = tables.expose_provenance();
    // SAFETY: code, stack and data stay where they are.
    unsafe { asm!("mov cr3, {}", in(reg) root, options(nostack)) };
}

/// Reads a byte at any address.
pub(crate) fn peek(address: u64) -> u8 {
    let value: u8;
    // SAFETY: what is there is looked at, never believed; a fault ends the image.
    unsafe { asm!("mov {}, [{}]", out(reg_byte) value, in(reg) address, options(nostack)) };
    value
}

/// Writes a byte to any address.
pub(crate) fn poke(address: u64, value: u8) {
    // SAFETY: attacks write only to what the rest of the image does not use any more, or to what
    // they may not write to.
    unsafe { asm!("mov [{}], {}", in(reg) address, in(reg_byte) value, options(nostack)) };
}

/// Reads a word of 64 bits at any address.
pub(crate) fn load(address: u64) -> u64 {
    (0..8).fold(0, |word, n| word | u64::from(peek(address + n)) << (8 * n))
}

/// Writes a word of 64 bits to any address.
pub(crate) fn store(address: u64, word: u64) {
    // SAFETY: as in `poke`.
    unsafe { asm!("mov [{}], {}", in(reg) address, in(reg) word, options(nostack)) };
}

/// Writes a word of 32 bits to any address.
pub(crate) fn store_half(address: u64, word: u32) {
    // SAFETY: as in `poke`.
    unsafe { asm!("mov [{}], {:e}", in(reg) address, in(reg) word, options(nostack)) };
}
