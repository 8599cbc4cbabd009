// SPDX-License-Identifier: ISC
//! Waiting for devices and for time, through the tender's epoll and timer descriptors.

use core::cell::Cell;

use fata_abi::{HandleSet, manifest::MAX_ENTRIES, spt::EPOLL_TIMER};

use crate::syscall::{self, EpollEvent};

/// Events taken at a time; further devices stay ready for the next call.
const BATCH: usize = 8;

/// The two descriptors, and when the timer is set to fire.
pub(crate) struct Waiter {
    epoll: Cell<i32>,
    timer: Cell<i32>,
    /// The deadline that the timer has; zero for none. Asking the kernel again for what it already
    /// does would cost a system call in every turn of an idle executor.
    armed: Cell<u64>,
}

impl Waiter {
    /// Without descriptors until [`init`](Self::init) names them.
    pub(crate) const fn new() -> Self {
        Self {
            epoll: Cell::new(0),
            timer: Cell::new(0),
            armed: Cell::new(0),
        }
    }

    /// Names the descriptors.
    pub(crate) fn init(&self, epoll: i32, timer: i32) {
        self.epoll.set(epoll);
        self.timer.set(timer);
    }

    /// Does what [`Platform::wait`](fata_abi::Platform::wait) says, for devices with a descriptor.
    pub(crate) fn wait(&self, deadline: u64) -> HandleSet {
        let timeout = match deadline {
            0 => 0,
            u64::MAX => {
                self.arm(0);
                -1
            }
            // If it is past, the timer fires at once.
            _ => {
                self.arm(deadline);
                -1
            }
        };
        let mut events = [EpollEvent::default(); BATCH];
        let count = syscall::epoll_wait(self.epoll.get(), &mut events, timeout);
        let mut ready = HandleSet::EMPTY;
        for event in events.iter().take(count) {
            let index = event.data;
            debug_assert!(index < MAX_ENTRIES as u64 || index == EPOLL_TIMER);
            if index < MAX_ENTRIES as u64 {
                ready.0 |= 1 << index;
            }
        }
        ready
    }

    fn arm(&self, deadline: u64) {
        if self.armed.replace(deadline) != deadline {
            syscall::timerfd_settime(self.timer.get(), deadline);
        }
    }
}

#[cfg(test)]
mod tests;
