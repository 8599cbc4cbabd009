// SPDX-License-Identifier: ISC
//! The state in which the virtual CPU starts: descriptors, page tables, control registers.
//!
//! It is that of Solo5's tender (Solo5 `tenders/hvt/hvt_cpu_x86_64.h`), but for rights: here no page
//! can be written that can be executed, data cannot be executed, and what is no memory is not
//! mapped. Tables and descriptors are below the boot information, where the guest has no page.
//!
//! Read first: AMD64 Architecture Programmer's Manual, volume 2, chapter 5; or Intel SDM, volume 3,
//! chapter 5.

use std::ops::Range;

use fata_abi::{
    hvt::{BOOT_INFO, LOW_MEMORY},
    solo5::LOAD_MIN,
};
use fata_tender::{
    Error,
    elf::{Image, PAGE_SIZE, Segment},
};

use crate::memory::{HUGE_PAGE, Memory};

/// Protected mode, with exceptions of the x87 as such, pages, and read-only pages also for a kernel.
pub const CR0: u64 = 1 << 31 | 1 << 16 | 1 << 5 | 1 << 0;
/// Long entries of page tables, SSE and its exceptions.
pub const CR4: u64 = 1 << 10 | 1 << 9 | 1 << 5;
/// Long mode, active, with pages that are not executable.
pub const EFER: u64 = 1 << 11 | 1 << 10 | 1 << 8;
/// Nothing, but for a bit that is always set.
pub const RFLAGS: u64 = 2;
/// Address of the first page table.
pub const CR3: u64 = TABLES[0].start;
/// Address of the descriptors: none, code, data.
pub const GDT: u64 = 0x1000;
/// The descriptors.
pub const DESCRIPTORS: [u64; 3] = [0, 0x00af_9b00_0000_ffff, 0x00cf_9300_0000_ffff];
/// Page of the instructions that run before the image.
pub const PROBE: u64 = LOW_MEMORY - PAGE_SIZE;

/// Pages for page tables: before the boot information, and behind all that follows it.
const TABLES: [Range<u64>; 2] = [0x2000..BOOT_INFO, 0x15000..PROBE];

const PRESENT: u64 = 1 << 0;
const WRITE: u64 = 1 << 1;
/// Accessed and dirty, so that the CPU need not come and write it.
const USED: u64 = 1 << 5 | 1 << 6;
const LARGE: u64 = 1 << 7;
const NO_EXECUTE: u64 = 1 << 63;

const DATA: u64 = PRESENT | USED | WRITE | NO_EXECUTE;
const READ_ONLY: u64 = PRESENT | USED | NO_EXECUTE;
const EXECUTABLE: u64 = PRESENT | USED;

/// Writes descriptors and page tables. `end`: where the guest's memory ends, with what is hidden
/// from it. `gigabyte`: the CPU maps 1 GiB in one entry.
///
/// # Errors
///
/// There is so much memory, or an image so scattered, that the tables have no room.
pub fn prepare(memory: &mut Memory, image: &Image, end: u64, gigabyte: bool) -> Result<(), Error> {
    let low = memory.fresh(0, LOW_MEMORY).expect("low memory");
    let mut tables = Tables {
        low: low.as_chunks_mut().0.as_chunks_mut().0,
        used: 0,
        gigabyte,
    };
    tables.add()?;
    tables.map(BOOT_INFO..PROBE, READ_ONLY)?;
    tables.map(PROBE..LOW_MEMORY, EXECUTABLE)?;
    let mut at = LOAD_MIN;
    for segment in &image.segments {
        tables.map(at..segment.start, DATA)?;
        tables.map(segment.start..segment.end, rights(segment))?;
        at = segment.end;
    }
    tables.map(at..end, DATA)?;
    tables.low[page_number(GDT)][..DESCRIPTORS.len()]
        .copy_from_slice(&DESCRIPTORS.map(u64::to_le_bytes));
    Ok(())
}

fn rights(segment: &Segment) -> u64 {
    match (segment.write, segment.execute) {
        (true, _) => DATA,
        (false, true) => EXECUTABLE,
        (false, false) => READ_ONLY,
    }
}

/// Page tables in the making.
struct Tables<'a> {
    /// Low memory, in pages of words.
    low: &'a mut [[[u8; 8]; 512]],
    /// How many tables there are.
    used: usize,
    gigabyte: bool,
}

impl Tables<'_> {
    /// Maps whole pages at their own addresses, by entries as high up as they fit.
    fn map(&mut self, range: Range<u64>, rights: u64) -> Result<(), Error> {
        let mut at = range.start;
        while at < range.end {
            let fits = |size| at.is_multiple_of(size) && size <= range.end - at;
            let (level, size, large) = match () {
                () if self.gigabyte && fits(1 << 30) => (3, 1 << 30, LARGE),
                () if fits(HUGE_PAGE) => (2, HUGE_PAGE, LARGE),
                () => (1, PAGE_SIZE, 0),
            };
            let table = self.table(at, level)?;
            for entry in &mut self.low[table][index(at, level)..] {
                *entry = (at | rights | large).to_le_bytes();
                at += size;
                // At the end, and where larger pages may begin to fit.
                if range.end - at < size || at.is_multiple_of(size * 512) {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Page of the table that holds the entry of `level` for an address.
    fn table(&mut self, of: u64, level: u32) -> Result<usize, Error> {
        let mut table = page_number(CR3);
        for above in (level + 1..=4).rev() {
            let index = index(of, above);
            let mut entry = u64::from_le_bytes(self.low[table][index]);
            if entry == 0 {
                entry = self.add()? | PRESENT | WRITE | USED;
                self.low[table][index] = entry.to_le_bytes();
            }
            table = page_number(entry);
        }
        Ok(table)
    }

    /// Address of one table more.
    fn add(&mut self) -> Result<u64, Error> {
        let table = addresses().nth(self.used).ok_or_else(too_many)?;
        self.used += 1;
        // It is zero. But the kernel gives a page that is read before it is written twice: one that
        // all share, and then a copy.
        self.low[page_number(table)][0] = [0; 8];
        Ok(table)
    }
}

/// Addresses of the tables, in the order in which they come into use; the first is the root.
fn addresses() -> impl Iterator<Item = u64> {
    TABLES.into_iter().flatten().step_by(PAGE_SIZE as usize)
}

fn page_number(address: u64) -> usize {
    (address / PAGE_SIZE) as usize
}

/// Index of the entry of `level` for an address.
fn index(of: u64, level: u32) -> usize {
    (of >> (12 + 9 * (level - 1))) as usize % 512
}

fn too_many() -> Error {
    Error::new("there is no room for the page tables of so much memory on this CPU")
        .hint("give less with `--mem`: 8G is possible on every CPU")
}

#[cfg(test)]
mod tests;
