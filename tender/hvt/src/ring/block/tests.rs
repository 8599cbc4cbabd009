// SPDX-License-Identifier: ISC
//! Requests against a file.

use std::{
    fs::File,
    io::{Read, Seek, Write},
    os::fd::AsFd,
};

use fata_abi::hvt::ring::RINGS_SIZE;

use super::{
    super::tests::{Guest, Random},
    *,
};

const START: u64 = 0x100000;
const END: u64 = START + 0x100000;
const DISK: u32 = 1;
const CAPACITY: u64 = 0x10000;
const LONGEST: u32 = 0x4000;

fn disk(file: &File) -> Disk<'_> {
    Disk {
        descriptor: file.as_fd(),
        capacity: CAPACITY,
        block_size: 512,
        max_transfer: LONGEST,
    }
}

fn entry(operation: u32, data: u64, len: u32, offset: u64) -> Entry {
    Entry {
        operation,
        handle: DISK,
        data,
        len,
        id: 77,
        offset,
    }
}

fn with(test: impl FnOnce(&Memory, &mut Guest, &mut Block, &File)) {
    let memory = Memory::new(&[0..0x1000, START..END + RINGS_SIZE]).unwrap();
    let wake = Wake::default();
    let flags = rustix::fs::OFlags::RDWR | rustix::fs::OFlags::TMPFILE;
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    let file: File = rustix::fs::open(std::env::temp_dir(), flags, mode)
        .unwrap()
        .into();
    file.set_len(CAPACITY).unwrap();
    let ring = memory.ring(END).unwrap();
    let mut guest = Guest::new(ring);
    let mut block = Block::new(Host::new(ring), &memory, &wake, [(1, disk(&file))]);
    test(&memory, &mut guest, &mut block, &file);
}

#[test]
fn requests_are_carried_out_in_order() {
    with(|memory, guest, block, mut file| {
        file.write_all(&[1; 1024]).unwrap();
        memory.put(START, &[2; 512]).unwrap();
        guest.write(entry(BLOCK_WRITE, START, 512, 512));
        guest.write(entry(BLOCK_READ, START + 4096, LONGEST, 0));
        guest.write(entry(BLOCK_FLUSH, 0, 0, 0));
        guest.write(entry(9, 0, 0, 0));
        guest.submit();
        assert_eq!(block.round(), Ok(false));
        assert_eq!(guest.take(), Some((77, OK, 512)));
        assert_eq!(guest.take(), Some((77, OK, LONGEST)));
        assert_eq!(guest.take(), Some((77, OK, 0)));
        assert_eq!(guest.take(), None);
        let mut bytes = [0; 1025];
        memory
            .readable(START + 4096, 1025)
            .unwrap()
            .copy_to(&mut bytes);
        assert_eq!((bytes[511], bytes[512], bytes[1024]), (1, 2, 0));
        file.rewind().unwrap();
        file.read_exact(&mut bytes).unwrap();
        assert_eq!((bytes[511], bytes[512], bytes[1024]), (1, 2, 0));
    });
}

#[test]
fn transfers_must_be_whole_blocks_inside_the_device() {
    with(|_, guest, block, file| {
        let wrong = [
            (0, 0),
            (1, 0),
            (513, 0),
            (512, 1),
            (512, CAPACITY),
            (1024, CAPACITY - 512),
            (512, u64::MAX - 511),
            (512, 1 << 63),
            (LONGEST + 512, 0),
            (u32::MAX - 511, 0),
        ];
        for (len, offset) in wrong {
            guest.write(entry(BLOCK_READ, START, len, offset));
            guest.write(entry(BLOCK_WRITE, START, len, offset));
        }
        for handle in [0, 2, u32::MAX] {
            let entry = entry(BLOCK_FLUSH, START, 512, 0);
            guest.write(Entry { handle, ..entry });
        }
        guest.submit();
        assert_eq!(block.round(), Ok(false));
        for _ in 0..2 * wrong.len() + 3 {
            assert_eq!(guest.take(), Some((77, INVALID, 0)));
        }
        guest.write(entry(BLOCK_WRITE, START, 512, CAPACITY - 512));
        guest.submit();
        assert_eq!(block.round(), Ok(false));
        assert_eq!(guest.take(), Some((77, OK, 512)));
        assert_eq!(file.metadata().unwrap().len(), CAPACITY);
        // A file that somebody else has cut short.
        file.set_len(100).unwrap();
        guest.write(entry(BLOCK_READ, START, 512, 0));
        guest.submit();
        assert_eq!(block.round(), Ok(false));
        assert_eq!(guest.take(), Some((77, UNSPECIFIED, 0)));
    });
}

#[test]
fn lies_end_the_guest() {
    for (operation, data) in [
        (BLOCK_READ, END + RINGS_SIZE - 511),
        (BLOCK_WRITE, START - 1),
        (BLOCK_READ, u64::MAX),
        (BLOCK_WRITE, 0x1000),
    ] {
        with(|_, guest, block, _| {
            guest.write(entry(operation, data, 512, 0));
            guest.submit();
            assert!(matches!(block.round(), Err(Lie::Pointer(_))));
        });
    }
    // More requests than it takes answers.
    with(|_, guest, block, _| {
        let mut rounds = 0;
        let lie = loop {
            for _ in 0..BATCH {
                guest.write(entry(BLOCK_FLUSH, 0, 0, u64::MAX));
            }
            guest.submit();
            match block.round() {
                Ok(_) => rounds += 1,
                Err(lie) => break lie,
            }
        };
        assert_eq!((rounds, lie), (16, Lie::Commits(1024)));
    });
}

#[test]
fn whatever_a_guest_writes_the_file_keeps_its_size() {
    let mut random = Random(2);
    let mut done = [0; 3];
    with(|_, guest, block, file| {
        for _ in 0..20_000 {
            let mut word = || u64::from(random.below(u32::MAX)) << random.below(34);
            let data = match word() % 4 {
                0 => word(),
                _ => START + word() % 0x80000,
            };
            let offset = match word() % 4 {
                0 => word(),
                _ => word() % CAPACITY / 512 * 512,
            };
            let len = (word() as u32) >> random.below(32) & !511;
            guest.write(entry(random.below(6), data, len, offset));
            guest.submit();
            done[2] += u32::from(block.round().is_err());
            while let Some((_, result, _)) = guest.take() {
                done[usize::from(result == OK)] += 1;
            }
        }
        assert_eq!(file.metadata().unwrap().len(), CAPACITY);
    });
    assert!(done.iter().all(|&count| count > 10), "{done:?}");
}
