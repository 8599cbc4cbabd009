// SPDX-License-Identifier: ISC
//! Block devices: transfers on a file or a block device of the host, finished when submitted.

use std::{collections::VecDeque, os::fd::OwnedFd, slice, sync::Mutex};

use fata_abi::{
    BlockInfo, Error,
    block::{Completion, Operation, Request},
};
use rustix::io::Errno;

/// Requests whose completions can wait to be taken.
const QUEUE_DEPTH: usize = 32;
/// Most bytes of one request.
const MAX_TRANSFER: usize = 1 << 20;

/// An attached block device.
#[derive(Debug)]
pub(crate) struct Disk {
    descriptor: OwnedFd,
    capacity: u64,
    block_size: u32,
    finished: Mutex<VecDeque<Completion>>,
}

impl Disk {
    pub(crate) fn new(descriptor: OwnedFd, capacity: u64, block_size: u32) -> Self {
        Self {
            descriptor,
            capacity,
            block_size,
            finished: Mutex::default(),
        }
    }

    pub(crate) fn info(&self) -> BlockInfo {
        BlockInfo {
            block_size: self.block_size,
            capacity: self.capacity,
            max_transfer: MAX_TRANSFER,
            queue_depth: QUEUE_DEPTH,
            read_only: false,
            flush: true,
        }
    }

    /// Whether a transfer is whole blocks inside the device and not too long.
    fn accepts(&self, offset: u64, len: usize) -> bool {
        let mask = u64::from(self.block_size) - 1;
        let end = offset.checked_add(len as u64);
        len != 0
            && len <= MAX_TRANSFER
            && (offset | len as u64) & mask == 0
            && end.is_some_and(|end| end <= self.capacity)
    }

    /// Carries out `request`.
    ///
    /// # Safety
    ///
    /// That of [`Platform::block_submit`](fata_abi::Platform::block_submit).
    pub(crate) unsafe fn submit(&self, request: Request) -> Result<(), Error> {
        if self.queue().len() == QUEUE_DEPTH {
            return Err(Error::Again);
        }
        let result = if request.operation == Operation::Flush {
            rustix::fs::fdatasync(&self.descriptor)
        } else if self.accepts(request.offset, request.len) {
            // SAFETY: the caller's promise is passed on.
            unsafe { self.transfer(&request) }
        } else {
            return Err(Error::Invalid);
        };
        self.queue().push_back(Completion {
            tag: request.tag,
            result: result.map_err(|_| Error::Unspecified),
        });
        Ok(())
    }

    /// # Safety
    ///
    /// As [`submit`](Self::submit).
    unsafe fn transfer(&self, request: &Request) -> Result<(), Errno> {
        let mut done = 0;
        while done < request.len {
            let offset = request.offset + done as u64;
            let len = request.len - done;
            // SAFETY: `done < request.len`, so this stays inside the memory of the request.
            let data = unsafe { request.data.add(done) };
            let result = match request.operation {
                Operation::Read => {
                    // SAFETY: `data..data + len` is in the memory of the request, which is lent for
                    // writing, and initialised by whoever owns it.
                    let into = unsafe { slice::from_raw_parts_mut(data, len) };
                    rustix::io::pread(&self.descriptor, into, offset)
                }
                _ => {
                    // SAFETY: as above, lent for reading.
                    let from = unsafe { slice::from_raw_parts(data, len) };
                    rustix::io::pwrite(&self.descriptor, from, offset)
                }
            };
            match result {
                Ok(0) => return Err(Errno::IO),
                Ok(moved) => done += moved,
                Err(Errno::INTR) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Takes what finished first.
    pub(crate) fn complete(&self) -> Result<Completion, Error> {
        self.queue().pop_front().ok_or(Error::Again)
    }

    /// Whether there is something to take.
    pub(crate) fn is_ready(&self) -> bool {
        !self.queue().is_empty()
    }

    fn queue(&self) -> std::sync::MutexGuard<'_, VecDeque<Completion>> {
        self.finished
            .lock()
            .expect("nothing panics while it is held")
    }
}

#[cfg(test)]
mod tests {
    use rustix::fs::{MemfdFlags, ftruncate, memfd_create};

    use super::*;

    fn submit(
        disk: &Disk,
        operation: Operation,
        offset: u64,
        data: &mut [u8],
    ) -> Result<(), Error> {
        let request = Request {
            operation,
            offset,
            data: data.as_mut_ptr(),
            len: data.len(),
            tag: 5,
        };
        // SAFETY: the memory is ours, and the device is done with it when the call returns.
        unsafe { disk.submit(request) }
    }

    #[test]
    fn what_is_written_is_read() {
        let file = memfd_create("disk", MemfdFlags::CLOEXEC).unwrap();
        ftruncate(&file, 65536).unwrap();
        let disk = Disk::new(file, 65536, 512);
        let mut data = [7; 4096];
        submit(&disk, Operation::Write, 61440, &mut data).unwrap();
        assert!(disk.is_ready());
        let done = Completion {
            tag: 5,
            result: Ok(()),
        };
        assert_eq!(disk.complete(), Ok(done));
        assert_eq!(disk.complete(), Err(Error::Again));
        submit(&disk, Operation::Flush, 0, &mut []).unwrap();
        data.fill(0);
        submit(&disk, Operation::Read, 61440, &mut data).unwrap();
        assert_eq!(data, [7; 4096]);
        for (offset, len) in [(0, 0), (1, 512), (0, 511), (65536, 512), (65024, 1024)] {
            let refused = submit(&disk, Operation::Read, offset, &mut data[..len]);
            assert_eq!(refused, Err(Error::Invalid), "{offset} {len}");
        }
        let mut data = vec![0; MAX_TRANSFER + 512];
        assert_eq!(
            submit(&disk, Operation::Read, 0, &mut data),
            Err(Error::Invalid)
        );
        while disk.queue().len() < QUEUE_DEPTH {
            submit(&disk, Operation::Read, 0, &mut data[..512]).unwrap();
        }
        assert_eq!(
            submit(&disk, Operation::Flush, 0, &mut []),
            Err(Error::Again)
        );
    }

    #[test]
    fn a_disk_that_shrank_fails_the_request() {
        let file = memfd_create("disk", MemfdFlags::CLOEXEC).unwrap();
        let disk = Disk::new(file, 65536, 512);
        submit(&disk, Operation::Read, 0, &mut [0; 512]).unwrap();
        assert_eq!(disk.complete().unwrap().result, Err(Error::Unspecified));
    }
}
