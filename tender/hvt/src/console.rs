// SPDX-License-Identifier: ISC
//! The guest's console: standard output, or whatever descriptor is given.

use std::os::fd::BorrowedFd;

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
};

use crate::memory::Buffer;

/// How long a console that takes nothing is waited for, once.
const PATIENCE: Timespec = Timespec {
    tv_sec: 1,
    tv_nsec: 0,
};

/// Where a guest's text goes. All of it, in order, as long as somebody reads it.
#[derive(Debug)]
pub struct Console<'a> {
    descriptor: BorrowedFd<'a>,
    /// It was full and stayed so: text is lost, and not waited for, until it takes some again.
    stuck: bool,
}

impl<'a> Console<'a> {
    /// A console that writes to `descriptor`.
    pub fn new(descriptor: BorrowedFd<'a>) -> Self {
        let stuck = false;
        Self { descriptor, stuck }
    }

    /// Writes `text`. A descriptor that blocks is waited for; one that does not, and is full, only
    /// for a moment; one that nobody reads any more takes everything.
    pub fn write(&mut self, text: Buffer<'_>) {
        let mut rest = text;
        while !rest.is_empty() {
            match rest.write_to(self.descriptor) {
                Ok(count) => {
                    self.stuck = false;
                    rest = rest.skip(count);
                }
                Err(Errno::AGAIN) if !self.stuck => {
                    let mut full = [PollFd::from_borrowed_fd(self.descriptor, PollFlags::OUT)];
                    self.stuck = poll(&mut full, Some(&PATIENCE)) == Ok(0);
                }
                Err(_) => return,
            }
        }
    }
}
