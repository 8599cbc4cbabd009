// SPDX-License-Identifier: ISC
//! The ports by which hypercalls and kicks reach the tender: the only assembly but for the first
//! instruction.

use core::arch::asm;

use fata_abi::hvt::{HYPERCALL_PORT, Hypercall, KICK_PORT};

/// Stops the CPU until the tender has carried out this hypercall.
///
/// # Safety
///
/// The arguments of the hypercall are at `arguments`, below 4 GiB, and what the tender does to memory
/// by them is allowed.
#[inline(always)]
pub(crate) unsafe fn call(number: Hypercall, arguments: *mut ()) {
    // SAFETY: 1. the tender changes no register; 2. what it does to memory is the caller's promise,
    // and the block is not marked as free of memory effects.
    unsafe {
        asm!("out dx, eax",
            in("dx") HYPERCALL_PORT + number as u16, in("eax") arguments.expose_provenance() as u32,
            options(nostack, preserves_flags));
    }
}

/// Tells the host that the ring of this number has new entries.
#[inline(always)]
pub(crate) fn kick(number: u32) {
    // SAFETY: the tender changes no register, and no memory but what its rings lead to.
    unsafe {
        asm!("out dx, eax", in("dx") KICK_PORT, in("eax") number,
            options(nostack, preserves_flags));
    }
}
