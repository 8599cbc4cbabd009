// SPDX-License-Identifier: ISC
//! Requests against a file.

use std::{
    fs::File,
    io::{Read, Seek, Write},
};

use fata_abi::{
    hvt::{UNSPECIFIED, ring::RINGS_SIZE},
    manifest::Properties,
};
use fata_tender::attach::Attached;
use rustix::fs::{Mode, OFlags};

use super::{
    super::{
        Wake,
        tests::{Guest, Random},
    },
    *,
};

const START: u64 = 0x100000;
const END: u64 = START + 0x100000;
const DISK: u32 = 1;
const CAPACITY: u64 = 0x40000;
const LONGEST: u32 = MAX_TRANSFER;

fn entry(operation: u32, data: u64, len: u32, offset: u64) -> Request {
    Request {
        operation,
        handle: DISK,
        data,
        len,
        id: 77,
        offset,
    }
}

/// A guest on a ring that no thread serves.
struct Bench<'m> {
    memory: &'m Memory,
    guest: Guest<'m>,
    host: Host<'m>,
    block: Block<'m>,
    /// What is behind its device.
    file: File,
}

impl Bench<'_> {
    fn round(&mut self) -> Result<bool, Lie> {
        self.block.round(&mut self.host)
    }
}

fn with(test: impl FnOnce(&mut Bench<'_>)) {
    let memory = Memory::new(&[0..0x1000, START..END + RINGS_SIZE]).unwrap();
    let flags = OFlags::RDWR | OFlags::TMPFILE;
    let file = rustix::fs::open(std::env::temp_dir(), flags, Mode::RUSR | Mode::WUSR);
    let file = File::from(file.unwrap());
    file.set_len(CAPACITY).unwrap();
    let devices = Devices::new(vec![Attached {
        index: DISK as usize,
        descriptor: file.try_clone().unwrap().into(),
        properties: Properties::Block {
            capacity: CAPACITY,
            block_size: 512,
        },
        vnet: None,
    }]);
    let guest = Guest::new(memory.ring(END).unwrap());
    let wake = Wake::new([guest.ring; 2]);
    test(&mut Bench {
        memory: &memory,
        host: Host::new(guest.ring, &wake),
        guest,
        block: Block {
            memory: &memory,
            devices: &devices,
        },
        file,
    });
}

#[test]
fn requests_are_carried_out_in_order() {
    with(|bench| {
        bench.file.write_all(&[1; 1024]).unwrap();
        bench.memory.put(START, &[2; 512]).unwrap();
        bench.guest.write(entry(BLOCK_WRITE, START, 512, 512));
        bench
            .guest
            .write(entry(BLOCK_READ, START + 4096, LONGEST, 0));
        bench.guest.write(entry(BLOCK_FLUSH, 0, 0, 0));
        bench.guest.write(entry(9, 0, 0, 0));
        bench.guest.submit();
        assert_eq!(bench.round(), Ok(false));
        assert_eq!(bench.guest.take(), Some((77, OK, 512)));
        assert_eq!(bench.guest.take(), Some((77, OK, LONGEST)));
        assert_eq!(bench.guest.take(), Some((77, OK, 0)));
        assert_eq!(bench.guest.take(), None);
        let mut bytes = [0; 1025];
        bench
            .memory
            .readable(START + 4096, 1025)
            .unwrap()
            .copy_to(&mut bytes);
        assert_eq!((bytes[511], bytes[512], bytes[1024]), (1, 2, 0));
        bench.file.rewind().unwrap();
        bench.file.read_exact(&mut bytes).unwrap();
        assert_eq!((bytes[511], bytes[512], bytes[1024]), (1, 2, 0));
    });
}

#[test]
fn transfers_must_be_whole_blocks_inside_the_device() {
    with(|bench| {
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
            bench.guest.write(entry(BLOCK_READ, START, len, offset));
            bench.guest.write(entry(BLOCK_WRITE, START, len, offset));
        }
        for handle in [0, 2, u32::MAX] {
            let entry = entry(BLOCK_FLUSH, START, 512, 0);
            bench.guest.write(Request { handle, ..entry });
        }
        bench.guest.submit();
        assert_eq!(bench.round(), Ok(false));
        for _ in 0..2 * wrong.len() + 3 {
            assert_eq!(bench.guest.take(), Some((77, INVALID, 0)));
        }
        bench
            .guest
            .write(entry(BLOCK_WRITE, START, 512, CAPACITY - 512));
        bench.guest.submit();
        assert_eq!(bench.round(), Ok(false));
        assert_eq!(bench.guest.take(), Some((77, OK, 512)));
        assert_eq!(bench.file.metadata().unwrap().len(), CAPACITY);
        // A file that somebody else has cut short.
        bench.file.set_len(100).unwrap();
        bench.guest.write(entry(BLOCK_READ, START, 512, 0));
        bench.guest.submit();
        assert_eq!(bench.round(), Ok(false));
        assert_eq!(bench.guest.take(), Some((77, UNSPECIFIED, 0)));
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
        with(|bench| {
            bench.guest.write(entry(operation, data, 512, 0));
            bench.guest.submit();
            assert!(matches!(bench.round(), Err(Lie::Pointer(_))));
        });
    }
    // More requests than it takes answers.
    with(|bench| {
        let mut rounds = 0;
        let lie = loop {
            for _ in 0..BATCH {
                bench.guest.write(entry(BLOCK_FLUSH, 0, 0, u64::MAX));
            }
            bench.guest.submit();
            match bench.round() {
                Ok(_) => rounds += 1,
                Err(lie) => break lie,
            }
        };
        assert_eq!((rounds, lie), (16, Lie::Commits));
    });
}

#[test]
fn whatever_a_guest_writes_the_file_keeps_its_size() {
    let mut random = Random(2);
    let mut done = [0; 3];
    with(|bench| {
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
            bench.guest.write(entry(random.below(6), data, len, offset));
            bench.guest.submit();
            done[2] += u32::from(bench.round().is_err());
            while let Some((_, result, _)) = bench.guest.take() {
                done[usize::from(result == OK)] += 1;
            }
        }
        assert_eq!(bench.file.metadata().unwrap().len(), CAPACITY);
    });
    assert!(done.iter().all(|&count| count > 10), "{done:?}");
}
