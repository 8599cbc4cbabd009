// SPDX-License-Identifier: ISC
//! Between KVM's structures and ours.

use kvm_bindings::{
    KVM_GUESTDBG_ENABLE, KVM_GUESTDBG_SINGLESTEP, KVM_GUESTDBG_USE_HW_BP, KVM_GUESTDBG_USE_SW_BP,
    kvm_guest_debug, kvm_regs, kvm_run, kvm_segment, kvm_sregs,
};

use crate::{
    cpu::{self, Start},
    hypervisor::{BreakOn, Debug, Failure, Registers},
};

/// The state of the CPU at its start, on top of a `fresh` one.
pub(super) fn initial(start: &Start, fresh: kvm_sregs) -> (kvm_sregs, kvm_regs) {
    let code = kvm_segment {
        limit: u32::MAX,
        selector: 8,
        type_: 11,
        present: 1,
        s: 1,
        l: 1,
        g: 1,
        ..kvm_segment::default()
    };
    let data = kvm_segment {
        selector: 16,
        type_: 3,
        db: 1,
        l: 0,
        ..code
    };
    let task = kvm_segment {
        type_: 11,
        present: 1,
        ..kvm_segment::default()
    };
    let none = kvm_segment {
        unusable: 1,
        ..kvm_segment::default()
    };
    let mut system = kvm_sregs {
        cs: code,
        ds: data,
        es: data,
        fs: data,
        gs: data,
        ss: data,
        tr: task,
        ldt: none,
        cr0: cpu::CR0,
        cr3: cpu::CR3,
        cr4: cpu::CR4,
        efer: cpu::EFER,
        ..fresh
    };
    system.gdt.base = cpu::GDT;
    system.gdt.limit = size_of_val(&cpu::DESCRIPTORS) as u16 - 1;
    system.idt.limit = 0;
    let general = kvm_regs {
        rip: start.entry,
        rsp: start.stack,
        rdi: start.argument,
        rflags: cpu::RFLAGS,
        ..kvm_regs::default()
    };
    (system, general)
}

pub(super) fn registers(general: &kvm_regs, system: &kvm_sregs) -> Registers {
    let (g, s) = (general, system);
    let low = [g.rax, g.rcx, g.rdx, g.rbx, g.rsp, g.rbp, g.rsi, g.rdi];
    let high = [g.r8, g.r9, g.r10, g.r11, g.r12, g.r13, g.r14, g.r15];
    Registers {
        general: std::array::from_fn(|at| if at < 8 { low[at] } else { high[at - 8] }),
        rip: g.rip,
        rflags: g.rflags,
        segments: [s.cs, s.ss, s.ds, s.es, s.fs, s.gs].map(|segment| segment.selector),
        fs_base: s.fs.base,
        gs_base: s.gs.base,
        cr: [s.cr0, s.cr2, s.cr3, s.cr4],
    }
}

/// KVM's structures for `registers`, with the rest of `fresh`.
pub(super) fn with(registers: &Registers, fresh: kvm_sregs) -> (kvm_regs, kvm_sregs) {
    let [
        rax,
        rcx,
        rdx,
        rbx,
        rsp,
        rbp,
        rsi,
        rdi,
        r8,
        r9,
        r10,
        r11,
        r12,
        r13,
        r14,
        r15,
    ] = registers.general;
    let general = kvm_regs {
        rax,
        rbx,
        rcx,
        rdx,
        rsi,
        rdi,
        rsp,
        rbp,
        r8,
        r9,
        r10,
        r11,
        r12,
        r13,
        r14,
        r15,
        rip: registers.rip,
        rflags: registers.rflags,
    };
    let mut system = fresh;
    system.fs.base = registers.fs_base;
    system.gs.base = registers.gs_base;
    system.cr3 = registers.cr[2];
    (general, system)
}

pub(super) fn guest_debug(debug: &Debug) -> kvm_guest_debug {
    let mut found = kvm_guest_debug::default();
    // Bits 8 to 10 of DR7: exact, and one that is always set.
    let mut control = 0x700;
    for (index, point) in debug.hardware.iter().enumerate() {
        let Some(point) = point else { continue };
        let kind = match point.on {
            BreakOn::Execute => 0,
            BreakOn::Write => 1,
            BreakOn::Access => 3,
        };
        // 1, 2 and 4 bytes are one less; 8 bytes took the number that was left.
        let len = match point.len {
            8 => 2,
            len => u64::from(len) - 1,
        };
        found.arch.debugreg[index] = point.address;
        control |= 2 << (2 * index) | (kind | len << 2) << (16 + 4 * index);
    }
    let hardware = debug.hardware.iter().any(Option::is_some);
    found.arch.debugreg[7] = if hardware { control } else { 0 };
    for (wanted, flag) in [
        (debug.software, KVM_GUESTDBG_USE_SW_BP),
        (debug.step, KVM_GUESTDBG_SINGLESTEP),
        (hardware, KVM_GUESTDBG_USE_HW_BP),
    ] {
        if wanted {
            found.control |= KVM_GUESTDBG_ENABLE | flag;
        }
    }
    found
}

/// What is behind an exit for an internal error.
pub(super) fn internal_error(run: &kvm_run) -> Failure {
    // SAFETY: KVM fills this member in before it ends a run for this reason.
    Failure::Internal(unsafe { run.__bindgen_anon_1.internal }.suberror)
}
