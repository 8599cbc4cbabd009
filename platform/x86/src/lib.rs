// SPDX-License-Identifier: ISC
//! An x86-64 CPU without an operating system: descriptor tables, exceptions, page tables, clock.
//!
//! A platform calls [`init`] once, as early as it can. From then on an exception is reported, with
//! registers and a backtrace, instead of resetting the CPU; memory has the rights that the platform
//! lists, and no others ([`Region`]); and what the CPU has to enforce them is on. Where the CPU came
//! from, a Solo5 tender, a virtio or a Xen loader, is nothing that this crate knows.
//!
//! Read first: Intel SDM volume 3, chapters 2 (control registers), 4 (paging) and 6 (exceptions).
//! Modules: [`exception`] (from the fault to the report), [`report`] (its text), [`tables`] (page
//! tables), [`features`] (what is switched on), [`descriptors`], [`clock`] and [`cpu`] (single
//! instructions, which with the entries of exceptions are the only assembly).

#![no_std]

#[cfg(test)]
extern crate std;

mod clock;
mod cpu;
mod descriptors;
mod exception;
mod features;
mod report;
mod tables;

use core::{cell::Cell, ops::Range};

use fata_abi::Error;

pub use clock::Clock;
pub use exception::{Host, TrapFrame};
pub use tables::{Region, Rights};

use features::Features;
use tables::Tables;

/// What [`init`] is to do.
#[derive(Debug)]
pub struct Setup<'a> {
    /// Who reports exceptions.
    pub host: Host,
    /// All memory that is to be accessible, in any order. Whole pages, none twice, and among them
    /// what [`tables`](Self::tables) names, writable.
    pub regions: &'a [Region],
    /// Memory for page tables, from its first page on, as much as they need.
    pub tables: Range<usize>,
}

/// Pages for tables kept back for [`unmap`], which needs up to four where it cuts large pages apart.
const RESERVE: usize = 4;

/// Takes the CPU over: descriptor tables, exceptions, page tables, and every protection it has.
///
/// Returns the end of the memory taken from [`Setup::tables`], which includes a few pages for
/// [`unmap`].
///
/// # Safety
///
/// 1. The CPU is in 64-bit mode at its highest privilege, with interrupts disabled; memory is
///    mapped at its own address.
/// 2. Everything that the program refers to, its text, stack and data, is in a region with the
///    rights it needs.
/// 3. `setup.tables` is zeroed, page aligned memory that is nobody else's.
/// 4. Called once, from the only thread there is.
///
/// # Errors
///
/// [`Error::Invalid`] for regions that are not whole pages, overlap, or lie beyond what page tables
/// reach; [`Error::Unspecified`] if there is too little memory for tables. Exceptions are reported
/// then, but memory has the rights that it had before.
pub unsafe fn init(setup: &Setup<'_>) -> Result<usize, Error> {
    exception::set_host(setup.host);
    // SAFETY: the first and fourth promise.
    unsafe { descriptors::load() };
    let features = Features::of_this_cpu();
    // SAFETY: the first promise, and the CPU has what it says.
    unsafe { features.enable() };
    // SAFETY: the third promise; memory is mapped at its own address, so these are addresses that
    // the CPU finds tables at.
    let mut tables = unsafe { Tables::build(setup.regions, setup.tables.clone(), features) }?;
    let end = tables.reserve(RESERVE);
    // SAFETY: the second promise: what is in use stays where it is, with its rights.
    unsafe { cpu::set_cr3(tables.root()) };
    STATE.0.set(Some(tables));
    Ok(end)
}

/// Makes `start..start + len` inaccessible for good; both in pages.
///
/// # Safety
///
/// Nothing accesses the range ever after.
///
/// # Errors
///
/// [`Error::Invalid`] for a range that is not whole pages, [`Error::Unspecified`] where
/// [`init`] has not succeeded or where cutting large pages needs more tables than are left. Nothing
/// changed then.
pub unsafe fn unmap(start: usize, len: usize) -> Result<(), Error> {
    let Some(mut tables) = STATE.0.take() else {
        return Err(Error::Unspecified);
    };
    let result = tables.unmap(start, len);
    // SAFETY: the tables are those in use; what went is nobody's, by the caller's promise. Loading
    // them again makes the CPU forget what it knew of the range.
    unsafe { cpu::set_cr3(tables.root()) };
    STATE.0.set(Some(tables));
    result
}

/// The tables in use.
struct State(Cell<Option<Tables>>);

// SAFETY: an image has one thread, and what handles exceptions does not come here.
unsafe impl Sync for State {}

static STATE: State = State(Cell::new(None));
