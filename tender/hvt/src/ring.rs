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
    os::fd::{AsFd, OwnedFd},
    sync::atomic::{
        AtomicBool, AtomicU32,
        Ordering::{Acquire, Relaxed, Release, SeqCst},
        fence,
    },
    time::Duration,
};

use fata_abi::{
    Handle, HandleSet,
    hvt::ring::{Answer, KICK_ALWAYS, KICK_NEVER, KICK_UNLESS_LENT, Request, Ring, SLOTS},
};
use fata_tender::Never;
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
pub use start::{Server, open};

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
        let what = match self {
            Self::Entries => "it counts more entries than there are slots",
            Self::Commits => "it asks for more commits than there are slots",
            Self::Pointer(pointer) => return write!(f, "in an entry of a ring, {pointer}"),
        };
        write!(f, "in a ring, {what}")
    }
}

/// The host's side of a ring.
#[derive(Debug)]
pub struct Host<'m> {
    ring: &'m Ring,
    wake: &'m Wake<'m>,
    /// Entries taken so far. The guest is told in [`publish`](Self::publish).
    taken: u32,
    /// Commits written so far, likewise.
    written: u32,
}

impl<'m> Host<'m> {
    /// The side of a ring that nothing happened on yet. `wake` is told of commits.
    pub fn new(ring: &'m Ring, wake: &'m Wake<'m>) -> Self {
        Self {
            ring,
            wake,
            taken: 0,
            written: 0,
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
    pub fn take(&mut self) -> Request {
        let entry = self.ring.entries[(self.taken % SLOTS) as usize].load();
        self.taken = self.taken.wrapping_add(1);
        entry
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
        self.ring.commits[(self.written % SLOTS) as usize].store(Answer { id, result, len });
        self.written = self.written.wrapping_add(1);
        Ok(())
    }

    /// Tells the guest of what was taken and of what was committed, and wakes it for the latter.
    pub fn publish(&mut self) {
        self.ring.entries_head.store(self.taken, Release);
        // A guest that writes to the host's line has itself to blame if it is not woken.
        if self.ring.commits_tail.load(Relaxed) != self.written {
            self.ring.commits_tail.store(self.written, Release);
            self.wake.wake();
        }
    }
}

/// How the thread of the virtual CPU sleeps, and what those of rings let it know.
#[derive(Debug)]
pub struct Wake<'m> {
    rings: [&'m Ring; 2],
    /// Not zero while that thread sleeps, or is about to. It sleeps on this word.
    sleeping: AtomicU32,
    /// The guest has lied.
    lied: AtomicBool,
}

impl<'m> Wake<'m> {
    /// For a guest with these rings.
    pub fn new(rings: [&'m Ring; 2]) -> Self {
        let (sleeping, lied) = (AtomicU32::new(0), AtomicBool::new(false));
        Self {
            rings,
            sleeping,
            lied,
        }
    }

    /// Sleeps until the guest has a commit to take from one of its rings, for `timeout` at most. May
    /// return before either.
    pub fn wait(&self, timeout: Duration) {
        self.sleeping.store(1, Relaxed);
        fence(SeqCst);
        let taken =
            |ring: &&Ring| ring.commits_head.load(Relaxed) == ring.commits_tail.load(Acquire);
        if !timeout.is_zero() && self.rings.iter().all(taken) {
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

    /// Whether the guest has lied in a ring, and so is to run no more. That is said only of one that
    /// is looked into: any other is gone by then.
    pub fn lied(&self) -> bool {
        self.lied.load(Acquire)
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
) -> Result<Never, Lie> {
    let mut readable = HandleSet::EMPTY;
    loop {
        let mut busy = round(&mut host, &mut readable)?;
        for _ in 0..bell.looks {
            if busy {
                break;
            }
            std::hint::spin_loop();
            busy = host.pending()? != 0;
        }
        if !busy {
            // What is readable here has nothing lent to it, and would not ring for what has come
            // before.
            let idle = readable.is_empty();
            let what = if idle { KICK_UNLESS_LENT } else { KICK_ALWAYS };
            host.ring.needs_kick.store(what, Relaxed);
            fence(SeqCst);
            busy = host.pending()? != 0;
        }
        // A guest that is never idle does not make the thread deaf for devices.
        bell.hear(&mut readable, !busy);
        host.ring.needs_kick.store(KICK_NEVER, Relaxed);
    }
}

/// What tells a ring's thread that there is something to do.
///
/// All in it is edge-triggered: a device that nobody reads, or that is gone, rings once, and the
/// kicks of a guest need not be read to be over.
#[derive(Debug)]
pub struct Bell {
    /// What the thread waits with.
    pub epoll: OwnedFd,
    /// What the guest's kicks are to write to.
    pub kick: OwnedFd,
    /// How often to look for entries before sleeping.
    looks: u32,
}

/// The kick among the handles of devices.
const KICK: u64 = u64::MAX;

/// What a guest that is busy needs to come with the next entry, and no more than what it costs both
/// sides if the thread sleeps: the kick, and the way back from sleep. One that paused for some
/// hundred of these looks between entries, at random, kicked for every 8th without, for every 600th
/// with.
const LOOKS: u32 = 1000;

impl Bell {
    /// A bell that only the kick rings as yet.
    ///
    /// # Errors
    ///
    /// The kernel's.
    pub fn new() -> Result<Self, Errno> {
        // With one CPU the guest does nothing while this thread looks for what it has done.
        let alone = std::thread::available_parallelism().is_ok_and(|cpus| cpus.get() == 1);
        let bell = Self {
            epoll: epoll::create(CreateFlags::CLOEXEC)?,
            kick: eventfd(0, EventfdFlags::CLOEXEC)?,
            looks: if alone { 0 } else { LOOKS },
        };
        bell.add(&bell.kick, KICK)?;
        Ok(bell)
    }

    /// Lets device `index` ring, too, when it has something to read.
    ///
    /// # Errors
    ///
    /// The kernel's.
    pub fn add(&self, descriptor: impl AsFd, index: u64) -> Result<(), Errno> {
        let flags = EventFlags::IN | EventFlags::ET;
        epoll::add(&self.epoll, descriptor, EventData::new_u64(index), flags)
    }

    /// Adds the devices that have rung. If nothing has, not even the kick, it may `wait` until then.
    fn hear(&self, readable: &mut HandleSet, wait: bool) {
        let (now, mut events) = (Timespec::default(), [const { MaybeUninit::uninit() }; 16]);
        let timeout = if wait { None } else { Some(&now) };
        // Where a signal came in between, the caller tries again.
        if let Ok((events, _)) = epoll::wait(&self.epoll, &mut events, timeout) {
            // A kick is no handle.
            let handles = events.iter().map(|event| event.data.u64() as usize);
            let handles = handles.filter_map(Handle::new);
            handles.for_each(|handle| readable.insert(handle));
        }
    }
}

#[cfg(test)]
mod tests;
