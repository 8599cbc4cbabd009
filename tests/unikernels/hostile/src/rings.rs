// SPDX-License-Identifier: ISC
//! Rings: entries and indices that lie.
//!
//! The platform has put entries of its own there; the attacker goes on behind them.

use core::sync::atomic::{Ordering::SeqCst, fence};

use fata::prelude::*;

use crate::{
    Args,
    calls::{POLL, Request, SERVICE, STORAGE, make},
    machine::{load, out, seize, store, store_half},
    places::{call, data, digest, outlived, place, rings},
    refused::{HANDLES, RANGES},
};

const NET: u64 = 0;
const BLOCK: u64 = 1;
const SLOTS: u32 = 1024;
const INVALID: u32 = 2;
const READ: u32 = 3;
const WRITE: u32 = 4;
const FLUSH: u32 = 5;

/// An entry.
#[derive(Clone, Copy)]
struct Entry {
    operation: u32,
    handle: u32,
    data: u64,
    len: u32,
    offset: u64,
}

/// A ring, by its address.
#[derive(Clone, Copy)]
struct Ring {
    at: u64,
    number: u64,
}

impl Ring {
    fn new(number: u64) -> Self {
        let at = rings() + number * 0xd000;
        Self { at, number }
    }

    fn half(self, offset: u64) -> u32 {
        load(self.at + offset) as u32
    }

    fn tail(self) -> u32 {
        self.half(0)
    }

    fn write(self, slot: u32, entry: Entry) {
        let at = self.at + 128 + u64::from(slot % SLOTS) * 32;
        store(
            at,
            u64::from(entry.handle) << 32 | u64::from(entry.operation),
        );
        store(at + 8, entry.data);
        store(at + 16, u64::from(slot) << 32 | u64::from(entry.len));
        store(at + 24, entry.offset);
    }

    fn set_tail(self, tail: u32) {
        fence(SeqCst);
        store_half(self.at, tail);
        fence(SeqCst);
        out(0x600, self.number as u32);
    }

    fn submit(self, entry: Entry) {
        let tail = self.tail();
        self.write(tail, entry);
        self.set_tail(tail.wrapping_add(1));
    }

    /// Waits for a commit without ever stopping the CPU, and returns its result. None is taken.
    fn spin(self, taken: u32) -> u32 {
        while self.half(68) == taken {
            core::hint::spin_loop();
        }
        self.half(32896 + u64::from(taken % SLOTS) * 16 + 4)
    }

    /// Submits an entry, and returns the result in its commit, which is taken.
    fn answer(self, entry: Entry) -> u32 {
        let taken = self.half(68);
        self.submit(entry);
        let result = self.spin(taken);
        store_half(self.at + 4, taken.wrapping_add(1));
        result
    }
}

const RIGHT: Entry = Entry {
    operation: FLUSH,
    handle: STORAGE as u32,
    data: 0,
    len: 512,
    offset: 0,
};

/// One lie, which should end the guest: in the word of a ring that `--at` names, or in an entry.
pub(crate) fn attack(args: &Args) {
    seize();
    let before = digest();
    let net = args.handle == SERVICE;
    let ring = Ring::new(if net { NET } else { BLOCK });
    match args.at.as_str() {
        "entries" => ring.set_tail(ring.tail().wrapping_add(args.len as u32)),
        "commits" => {
            store_half(ring.at + 4, ring.half(68).wrapping_add(args.len as u32));
            ring.submit(Entry {
                operation: args.number as u32,
                handle: args.handle as u32,
                len: 0,
                ..RIGHT
            });
        }
        // More than there are commits, and none is taken.
        "answers" => {
            for _ in 0..2 * SLOTS {
                while ring.tail().wrapping_sub(ring.half(64)) == SLOTS {
                    core::hint::spin_loop();
                }
                ring.submit(Entry {
                    operation: args.number as u32,
                    handle: args.handle as u32,
                    data: data(),
                    ..RIGHT
                });
            }
        }
        _ => ring.submit(Entry {
            operation: args.number as u32,
            handle: args.handle as u32,
            data: place(&args.data),
            len: args.len as u32,
            offset: args.offset,
        }),
    }
    // The ring's thread has all the time that it needs.
    (0..10_000).for_each(|_| rest());
    let kept = digest() == before;
    println!("REACHED: read-only memory kept: {kept}");
}

