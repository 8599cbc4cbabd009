// SPDX-License-Identifier: ISC
//! The host's side of the rings by which a guest hands over work without leaving its virtual CPU.
//!
//! Each ring has a thread of its own here ([`serve`]), which sleeps until there is something to do:
//! the guest's kick, or a frame on a tap. Commits of either wake the thread of the virtual CPU where
//! that sleeps ([`Wake`]). What the rings mean is [`fata_abi::hvt::ring`]; read that first. What is
//! done with an entry is in [`net`] and [`block`].
//!
//! A ring lies in the guest's memory and may change under any look at it. So each word is read once,
//! the host's own indices are kept here and only told to the guest, and what no honest guest does
//! ([`Lie`]) ends it.

pub mod block;
pub mod net;

use std::{
    fmt,
    mem::MaybeUninit,
    os::fd::{AsFd, OwnedFd},
    sync::atomic::{
        AtomicU32,
        Ordering::{Acquire, Relaxed, Release, SeqCst},
        fence,
    },
    time::Duration,
};

use fata_abi::hvt::ring::{Ring, SLOTS};
use rustix::{
    event::{
        Timespec,
        epoll::{self, CreateFlags, EventData, EventFlags},
    },
    io::Errno,
    thread::futex,
};

use crate::memory::BadPointer;

/// Most that is done for a guest, entries as well as frames of one device, before it is told.
pub const BATCH: u32 = 64;

/// What only a guest does that is broken or means harm. It ends the guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lie {
    /// More entries are said to be there than there are slots.
    Entries(u32),
    /// More answers are asked for than there are slots for commits that were not taken, or commits
    /// are said to be taken that were never written.
    Commits(u32),
    /// An entry leads outside of memory.
    Pointer(BadPointer),
}

impl From<BadPointer> for Lie {
    fn from(pointer: BadPointer) -> Self {
        Self::Pointer(pointer)
    }
}

impl fmt::Display for Lie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Entries(count) => {
                write!(f, "a ring of {SLOTS} slots is said to hold {count} entries")
            }
            Self::Commits(count) => {
                write!(f, "a ring of {SLOTS} slots would hold {count} commits")
            }
            Self::Pointer(pointer) => pointer.fmt(f),
        }
    }
}

/// The words of an entry, as they were when they were read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// One of the operations.
    pub operation: u32,
    /// Index of the device in the manifest.
    pub handle: u32,
    /// Address of the memory.
    pub data: u64,
    /// Its length in bytes.
    pub len: u32,
    /// Goes into the commit.
    pub id: u32,
    /// First byte on a block device.
    pub offset: u64,
}

/// The host's side of a ring.
#[derive(Debug)]
pub struct Host<'m> {
    ring: &'m Ring,
    /// Entries taken so far. The guest is told in [`publish`](Self::publish).
    taken: u32,
    /// Commits written so far, likewise.
    written: u32,
    /// As many of them as the guest was told.
    published: u32,
}

impl<'m> Host<'m> {
    /// The side of a ring that nothing happened on yet.
    pub fn new(ring: &'m Ring) -> Self {
        Self {
            ring,
            taken: 0,
            written: 0,
            published: 0,
        }
    }

    /// How many entries there are to take.
    ///
    /// # Errors
    ///
    /// More than a ring holds.
    pub fn pending(&self) -> Result<u32, Lie> {
        let tail = self.ring.entries_tail.load(Acquire);
        match tail.wrapping_sub(self.taken) {
            count @ 0..=SLOTS => Ok(count),
            count => Err(Lie::Entries(count)),
        }
    }

    /// Takes the next of the entries that [`pending`](Self::pending) has counted.
    pub fn take(&mut self) -> Entry {
        let slot = &self.ring.entries[(self.taken % SLOTS) as usize];
        self.taken = self.taken.wrapping_add(1);
        Entry {
            operation: slot.operation.load(Relaxed),
            handle: slot.handle.load(Relaxed),
            data: slot.data.load(Relaxed),
            len: slot.len.load(Relaxed),
            id: slot.id.load(Relaxed),
            offset: slot.offset.load(Relaxed),
        }
    }

    /// Writes a commit.
    ///
    /// # Errors
    ///
    /// The guest has not taken as many as would make room for it.
    pub fn commit(&mut self, id: u32, result: i32, len: u32) -> Result<(), Lie> {
        // The guest's last look at the slot comes before its head, and the write below after.
        let head = self.ring.commits_head.load(Acquire);
        let outstanding = self.written.wrapping_sub(head);
        if outstanding >= SLOTS {
            return Err(Lie::Commits(outstanding));
        }
        let slot = &self.ring.commits[(self.written % SLOTS) as usize];
        slot.id.store(id, Relaxed);
        slot.result.store(result, Relaxed);
        slot.len.store(len, Relaxed);
        self.written = self.written.wrapping_add(1);
        Ok(())
    }

    /// Tells the guest of what was taken and of what was committed, and whether there was any of the
    /// latter: it may then have to be woken.
    pub fn publish(&mut self) -> bool {
        self.ring.entries_head.store(self.taken, Release);
        self.ring.commits_tail.store(self.written, Release);
        let news = self.published != self.written;
        self.published = self.written;
        news
    }

    /// Asks the guest to kick from now on. Entries that it has written before are
    /// [`pending`](Self::pending) now.
    fn ask_for_kicks(&self) {
        self.ring.needs_kick.store(1, Relaxed);
        fence(SeqCst);
    }

