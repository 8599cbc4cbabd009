// SPDX-License-Identifier: ISC
//! Block devices on a temporary file, and the lengths that a tender's filter would see.

use std::{boxed::Box, fs::File, io::Read, os::fd::AsRawFd, vec::Vec};

use super::*;

const LONG: usize = 64 << 10;
const CAPACITY: u64 = 1 << 20;

fn disk(fd: i32, max_transfer: usize) -> Disk {
    Disk {
        fd,
        capacity: CAPACITY,
        block_size: 512,
        max_transfer,
        flush: true,
    }
}

fn blocks() -> Blocks {
    let blocks = Blocks::new();
    let queues: Vec<Queue> = (0..3)
        .map(|_| Queue {
            first: Cell::new(0),
            len: Cell::new(0),
            tags: [const { Cell::new(0) }; QUEUE_DEPTH],
            failed: Cell::new(0),
        })
        .collect();
    blocks.init(Box::leak(queues.into_boxed_slice()));
    blocks
}

fn file() -> File {
    let file =
        File::from(rustix::fs::memfd_create("disk", rustix::fs::MemfdFlags::CLOEXEC).unwrap());
    file.set_len(CAPACITY).unwrap();
    file
}

/// Submits a request whose tag is its offset.
fn submit(
    blocks: &Blocks,
    (index, disk): (usize, Disk),
    operation: Operation,
    offset: u64,
    data: &mut [u8],
) -> Result<(), Error> {
    let request = Request {
        operation,
        offset,
        data: data.as_mut_ptr(),
        len: data.len(),
        tag: offset,
    };
    // SAFETY: the memory is ours, and the device is done with it when the call returns.
    unsafe { blocks.submit(handle(index), disk, request) }
}

fn handle(index: usize) -> Handle {
    Handle::new(index).unwrap()
}

#[test]
fn only_whole_blocks_inside_are_accepted() {
    let disk = disk(-1, LONG);
    for (offset, len) in [(0, 512), (0, LONG), (CAPACITY - 512, 512), (1024, 1024)] {
        assert!(disk.accepts(offset, len), "{offset} {len}");
    }
    for (offset, len) in [
        (0, 0),
        (0, 511),
        (1, 512),
        (0, LONG + 512),
        (CAPACITY, 512),
        (CAPACITY - 512, 1024),
        (u64::MAX - 511, 512),
        (u64::MAX - 511, 1024),
    ] {
        assert!(!disk.accepts(offset, len), "{offset} {len}");
    }
}

#[test]
fn no_call_breaks_the_rule_of_the_filter() {
    for max_transfer in [512, LONG, 2 * CAPACITY as usize] {
        let disk = disk(-1, max_transfer);
        for offset in (0..CAPACITY).step_by(512) {
            for len in [512, 1024, LONG] {
                let step = disk.step(offset, len) as u64;
                let long = offset + max_transfer as u64 <= CAPACITY;
                assert!(step == 512 || long && step == len as u64, "{offset} {len}");
                assert!(step <= len as u64);
            }
        }
    }
}

#[test]
fn data_goes_where_it_should() {
    let mut file = file();
    let device = (1, disk(file.as_raw_fd(), LONG));
    let blocks = blocks();
    let last_long = CAPACITY - LONG as u64;
    for offset in [0, 512, last_long - 512, last_long + 1024] {
        let len = LONG.min((CAPACITY - offset) as usize);
        let mut data: Vec<u8> = (0..len)
            .map(|i| (i / 512) as u8 ^ (offset / 512) as u8)
            .collect();
        let written = data.clone();
        submit(&blocks, device, Operation::Write, offset, &mut data).unwrap();
        let done = Completion {
            tag: offset,
            result: Ok(()),
        };
        assert_eq!(blocks.complete(handle(1)), Ok(done));
        data.fill(0);
        submit(&blocks, device, Operation::Read, offset, &mut data).unwrap();
        assert!(blocks.complete(handle(1)).unwrap().result.is_ok());
        assert!(
            data == written,
            "what was written at {offset} reads otherwise"
        );
    }
    let mut all = Vec::new();
    file.read_to_end(&mut all).unwrap();
    assert_eq!(all.len() as u64, CAPACITY, "the file grew");
}

#[test]
fn failures_are_completions_and_misuse_is_refused() {
    let blocks = blocks();
    let closed = disk(-1, 512);
    let failed = Completion {
        tag: 0,
        result: Err(Error::Unspecified),
    };
    let mut data = [0; 512];
    submit(&blocks, (2, closed), Operation::Read, 0, &mut data).unwrap();
    assert_eq!(blocks.complete(handle(2)), Ok(failed));
    let beyond = submit(&blocks, (2, closed), Operation::Read, CAPACITY, &mut data);
    assert_eq!(beyond, Err(Error::Invalid));
    assert_eq!(blocks.complete(handle(2)), Err(Error::Again));
    submit(&blocks, (2, closed), Operation::Flush, 0, &mut []).unwrap();
    assert_eq!(blocks.complete(handle(2)), Ok(failed));
    let unflushed = Disk {
        flush: false,
        ..closed
    };
    submit(&blocks, (2, unflushed), Operation::Flush, 0, &mut []).unwrap();
    assert!(blocks.complete(handle(2)).unwrap().result.is_ok());
}

#[test]
fn completions_wait_in_order_for_each_device() {
    let file = file();
    let disk = disk(file.as_raw_fd(), 512);
    let blocks = blocks();
    let mut data = [0; 512];
    // Three rounds, so that the ring goes round; a failure among them must keep its place.
    for round in 0..3 {
        for n in 0..QUEUE_DEPTH as u64 {
            let fd = if n == round { -1 } else { disk.fd };
            let device = (1, Disk { fd, ..disk });
            submit(&blocks, device, Operation::Read, n * 512, &mut data).unwrap();
        }
        let more = submit(&blocks, (1, disk), Operation::Read, 0, &mut data);
        assert_eq!(more, Err(Error::Again));
        assert_eq!(blocks.finished(), HandleSet(1 << 1));
        assert_eq!(blocks.complete(handle(2)), Err(Error::Again));
        for n in 0..QUEUE_DEPTH as u64 {
            let found = blocks.complete(handle(1)).unwrap();
            assert_eq!((found.tag, found.result.is_err()), (n * 512, n == round));
        }
        assert_eq!(blocks.finished(), HandleSet::EMPTY);
    }
}
