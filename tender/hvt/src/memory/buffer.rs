// SPDX-License-Identifier: ISC
//! What a pointer of the guest becomes once it was checked: bytes to read, and bytes to write.
//!
//! Only [`Memory`](super::Memory) makes one.

use std::{
    ffi::c_void,
    io,
    ops::Deref,
    os::fd::{AsFd, AsRawFd},
};

use rustix::io::{Errno, retry_on_intr};
use vm_memory::VolatileSlice;

/// A range of guest memory that was checked, to be read.
#[derive(Clone, Copy, Debug)]
pub struct Buffer<'a> {
    pub(super) bytes: VolatileSlice<'a>,
}

// SAFETY: the guest's memory is every thread's alike, and all access to it allows for others.
unsafe impl Send for Buffer<'_> {}

/// A range of guest memory that was checked, to be written or read.
#[derive(Clone, Copy, Debug)]
pub struct BufferMut<'a>(pub(super) Buffer<'a>);

impl Buffer<'_> {
    /// Number of bytes.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// What is left behind the first `count` bytes, of which there are as many.
    #[must_use]
    pub fn skip(&self, count: usize) -> Self {
        let bytes = self.bytes.offset(count.min(self.len()));
        let bytes = bytes.expect("no further than its length");
        Self { bytes }
    }

    /// Copies as many bytes as `into` holds, or there are.
    pub fn copy_to(&self, into: &mut [u8]) {
        self.bytes.copy_to(into);
    }

    /// Writes the bytes to `descriptor`, as `write` does.
    ///
    /// # Errors
    ///
    /// Those of `write`.
    pub fn write_to(&self, descriptor: impl AsFd) -> Result<usize, Errno> {
        let fd = descriptor.as_fd().as_raw_fd();
        // SAFETY: the bytes are mapped; the kernel reads them.
        self.transfer(|bytes, len| unsafe { libc::write(fd, bytes, len) })
    }

    /// Writes all the bytes to `descriptor` from `offset` on, as `pwrite` does.
    ///
    /// # Errors
    ///
    /// Those of `pwrite`, and [`Errno::IO`] if it comes to an end before.
    pub fn write_at(&self, descriptor: impl AsFd, offset: u64) -> Result<(), Errno> {
        let fd = descriptor.as_fd().as_raw_fd();
        // SAFETY: the bytes are mapped; the kernel reads them.
        self.transfer_all(offset, |bytes, len, at| unsafe {
            libc::pwrite(fd, bytes, len, at)
        })
    }

    /// Has the kernel do something with the bytes, which are mapped as long as `self` lives: again if
    /// a signal came in between.
    fn transfer(&self, call: impl Fn(*mut c_void, usize) -> isize) -> Result<usize, Errno> {
        let bytes = self.bytes.ptr_guard_mut();
        retry_on_intr(|| {
            let count = call(bytes.as_ptr().cast(), self.len());
            usize::try_from(count).map_err(|_| {
                let error = Errno::from_io_error(&io::Error::last_os_error());
                error.unwrap_or(Errno::IO)
            })
        })
    }

    /// The same until there are no more bytes, from `offset` on. A part may end anywhere, where a disk
    /// is full or a file has become shorter.
    fn transfer_all(
        &self,
        offset: u64,
        call: impl Fn(*mut c_void, usize, i64) -> isize,
    ) -> Result<(), Errno> {
        let mut done = 0;
        while done < self.len() {
            // The kernel refuses what is negative.
            let at = (offset + done as u64).cast_signed();
            let part = self.skip(done);
            match part.transfer(|bytes, len| call(bytes, len, at))? {
                0 => return Err(Errno::IO),
                count => done += count,
            }
        }
        Ok(())
    }
}

impl<'a> Deref for BufferMut<'a> {
    type Target = Buffer<'a>;

    fn deref(&self) -> &Buffer<'a> {
        &self.0
    }
}

impl BufferMut<'_> {
    /// Copies as many bytes as `from` has, or there is room for.
    pub fn copy_from(&self, from: &[u8]) {
        self.bytes.copy_from(from);
    }

    /// Reads from `descriptor`, as `read` does.
    ///
    /// # Errors
    ///
    /// Those of `read`.
    pub fn read_from(&self, descriptor: impl AsFd) -> Result<usize, Errno> {
        let fd = descriptor.as_fd().as_raw_fd();
        // SAFETY: 1. The bytes are mapped, and writable, by `writable`. 2. No reference to them
        // exists, and whoever reads them allows for a change.
        self.transfer(|bytes, len| unsafe { libc::read(fd, bytes, len) })
    }

    /// Reads all the bytes from `descriptor` from `offset` on, as `pread` does.
    ///
    /// # Errors
    ///
    /// Those of `pread`, and [`Errno::IO`] if it comes to an end before.
    pub fn read_at(&self, descriptor: impl AsFd, offset: u64) -> Result<(), Errno> {
        let fd = descriptor.as_fd().as_raw_fd();
        // SAFETY: as in `read_from`.
        self.transfer_all(offset, |bytes, len, at| unsafe {
            libc::pread(fd, bytes, len, at)
        })
    }
}
