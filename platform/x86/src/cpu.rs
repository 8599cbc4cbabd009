// SPDX-License-Identifier: ISC
//! Single instructions, for which Rust has no words.
//!
//! Read first: Intel SDM volume 3, section 2.5 (control registers) and 2.6 (`XCR0`); volume 2 for
//! each instruction.

use core::arch::asm;

/// Extended features: a model-specific register.
pub(crate) const EFER: u32 = 0xc000_0080;

/// Defines reading and writing of control registers.
macro_rules! control_register {
    ($name:literal, $get:ident, $set:ident) => {
        #[doc = concat!("Reads `", $name, "`.")]
        ///
        /// # Safety
        ///
        /// The CPU runs at its highest privilege.
        #[inline(always)]
        pub(crate) unsafe fn $get() -> u64 {
            let value;
            // SAFETY: copies a register, which the caller's privilege allows.
            unsafe {
                asm!(concat!("mov {}, ", $name), out(reg) value,
                    options(nomem, nostack, preserves_flags));
            }
            value
        }

        #[doc = concat!("Writes `", $name, "`.")]
        ///
        /// # Safety
        ///
        /// The CPU runs at its highest privilege, the value is one that it takes, and what runs next
        /// still finds memory and registers as it expects them.
        #[inline(always)]
        pub(crate) unsafe fn $set(value: u64) {
            // SAFETY: the caller's promise; not marked as free of memory effects, since the meaning
            // of addresses may change.
            unsafe {
                asm!(concat!("mov ", $name, ", {}"), in(reg) value,
                    options(nostack, preserves_flags));
            }
        }
    };
}

control_register!("cr0", cr0, set_cr0);
control_register!("cr3", cr3, set_cr3);
control_register!("cr4", cr4, set_cr4);

/// Reads a model-specific register.
///
/// # Safety
///
/// The CPU runs at its highest privilege and has this register.
pub(crate) unsafe fn read_msr(number: u32) -> u64 {
    let (low, high): (u32, u32);
    // SAFETY: the caller's promise; reads a register.
    unsafe {
        asm!("rdmsr", in("ecx") number, out("eax") low, out("edx") high,
            options(nomem, nostack, preserves_flags));
    }
    u64::from(high) << 32 | u64::from(low)
}

/// Writes a model-specific register.
///
/// # Safety
///
/// The CPU runs at its highest privilege, has this register and takes the value, and what runs next
/// still finds memory as it expects it.
pub(crate) unsafe fn write_msr(number: u32, value: u64) {
    // SAFETY: the caller's promise.
    unsafe {
        asm!("wrmsr", in("ecx") number, in("eax") value as u32, in("edx") (value >> 32) as u32,
            options(nostack, preserves_flags));
    }
}

/// Sets which registers programs may use that `XSAVE` knows.
///
/// # Safety
///
/// The CPU runs at its highest privilege, `CR4.OSXSAVE` is set, and CPUID offers the combination.
pub(crate) unsafe fn set_xcr0(value: u64) {
    // SAFETY: the caller's promise.
    unsafe {
        asm!("xsetbv", in("ecx") 0, in("eax") value as u32, in("edx") (value >> 32) as u32,
            options(nomem, nostack, preserves_flags));
    }
}

/// The time-stamp counter.
#[inline(always)]
pub(crate) fn ticks() -> u64 {
    // SAFETY: every x86-64 CPU has the instruction, and nothing here forbids it to programs.
    unsafe { core::arch::x86_64::_rdtsc() }
}

/// The operand of `lgdt` and `lidt`.
#[repr(C, packed)]
pub(crate) struct Table {
    /// Its last byte, counted from its first.
    pub(crate) limit: u16,
    pub(crate) base: u64,
}

/// Loads both descriptor tables, the segments and the task register.
///
/// # Safety
///
/// The CPU runs at its highest privilege; `gdt` leads to descriptors that stay there for good, among
/// them code, data and a task state at these selectors, and so does `idt` to gates.
pub(crate) unsafe fn load_descriptors(gdt: &Table, idt: &Table, code: u16, data: u16, task: u16) {
    // SAFETY: the caller's promise. `retfq` takes the address and the selector that are pushed
    // before it, so the stack is as it was; hence no red zone may be in use, which is what leaving
    // out `nostack` says.
    unsafe {
        asm!(
            "lgdt [{gdt}]",
            "lidt [{idt}]",
            "push {code}",
            "lea {scratch}, [rip + 2f]",
            "push {scratch}",
            "retfq",
            "2:",
            "mov ds, {data:x}",
            "mov es, {data:x}",
            "mov ss, {data:x}",
            "ltr {task:x}",
            gdt = in(reg) gdt,
            idt = in(reg) idt,
            code = in(reg) u64::from(code),
            data = in(reg) data,
            task = in(reg) task,
            scratch = out(reg) _,
        );
    }
}
