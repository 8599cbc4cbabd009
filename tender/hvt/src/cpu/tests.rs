// SPDX-License-Identifier: ISC
//! The page tables, walked as a CPU would.

use fata_abi::{hvt, note, note::Target};
use fata_tender::elf::{self, Abi};

use super::*;

#[path = "../../../core/src/elf/tests/assemble.rs"]
#[expect(dead_code, reason = "other tests use the rest")]
mod assemble;

use assemble::{Assembly, DATA as DATA_AT, TEXT as TEXT_AT, load};

const MEMORY: u64 = 8 << 20;

/// An image with text, read-only data, and data two megabytes on.
fn image() -> Image {
    let mut image = Assembly::new(&[0x90; 5000]);
    image
        .headers
        .insert(1, load(4, TEXT_AT + 0x2000, vec![1; 10]));
    let abi = Abi {
        target: Target::Hvt,
        version: hvt::ABI_VERSION,
    };
    image.headers[4].content = note::abi(abi.target, abi.version).0.to_vec();
    elf::parse(&image.bytes().as_slice(), abi).unwrap()
}

fn memory(end: u64) -> Memory {
    Memory::new(&[0..LOW_MEMORY, LOAD_MIN..end]).unwrap()
}

/// Where an address leads, its rights in all levels, and the bytes that its entry maps.
fn walk(memory: &Memory, address: u64) -> Option<(u64, Rights, u64)> {
    let mut table = CR3;
    let mut rights = Rights {
        write: true,
        execute: true,
    };
    for level in (1..=4).rev() {
        let mut entry = [0; 8];
        let at = table + 8 * index(address, level) as u64;
        memory.readable(at, 8).unwrap().copy_to(&mut entry);
        let entry = u64::from_le_bytes(entry);
        if entry & PRESENT == 0 {
            return None;
        }
        // No entry is a user's: none of what a kernel may not do with those applies.
        assert_eq!(entry & 4, 0);
        rights.write &= entry & WRITE != 0;
        rights.execute &= entry & NO_EXECUTE == 0;
        let size = 1 << (12 + 9 * (level - 1));
        let next = entry & !NO_EXECUTE & !0xfff;
        if level == 1 || entry & LARGE != 0 {
            return Some((next + address % size, rights, size));
        }
        table = next;
    }
    unreachable!()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Rights {
    write: bool,
    execute: bool,
}

fn rights_at(memory: &Memory, address: u64) -> Option<(bool, bool)> {
    let (to, rights, _) = walk(memory, address)?;
    assert_eq!(to, address);
    Some((rights.write, rights.execute))
}

#[test]
fn each_address_has_the_rights_of_what_is_there() {
    let mut memory = memory(MEMORY);
    prepare(&mut memory, &image(), MEMORY, true).unwrap();
    let text = Some((false, true));
    let read_only = Some((false, false));
    let data = Some((true, false));
    for (address, expected) in [
        (0, None),
        (GDT, None),
        (CR3, None),
        (BOOT_INFO - 1, None),
        (BOOT_INFO, read_only),
        (PROBE - 1, read_only),
        (PROBE, text),
        (LOW_MEMORY, None),
        (LOAD_MIN - 1, None),
        (TEXT_AT, text),
        (TEXT_AT + 0x1fff, text),
        (TEXT_AT + 0x2000, read_only),
        (TEXT_AT + 0x2fff, read_only),
        (TEXT_AT + 0x3000, data),
        (DATA_AT - 1, data),
        (DATA_AT, data),
        (MEMORY - 1, data),
        (MEMORY, None),
        (1 << 30, None),
        (1 << 39, None),
        (u64::MAX, None),
    ] {
        assert_eq!(rights_at(&memory, address), expected, "{address:#x}");
    }
}

#[test]
fn nothing_behind_an_odd_end_is_mapped() {
    let end = 0x20_1000;
    let mut memory = memory(DATA_AT + 0x2000);
    prepare(&mut memory, &image(), end, true).unwrap();
    assert_eq!(rights_at(&memory, end - 1), Some((true, false)));
    assert_eq!(rights_at(&memory, end), None);
}

#[test]
fn entries_map_as_much_as_they_can() {
    let mut memory = memory(MEMORY);
    // Memory is not touched beyond the tables, so there may be more in them than there is.
    let end = (7 << 30) + 0x20_3000;
    prepare(&mut memory, &image(), end, true).unwrap();
    let size = |address| walk(&memory, address).unwrap().2;
    assert_eq!(size(TEXT_AT), PAGE_SIZE);
    assert_eq!(size(HUGE_PAGE), PAGE_SIZE);
    assert_eq!(size(2 * HUGE_PAGE), HUGE_PAGE);
    assert_eq!(size((1 << 30) - 1), HUGE_PAGE);
    for giga in 1..7 {
        assert_eq!(size(giga << 30), 1 << 30);
        assert_eq!(rights_at(&memory, giga << 30), Some((true, false)));
    }
    assert_eq!(size(7 << 30), HUGE_PAGE);
    assert_eq!(size((7 << 30) + HUGE_PAGE), PAGE_SIZE);
    assert!(walk(&memory, end).is_none());
}

#[test]
fn without_large_entries_there_is_a_most() {
    let mut memory = memory(MEMORY);
    let image = image();
    prepare(&mut memory, &image, 16 << 30, false).unwrap();
    assert_eq!(walk(&memory, (16 << 30) - 1).unwrap().2, HUGE_PAGE);
    let error = prepare(&mut memory, &image, 64 << 30, false).unwrap_err();
    assert!(error.to_string().contains("\nhint: "), "{error}");
    // With them, as much as a machine may have.
    prepare(&mut memory, &image, 2 << 40, true).unwrap();
    assert_eq!(rights_at(&memory, (2 << 40) - 1), Some((true, false)));
}
