// SPDX-License-Identifier: ISC
//! What the memory of the image may be used for, and who reports when it is used otherwise.
//!
//! A tender maps all of it for everything, or, as Solo5's, keeps the text from being written at most.
//! The image is at the highest privilege, so under any tender it can have tables of its own: what is
//! not listed here, page zero among it, is not there.

use fata_abi::{
    Error,
    hvt::{BOOT_INFO, BootInfo, LOW_MEMORY},
};
use fata_platform_solo5::machine::PAGE;
use fata_platform_x86::{self as x86, Host, Region, Rights, Setup};

use crate::{hypercall, machine::machine, ring::Place};

/// Memory left to the stack while tables are made.
const STACK: usize = 32 << 10;

// Defined by the linker script.
unsafe extern "C" {
    /// The end of the text, which begins the image.
    static _etext: u8;
    /// The end of read-only data, in the page behind the text and on.
    static _erodata: u8;
    /// The end of the image.
    static _end: u8;
}

/// Gives every page its rights and takes exceptions. Returns the first free byte behind the image
/// and the tables, page aligned.
///
/// # Safety
///
/// 1. `info` is what a tender wrote, for an image that is laid out by the linker script: behind its
///    end there is zeroed memory up to `mem_size`, of which only the stack is in use, and memory for
///    `rings`.
/// 2. Called once, before anything else but the first instruction.
///
/// # Errors
///
/// [`Error::Unspecified`] if there is too little memory.
pub(crate) unsafe fn init(info: &BootInfo, rings: Option<Place>) -> Result<usize, Error> {
    let text = image_start();
    let rodata = page_after((&raw const _etext).addr());
    let data = page_after((&raw const _erodata).addr());
    let free = page_after((&raw const _end).addr());
    let end = info.mem_size as usize & !(PAGE - 1);
    let region = |start: usize, end: usize, rights| Region {
        start: start as u64,
        end: end as u64,
        rights,
    };
    let regions = [
        // Where the command line is, which may have to be mended.
        region(BOOT_INFO as usize, LOW_MEMORY as usize, Rights::Write),
        region(text, rodata, Rights::Execute),
        region(rodata, data, Rights::Read),
        region(data, end, Rights::Write),
        rings.map_or(region(0, 0, Rights::Write), Place::region),
    ];
    let setup = Setup {
        host: Host {
            write: hypercall::puts,
            stack: || machine().stack(),
            halt: |frame| hypercall::halt(255, frame.cookie()),
        },
        regions: &regions,
        tables: free..end.saturating_sub(STACK),
    };
    // SAFETY: 1. a tender starts the CPU like this, and there are no interrupts; 2. the image is in
    // these regions as the linker script lays it out, so is the stack, at the end, and what the tender
    // says, below the image; 3. and 4. by the caller's promises.
    unsafe { x86::init(&setup) }
}

/// The first page of the image.
fn image_start() -> usize {
    fata_abi::solo5::LOAD_MIN as usize
}

fn page_after(address: usize) -> usize {
    address.next_multiple_of(PAGE)
}