/// Gives the CPU up for a while, or at least stops it.
fn rest() {
    let request = Request {
        handle: 0,
        offset: 0,
        data: 0,
        len: 1_000_000,
    };
    make(POLL, call(), request);
}

/// Entries that are answered with an error, and words of the host's that are overwritten.
pub(crate) fn attacks() -> ! {
    seize();
    let before = digest();
    let [net, block] = [NET, BLOCK].map(Ring::new);
    let wild = Entry {
        operation: READ,
        data: u64::MAX - 255,
        ..RIGHT
    };
    for operation in [READ, WRITE] {
        for handle in HANDLES.into_iter().chain([SERVICE]) {
            let handle = handle as u32 | u32::from(handle >> 32 != 0) << 31;
            let result = block.answer(Entry {
                handle,
                operation,
                ..wild
            });
            assert_eq!(result, INVALID, "handle {handle:#x}");
        }
        let long = [(0, 0), (0, u64::from(u32::MAX)), (0, (128 << 10) + 512)];
        for (offset, len) in RANGES.into_iter().chain(long) {
            let entry = Entry {
                operation,
                offset,
                len: len as u32,
                ..wild
            };
            assert_eq!(block.answer(entry), INVALID, "{len:#x} at {offset:#x}");
        }
    }
    // Frames from and for nowhere, and operations that there are not.
    for ring in [net, block] {
        for operation in [0, 6, 7, u32::MAX, if ring.number == NET { 3 } else { 1 }] {
            ring.submit(Entry { operation, ..wild });
        }
    }
    for handle in HANDLES.into_iter().chain([STORAGE]) {
        let handle = handle as u32 | u32::from(handle >> 32 != 0) << 31;
        net.submit(Entry {
            operation: 1,
            handle,
            ..wild
        });
    }
    // The host's own words are told, not kept, there.
    for ring in [net, block] {
        for word in [64, 68, 72] {
            store_half(ring.at + word, 0xdead_beef);
        }
    }
    for _ in 0..1000 {
        out(0x600, NET as u32);
        out(0x600, BLOCK as u32);
    }
    block.submit(RIGHT);
    for (ring, word) in [(net, 64), (block, 64), (block, 68)] {
        while ring.half(word) == 0xdead_beef {
            core::hint::spin_loop();
        }
    }
    assert_eq!(net.half(64), net.tail());
    assert_eq!(digest(), before, "read-only memory has changed");
    outlived(2 * (HANDLES.len() + 1 + RANGES.len() + 3) + 10 + HANDLES.len() + 1 + 6)
}

/// Changes entries while the host may be reading them: what it checks is what it must use.
pub(crate) fn rewrite() {
    seize();
    let before = digest();
    let ring = Ring::new(BLOCK);
    let good = Entry {
        operation: READ,
        data: data(),
        ..RIGHT
    };
    for round in 0..2000_u32 {
        let (tail, taken) = (ring.tail(), ring.half(68));
        ring.write(tail, good);
        ring.set_tail(tail.wrapping_add(1));
        let at = ring.at + 128 + u64::from(tail % SLOTS) * 32;
        while ring.half(68) == taken {
            // Into text, for more than there is, far behind the disk, and back.
            store(at + 8, place("text"));
            store(at + 24, u64::from(round) << 40);
            store_half(at + 16, u32::MAX);
            ring.write(tail, good);
        }
        store_half(ring.at + 4, taken.wrapping_add(1));
    }
    assert_eq!(digest(), before, "read-only memory has changed");
    outlived(2000)
}
