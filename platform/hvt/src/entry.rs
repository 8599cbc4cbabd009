// SPDX-License-Identifier: ISC
//! The first instruction of an image, and the notes by which a tender knows it before.
//!
//! Sections and their order are those of the linker script, [`fata_abi::solo5::LINKER_SCRIPT`].

use core::{arch::naked_asm, cell::UnsafeCell, hint::black_box};

use fata_abi::{
    hvt::{ABI_VERSION, BootInfo},
    note::{self, AddressNote, Note, Target},
    offer::{Offer, WANT_LARGE, WANT_LARGE_UDP},
};

use crate::{hypercall, machine::machine, memory};

#[used]
#[unsafe(link_section = ".interp")]
static INTERPRETER: [u8; note::INTERPRETER.len()] = *note::INTERPRETER;

#[used]
#[unsafe(link_section = ".note.solo5.not_openbsd")]
static OPENBSD: Note<24> = note::OPENBSD;

#[used]
#[unsafe(link_section = ".note.solo5.abi")]
static ABI: Note<36> = note::abi(Target::Hvt, ABI_VERSION);

#[used]
#[unsafe(link_section = ".note.fata.offer")]
static OFFER_NOTE: AddressNote<OfferSlot> = AddressNote::with_remark(
    note::TYPE_OFFER,
    &OFFER,
    Offer::remark(WANT_LARGE | WANT_LARGE_UDP),
);

/// What a Fata tender fills in before the image starts. In `.data` although it is zero, because a
/// tender passes over a segment that has nothing in the file.
#[unsafe(link_section = ".data.offer")]
static OFFER: OfferSlot = OfferSlot(UnsafeCell::new(Offer::NOTHING));

/// An [`Offer`] that others write.
#[repr(transparent)]
struct OfferSlot(UnsafeCell<Offer>);

// SAFETY: the tender writes before the image starts, `start` reads and then wipes it, and nobody
// else touches it.
unsafe impl Sync for OfferSlot {}

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
    // Behind `black_box`, because the compiler cannot see who filled it in.
    let slot = black_box(OFFER.0.get());
    // SAFETY: the slot is valid, and nobody writes to it while this refers to it (see `OfferSlot`).
    let offer = unsafe { &*slot };
    // SAFETY: the tender passes the address of what it wrote, which is never changed.
    let info = unsafe { &*info };
    // SAFETY: the tender loaded the image as its linker script says, nothing has run before, and this
    // runs once.
    let Ok(free) = (unsafe { memory::init(info) }) else {
        hypercall::puts(b"fatal: too little memory for page tables: give more with `--mem`\n");
        hypercall::halt(255, 0)
    };
    // SAFETY: 1. the information is what the tender wrote, and behind the image and the page tables
    // memory is free; 2. nothing of the machine was used before, and this runs once.
    unsafe { machine().init(info, offer, free) };
    // SAFETY: `offer` is not used any more. Volatile, so that the seed is wiped indeed.
    unsafe { slot.write_volatile(Offer::NOTHING) };
    hypercall::halt(fata_abi::platform::main(), 0)
}
