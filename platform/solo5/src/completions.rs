// SPDX-License-Identifier: ISC
//! Requests to block devices: those in flight, and those that are finished and were not taken. Where
//! calls are synchronous, a request has ended when it was submitted.

use core::cell::Cell;

use fata_abi::{Error, Handle, HandleSet, block::Completion};

/// Requests of one device that can be in flight or wait to be taken.
pub const QUEUE_DEPTH: usize = 32;

/// The queues of all devices.
#[derive(Debug)]
pub struct Completions {
    queues: Cell<Option<&'static [Queue]>>,
    /// Devices with something in their queue.
    finished: Cell<u64>,
    /// Requests in flight.
    in_flight: Cell<usize>,
}

impl Completions {
    /// Without queues, which only an image with a block device is given.
    pub(crate) const fn new() -> Self {
        Self {
            queues: Cell::new(None),
            finished: Cell::new(0),
            in_flight: Cell::new(0),
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

    /// Begins a request of the device `handle`. Returns its number, less than [`QUEUE_DEPTH`], by
    /// which [`end`](Self::end) knows it.
    ///
    /// # Errors
    ///
    /// [`Error::Again`] where there are too many, [`Error::Invalid`] where there is no queue.
    pub fn begin(&self, handle: Handle, tag: u64) -> Result<usize, Error> {
        let number = self.queue(handle)?.begin(tag).ok_or(Error::Again)?;
        self.in_flight.set(self.in_flight.get() + 1);
        Ok(number)
    }

    /// Requests in flight, of all devices.
    pub fn in_flight(&self) -> usize {
        self.in_flight.get()
    }

    /// Ends a request of the device `handle`, if one of this number is in flight.
    pub fn end(&self, handle: Handle, number: usize, result: Result<(), Error>) {
        if let Ok(queue) = self.queue(handle)
            && queue.end(number, result.is_err())
        {
            self.finished.set(self.finished.get() | 1 << handle.index());
            self.in_flight.set(self.in_flight.get() - 1);
        }
    }

    /// Forgets a request that was begun, and then not started.
    pub fn cancel(&self, handle: Handle, number: usize) {
        if let Ok(queue) = self.queue(handle) {
            queue.forget(number);
            self.in_flight.set(self.in_flight.get() - 1);
        }
    }

    /// Takes a request of the device `handle` that has ended.
    ///
    /// # Errors
    ///
    /// [`Error::Again`] where nothing has, [`Error::Invalid`] where there is no queue.
    pub fn pop(&self, handle: Handle) -> Result<Completion, Error> {
        let queue = self.queue(handle)?;
        let completion = queue.pop().ok_or(Error::Again)?;
        if queue.ended.get() == 0 {
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

/// The requests of one device. All zero is none. Bit `n` of each set is about that of `tags[n]`.
#[derive(Debug)]
pub struct Queue {
    begun: Cell<u32>,
    ended: Cell<u32>,
    failed: Cell<u32>,
    tags: [Cell<u64>; QUEUE_DEPTH],
}

const _: () = assert!(QUEUE_DEPTH == u32::BITS as usize);

impl Queue {
    fn begin(&self, tag: u64) -> Option<usize> {
        let begun = self.begun.get();
        let number = begun.trailing_ones() as usize;
        self.tags.get(number)?.set(tag);
        self.begun.set(begun | 1 << number);
        Some(number)
    }

    /// False if no such request is in flight.
    fn end(&self, number: usize, failed: bool) -> bool {
        let in_flight = self.begun.get() & !self.ended.get();
        if number >= QUEUE_DEPTH || in_flight >> number & 1 == 0 {
            return false;
        }
        let others = self.failed.get() & !(1 << number);
        self.failed.set(others | u32::from(failed) << number);
        self.ended.set(self.ended.get() | 1 << number);
        true
    }

    fn forget(&self, number: usize) {
        let others = !(1 << (number % QUEUE_DEPTH));
        self.begun.set(self.begun.get() & others);
        self.ended.set(self.ended.get() & others);
    }

    fn pop(&self) -> Option<Completion> {
        let number = self.ended.get().trailing_zeros() as usize;
        let tag = self.tags.get(number)?.get();
        self.forget(number);
        let failed = self.failed.get() >> number & 1 != 0;
        Some(Completion {
            tag,
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
                begun: Cell::new(0),
                ended: Cell::new(0),
                failed: Cell::new(0),
                tags: [const { Cell::new(0) }; QUEUE_DEPTH],
            })
            .collect();
        completions.init(Box::leak(queues.into_boxed_slice()));
        completions
    }

    const FAILED: Result<(), Error> = Err(Error::Unspecified);

    #[test]
    fn every_request_ends_once_with_its_own_result() {
        let completions = completions();
        let [one, two, none] = [1, 2, 3].map(|n| Handle::new(n).unwrap());
        for round in 0..3 {
            let numbers: Vec<usize> = (0..QUEUE_DEPTH as u64)
                .map(|n| completions.begin(one, 100 * round + n).unwrap())
                .collect();
            assert_eq!(completions.begin(one, 0), Err(Error::Again));
            assert_eq!(completions.pop(one), Err(Error::Again), "none has ended");
            assert_eq!(completions.finished(), HandleSet::EMPTY);
            // They end from the last to the first.
            for (n, number) in numbers.iter().enumerate().rev() {
                let result = if n as u64 == round { FAILED } else { Ok(()) };
                completions.end(one, *number, result);
                completions.end(one, *number, FAILED);
            }
            assert_eq!(completions.begin(one, 0), Err(Error::Again));
            assert_eq!(completions.finished(), HandleSet(1 << 1));
            assert_eq!(completions.pop(two), Err(Error::Again));
            let mut tags: Vec<u64> = (0..QUEUE_DEPTH)
                .map(|_| {
                    let found = completions.pop(one).unwrap();
                    assert_eq!(found.result.is_err(), found.tag == 101 * round);
                    found.tag
                })
                .collect();
            tags.sort_unstable();
            assert!(tags.into_iter().eq(100 * round..100 * round + 32));
            assert_eq!(completions.finished(), HandleSet::EMPTY);
        }
        assert_eq!(completions.begin(none, 0), Err(Error::Invalid));
    }

    #[test]
    fn what_was_not_begun_does_not_end() {
        let completions = completions();
        let handle = Handle::new(1).unwrap();
        let number = completions.begin(handle, 7).unwrap();
        for wrong in [number + 1, QUEUE_DEPTH, usize::MAX] {
            completions.end(handle, wrong, Ok(()));
        }
        assert_eq!(completions.pop(handle), Err(Error::Again));
        completions.cancel(handle, number);
        completions.end(handle, number, Ok(()));
        assert_eq!(completions.pop(handle), Err(Error::Again));
        assert_eq!(completions.begin(handle, 8), Ok(number));
    }
}
