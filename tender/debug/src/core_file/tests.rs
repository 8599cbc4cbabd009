// SPDX-License-Identifier: ISC
//! Core files, read back by the rules of ELF.

use std::{fs, os::unix::fs::MetadataExt};

use super::*;

const REGIONS: [Region; 2] = [
    Region {
        start: 0x10000,
        end: 0x10000 + 2 * PAGE_SIZE,
        rights: 4,
    },
    Region {
        start: 0x10_0000,
        end: 0x10_0000 + (16 << 20),
        rights: 6,
    },
];

/// Three pages in which every byte says where it is; all others are zero.
fn memory(address: u64, into: &mut [u8]) -> usize {
    let marked = [0x10000, 0x10_0000, REGIONS[1].end - PAGE_SIZE];
    for (at, byte) in (address..).zip(into.iter_mut()) {
        let page = at / PAGE_SIZE * PAGE_SIZE;
        *byte = if marked.contains(&page) {
            at as u8 | 1
        } else {
            0
        };
    }
    into.len()
}

fn word(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())
}

fn half(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

fn state() -> State {
    State {
        registers: Registers {
            rip: 0x10_1234,
            general: std::array::from_fn(|n| 0x100 + n as u64),
            ..Registers::default()
        },
        signal: 11,
        pid: 4711,
    }
}

/// A folder of its own, removed at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("fata-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn memory_and_registers_are_there_and_zeros_take_no_room() {
    let scratch = Scratch::new("core-whole");
    let folder = CoreFolder::new(&scratch.0).unwrap();
    let (path, file) = folder.create("fata-test", 4711).unwrap();
    write(&file, &state(), &REGIONS, memory).unwrap();
    assert!(path.ends_with("core.fata-test.4711"));
    let metadata = fs::metadata(&path).unwrap();
    assert!(metadata.len() > 16 << 20);
    assert!(metadata.blocks() * 512 < 1 << 20, "holes: {metadata:?}");
    assert_eq!(metadata.mode() & 0o777, 0o600);

    let bytes = fs::read(&path).unwrap();
    assert_eq!(bytes[..7], *b"\x7fELF\x02\x01\x01");
    assert_eq!(half(&bytes, 16), u32::from(TYPE_CORE) | 62 << 16);
    assert_eq!(bytes[56], 3, "headers");
    let header = |n: usize| &bytes[64 + 56 * n..][..56];
    assert_eq!(half(header(0), 0), SEGMENT_NOTE);
    for (n, region) in REGIONS.iter().enumerate() {
        let header = header(n + 1);
        assert_eq!(half(header, 0), SEGMENT_LOAD);
        assert_eq!(half(header, 4), region.rights);
        assert_eq!(word(header, 16), region.start);
        assert_eq!(word(header, 40), region.end - region.start);
        let offset = word(header, 8) as usize;
        assert_eq!(offset % PAGE_SIZE as usize, 0);
        let mut expected = vec![0; word(header, 32) as usize];
        memory(region.start, &mut expected);
        assert!(bytes[offset..][..expected.len()] == expected, "region {n}");
    }

    let notes = &bytes[word(header(0), 8) as usize..][..word(header(0), 32) as usize];
    assert_eq!(half(notes, 4), 336, "the size of Linux's structure");
    let status = &notes[20..];
    assert_eq!((half(status, 0), half(status, 32)), (11, 4711));
    let words: [u64; 27] = std::array::from_fn(|n| word(status, 112 + 8 * n));
    assert_eq!(words, state().registers.to_user());
    let second = &notes[20 + 336..];
    assert_eq!((half(second, 4), half(second, 8)), (512, NOTE_FPREGSET));
}

#[test]
fn memory_that_is_missing_is_zero() {
    let scratch = Scratch::new("core-missing");
    let folder = CoreFolder::new(&scratch.0).unwrap();
    let (path, file) = folder.create("fata-test", 1).unwrap();
    let some = |_, into: &mut [u8]| {
        into.fill(0xff);
        into.len() / 2
    };
    write(&file, &state(), &REGIONS[..1], some).unwrap();
    let bytes = fs::read(path).unwrap();
    let content = &bytes[bytes.len() - 2 * PAGE_SIZE as usize..];
    assert!(content[..4096].iter().all(|&byte| byte == 0xff));
    assert!(content[4096..].iter().all(|&byte| byte == 0));
}

#[test]
fn a_file_in_the_way_is_replaced_and_a_link_not_followed() {
    let scratch = Scratch::new("core-link");
    let folder = CoreFolder::new(&scratch.0).unwrap();
    let other = scratch.0.join("other");
    fs::write(&other, "precious").unwrap();
    std::os::unix::fs::symlink(&other, folder.file("fata-test", 7)).unwrap();
    let (path, file) = folder.create("fata-test", 7).unwrap();
    write(&file, &state(), &[], memory).unwrap();
    assert_eq!(fs::read(&other).unwrap(), b"precious");
    assert!(fs::symlink_metadata(path).unwrap().is_file());
}

#[test]
fn folders_that_take_no_file() {
    for folder in ["/no/such/folder", "/proc/version"] {
        let message = CoreFolder::new(Path::new(folder)).unwrap_err().to_string();
        assert!(
            message.contains(folder) && message.contains("\nhint: "),
            "{message}"
        );
    }
}
