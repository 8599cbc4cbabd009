// SPDX-License-Identifier: ISC
//! Between KVM's structures and ours.

use fata_abi::hvt::BOOT_INFO;
use fata_tender_debug::{
    FX_SIZE, Registers,
    watch::{self, Point, SLOTS},
};
use kvm_bindings::{
    KVM_GUESTDBG_ENABLE, KVM_GUESTDBG_SINGLESTEP, KVM_GUESTDBG_USE_HW_BP, kvm_guest_debug,
    kvm_regs, kvm_run, kvm_segment, kvm_sregs, kvm_xsave,
};

use crate::{cpu, hypervisor::Failure};

/// A segment of the kind that a task's state has, in 64-bit mode and in use.
const TASK: u8 = 11;
/// Where the words of `XSAVE` say which states are not the initial ones: x87 is 1, SSE is 2.
const XSTATE: usize = 128;

/// The state of the CPU at its start, on top of a `fresh` one.
pub(super) fn initial(entry: u64, stack: u64, fresh: kvm_sregs) -> (kvm_sregs, kvm_regs) {
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
    let mut s = fresh;
    s.cs = code;
    [s.ds, s.es, s.fs, s.gs, s.ss] = [data; 5];
    s.tr.type_ = TASK;
    (s.cr0, s.cr3, s.cr4, s.efer) = (cpu::CR0, cpu::CR3, cpu::CR4, cpu::EFER);
    (s.gdt.base, s.gdt.limit) = (cpu::GDT, size_of_val(&cpu::DESCRIPTORS) as u16 - 1);
    s.idt.limit = 0;
    let general = kvm_regs {
        rip: entry,
        rsp: stack,
        rdi: BOOT_INFO,
        rflags: cpu::RFLAGS,
        ..kvm_regs::default()
    };
    (s, general)
}

/// Places of the general registers, in a debugger's order.
fn general(g: &mut kvm_regs) -> [&mut u64; 16] {
    [
        &mut g.rax, &mut g.rbx, &mut g.rcx, &mut g.rdx, &mut g.rsi, &mut g.rdi, &mut g.rbp,
        &mut g.rsp, &mut g.r8, &mut g.r9, &mut g.r10, &mut g.r11, &mut g.r12, &mut g.r13,
        &mut g.r14, &mut g.r15,
    ]
}

pub(super) fn registers(mut g: kvm_regs, s: &kvm_sregs, x: &kvm_xsave) -> Registers {
    let mut fx = [0; FX_SIZE];
    for (bytes, word) in fx.chunks_exact_mut(4).zip(x.region) {
        bytes.copy_from_slice(&word.to_le_bytes());
    }
    Registers {
        general: general(&mut g).map(|register| *register),
        rip: g.rip,
        rflags: g.rflags,
        segments: [s.cs, s.ss, s.ds, s.es, s.fs, s.gs].map(|segment| segment.selector),
        fs_base: s.fs.base,
        gs_base: s.gs.base,
        fx,
    }
}

/// Changes KVM's structures to what `registers` say. Selectors stay.
pub(super) fn change(registers: &Registers, s: &mut kvm_sregs, x: &mut kvm_xsave) -> kvm_regs {
    (s.fs.base, s.gs.base) = (registers.fs_base, registers.gs_base);
    for (word, bytes) in x.region.iter_mut().zip(registers.fx.as_chunks().0) {
        *word = u32::from_le_bytes(*bytes);
    }
    x.region[XSTATE] |= 1 | 2;
    let mut g = kvm_regs::default();
    for (register, value) in general(&mut g).into_iter().zip(registers.general) {
        *register = value;
    }
    (g.rip, g.rflags) = (registers.rip, registers.rflags);
    g
}

pub(super) fn guest_debug(step: bool, points: &[Option<Point>; SLOTS]) -> kvm_guest_debug {
    let mut debug = kvm_guest_debug {
        control: KVM_GUESTDBG_ENABLE,
        ..kvm_guest_debug::default()
    };
    if step {
        debug.control |= KVM_GUESTDBG_SINGLESTEP;
    }
    if points.iter().any(Option::is_some) {
        debug.control |= KVM_GUESTDBG_USE_HW_BP;
        let addresses = points.map(|point| point.map_or(0, |point| point.address()));
        debug.arch.debugreg[..SLOTS].copy_from_slice(&addresses);
        debug.arch.debugreg[7] = watch::control(points);
    }
    debug
}

/// What is behind an exit for an internal error.
pub(super) fn internal_error(run: &kvm_run) -> Failure {
    // SAFETY: KVM fills this member in before it ends a run for this reason.
    Failure::Internal(unsafe { run.__bindgen_anon_1.internal }.suberror)
}