    /// Asks it no longer.
    fn ask_for_no_kicks(&self) {
        self.ring.needs_kick.store(0, Relaxed);
    }
}

/// How the threads of rings wake that of the virtual CPU.
#[derive(Debug, Default)]
pub struct Wake {
    /// Not zero while that thread sleeps, or is about to. It sleeps on this word.
    sleeping: AtomicU32,
}

impl Wake {
    /// Sleeps until the guest has a commit to take from one of `rings`, for `timeout` at most. May
    /// return before either.
    pub fn wait(&self, rings: &[&Ring], timeout: Duration) {
        self.sleeping.store(1, Relaxed);
        fence(SeqCst);
        let taken =
            |ring: &&Ring| ring.commits_head.load(Relaxed) == ring.commits_tail.load(Acquire);
        if !timeout.is_zero() && rings.iter().all(taken) {
            // One that does not fit is for ever.
            let timeout = Timespec::try_from(timeout).ok();
            // Whatever ends it, the caller looks again.
            let _ = futex::wait(&self.sleeping, futex::Flags::PRIVATE, 1, timeout.as_ref());
        }
        self.sleeping.store(0, Relaxed);
    }

    /// Wakes the thread if it sleeps, after [`Host::publish`].
    pub fn wake(&self) {
        fence(SeqCst);
        if self.sleeping.load(Relaxed) != 0 && self.sleeping.swap(0, Relaxed) != 0 {
            let _ = futex::wake(&self.sleeping, futex::Flags::PRIVATE, 1);
        }
    }
}

/// What is done with the entries of a ring.
pub trait Server {
    /// The ring.
    fn ring(&self) -> &Host<'_>;

    /// Does what there is to do, up to about [`BATCH`]. Returns whether there is more besides entries.
    ///
    /// # Errors
    ///
    /// The guest lies.
    fn round(&mut self) -> Result<bool, Lie>;

    /// Device `index` has something to read, or came to an end.
    fn ready(&mut self, index: u64);
}

/// Serves a ring until the guest lies. It blocks, and returns for no other reason.
pub fn serve(server: &mut impl Server, bell: &Bell) -> Lie {
    loop {
        let more = match server.round() {
            Ok(more) => more,
            Err(lie) => return lie,
        };
        if let Err(lie) = bell.listen(server, more) {
            return lie;
        }
    }
}

/// What tells a ring's thread that there is something to do.
///
/// All in it is edge-triggered: a device that nobody reads, or that is gone, rings once, and the
/// kicks of a guest need not be read to be over.
#[derive(Debug)]
pub struct Bell {
    epoll: OwnedFd,
    kick: OwnedFd,
    devices: bool,
    /// How often to look for entries before sleeping.
    looks: u32,
}

/// The kick among the devices.
const KICK: u64 = u64::MAX;

/// What a guest that is busy needs to come with the next entry, and far less than what it costs both
/// sides if the thread sleeps: the kick, and the way back from sleep.
const LOOKS: u32 = 1000;

impl Bell {
    /// A bell that `kick`, an event descriptor, rings.
    ///
    /// # Errors
    ///
    /// The kernel's.
    pub fn new(kick: OwnedFd) -> Result<Self, Errno> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let flags = EventFlags::IN | EventFlags::ET;
        epoll::add(&epoll, &kick, EventData::new_u64(KICK), flags)?;
        // With one CPU the guest does nothing while this thread looks for what it has done.
        let alone = std::thread::available_parallelism().is_ok_and(|cpus| cpus.get() == 1);
        Ok(Self {
            epoll,
            kick,
            devices: false,
            looks: if alone { 0 } else { LOOKS },
        })
    }

    /// Lets device `index` ring, too, when it has something to read.
    ///
    /// # Errors
    ///
    /// The kernel's.
    pub fn add(&mut self, descriptor: impl AsFd, index: u64) -> Result<(), Errno> {
        self.devices = true;
        let flags = EventFlags::IN | EventFlags::ET;
        epoll::add(&self.epoll, descriptor, EventData::new_u64(index), flags)
    }

    /// The event descriptor.
    pub fn kick(&self) -> &OwnedFd {
        &self.kick
    }

    /// The epoll set.
    pub fn epoll(&self) -> &OwnedFd {
        &self.epoll
    }

    /// Waits until there is something to do, unless there is `more`.
    fn listen(&self, server: &mut impl Server, more: bool) -> Result<(), Lie> {
        if more || self.look(server.ring())? {
            // A guest that is never idle shall not make the thread deaf for devices.
            if self.devices {
                self.hear(server, Some(&Timespec::default()));
            }
            return Ok(());
        }
        server.ring().ask_for_kicks();
        if server.ring().pending()? == 0 {
            self.hear(server, None);
        }
        server.ring().ask_for_no_kicks();
        Ok(())
    }

    /// Whether an entry is there, or soon comes.
    fn look(&self, ring: &Host<'_>) -> Result<bool, Lie> {
        for _ in 0..self.looks {
            if ring.pending()? != 0 {
                return Ok(true);
            }
            std::hint::spin_loop();
        }
        Ok(ring.pending()? != 0)
    }

    fn hear(&self, server: &mut impl Server, timeout: Option<&Timespec>) {
        let mut events = [const { MaybeUninit::uninit() }; 16];
        // What was interrupted is tried again by the caller.
        let Ok((events, _)) = epoll::wait(&self.epoll, &mut events, timeout) else {
            return;
        };
        for event in events {
            match event.data.u64() {
                KICK => {}
                index => server.ready(index),
            }
        }
    }
}

#[cfg(test)]
mod tests;
