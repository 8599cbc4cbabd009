// SPDX-License-Identifier: ISC
//! Page tables: each address means itself, and every page has the rights that were asked for.
//!
//! What no region covers is not there at all, address zero among it, so that a wrong pointer is an
//! exception. Pages are as large as the borders of regions allow, and cut when a part is taken out.
//!
//! Read first: Intel SDM volume 3, section 4.5 (4-level paging).

use core::{ops::Range, ptr};

use fata_abi::Error;

use crate::features::Features;

/// Bytes of the smallest page, and of a table.
const PAGE: u64 = 4096;
const ENTRIES: usize = 512;
/// Addresses that four levels reach in their lower half.
const LIMIT: u64 = 1 << 47;
/// The highest level of tables; those of level zero have pages of 4 KiB.
const ROOT: u32 = 3;

const PRESENT: u64 = 1 << 0;
const WRITABLE: u64 = 1 << 1;
/// Set from the start, so that the CPU need not.
const ACCESSED: u64 = 1 << 5;
const DIRTY: u64 = 1 << 6;
/// On levels above zero: a page, not a table.
const LARGE: u64 = 1 << 7;
const NO_EXECUTE: u64 = 1 << 63;
const ADDRESS: u64 = (1 << 52) - PAGE;

/// Memory with the same rights throughout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    /// First byte, of a page.
    pub start: u64,
    /// End, also of a page.
    pub end: u64,
    /// What may be done there.
    pub rights: Rights,
}

/// What may be done with memory. None can be written and executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rights {
    /// Reading alone.
    Read,
    /// Reading and executing.
    Execute,
    /// Reading and writing.
    Write,
}

/// A table.
type Table = [u64; ENTRIES];

/// Page tables in memory that was given for them.
#[derive(Debug)]
pub(crate) struct Tables {
    root: *mut Table,
    /// Memory for more tables.
    free: Range<usize>,
    features: Features,
}

impl Tables {
    /// Tables for these regions, in `memory` from its first page on.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] for regions that are not whole pages, overlap, or lie beyond what four
    /// levels reach; [`Error::Unspecified`] if the memory is too small.
    ///
    /// # Safety
    ///
    /// `memory` is zeroed, page aligned, and for nothing else as long as the tables exist.
    pub(crate) unsafe fn build(
        regions: &[Region],
        memory: Range<usize>,
        features: Features,
    ) -> Result<Self, Error> {
        let mut tables = Self {
            root: ptr::null_mut(),
            free: memory,
            features,
        };
        tables.root = tables.allocate()?;
        for region in regions {
            tables.map(region)?;
        }
        Ok(tables)
    }

    /// The address of the table of the highest level.
    pub(crate) fn root(&self) -> u64 {
        self.root.addr() as u64
    }

    /// Keeps `pages` of the memory for [`unmap`](Self::unmap), or what is left of it, and returns
    /// where the rest begins, which is the caller's again.
    pub(crate) fn reserve(&mut self, pages: usize) -> usize {
        let end = self.free.start + pages * PAGE as usize;
        self.free.end = self.free.end.min(end);
        self.free.end
    }

    /// Makes `start..start + len` inaccessible, if it was not.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] for a range that is not whole pages; [`Error::Unspecified`] where a large
    /// page must be cut and no memory for a table is left. No rights changed then.
    pub(crate) fn unmap(&mut self, start: usize, len: usize) -> Result<(), Error> {
        let start = start as u64;
        let end = start.checked_add(len as u64).ok_or(Error::Invalid)?;
        if !(start | end).is_multiple_of(PAGE) || end > LIMIT {
            return Err(Error::Invalid);
        }
        self.cut(start)?;
        self.cut(end)?;
        let mut at = start;
        while at < end {
            let (entry, level) = self.find(at);
            entry.set(0);
            at = (at | (size(level) - 1)) + 1;
        }
        Ok(())
    }

    fn map(&mut self, region: &Region) -> Result<(), Error> {
        let Region { start, end, rights } = *region;
        if !(start | end).is_multiple_of(PAGE) || start > end || end > LIMIT {
            return Err(Error::Invalid);
        }
        let mut at = start;
        while at < end {
            let level = self.largest(at, end - at);
            let bits = self.bits(rights, level);
            let table = self.enter(at, level)?;
            let step = size(level);
            // As far as this table goes, and pages of this size fit.
            let first = (at / step) as usize % ENTRIES;
            let fit = ((end - at) / step) as usize;
            for index in first..ENTRIES.min(first + fit) {
                let entry = Entry::at(table, index);
                if entry.get() != 0 {
                    return Err(Error::Invalid);
                }
                entry.set(at | bits);
                at += step;
            }
        }
        Ok(())
    }

