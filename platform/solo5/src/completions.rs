// SPDX-License-Identifier: ISC
//! Requests to block devices that are finished and were not taken: where calls are synchronous, a
//! request has ended when it was submitted.

use core::cell::Cell;

use fata_abi::{Error, Handle, HandleSet, block::Completion};

/// Requests of one device whose completions can wait to be taken.
pub const QUEUE_DEPTH: usize = 32;

/// The queues of all devices.
#[derive(Debug)]
pub struct Completions {
    queues: Cell<Option<&'static [Queue]>>,
    /// Devices with something in their queue.
    finished: Cell<u64>,
}

impl Completions {
    /// Without queues, which only an image with a block device is given.
    pub(crate) const fn new() -> Self {
        Self {
            queues: Cell::new(None),
            finished: Cell::new(0),
        }
    }

    /// Names the queues; the device of manifest entry `n` uses queue `n`.
    pub fn init(&self, queues: &'static [Queue]) {
        self.queues.set(Some(queues));
    }

    /// Devices that have something to take.
    pub fn finished(&self) -> HandleSet {
        HandleSet(self.finished.get())
    }

    /// Whether another request of the device `handle` can end.
    ///
    /// # Errors
    ///
    /// [`Error::Again`] where completions were not taken, [`Error::Invalid`] where there is no queue.
    pub fn room(&self, handle: Handle) -> Result<(), Error> {
        if self.queue(handle)?.len.get() == QUEUE_DEPTH {
            return Err(Error::Again);
        }
        Ok(())
    }

    /// Keeps a completion of the device `handle`, for which there is [`room`](Self::room).
    pub fn push(&self, handle: Handle, completion: Completion) {
        let Ok(queue) = self.queue(handle) else {
            return;
        };
        queue.push(completion);
        self.finished.set(self.finished.get() | 1 << handle.index());
    }

    /// Takes what finished first on the device `handle`.
    ///
    /// # Errors
    ///
    /// [`Error::Again`] where nothing has, [`Error::Invalid`] where there is no queue.
    pub fn pop(&self, handle: Handle) -> Result<Completion, Error> {
        let queue = self.queue(handle)?;
        let completion = queue.pop().ok_or(Error::Again)?;
        if queue.len.get() == 0 {
            self.finished
                .set(self.finished.get() & !(1 << handle.index()));
        }
        Ok(completion)
    }

    fn queue(&self, handle: Handle) -> Result<&'static Queue, Error> {
        self.queues
            .get()
            .and_then(|queues| queues.get(handle.index()))
            .ok_or(Error::Invalid)
    }
}

/// The completions of one device, in a ring. All zero is an empty one.
#[derive(Debug)]
pub struct Queue {
    first: Cell<usize>,
    len: Cell<usize>,
    tags: [Cell<u64>; QUEUE_DEPTH],
    /// Bit `n` says that the request of `tags[n]` failed.
    failed: Cell<u32>,
}

const _: () = assert!(QUEUE_DEPTH == u32::BITS as usize);

impl Queue {
    fn push(&self, completion: Completion) {
        let at = (self.first.get() + self.len.get()) % QUEUE_DEPTH;
        self.tags[at].set(completion.tag);
        let others = self.failed.get() & !(1 << at);
        self.failed
            .set(others | u32::from(completion.result.is_err()) << at);
        self.len.set(self.len.get() + 1);
    }

    fn pop(&self) -> Option<Completion> {
        let len = self.len.get().checked_sub(1)?;
        let at = self.first.get() % QUEUE_DEPTH;
        self.len.set(len);
        self.first.set(at + 1);
        let failed = self.failed.get() >> at & 1 != 0;
        Some(Completion {
            tag: self.tags[at].get(),
            result: if failed {
                Err(Error::Unspecified)
            } else {
                Ok(())
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use std::{boxed::Box, vec::Vec};

    use super::*;

    fn completions() -> Completions {
        let completions = Completions::new();
        let queues: Vec<Queue> = (0..3)
            .map(|_| Queue {
                first: Cell::new(0),
                len: Cell::new(0),
                tags: [const { Cell::new(0) }; QUEUE_DEPTH],
                failed: Cell::new(0),
            })
            .collect();
        completions.init(Box::leak(queues.into_boxed_slice()));
        completions
    }

    #[test]
    fn they_wait_in_order_for_each_device() {
        let completions = completions();
        let [one, two, none] = [1, 2, 3].map(|n| Handle::new(n).unwrap());
        // Three rounds, so that the ring goes round; a failure among them must keep its place.
        for round in 0..3 {
            for n in 0..QUEUE_DEPTH as u64 {
                assert_eq!(completions.room(one), Ok(()));
                let result = match n == round {
                    true => Err(Error::Unspecified),
                    false => Ok(()),
                };
                completions.push(one, Completion { tag: n, result });
            }
            assert_eq!(completions.room(one), Err(Error::Again));
            assert_eq!(completions.finished(), HandleSet(1 << 1));
            assert_eq!(completions.pop(two), Err(Error::Again));
            for n in 0..QUEUE_DEPTH as u64 {
                let found = completions.pop(one).unwrap();
                assert_eq!((found.tag, found.result.is_err()), (n, n == round));
            }
            assert_eq!(completions.finished(), HandleSet::EMPTY);
        }
        assert_eq!(completions.room(none), Err(Error::Invalid));
    }
}
