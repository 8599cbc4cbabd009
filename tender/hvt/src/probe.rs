// SPDX-License-Identifier: ISC
//! A few instructions that the virtual CPU runs before the image.
//!
//! Some machines have a `/dev/kvm` behind which an interpreter runs the guest, slowly, and knows
//! neither SSE arithmetic nor much else. An image would end there in the middle, and nobody would
//! know why. These instructions end there instead, at an address that tells. Where they work they
//! take no exit: they jump to the image.

use std::{arch::global_asm, fmt, slice};

use crate::{cpu::PROBE, hypervisor::Failure, kvm, memory::Memory};

global_asm!(
    ".pushsection .rodata.fata_hvt_probe, \"a\", @progbits",
    // Whichever part of the crate is compiled with this one or apart from it refers to these.
    ".globl fata_hvt_probe_start, fata_hvt_probe_end",
    ".hidden fata_hvt_probe_start, fata_hvt_probe_end",
    "fata_hvt_probe_start:",
    "    pxor xmm0, xmm0",
    "    paddq xmm0, xmm0",
    "    mov eax, 7",
    "    cvtsi2sd xmm1, eax",
    "    mulsd xmm1, xmm1",
    "    cvttsd2si eax, xmm1",
    "    pxor xmm1, xmm1",
    "    cmp eax, 49",
    "    jne 2f",
    "    xor eax, eax",
    "    jmp [rip + 3f]",
    "2:  hlt",
    "    .balign 8",
    "3:  .quad 0", // The entry point, the last word.
    "fata_hvt_probe_end:",
    ".popsection",
);

unsafe extern "C" {
    static fata_hvt_probe_start: u8;
    static fata_hvt_probe_end: u8;
}

/// Puts the instructions in their page, to be followed by those at `entry`; returns where they begin.
pub fn prepare(memory: &Memory, entry: u64) -> u64 {
    let start = &raw const fata_hvt_probe_start;
    let end = &raw const fata_hvt_probe_end;
    // SAFETY: the symbols enclose the bytes that are assembled above, which nothing changes.
    let code = unsafe { slice::from_raw_parts(start, end.addr() - start.addr()) };
    let mut code = code.to_vec();
    let word = code.len() - 8;
    code[word..].copy_from_slice(&entry.to_le_bytes());
    memory.put(PROBE, &code).expect("a page of low memory");
    PROBE
}

/// Whether the instruction at `rip` is one of these.
pub fn contains(rip: u64) -> bool {
    rip / 4096 == PROBE / 4096
}

/// One of these instructions ended the guest.
#[derive(Clone, Copy, Debug)]
pub struct NoCpu(pub Failure);

impl fmt::Display for NoCpu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (failure, hint) = (self.0, kvm::without());
        write!(
            f,
            "`/dev/kvm` of this machine is no virtual CPU but a slow emulation of one: {failure}\n\
             hint: {hint}"
        )
    }
}
