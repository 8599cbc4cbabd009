// SPDX-License-Identifier: ISC
//! Hypercalls that are answered with an error, or do what they say and nothing else.

use crate::{
    calls::{
        BLOCK_READ, BLOCK_WRITE, NET_READ, NET_WRITE, POLL, PUTS, Request, SERVICE, STORAGE,
        WALL_TIME, make,
    },
    machine::{load, poke, seize, store},
    places::{call, data, digest, end, outlived, rings},
};

const OK: i32 = 0;
const INVALID: i32 = 2;
/// Bytes of the disk that the harness attaches.
pub(crate) const CAPACITY: u64 = 64 << 10;
/// No address.
const WILD: u64 = u64::MAX - 255;

/// Handles that are no device's, or those of another kind.
pub(crate) const HANDLES: [u64; 7] = [0, 3, 63, 64, 1 << 32 | 1, 1 << 63, u64::MAX];

/// Offsets and lengths that are no blocks of the disk.
pub(crate) const RANGES: [(u64, u64); 14] = [
    (CAPACITY, 0),
    (CAPACITY, 512),
    (CAPACITY - 512, 1024),
    (0, CAPACITY + 512),
    (0, u64::MAX),
    (0, u64::MAX - 511),
    (512, u64::MAX - 511),
    (u64::MAX, 512),
    (u64::MAX - 511, 512),
    (1 << 63, 512),
    (1, 512),
    (0, 511),
    // The last bytes of the disk, which are none of its blocks.
    (CAPACITY - 1, 1),
    (CAPACITY - 511, 511),
];

/// Makes them all, and ends the image.
pub(crate) fn attacks() -> ! {
    seize();
    let before = digest();
    let count = blocks() + nets() + places() + low_memory();
    assert_eq!(digest(), before, "read-only memory has changed");
    outlived(count)
}

fn request(handle: u64, offset: u64, data: u64, len: u64) -> Request {
    Request {
        handle,
        offset,
        data,
        len,
    }
}

fn blocks() -> usize {
    for number in [BLOCK_READ, BLOCK_WRITE] {
        for handle in HANDLES.into_iter().chain([SERVICE]) {
            let result = make(number, call(), request(handle, 0, WILD, 512));
            assert_eq!(result, INVALID, "call {number} of handle {handle:#x}");
        }
        for (offset, len) in RANGES {
            let result = make(number, call(), request(STORAGE, offset, WILD, len));
            assert_eq!(result, INVALID, "call {number} of {len:#x} at {offset:#x}");
        }
    }
    // One that is right, between others.
    store(data() + 512, 1);
    assert_eq!(
        make(BLOCK_READ, call(), request(STORAGE, 512, data(), 512)),
        OK
    );
    assert_eq!(
        load(data() + 512),
        1,
        "more was read than there was room for"
    );
    2 * (HANDLES.len() + 1 + RANGES.len())
}

fn nets() -> usize {
    for number in [NET_READ, NET_WRITE] {
        for handle in HANDLES.into_iter().chain([STORAGE]) {
            let result = make(number, call(), request(handle, 0, WILD, 60));
            assert_eq!(result, INVALID, "call {number} of handle {handle:#x}");
        }
    }
    let empty = make(NET_READ, call(), request(SERVICE, 0, WILD, 0));
    assert_eq!(empty, INVALID);
    // No frame, one byte, and all memory at once: lost or refused.
    let all = end() - 0x10_0000;
    for (at, len) in [(data(), 0), (WILD, 0), (data(), 1), (0x10_0000, all)] {
        let result = make(NET_WRITE, call(), request(SERVICE, 0, at, len));
        assert!([OK, INVALID].contains(&result), "{result}");
    }
    2 * (HANDLES.len() + 1) + 5
}

/// Structures where none is expected, which are as good as others.
fn places() -> usize {
    let places = [call() + 1, call() + 4093, rings() + 0x8000, end() - 40];
    for at in places {
        let result = make(BLOCK_WRITE, at, request(STORAGE, CAPACITY, WILD, 512));
        assert_eq!(result, INVALID, "at {at:#x}");
        assert_eq!(make(POLL, at, request(0, 0, 0, 0)), 0);
        make(PUTS, at, request(0, 0, WILD, 0));
        make(WALL_TIME, at, request(0, 0, 0, 0));
        assert!(load(at) > 1 << 60, "the time of day, at {at:#x}");
    }
    4 * places.len()
}

/// Nothing that the tender has left in low memory is believed later, by the tender.
fn low_memory() -> usize {
    // Not the descriptors: they are the image's own, elsewhere.
    let (bytes, rings) = (0..0x2_0000, rings());
    let count = bytes.clone().count();
    bytes.for_each(|at| poke(at, 0xff));
    // Which this image believes.
    store(0x1_0000, rings);
    let result = make(BLOCK_READ, call(), request(STORAGE, 0, data(), 512));
    assert_eq!(result, OK);
    count / 4096
}
