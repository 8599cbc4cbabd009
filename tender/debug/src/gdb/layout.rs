// SPDX-License-Identifier: ISC
//! The registers in gdb's form: x87 and SSE registers apart, where `FXSAVE` has them in one block.
//!
//! Read first: Intel SDM volume 1, table 10-2 "Layout of FXSAVE".

use gdbstub_arch::x86::reg::{X86_64CoreRegs, X86SegmentRegs, X87FpuInternalRegs};

use crate::Registers;

const CONTROL: usize = 0;
const STATUS: usize = 2;
const TAGS: usize = 4;
const OPCODE: usize = 6;
const INSTRUCTION: usize = 8;
const INSTRUCTION_SEGMENT: usize = 12;
const OPERAND: usize = 16;
const OPERAND_SEGMENT: usize = 20;
const MXCSR: usize = 24;
/// Registers of 16 bytes each, of which x87 uses 10.
const ST: usize = 32;
const XMM: usize = 160;

pub(super) fn to_gdb(registers: &Registers) -> X86_64CoreRegs {
    let fx = &registers.fx;
    let half = |at: usize| u32::from(u16::from_le_bytes([fx[at], fx[at + 1]]));
    let word = |at: usize| half(at) | half(at + 2) << 16;
    let [cs, ss, ds, es, fs, gs] = registers.segments.map(u32::from);
    X86_64CoreRegs {
        regs: registers.general,
        eflags: registers.rflags as u32,
        rip: registers.rip,
        segments: X86SegmentRegs {
            cs,
            ss,
            ds,
            es,
            fs,
            gs,
        },
        st: std::array::from_fn(|n| std::array::from_fn(|byte| fx[ST + 16 * n + byte])),
        fpu: X87FpuInternalRegs {
            fctrl: half(CONTROL),
            fstat: half(STATUS),
            ftag: full_tags(fx[TAGS]),
            fiseg: half(INSTRUCTION_SEGMENT),
            fioff: word(INSTRUCTION),
            foseg: half(OPERAND_SEGMENT),
            fooff: word(OPERAND),
            fop: half(OPCODE),
        },
        xmm: std::array::from_fn(|n| {
            u128::from_le_bytes(std::array::from_fn(|byte| fx[XMM + 16 * n + byte]))
        }),
        mxcsr: word(MXCSR),
    }
}

/// Takes over what gdb knows of; the bases of segments stay.
pub(super) fn from_gdb(gdb: &X86_64CoreRegs, registers: &mut Registers) {
    registers.general = gdb.regs;
    registers.rip = gdb.rip;
    registers.rflags = gdb.eflags.into();
    let segments = &gdb.segments;
    let segments = [
        segments.cs,
        segments.ss,
        segments.ds,
        segments.es,
        segments.fs,
        segments.gs,
    ];
    registers.segments = segments.map(|segment| segment as u16);
    let fx = &mut registers.fx;
    let mut put = |at: usize, bytes: &[u8]| fx[at..at + bytes.len()].copy_from_slice(bytes);
    for (n, st) in gdb.st.iter().enumerate() {
        put(ST + 16 * n, st);
    }
    for (n, xmm) in gdb.xmm.iter().enumerate() {
        put(XMM + 16 * n, &xmm.to_le_bytes());
    }
    put(CONTROL, &(gdb.fpu.fctrl as u16).to_le_bytes());
    put(STATUS, &(gdb.fpu.fstat as u16).to_le_bytes());
    put(TAGS, &[short_tags(gdb.fpu.ftag)]);
    put(MXCSR, &gdb.mxcsr.to_le_bytes());
}

/// Two bits a register, 3 for an empty one; `FXSAVE` has one, which says that it is not.
fn full_tags(short: u8) -> u32 {
    (0..8).fold(0, |tags, n| match short & 1 << n {
        0 => tags | 3 << (2 * n),
        _ => tags,
    })
}

fn short_tags(full: u32) -> u8 {
    (0..8).fold(0, |tags, n| match full >> (2 * n) & 3 {
        3 => tags,
        _ => tags | 1 << n,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        let mut fx: [u8; 512] = std::array::from_fn(|at| at as u8);
        // What no register holds, and gdb does not know of, is left alone: make it zero here.
        fx[5] = 0;
        let before = Registers {
            general: std::array::from_fn(|n| n as u64),
            rip: 77,
            rflags: 0x202,
            segments: [1, 2, 3, 4, 5, 6],
            fs_base: 8,
            gs_base: 9,
            fx,
        };
        let mut after = Registers {
            fx: before.fx,
            fs_base: 8,
            gs_base: 9,
            ..Registers::default()
        };
        after.fx[XMM..XMM + 256].fill(0);
        after.fx[TAGS] = 0;
        from_gdb(&to_gdb(&before), &mut after);
        assert_eq!(before, after);
        assert_eq!(full_tags(0b1000_0001), 0x3ffc);
    }
}
