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
mod start;

use std::{
    fmt,
    mem::MaybeUninit,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::atomic::{
        AtomicU32,
        Ordering::{Acquire, Relaxed, Release, SeqCst},
        fence,
    },
    time::Duration,
};

use fata_abi::{
    Handle, HandleSet,
    hvt::ring::{KICK_ALWAYS, KICK_UNLESS_LENT, Ring, SLOTS},
};
use rustix::{
    event::{
        EventfdFlags, Timespec,
        epoll::{self, CreateFlags, EventData, EventFlags},
        eventfd,
    },
    io::Errno,
    thread::futex,
};

use crate::memory::BadPointer;
pub use start::{Rings, Threads};

/// Most that is done for a guest, entries as well as frames of one device, before it is told.
pub const BATCH: u32 = 64;

/// What only a guest does that is broken or means harm. It ends the guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lie {
    /// More entries are said to be there than there are slots.
    Entries,
    /// More answers are asked for than there are slots for commits that were not taken, or commits
    /// are said to be taken that were never written.
    Commits,
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
            Self::Entries => f.write_str("in a ring, it counts more entries than there are slots"),
            Self::Commits => {
                f.write_str("in a ring, it asks for more commits than there are slots")
            }
            Self::Pointer(pointer) => write!(f, "in an entry of a ring, {pointer}"),
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
    wake: &'m Wake,
    /// Entries taken so far. The guest is told in [`publish`](Self::publish).
    taken: u32,
    /// Commits written so far, likewise.
    written: u32,
    /// As many of them as the guest was told.
    published: u32,
}

impl<'m> Host<'m> {
    /// The side of a ring that nothing happened on yet. `wake` is told of commits.
    pub fn new(ring: &'m Ring, wake: &'m Wake) -> Self {
        Self {
            ring,
            wake,
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
            _ => Err(Lie::Entries),
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
        if self.written.wrapping_sub(head) >= SLOTS {
            return Err(Lie::Commits);
        }
        let slot = &self.ring.commits[(self.written % SLOTS) as usize];
        slot.id.store(id, Relaxed);
        slot.result.store(result, Relaxed);
        slot.len.store(len, Relaxed);
        self.written = self.written.wrapping_add(1);
        Ok(())
    }

    /// Tells the guest of what was taken and of what was committed, and wakes it for the latter.
    pub fn publish(&mut self) {
        self.ring.entries_head.store(self.taken, Release);
        if self.published != self.written {
            self.published = self.written;
            self.ring.commits_tail.store(self.written, Release);
            self.wake.wake();
        }
    }

    /// Asks the guest to kick for `what` from now on. Entries that it has written before are
    /// [`pending`](Self::pending) now.
    fn ask_for_kicks(&self, what: u32) {
        self.ring.needs_kick.store(what, Relaxed);
        fence(SeqCst);
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

/// Serves a ring until the guest lies. It blocks, and returns for no other reason.
///
/// `round` does what there is to do, up to about [`BATCH`], and publishes it. It is given the devices
/// that may have something to read, removes those that have nothing, and returns whether there is
/// more to do besides entries.
pub fn serve<'m>(
    mut host: Host<'m>,
    bell: &Bell,
    mut round: impl FnMut(&mut Host<'m>, &mut HandleSet) -> Result<bool, Lie>,
) -> Lie {
    let mut readable = HandleSet::EMPTY;
    loop {
        let rest = round(&mut host, &mut readable);
        if let Err(lie) = rest.and_then(|more| bell.listen(&host, more, &mut readable)) {
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

/// What to kick for while the host is awake.
const NO_KICKS: u32 = 0;
/// The kick among the handles of devices.
const KICK: u64 = u64::MAX;

/// What a guest that is busy needs to come with the next entry, and no more than what it costs both
/// sides if the thread sleeps: the kick, and the way back from sleep. One that paused for some
/// hundred of these looks between entries, at random, kicked for every 8th without, for every 600th
/// with.
const LOOKS: u32 = 1000;

impl Bell {
    /// A bell that only [`kick`](Self::kick) rings as yet.
    ///
    /// # Errors
    ///
    /// The kernel's.
    pub fn new() -> Result<Self, Errno> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let kick = eventfd(0, EventfdFlags::CLOEXEC)?;
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

    /// The event that the guest's kicks are to write to.
    pub fn kick(&self) -> BorrowedFd<'_> {
        self.kick.as_fd()
    }

    /// The epoll set, for a filter of system calls.
    pub fn epoll(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }

    /// Waits until there is something to do, unless there is `more`.
    fn listen(&self, host: &Host, more: bool, readable: &mut HandleSet) -> Result<(), Lie> {
        if more || self.look(host)? {
            // A guest that is never idle shall not make the thread deaf for devices.
            if self.devices {
                self.hear(readable, Some(&Timespec::default()));
            }
            return Ok(());
        }
        // What is readable here has nothing lent to it, and would not ring for what has come before.
        host.ask_for_kicks(match readable.is_empty() {
            true => KICK_UNLESS_LENT,
            false => KICK_ALWAYS,
        });
        if host.pending()? == 0 {
            self.hear(readable, None);
        }
        host.ask_for_kicks(NO_KICKS);
        Ok(())
    }

    /// Whether an entry is there, or soon comes.
    fn look(&self, host: &Host) -> Result<bool, Lie> {
        for _ in 0..self.looks {
            if host.pending()? != 0 {
                return Ok(true);
            }
            std::hint::spin_loop();
        }
        Ok(host.pending()? != 0)
    }

    fn hear(&self, readable: &mut HandleSet, timeout: Option<&Timespec>) {
        let mut events = [const { MaybeUninit::uninit() }; 16];
        // Where a signal came in between, the caller tries again.
        if let Ok((events, _)) = epoll::wait(&self.epoll, &mut events, timeout) {
            // A kick is no handle.
            let handles = events.iter().map(|event| event.data.u64());
            let handles = handles.filter_map(|index| Handle::new(index as usize));
            handles.for_each(|handle| readable.insert(handle));
        }
    }
}

#[cfg(test)]
mod tests;
