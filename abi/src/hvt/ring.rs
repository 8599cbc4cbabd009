// SPDX-License-Identifier: ISC
//! The ring by which a guest hands work to another thread of its tender, without leaving the guest.
//!
//! The layout is Solo5's (Solo5 `include/hvt_ring.h`, since 0.11). The guest writes entries and
//! advances [`entries_tail`](Ring::entries_tail); the host takes them, advances
//! [`entries_head`](Ring::entries_head), and answers some with a commit. Indices run freely; a slot is
//! the index modulo [`SLOTS`]. Each side writes its own line of indices and reads the other's.
//!
//! A host that is about to sleep sets [`needs_kick`](Ring::needs_kick), and looks for entries once
//! more behind a full fence; a guest looks at it behind a full fence after it has advanced its tail,
//! and kicks ([`KICK_PORT`](super::KICK_PORT)) if it is set.
//!
//! # As Solo5 has it
//!
//! One ring, [`NET`], for all network devices. [`NET_WRITE`] sends a frame: no commit, the buffer is
//! free when the head has passed. [`NET_READ`] is answered at once, with a frame or
//! [`AGAIN`](super::AGAIN).
//!
//! # With `OFFER_RINGS`
//!
//! - [`NET_WRITE`] as above: what a device does not take is lost. A guest that has no buffer left does
//!   well to look at [`entries_head`](Ring::entries_head) for a while, and then to give up its CPU by
//!   short [`Poll`](super::Poll)s: sent frames end none.
//! - A [`NET_READ`] lends its buffer to the host until a frame has come for it; then comes the commit.
//!   Frames fill the buffers of a device in the order in which those were lent. The end of a frame
//!   that is longer than its buffer is lost, so one that fills it is to be taken for cut short.
//! - As long as [`needs_kick`](Ring::needs_kick) says [`KICK_UNLESS_LENT`], a guest that has only lent
//!   buffers need not kick: no frame waits for one, and a host that wakes for a frame takes the entries
//!   first.
//! - A second ring, [`BLOCK`], lies [`BLOCK_RING_OFFSET`] behind the first and takes [`BLOCK_READ`],
//!   [`BLOCK_WRITE`] and [`BLOCK_FLUSH`], each answered by a commit, in any order. A transfer is whole
//!   blocks inside the device, and as long as the offer says at most. A flush covers the writes whose
//!   commits came before it was submitted.
//! - A commit says [`OK`](super::OK) and how many bytes; [`INVALID`](super::INVALID) where there is no
//!   such device, no length, or no such part of the device; [`UNSPECIFIED`](super::UNSPECIFIED) where
//!   the host's disk failed. Nothing comes from a network device that is gone.
//! - There are [`SLOTS`] commits: buffers lent and requests submitted, up to the taking of their
//!   commits, may be as many, in each ring.
//! - The [`Poll`](super::Poll) hypercall ends when there is a commit that the guest has not taken
//!   ([`commits_head`](Ring::commits_head) behind [`commits_tail`](Ring::commits_tail)), in either ring.
//!
//! Neither side believes the other. The host ends a guest whose entries lead outside of its memory,
//! whose indices cannot be, or that is owed more commits than there are slots.

use core::sync::atomic::{AtomicI32, AtomicU32, AtomicU64, Ordering::Relaxed};

/// Number of entries, and of commits.
pub const SLOTS: u32 = 1024;
/// The network ring, as the value of a kick.
pub const NET: u32 = 0;
/// The ring of block devices, as the value of a kick.
pub const BLOCK: u32 = 1;
/// From the network ring to the ring of block devices.
pub const BLOCK_RING_OFFSET: u64 = (size_of::<Ring>() as u64).next_multiple_of(4096);
/// Bytes of memory for both rings.
pub const RINGS_SIZE: u64 = 2 * BLOCK_RING_OFFSET;

/// A value of [`Ring::needs_kick`]: the host is awake, and looks for entries before it sleeps.
pub const KICK_NEVER: u32 = 0;
/// A value of [`Ring::needs_kick`]: kick for every entry. What a guest does not know means this.
pub const KICK_ALWAYS: u32 = 1;
/// A value of [`Ring::needs_kick`]: kick for entries other than [`NET_READ`].
pub const KICK_UNLESS_LENT: u32 = 2;

