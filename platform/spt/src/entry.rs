// SPDX-License-Identifier: ISC
//! The first instruction of an image, and the notes by which a tender knows it before.

use core::arch::naked_asm;

use fata_abi::{
    note::Target,
    spt::{ABI_VERSION, BootInfo},
};

use crate::{machine::machine, syscall};

fata_platform_solo5::notes!(Target::Spt, ABI_VERSION);

unsafe extern "C" {
    /// The end of the image, defined by the linker script.
    static _end: u8;
}

/// Where the tender jumps to, with the stack pointer 8 below the end of memory, as if it had been
/// called, and the address of the boot information as the argument.
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
    let image_end = (&raw const _end).addr();
    let init = |offer: &_| {
        // SAFETY: 1. the information is what the tender wrote, and the linker script ends the image,
        // its `.bss` included, at `_end`; 2. nothing has run before, and this runs once.
        unsafe { machine().init(info, offer, image_end) }
    };
    // SAFETY: this runs once.
    unsafe { OFFER.take(init) };
    syscall::exit_group(fata_abi::platform::main())
}
