// SPDX-License-Identifier: ISC
//! The guest's side of the rings by which work goes to another thread of the tender, without leaving
//! the guest.
//!
//! What they mean is [`fata_abi::hvt::ring`]; read that first. [`net`] carries frames, [`block`]
//! requests. The host is not believed in what leads to an array of this side; what else a lying host
//! can do, which could as well write to all of memory, is its affair.

pub(crate) mod block;
pub(crate) mod net;

use core::{
    cell::Cell,
    ptr,
    sync::atomic::{
        Ordering::{Acquire, Relaxed, Release, SeqCst},
        fence,
    },
};

use fata_abi::{
    hvt::{
        BootInfo, FEATURE_RING,
        ring::{
            Answer, BLOCK, BLOCK_RING_OFFSET, KICK_UNLESS_LENT, NET, NET_READ, RINGS_SIZE, Request,
            Ring, SLOTS,
        },
    },
    offer::{OFFER_RINGS, Offer},
};

use fata_platform_x86::{Region, Rights};

use crate::hypercall;

/// How often to look for room before time is given to others.
const LOOKS: usize = 1000;
/// Nanoseconds that are given to others then: a host with one CPU gets on only meanwhile.
const REST: u64 = 50_000;

/// Where the tender has put its rings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// Address of the network ring.
    start: u64,
    /// Bytes from there on, in pages.
    len: u64,
}

impl Place {
    /// What boot information and offer say, if it makes sense. `info` is where the tender put it.
    pub(crate) fn of(info: &BootInfo, offer: &Offer) -> Option<Self> {
        // An older tender has written nothing there, and the manifest where it would be.
        let behind = ptr::from_ref(info).addr() + size_of::<BootInfo>();
        let start = info.net_ring;
        if info.manifest < behind as u64
            || info.host_features & FEATURE_RING == 0
            || start < info.mem_size
            || !start.is_multiple_of(4096)
        {
            return None;
        }
        let len = if offer.features & OFFER_RINGS == 0 {
            BLOCK_RING_OFFSET
        } else {
            RINGS_SIZE
        };
        start.checked_add(len).map(|_| Self { start, len })
    }

    /// The memory, and what it needs to be.
    pub(crate) fn region(self) -> Region {
        Region {
            start: self.start,
            end: self.start + self.len,
            rights: Rights::Write,
        }
    }

    /// The network ring, and that of block devices if it is offered.
    ///
    /// # Safety
    ///
    /// The memory is mapped, zeroed at the start, and nothing else of the guest's refers to it.
    pub(crate) unsafe fn lines(self) -> (Line, Option<Line>) {
        let at = |address: u64, number| {
            let ring: *const Ring = ptr::with_exposed_provenance(address as usize);
            // SAFETY: the caller's promise; a ring, for which a page is aligned, consists of atomic
            // integers.
            Line::new(unsafe { &*ring }, number)
        };
        let block = (self.len == RINGS_SIZE).then(|| at(self.start + BLOCK_RING_OFFSET, BLOCK));
        (at(self.start, NET), block)
    }
}

/// A ring, and how its host is called.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line {
    pub(crate) ring: &'static Ring,
    /// Value of a kick.
    pub(crate) number: u32,

    /// Tells the host that there are entries.
    pub(crate) kick: fn(u32),
    /// Gives others a little time.
    pub(crate) rest: fn(),
}

impl Line {
    /// To a ring of the tender's.
    pub(crate) fn new(ring: &'static Ring, number: u32) -> Self {
        Self {
            ring,
            number,
            kick: hypercall::kick,
            rest: || {
                hypercall::poll(REST);
            },
        }
    }
}

/// The guest's side of a ring, or of none. Its own indices are kept here, and only told to the host.
/// All zero at first, like all state of the platform.
#[derive(Debug)]
pub(crate) struct Guest {
    line: Cell<Option<Line>>,
    /// Entries written.
    written: Cell<u32>,
    /// As many as were written with the last that does more than lend a buffer.
    needed: Cell<u32>,
    /// Entries that the host was done with when that was last looked at.
    retired: Cell<u32>,
    /// Commits taken.
    taken: Cell<u32>,
    /// Whether the host was kicked and has not come as far as that yet.
    waking: Cell<bool>,
    /// Entries written then.
    kicked: Cell<u32>,
}

impl Guest {
    /// No ring yet.
    pub(crate) const fn new() -> Self {
        Self {
            line: Cell::new(None),
            written: Cell::new(0),
            needed: Cell::new(0),
            retired: Cell::new(0),
            taken: Cell::new(0),
            waking: Cell::new(false),
            kicked: Cell::new(0),
        }
    }