/// Operation of an entry: send a frame.
pub const NET_WRITE: u32 = 1;
/// Operation of an entry: receive a frame.
pub const NET_READ: u32 = 2;
/// Operation of an entry: from a block device into memory.
pub const BLOCK_READ: u32 = 3;
/// Operation of an entry: from memory to a block device.
pub const BLOCK_WRITE: u32 = 4;
/// Operation of an entry: make what was written durable.
pub const BLOCK_FLUSH: u32 = 5;

/// A ring in memory that guest and host share. All zero is an empty one.
///
/// Both may write at any time, so every word is atomic; none is ever more than a claim.
#[repr(C)]
#[derive(Debug)]
pub struct Ring {
    /// Entries that the guest has written.
    pub entries_tail: AtomicU32,
    /// Commits that the guest has taken.
    pub commits_head: AtomicU32,
    /// Keeps the guest's line apart from the host's.
    pub guest_padding: [AtomicU32; 14],
    /// Entries that the host has taken, and is done with where no commit follows.
    pub entries_head: AtomicU32,
    /// Commits that the host has written.
    pub commits_tail: AtomicU32,
    /// Not zero while the host sleeps, or is about to: what to kick it for.
    pub needs_kick: AtomicU32,
    /// Keeps the host's line apart from the entries.
    pub host_padding: [AtomicU32; 13],
    /// What the guest asks for.
    pub entries: [Entry; SLOTS as usize],
    /// What the host answers.
    pub commits: [Commit; SLOTS as usize],
}

/// What a guest asks for.
#[repr(C)]
#[derive(Debug)]
pub struct Entry {
    /// One of the operations above; the host passes over others.
    pub operation: AtomicU32,
    /// Index of the device in the manifest.
    pub handle: AtomicU32,
    /// Address of the memory.
    pub data: AtomicU64,
    /// Its length in bytes.
    pub len: AtomicU32,
    /// Returned in the commit.
    pub id: AtomicU32,
    /// First byte on a block device.
    pub offset: AtomicU64,
}

/// What a host answers.
#[repr(C)]
#[derive(Debug)]
pub struct Commit {
    /// That of the entry.
    pub id: AtomicU32,
    /// [`OK`](super::OK) or how it failed.
    pub result: AtomicI32,
    /// Bytes transferred.
    pub len: AtomicU32,
    /// Nothing.
    pub padding: AtomicU32,
}

/// The words of an [`Entry`], as they were when they were read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// As in [`Entry`], like all that follows.
    pub operation: u32,
    /// Index of the device.
    pub handle: u32,
    /// Address of the memory.
    pub data: u64,
    /// Its length.
    pub len: u32,
    /// Returned in the commit.
    pub id: u32,
    /// First byte on a block device.
    pub offset: u64,
}

/// The words of a [`Commit`], as they were when they were read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// As in [`Commit`], like all that follows.
    pub id: u32,
    /// How it went.
    pub result: i32,
    /// Bytes transferred.
    pub len: u32,
}

impl Entry {
    /// Reads each word once.
    pub fn load(&self) -> Request {
        Request {
            operation: self.operation.load(Relaxed),
            handle: self.handle.load(Relaxed),
            data: self.data.load(Relaxed),
            len: self.len.load(Relaxed),
            id: self.id.load(Relaxed),
            offset: self.offset.load(Relaxed),
        }
    }

    /// Writes each word. The other side reads them when the tail has passed.
    pub fn store(&self, request: &Request) {
        self.operation.store(request.operation, Relaxed);
        self.handle.store(request.handle, Relaxed);
        self.data.store(request.data, Relaxed);
        self.len.store(request.len, Relaxed);
        self.id.store(request.id, Relaxed);
        self.offset.store(request.offset, Relaxed);
    }
}

impl Commit {
    /// Reads each word once.
    pub fn load(&self) -> Answer {
        Answer {
            id: self.id.load(Relaxed),
            result: self.result.load(Relaxed),
            len: self.len.load(Relaxed),
        }
    }

    /// Writes each word. The other side reads them when the tail has passed.
    pub fn store(&self, answer: Answer) {
        self.id.store(answer.id, Relaxed);
        self.result.store(answer.result, Relaxed);
        self.len.store(answer.len, Relaxed);
    }
}

const _: () = {
    use core::mem::offset_of;
    assert!(offset_of!(Ring, entries_head) == 64);
    assert!(offset_of!(Ring, needs_kick) == 72);
    assert!(offset_of!(Ring, entries) == 128);
    assert!(offset_of!(Ring, commits) == 32896);
    assert!(size_of::<Ring>() == 49280);
    assert!(size_of::<Entry>() == 32 && offset_of!(Entry, offset) == 24);
    assert!(size_of::<Commit>() == 16);
};
