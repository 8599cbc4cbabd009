// SPDX-License-Identifier: ISC
//! Block devices: transfers on a descriptor that the tender opened, finished when submitted.
//!
//! Solo5's ABI allows one block a call. A tender that offers longer transfers can still check, with
//! a filter that compares but does not add, that none goes beyond the device: a long one must start
//! at least the longest length before its end. The last blocks therefore go one by one
//! ([`Disk::step`]).

use core::cell::Cell;

use fata_abi::{
    BlockInfo, Error, Handle, HandleSet,
    block::{Completion, Operation, Request},
};

use crate::syscall;

/// Requests of one device whose completions can wait to be taken.
const QUEUE_DEPTH: usize = 32;

/// An attached block device.
#[derive(Clone, Copy)]
pub(crate) struct Disk {
    pub(crate) fd: i32,
    pub(crate) capacity: u64,
    pub(crate) block_size: u32,
    /// Most bytes of one call; a multiple of the block size.
    pub(crate) max_transfer: usize,
    /// Whether `fdatasync` is offered.
    pub(crate) flush: bool,
}

impl Disk {
    pub(crate) fn info(self) -> BlockInfo {
        BlockInfo {
            block_size: self.block_size,
            capacity: self.capacity,
            max_transfer: self.max_transfer,
            queue_depth: QUEUE_DEPTH,
            read_only: false,
            flush: self.flush,
        }
    }

    /// Whether a transfer is whole blocks inside the device and not too long.
    fn accepts(self, offset: u64, len: usize) -> bool {
        let mask = u64::from(self.block_size) - 1;
        let end = offset.checked_add(len as u64);
        len != 0
            && len <= self.max_transfer
            && (offset | len as u64) & mask == 0
            && end.is_some_and(|end| end <= self.capacity)
    }

    /// How many of `len` bytes the next call at `offset` may transfer.
    fn step(self, offset: u64, len: usize) -> usize {
        let long = self.capacity.checked_sub(self.max_transfer as u64);
        if long.is_some_and(|last| offset <= last) {
            len
        } else {
            self.block_size as usize
        }
    }

    /// # Safety
    ///
    /// That of [`Platform::block_submit`](fata_abi::Platform::block_submit); and
    /// [`accepts`](Self::accepts) has accepted the request.
    unsafe fn transfer(self, request: &Request) -> Result<(), Error> {
        let mut done = 0;
        while done < request.len {
            let offset = request.offset + done as u64;
            let len = self.step(offset, request.len - done);
            // SAFETY: `done < request.len`, so this stays inside the memory of the request.
            let data = unsafe { request.data.add(done) };
            let result = if request.operation == Operation::Read {
                // SAFETY: `step` never exceeds what it is given, so `data..data + len` is in the
                // memory of the request, which the caller lends for writing.
                unsafe { syscall::pread(self.fd, data, len, offset) }
            } else {
                // SAFETY: as above, lent for reading.
                unsafe { syscall::pwrite(self.fd, data, len, offset) }
            };
            match result {
                Ok(moved) if moved == len => done += len,
                Err(syscall::EINTR) => {}
                _ => return Err(Error::Unspecified),
            }
        }
        Ok(())
    }

    fn sync(self) -> Result<(), Error> {
        if self.flush && syscall::fdatasync(self.fd).is_err() {
            return Err(Error::Unspecified);
        }
        Ok(())
    }
}

/// What is finished and was not taken, of all devices.
pub(crate) struct Blocks {
    queues: Cell<Option<&'static [Queue]>>,
    /// Devices with something in their queue.
    finished: Cell<u64>,
}

impl Blocks {
    /// Without queues, which only an image with a block device is given.
    pub(crate) const fn new() -> Self {
        Self {
            queues: Cell::new(None),
            finished: Cell::new(0),
        }
    }

    /// Names the queues; the device of manifest entry `n` uses queue `n`.
    pub(crate) fn init(&self, queues: &'static [Queue]) {
        self.queues.set(Some(queues));
    }

    /// Devices that have something to take.
    pub(crate) fn finished(&self) -> HandleSet {
        HandleSet(self.finished.get())
    }

    /// Carries out `request` on `disk`, which is the device `handle`.
    ///
    /// # Safety
    ///
    /// That of [`Platform::block_submit`](fata_abi::Platform::block_submit).
    pub(crate) unsafe fn submit(
        &self,
        handle: Handle,
        disk: Disk,
        request: Request,
    ) -> Result<(), Error> {
        let queue = self.queue(handle)?;
        if queue.len.get() == QUEUE_DEPTH {
            return Err(Error::Again);
        }
        let result = if request.operation == Operation::Flush {
            disk.sync()
        } else if disk.accepts(request.offset, request.len) {
            // SAFETY: the caller's promise is passed on, and `accepts` was asked.
            unsafe { disk.transfer(&request) }
        } else {
            return Err(Error::Invalid);
        };
        queue.push(Completion {
            tag: request.tag,
            result,
        });
        self.finished.set(self.finished.get() | 1 << handle.index());
        Ok(())
    }

    /// Takes what finished first on the device `handle`.
    pub(crate) fn complete(&self, handle: Handle) -> Result<Completion, Error> {
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
pub(crate) struct Queue {
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
mod tests;
