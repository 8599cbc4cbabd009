// SPDX-License-Identifier: ISC
//! Block devices on a temporary file, and the lengths that a tender's filter would see.

use std::{boxed::Box, fs::File, io::Read, os::fd::AsRawFd, vec, vec::Vec};

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

fn request(operation: Operation, offset: u64, data: &mut [u8]) -> Request {
    Request {
        operation,
        offset,
        data: data.as_mut_ptr(),
        len: data.len(),
        tag: offset,
    }
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
    let disk = disk(file.as_raw_fd(), LONG);
    let blocks = blocks();
    // The last one spans the place where long transfers end.
    for offset in [
        0,
        512,
        CAPACITY - LONG as u64 - 512,
        CAPACITY - LONG as u64 + 1024,
    ] {
        let len = LONG.min((CAPACITY - offset) as usize);
        let mut data: Vec<u8> = (0..len)
            .map(|i| (i / 512) as u8 ^ (offset / 512) as u8)
            .collect();
        let written = data.clone();
        // SAFETY: the call is over when it returns, and `data` outlives it. So below.
        unsafe {
            blocks.submit(
                handle(1),
                disk,
                request(Operation::Write, offset, &mut data),
            )
        }
        .unwrap();
        assert_eq!(
            blocks.complete(handle(1)),
            Ok(Completion {
                tag: offset,
                result: Ok(())
            })
        );
        data.fill(0);
        unsafe { blocks.submit(handle(1), disk, request(Operation::Read, offset, &mut data)) }
            .unwrap();
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
    let mut data = vec![0; 512];
    let closed = disk(-1, 512);
    // SAFETY: as above, here and below.
    unsafe { blocks.submit(handle(2), closed, request(Operation::Read, 0, &mut data)) }.unwrap();
    let failed = Completion {
        tag: 0,
        result: Err(Error::Unspecified),
    };
    assert_eq!(blocks.complete(handle(2)), Ok(failed));
    let beyond = request(Operation::Read, CAPACITY, &mut data);
    assert_eq!(
        unsafe { blocks.submit(handle(2), closed, beyond) },
        Err(Error::Invalid)
    );
    assert_eq!(blocks.complete(handle(2)), Err(Error::Again));
    let flush = request(Operation::Flush, 0, &mut []);
    unsafe { blocks.submit(handle(2), closed, flush) }.unwrap();
    assert_eq!(blocks.complete(handle(2)), Ok(failed));
    unsafe {
        blocks.submit(
            handle(2),
            Disk {
                flush: false,
                ..closed
            },
            flush,
        )
    }
    .unwrap();
    assert!(blocks.complete(handle(2)).unwrap().result.is_ok());
}

#[test]
fn completions_wait_in_order_for_each_device() {
    let file = file();
    let disk = disk(file.as_raw_fd(), 512);
    let blocks = blocks();
    let mut data = vec![0; 512];
    // Three rounds, so that the ring goes round; a failure among them must keep its place.
    for round in 0..3u64 {
        for n in 0..QUEUE_DEPTH as u64 {
            let disk = if n == round {
                Disk { fd: -1, ..disk }
            } else {
                disk
            };
            let request = request(Operation::Read, n * 512, &mut data);
            // SAFETY: as above.
            unsafe { blocks.submit(handle(1), disk, request) }.unwrap();
        }
        let more = request(Operation::Read, 0, &mut data);
        // SAFETY: as above.
        assert_eq!(
            unsafe { blocks.submit(handle(1), disk, more) },
            Err(Error::Again)
        );
        assert_eq!(blocks.finished(), HandleSet(1 << 1));
        assert_eq!(blocks.complete(handle(2)), Err(Error::Again));
        for n in 0..QUEUE_DEPTH as u64 {
            let completion = blocks.complete(handle(1)).unwrap();
            assert_eq!(
                (completion.tag, completion.result.is_err()),
                (n * 512, n == round)
            );
        }
        assert_eq!(blocks.finished(), HandleSet::EMPTY);
    }
}
