// SPDX-License-Identifier: ISC
//! Page tables in memory of the test, walked as the CPU would, and compared with what was asked for.

use std::{vec, vec::Vec};

use super::*;

/// Memory for tables, page aligned.
struct Memory(Vec<u64>);

impl Memory {
    fn new(pages: usize) -> Self {
        Self(vec![0; (pages + 1) * ENTRIES])
    }

    fn range(&self) -> Range<usize> {
        let start = self.0.as_ptr().expose_provenance();
        let end = start + self.0.len() * 8;
        start.next_multiple_of(4096)..end & !4095
    }

    fn build(&self, regions: &[Region], features: Features) -> Result<Tables, Error> {
        // SAFETY: zeroed, aligned, nobody else's; the tests keep it as long as the tables.
        unsafe { Tables::build(regions, self.range(), features) }
    }
}

const FULL: Features = Features::for_tests(true, true);
const NO_GIANTS: Features = Features::for_tests(true, false);

/// What the CPU finds for one page, or the largest stretch of nothing around it.
#[derive(Debug, PartialEq)]
struct Found {
    rights: Option<Rights>,
    len: u64,
}

/// Walks as the manual has it, without the code under test.
fn look_up(tables: &Tables, at: u64) -> Found {
    let mut table = tables.root();
    let mut executable = true;
    let mut writable = true;
    for shift in [39, 30, 21, 12] {
        let index = at >> shift & 511;
        let entry: *const u64 = ptr::with_exposed_provenance((table + index * 8) as usize);
        // SAFETY: the tables lie in memory that the test keeps.
        let entry = unsafe { *entry };
        let len = 1 << shift;
        if entry & 1 == 0 {
            assert_eq!(entry, 0);
            return Found { rights: None, len };
        }
        assert_eq!(entry & 4, 0, "no page of lower privilege");
        executable &= entry >> 63 == 0;
        writable &= entry & 2 != 0;
        let large = entry & 0x80 != 0;
        let address = entry & 0x000f_ffff_ffff_f000;
        if shift == 12 || shift < 39 && large {
            assert_eq!(address, at & !(len - 1), "at its own address");
            let rights = match (writable, executable) {
                (false, false) => Rights::Read,
                (false, true) => Rights::Execute,
                (true, false) => Rights::Write,
                (true, true) => panic!("{at:#x} is writable and executable"),
            };
            let rights = Some(rights);
            return Found { rights, len };
        }
        assert!(!large, "the highest level has no pages");
        table = address;
    }
    unreachable!()
}

/// Walks through all addresses, and puts together what has the same rights.
fn all(tables: &Tables) -> Vec<Region> {
    let mut regions: Vec<Region> = Vec::new();
    let mut at = 0;
    while at < LIMIT {
        let found = look_up(tables, at);
        let end = (at & !(found.len - 1)) + found.len;
        if let Some(rights) = found.rights {
            match regions.last_mut() {
                Some(last) if last.end == at && last.rights == rights => last.end = end,
                _ => regions.push(Region {
                    start: at,
                    end,
                    rights,
                }),
            }
        }
        at = end;
    }
    regions
}

/// Neighbours of the same rights as one.
fn joined(regions: &[Region]) -> Vec<Region> {
    let mut sorted = regions.to_vec();
    sorted.retain(|region| region.start != region.end);
    sorted.sort_by_key(|region| region.start);
    let mut joined: Vec<Region> = Vec::new();
    for region in sorted {
        match joined.last_mut() {
            Some(last) if last.end == region.start && last.rights == region.rights => {
                last.end = region.end;
            }
            _ => joined.push(region),
        }
    }
    joined
}

fn region(start: u64, end: u64, rights: Rights) -> Region {
    Region { start, end, rights }
}

struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) % limit
    }

    fn rights(&mut self) -> Rights {
        [Rights::Read, Rights::Execute, Rights::Write][self.below(3) as usize]
    }

    /// Some regions of odd lengths, with and without gaps, somewhere up to far above 4 GiB.
    fn regions(&mut self) -> Vec<Region> {
        let mut at = self.below(1 << 20) * PAGE;
        let mut regions = Vec::new();
        for _ in 0..self.below(8) + 1 {
            at += [0, 0, PAGE, self.below(1 << 19) * PAGE][self.below(4) as usize];
            // Some begin or end at pages of the larger sizes.
            match self.below(4) {
                0 => at = at.next_multiple_of(2 << 20),
                1 => at = at.next_multiple_of(1 << 30),
                _ => {}
            }
            let kind = self.below(3) as usize;
            let len = self.below([4, 1 << 10, 1 << 20][kind]) + 1;
            regions.push(region(at, at + len * PAGE, self.rights()));
            at += len * PAGE;
        }
        // In any order.
        let count = regions.len() as u64;
        for index in 0..regions.len() {
            regions.swap(index, self.below(count) as usize);
        }
        regions
    }
}

#[test]
fn every_page_has_the_rights_that_were_asked_for() {
    let mut random = Random(1);
    for round in 0..300 {
        let regions = random.regions();
        let memory = Memory::new(64);
        let features = if round % 2 == 0 { FULL } else { NO_GIANTS };
        let tables = memory.build(&regions, features).unwrap();
        assert_eq!(all(&tables), joined(&regions), "{regions:x?}");
    }
}

