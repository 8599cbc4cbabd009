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

/// Entries that are answered with an error or passed over, and words of the host's that are
/// overwritten.
pub(crate) fn attacks() -> ! {
    seize();
    let before = digest();
    let [net, block] = [NET, BLOCK].map(Ring::new);
    let count = answered(block) + passed_over(net, block) + overwritten(net, block);
    assert_eq!(digest(), before, "read-only memory has changed");
    outlived(count)
}

/// What no request is: an address that is none is never looked at.
const WILD: Entry = Entry {
    operation: READ,
    data: u64::MAX - 255,
    ..RIGHT
};

/// Handles in 32 bits, and that of the wrong device.
fn handles(wrong: u64) -> impl Iterator<Item = u32> {
    let handles = HANDLES.into_iter().chain([wrong]);
    handles.map(|handle| handle as u32 | u32::from(handle >> 32 != 0) << 31)
}

fn answered(block: Ring) -> usize {
    let long = [(0, 0), (0, u64::from(u32::MAX)), (0, (128 << 10) + 512)];
    let mut count = 0;
    let mut refused = |entry: Entry| {
        let Entry { offset, len, .. } = entry;
        let result = block.answer(entry);
        assert_eq!(result, INVALID, "{len:#x} at {offset:#x}");
        count += 1;
    };
    for operation in [READ, WRITE] {
        let wild = Entry { operation, ..WILD };
        handles(SERVICE).for_each(|handle| refused(Entry { handle, ..wild }));
        for (offset, len) in RANGES.into_iter().chain(long) {
            let len = len as u32;
            refused(Entry {
                offset,
                len,
                ..wild
            });
        }
    }
    count
}

/// Operations that there are not, and frames for devices that there are not.
fn passed_over(net: Ring, block: Ring) -> usize {
    for operation in [0, 6, 7, 1 << 31, u32::MAX] {
        for ring in [net, block] {
            ring.submit(Entry { operation, ..WILD });
        }
    }
    for handle in handles(STORAGE) {
        net.submit(Entry {
            operation: 1,
            handle,
            ..WILD
        });
    }
    10 + handles(STORAGE).count()
}

/// The host's own words are what it tells, not what it keeps; and it is kicked for nothing.
fn overwritten(net: Ring, block: Ring) -> usize {
    const WRONG: u32 = 0xdead_beef;
    for ring in [net, block] {
        for word in [64, 68, 72] {
            store_half(ring.at + word, WRONG);
        }
    }
    for _ in 0..1000 {
        out(0x600, NET as u32);
        out(0x600, BLOCK as u32);
    }
    block.submit(RIGHT);
    for (ring, word) in [(net, 64), (block, 64), (block, 68)] {
        while ring.half(word) == WRONG {
            core::hint::spin_loop();
        }
    }
    assert_eq!(net.half(64), net.tail());
    6 + 2 * 1000
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