    /// Names the ring, on which nothing has happened.
    pub(crate) fn init(&self, line: Line) {
        self.line.set(Some(line));
    }

    /// Whether there is a ring.
    pub(crate) fn is_there(&self) -> bool {
        self.line.get().is_some()
    }

    fn ring(&self) -> Option<&'static Ring> {
        self.line.get().map(|line| line.ring)
    }

    /// Writes an entry, which a host that is awake may take at once. False if there is no room for
    /// it: [`retire`](Self::retire) makes some.
    pub(crate) fn push(&self, entry: &Request) -> bool {
        let written = self.written.get();
        let Some(ring) = self.ring() else {
            return false;
        };
        if written.wrapping_sub(self.retired.get()) >= SLOTS {
            return false;
        }
        ring.entries[(written % SLOTS) as usize].store(entry);
        self.written.set(written.wrapping_add(1));
        if entry.operation != NET_READ {
            self.needed.set(self.written.get());
        }
        ring.entries_tail.store(self.written.get(), Release);
        true
    }

    /// Sees to it that the host takes what was written: kicks it if it sleeps.
    pub(crate) fn submit(&self) {
        let Some(line) = self.line.get() else {
            return;
        };
        // The host sets the word before it looks at the tail for the last time, and has said before
        // that how far it has come; so it sees the tail, or this sees what it has written.
        fence(SeqCst);
        let written = self.written.get();
        let head = self.head(line.ring);
        let behind = self.kicked.get().wrapping_sub(head);
        if self.waking.get() && (1..=SLOTS).contains(&behind) {
            // It looks for others before it sleeps again.
            return;
        }
        self.waking.set(false);
        let asks = match line.ring.needs_kick.load(Relaxed) {
            0 => false,
            KICK_UNLESS_LENT => self.is_needed(head),
            _ => true,
        };
        if head != written && asks {
            self.waking.set(true);
            self.kicked.set(written);
            (line.kick)(line.number);
        }
    }

    /// Calls `each` with operation and number of every entry that the host is done with since the
    /// last time. They are as they stand in the ring, which the host may have written to.
    pub(crate) fn retire(&self, mut each: impl FnMut(u32, u32)) {
        let Some(ring) = self.ring() else {
            return;
        };
        let head = self.head(ring);
        let mut at = self.retired.replace(head);
        while at != head {
            let slot = &ring.entries[(at % SLOTS) as usize];
            each(slot.operation.load(Relaxed), slot.id.load(Relaxed));
            at = at.wrapping_add(1);
        }
    }

    /// Whether the host is done with all entries that were written, but for buffers that it was lent.
    pub(crate) fn is_idle(&self) -> bool {
        self.ring()
            .is_none_or(|ring| !self.is_needed(self.head(ring)))
    }

    /// Whether a host that has come as far as `head` has more to do than to take lent buffers.
    fn is_needed(&self, head: u32) -> bool {
        let written = self.written.get();
        written.wrapping_sub(head) > written.wrapping_sub(self.needed.get())
    }

    /// The next commit.
    pub(crate) fn take(&self) -> Option<Answer> {
        let ring = self.ring()?;
        let taken = self.taken.get();
        let waiting = ring.commits_tail.load(Acquire).wrapping_sub(taken);
        if waiting == 0 || waiting > SLOTS {
            return None;
        }
        let commit = ring.commits[(taken % SLOTS) as usize].load();
        self.taken.set(taken.wrapping_add(1));
        ring.commits_head.store(self.taken.get(), Release);
        Some(commit)
    }

    /// Waits a little for the host to get on, until `done`, and says whether it is.
    pub(crate) fn wait_for(&self, mut done: impl FnMut() -> bool) -> bool {
        self.submit();
        for _ in 0..LOOKS {
            if done() {
                return true;
            }
            core::hint::spin_loop();
        }
        if let Some(line) = self.line.get() {
            (line.rest)();
        }
        done()
    }

    /// How many entries the host is done with. One that claims what cannot be has done nothing.
    fn head(&self, ring: &Ring) -> u32 {
        let head = ring.entries_head.load(Acquire);
        let retired = self.retired.get();
        let written = self.written.get().wrapping_sub(retired);
        if head.wrapping_sub(retired) <= written {
            head
        } else {
            retired
        }
    }
}

#[cfg(test)]
mod tests;