#[test]
fn what_is_taken_out_is_gone_and_nothing_else() {
    let mut random = Random(2);
    for _ in 0..200 {
        let regions = random.regions();
        let memory = Memory::new(96);
        let mut tables = memory.build(&regions, FULL).unwrap();
        let first = regions.iter().map(|region| region.start).min().unwrap();
        let last = regions.iter().map(|region| region.end).max().unwrap();
        let mut expected = joined(&regions);
        for _ in 0..3 {
            let pages = (last - first) / PAGE + 4;
            let start = (first + random.below(pages) * PAGE).saturating_sub(2 * PAGE);
            let kind = random.below(3) as usize;
            let len = random.below([2, 600, 1 << 20][kind]) * PAGE;
            tables.unmap(start as usize, len as usize).unwrap();
            expected = without(&expected, start, start + len);
        }
        assert_eq!(all(&tables), expected, "{regions:x?}");
    }
}

/// `regions` but for `start..end`.
fn without(regions: &[Region], start: u64, end: u64) -> Vec<Region> {
    let mut left = Vec::new();
    for &Region {
        start: from,
        end: to,
        rights,
    } in regions
    {
        left.push(region(from, to.min(start), rights));
        left.push(region(from.max(end), to, rights));
    }
    left.retain(|region| region.start < region.end);
    if start == end { regions.to_vec() } else { left }
}

/// An image in a megabyte, with low memory and rings, pays four tables, and one of 100 MB no more
/// than two beyond: for its ends.
#[test]
fn tables_are_few() {
    let layout = |end: u64| {
        [
            region(0x1_0000, 0x2_0000, Rights::Read),
            region(0x10_0000, 0x10_6000, Rights::Execute),
            region(0x10_6000, 0x10_9000, Rights::Read),
            region(0x10_9000, end, Rights::Write),
            region(end, end + 0x2_0000, Rights::Write),
        ]
    };
    let pages = |end| {
        let memory = Memory::new(16);
        let mut tables = memory.build(&layout(end), FULL).unwrap();
        (tables.reserve(0) - memory.range().start) / 4096
    };
    assert_eq!(pages(0x1e_0000), 4);
    assert_eq!(pages(100 << 20), 5);
    assert_eq!(pages((6 << 30) - 0x2_0000), 6);
}

#[test]
fn large_pages_are_used_where_they_fit() {
    let memory = Memory::new(16);
    let regions = [region(0x1ff000, 3 << 30, Rights::Write)];
    let tables = memory.build(&regions, FULL).unwrap();
    assert_eq!(look_up(&tables, 0x1ff000).len, 4096);
    assert_eq!(look_up(&tables, 0x200000).len, 2 << 20);
    assert_eq!(look_up(&tables, 1 << 30).len, 1 << 30);
    let memory = Memory::new(16);
    let tables = memory.build(&regions, NO_GIANTS).unwrap();
    assert_eq!(look_up(&tables, 1 << 30).len, 2 << 20);
}

#[test]
fn without_no_execute_the_bit_is_left_alone() {
    let memory = Memory::new(16);
    let none = Features::for_tests(false, false);
    let tables = memory
        .build(&[region(0x1000, 0x2000, Rights::Read)], none)
        .unwrap();
    assert_eq!(look_up(&tables, 0x1000).rights, Some(Rights::Execute));
}

#[test]
fn what_cannot_be_is_refused() {
    let memory = Memory::new(16);
    let refused = |regions: &[Region]| memory.build(regions, FULL).map(|_| ()).unwrap_err();
    let write = Rights::Write;
    assert_eq!(refused(&[region(1, 0x1000, write)]), Error::Invalid);
    assert_eq!(refused(&[region(0, 0x1001, write)]), Error::Invalid);
    assert_eq!(refused(&[region(0x2000, 0x1000, write)]), Error::Invalid);
    assert_eq!(refused(&[region(0, LIMIT + 4096, write)]), Error::Invalid);
}

#[test]
fn regions_do_not_overlap() {
    let write = Rights::Write;
    for second in [
        region(0x20_0000, 0x20_1000, write),
        region(0x3f_f000, 0x40_1000, write),
        region(0x20_0000, 0x40_0000, Rights::Read),
        region(0, 4 << 30, write),
    ] {
        let memory = Memory::new(16);
        let both = [region(0x20_0000, 0x40_0000, write), second];
        let result = memory.build(&both, FULL).map(|_| ());
        assert_eq!(result, Err(Error::Invalid), "{second:x?}");
    }
}

#[test]
fn memory_for_tables_may_be_too_small() {
    let regions = [region(0x10_0000, 0x20_0000, Rights::Write)];
    for pages in 0..4 {
        let memory = Memory::new(8);
        let range = memory.range();
        let little = range.start..range.start + pages * 4096 + 4095;
        // SAFETY: as in `Memory::build`.
        let tables = unsafe { Tables::build(&regions, little, FULL) };
        assert_eq!(tables.map(|_| ()), Err(Error::Unspecified), "{pages}");
    }
}

#[test]
fn taking_out_needs_tables_and_says_so() {
    let memory = Memory::new(16);
    let regions = [region(0, 1 << 30, Rights::Write)];
    let mut tables = memory.build(&regions, FULL).unwrap();
    let end = tables.reserve(1);
    assert_eq!(end, memory.range().start + 3 * 4096);
    // Two cuts, from 1 GiB to 2 MiB to 4 KiB, and one table.
    assert_eq!(tables.unmap(0x5000, 4096), Err(Error::Unspecified));
    assert_eq!(all(&tables), regions);
    assert_eq!(tables.unmap(1, 4096), Err(Error::Invalid));
    assert_eq!(tables.unmap(4096, 1), Err(Error::Invalid));
    assert_eq!(tables.unmap(usize::MAX & !4095, 4096), Err(Error::Invalid));
    assert_eq!(tables.unmap(0x20_0000, 2 << 20), Ok(()));
    assert_eq!(look_up(&tables, 0x20_0000).rights, None);
}