    /// The level of the largest page that may begin at `at` and is no longer than `len`.
    fn largest(&self, at: u64, len: u64) -> u32 {
        let fits = |level: u32| at.is_multiple_of(size(level)) && len >= size(level);
        if self.features.giant_pages && fits(2) {
            2
        } else if fits(1) {
            1
        } else {
            0
        }
    }

    /// An entry for a page with these rights, but for its address.
    fn bits(&self, rights: Rights, level: u32) -> u64 {
        let large = if level == 0 { 0 } else { LARGE };
        let no_execute = if self.features.no_execute {
            NO_EXECUTE
        } else {
            0
        };
        let rights = match rights {
            Rights::Read => no_execute,
            Rights::Execute => 0,
            Rights::Write => no_execute | WRITABLE | DIRTY,
        };
        PRESENT | ACCESSED | large | rights
    }

    /// The table of `level` for `at`, with those on the way to it. Fails where a page is in the way.
    fn enter(&mut self, at: u64, level: u32) -> Result<*mut Table, Error> {
        let mut table = self.root;
        let mut above = ROOT;
        while above > level {
            let entry = Entry::of(table, at, above);
            let value = entry.get();
            table = if value == 0 {
                let below = self.allocate()?;
                entry.lead_to(below);
                below
            } else if above != ROOT && value & LARGE != 0 {
                return Err(Error::Invalid);
            } else {
                table_of(value)
            };
            above -= 1;
        }
        Ok(table)
    }

    /// The entry of the page at `at`, or the one that says that there is none, with its level.
    fn find(&self, at: u64) -> (Entry, u32) {
        let mut table = self.root;
        let mut level = ROOT;
        loop {
            let entry = Entry::of(table, at, level);
            let value = entry.get();
            if level == 0 || value == 0 || level != ROOT && value & LARGE != 0 {
                return (entry, level);
            }
            table = table_of(value);
            level -= 1;
        }
    }

    /// Sees to it that a page, if there is one, begins at `at`: as often as needed, replaces a page
    /// by 512 smaller ones.
    fn cut(&mut self, at: u64) -> Result<(), Error> {
        loop {
            let (entry, level) = self.find(at);
            let value = entry.get();
            if value == 0 || at.is_multiple_of(size(level)) {
                return Ok(());
            }
            let below = self.allocate()?;
            let smaller = if level == 1 { value & !LARGE } else { value };
            for index in 0..ENTRIES {
                let offset = index as u64 * size(level - 1);
                Entry::at(below, index).set(smaller + offset);
            }
            // The same addresses mean the same, with the same rights.
            entry.lead_to(below);
        }
    }

    /// A table without entries.
    fn allocate(&mut self) -> Result<*mut Table, Error> {
        let start = self.free.start;
        let end = start + PAGE as usize;
        if end > self.free.end {
            return Err(Error::Unspecified);
        }
        self.free.start = end;
        let table = ptr::with_exposed_provenance_mut(start);
        // It is zero already. But a host that finds a page read first gives one that it shares, and
        // on the first write has to take it away again and copy it.
        Entry::at(table, 0).set(0);
        Ok(table)
    }
}

/// Bytes of a page on `level`.
const fn size(level: u32) -> u64 {
    PAGE << (9 * level)
}

/// An entry of a table of ours.
#[derive(Clone, Copy)]
struct Entry(*mut u64);

impl Entry {
    /// The entry for the address `at` in `table`, which is of `level`.
    fn of(table: *mut Table, at: u64, level: u32) -> Self {
        Self::at(table, (at / size(level)) as usize)
    }

    /// The entry of `table` at `index`, counted modulo their number.
    fn at(table: *mut Table, index: usize) -> Self {
        // SAFETY: all tables lie in the memory that `build` was given, and have as many entries.
        Self(unsafe { table.cast::<u64>().add(index % ENTRIES) })
    }

    fn get(self) -> u64 {
        // SAFETY: `of` makes pointers to entries, which the CPU may write to as well, but only to
        // note that it used them.
        unsafe { self.0.read_volatile() }
    }

    fn set(self, value: u64) {
        // SAFETY: as above.
        unsafe { self.0.write_volatile(value) };
    }

    /// Makes it lead to a table. The rights of a page are those of its own entry, so here are all.
    fn lead_to(self, table: *mut Table) {
        self.set(table.addr() as u64 | PRESENT | ACCESSED | WRITABLE);
    }
}

/// The table that an entry leads to.
fn table_of(entry: u64) -> *mut Table {
    ptr::with_exposed_provenance_mut((entry & ADDRESS) as usize)
}

#[cfg(test)]
mod tests;
