// SPDX-License-Identifier: ISC
//! Pointers of all kinds, and transfers through those that are good.

use std::io::{Read, Seek, Write};

use super::*;

/// Two ranges with a hole, as an image with an offer has them.
const LOW: u64 = 0x20000;
const START: u64 = 0x100000;
const END: u64 = 0x300000;

fn memory() -> Memory {
    let mut memory = Memory::new(&[0..LOW, START..END]).unwrap();
    memory.read_only = vec![0..LOW, START..START + 0x2000];
    memory
}

#[test]
fn pointers_must_lie_within_one_range() {
    let memory = memory();
    for (address, len) in [
        (0, 1),
        (0, LOW),
        (LOW - 1, 1),
        (START, END - START),
        (END - 1, 1),
        (END - 4096, 4096),
        // Nothing, wherever it is.
        (END, 0),
        (u64::MAX, 0),
    ] {
        let buffer = memory.readable(address, len);
        assert_eq!(buffer.expect("good").len() as u64, len, "{address:#x}");
    }
    for (address, len) in [
        (LOW - 1, 2),
        (LOW, 1),
        (START - 1, 1),
        (START - 1, 2),
        (0, END),
        (END - 1, 2),
        (END, 1),
        (u64::MAX, 1),
        (u64::MAX, u64::MAX),
        (START, u64::MAX),
        (START, u64::MAX - START + 1),
        (START + 8, u64::MAX - START),
        (1 << 63, 1 << 63),
        (START, 1 << 63),
    ] {
        for found in [
            memory.readable(address, len).err(),
            memory.writable(address, len).err(),
        ] {
            let bad = found.expect("a bad pointer");
            assert_eq!((bad.address, bad.len, bad.read_only), (address, len, false));
        }
    }
}

#[test]
fn what_is_read_only_is_not_written() {
    let memory = memory();
    let end = START + 0x2000;
    for (address, len) in [
        (0, 1),
        (LOW - 1, 1),
        (START, 1),
        (START, END - START),
        (end - 1, 1),
        (end - 1, 2),
    ] {
        assert!(memory.readable(address, len).is_ok());
        let bad = memory.writable(address, len).unwrap_err();
        assert!(bad.read_only && bad.to_string().contains("not to be written to"));
    }
    assert!(memory.writable(end, END - end).is_ok());
    assert!(memory.writable(START, 0).is_ok());
    assert!(memory.write(end - 8, Puts::default()).is_err());
    assert!(memory.ring(START).is_err());
}

#[test]
fn structures_are_copied_at_any_alignment() {
    let memory = memory();
    let puts = Puts { data: 1, len: 2 };
    for address in [END - 16, END - 4091] {
        memory.write(address, puts).unwrap();
        let read: Puts = memory.read(address).unwrap();
        assert_eq!((read.data, read.len), (1, 2));
    }
    assert!(memory.read::<Puts>(END - 15).is_err());
    assert!(memory.read::<Puts>(u64::MAX - 7).is_err());
}

#[test]
fn rings_must_be_aligned() {
    let memory = memory();
    let size = size_of::<Ring>() as u64;
    assert!(memory.ring(END - size).is_ok());
    assert!(memory.ring(END - size + 8).is_err());
    assert!(memory.ring(END - size - 1).is_err());
    assert!(memory.ring(LOW - 8).is_err());
}

#[test]
fn transfers_go_to_the_bytes_meant() {
    let memory = memory();
    let mut file = tempfile();
    memory.put(END - 5, b"hello").unwrap();
    let buffer = memory.readable(END - 5, 5).unwrap();
    assert_eq!(buffer.write_to(&file), Ok(5));
    assert_eq!(buffer.skip(4).write_at(&file, 6), Ok(()));
    file.rewind().unwrap();
    let mut text = Vec::new();
    file.read_to_end(&mut text).unwrap();
    assert_eq!(text, b"hello\0o");

    file.rewind().unwrap();
    file.write_all(b"01234567").unwrap();
    let into = memory.writable(END - 100, 4).unwrap();
    assert_eq!(into.read_at(&file, 3), Ok(()));
    let mut bytes = [0; 6];
    let around = memory.readable(END - 101, 6).unwrap();
    around.copy_to(&mut bytes);
    assert_eq!(&bytes, b"\x003456\0");
    assert_eq!(into.read_at(&file, u64::MAX), Err(Errno::INVAL));
    assert_eq!(into.read_at(&file, 6), Err(Errno::IO));
    assert_eq!(memory.writable(0, 0).unwrap().read_from(&file), Ok(0));
}

#[test]
fn huge_pages_can_be_mapped_as_such() {
    let memory = memory();
    for address in [0, START, END] {
        let host = memory.host(address).addr() as u64;
        assert_eq!(address % HUGE_PAGE, host % HUGE_PAGE);
    }
}

/// A file without a name.
fn tempfile() -> std::fs::File {
    let flags = rustix::fs::OFlags::RDWR | rustix::fs::OFlags::TMPFILE;
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    let file = rustix::fs::open(std::env::temp_dir(), flags, mode).unwrap();
    file.into()
}
