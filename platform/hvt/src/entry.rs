// SPDX-License-Identifier: ISC
//! The first instruction of an image, and the notes by which a tender knows it before.

use core::arch::naked_asm;

use fata_abi::{
    hvt::{ABI_VERSION, BootInfo},
    note::Target,
};

use crate::{hypercall, machine::machine, memory, ring::Place};

fata_platform_solo5::notes!(Target::Hvt, ABI_VERSION);

/// Where the CPU starts, with the stack pointer 8 below the end of memory, as if it had been called,
/// and the address of the boot information as the argument.
///
/// Frame pointers end here, so that a backtrace does too.
#[unsafe(naked)]
#[unsafe(no_mangle)]
#[unsafe(link_section = ".text._start")]
extern "C" fn _start(info: *const BootInfo) -> ! {
    naked_asm!("xor ebp, ebp", "jmp {start}", start = sym start)
}

extern "C" fn start(info: *const BootInfo) -> ! {
    // SAFETY: the tender passes the address of what it wrote, which is never changed.
    let info = unsafe { &*info };
    let init = |offer: &_| {
        let rings = Place::of(info, offer);
        // SAFETY: the tender loaded the image as its linker script says, nothing has run before, and
        // this runs once.
        let Ok(free) = (unsafe { memory::init(info, rings) }) else {
            hypercall::puts(b"fatal: too little memory for page tables: give more with `--mem`\n");
            hypercall::halt(255, 0)
        };
        // SAFETY: 1. the information is what the tender wrote; behind the image and the page tables
        // memory is free, and that of the rings, mapped now, is for them; 2. nothing of the machine
        // was used before, and this runs once.
        unsafe { machine().init(info, offer, free, rings) }
    };
    // SAFETY: this runs once.
    unsafe { OFFER.take(init) };
    machine().exit(fata_abi::platform::main())
}
