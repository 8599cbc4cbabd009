// SPDX-License-Identifier: ISC
//! What the CPU can enforce, and what of it is switched on: all.
//!
//! Read first: Intel SDM volume 3, section 2.5 (`CR0`, `CR4`), 2.6 (`XCR0`), 4.1.4 (paging features);
//! volume 1, section 13.2 (which state `XSAVE` knows).

use core::arch::x86_64::{__cpuid, __cpuid_count};

use crate::cpu;

const CR0_MONITOR: u64 = 1 << 1;
const CR0_EMULATION: u64 = 1 << 2;
const CR0_TASK_SWITCHED: u64 = 1 << 3;
const CR0_NUMERIC_ERROR: u64 = 1 << 5;
const CR0_WRITE_PROTECT: u64 = 1 << 16;
const CR4_FXSR: u64 = 1 << 9;
const CR4_SIMD_EXCEPTIONS: u64 = 1 << 10;
const CR4_UMIP: u64 = 1 << 11;
const CR4_OSXSAVE: u64 = 1 << 18;
const CR4_SMEP: u64 = 1 << 20;
const CR4_SMAP: u64 = 1 << 21;
const EFER_NO_EXECUTE: u64 = 1 << 11;
const X87: u64 = 1 << 0;
const SSE: u64 = 1 << 1;
const AVX: u64 = 1 << 2;
const AVX_512: u64 = 0b111 << 5;

/// What differs between CPUs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Features {
    /// Memory can be without the right to execute.
    pub(crate) no_execute: bool,
    /// Pages of 1 GiB.
    pub(crate) giant_pages: bool,
    /// Bits of `CR4` for protections that the CPU has, and for `XSAVE`.
    protections: u64,
    /// Registers that `XSAVE` knows and programs may use; zero without it.
    state: u64,
}

impl Features {
    /// What CPUID says, in few questions: for each, a virtual CPU stops.
    pub(crate) fn of_this_cpu() -> Self {
        let basic = __cpuid(1).ecx;
        let leaves = __cpuid(0).eax;
        let (structured_b, structured_c) = if leaves >= 7 {
            let leaf = __cpuid_count(7, 0);
            (leaf.ebx, leaf.ecx)
        } else {
            (0, 0)
        };
        // There on every CPU: it says that there is a 64-bit mode.
        let extended = __cpuid(0x8000_0001).edx;
        let has = |word: u32, bit: u32| word >> bit & 1 != 0;
        let when = |condition, bits| if condition { bits } else { 0 };
        let xsave = has(basic, 26) && leaves >= 0xd;
        // The upper half, in edx, has nothing that is switched on.
        let offered = || u64::from(__cpuid_count(0xd, 0).eax);
        Self {
            no_execute: has(extended, 20),
            giant_pages: has(extended, 26),
            protections: when(has(structured_b, 7), CR4_SMEP)
                | when(has(structured_b, 20), CR4_SMAP)
                | when(has(structured_c, 2), CR4_UMIP)
                | when(xsave, CR4_OSXSAVE),
            state: if xsave { state(offered()) } else { 0 },
        }
    }

    #[cfg(test)]
    pub(crate) const fn for_tests(no_execute: bool, giant_pages: bool) -> Self {
        Self {
            no_execute,
            giant_pages,
            protections: 0,
            state: 0,
        }
    }

    /// Switches all of it on.
    ///
    /// # Safety
    ///
    /// 1. The CPU is in 64-bit mode at its highest privilege.
    /// 2. It has these features.
    /// 3. No page that is in use belongs to a lower privilege.
    pub(crate) unsafe fn enable(self) {
        // SAFETY: the first promise.
        let cr0 = unsafe { cpu::cr0() };
        // SAFETY: likewise.
        let cr4 = unsafe { cpu::cr4() };
        let cr0 = cr0 & !(CR0_EMULATION | CR0_TASK_SWITCHED)
            | CR0_MONITOR
            | CR0_NUMERIC_ERROR
            | CR0_WRITE_PROTECT;
        let cr4 = cr4 | CR4_FXSR | CR4_SIMD_EXCEPTIONS | self.protections;
        // SAFETY: the second promise; what is switched on takes rights away only from code that
        // writes where it may not, and from lower privileges, which the third is about.
        unsafe { cpu::set_cr0(cr0) };
        // SAFETY: likewise.
        unsafe { cpu::set_cr4(cr4) };
        if self.state != 0 {
            // SAFETY: `CR4.OSXSAVE` was set with the state, which CPUID has offered.
            unsafe { cpu::set_xcr0(self.state) };
        }
        if self.no_execute {
            // SAFETY: every CPU with 64 bits has the register.
            let efer = unsafe { cpu::read_msr(cpu::EFER) };
            // A virtual CPU stops for each of these instructions, so none is in vain.
            if efer & EFER_NO_EXECUTE == 0 {
                // SAFETY: so does it, by the second promise, the bit. Page tables without bit 63,
                // which are all there are without this, mean what they meant.
                unsafe { cpu::write_msr(cpu::EFER, efer | EFER_NO_EXECUTE) };
            }
        }
    }
}

/// Which of the registers that are offered to switch on: those of AVX, and of AVX-512 where all of
/// them are. Others would only be more to lose.
fn state(offered: u64) -> u64 {
    let mut state = X87 | SSE;
    if offered & AVX != 0 {
        state |= AVX;
        if offered & AVX_512 == AVX_512 {
            state |= AVX_512;
        }
    }
    state
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_sets_of_registers_are_switched_on() {
        assert_eq!(state(0b011), 0b011);
        assert_eq!(state(0b111), 0b111);
        assert_eq!(state(0xe7), 0xe7);
        assert_eq!(state(0x67), 7, "not all of AVX-512");
        assert_eq!(state(0xe3), 3, "AVX-512 without AVX");
        assert_eq!(state(!0), 0xe7, "what nobody here knows");
    }

    #[test]
    fn this_cpu_has_what_all_have() {
        let features = Features::of_this_cpu();
        assert!(features.state == 0 || features.state & 3 == 3);
        assert_eq!(features.state != 0, features.protections & CR4_OSXSAVE != 0);
    }
}
