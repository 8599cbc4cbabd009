// SPDX-License-Identifier: ISC
//! The guest's memory, and the one way to it.
//!
//! Whatever address a guest names, in a hypercall, in a ring or in a structure that either leads to,
//! becomes a [`Buffer`] or a [`BufferMut`] here or nowhere: [`Memory::readable`] and
//! [`Memory::writable`] check it, and nothing else makes one. The guest runs on and may change any
//! byte at any time, so nobody holds a Rust reference to its memory; what is looked at twice is
//! copied first.

mod buffer;

use std::{ffi::c_void, fmt, ops::Range, ptr, slice};

use fata_abi::{
    hvt::{BlockTransfer, Halt, NetTransfer, Poll, Puts, WallTime, ring::Ring},
    solo5::LOAD_MIN,
};
use fata_tender::{
    Error,
    elf::{Image, Source},
};
use rustix::{
    io::Errno,
    mm::{Advice, MprotectFlags},
};
use vm_memory::{MmapRegion, VolatileMemory};

pub use buffer::{Buffer, BufferMut};

/// Bytes that one entry of a page table's second level maps.
pub const HUGE_PAGE: u64 = 2 << 20;
/// From so much memory on, most of it is worth huge pages.
const LARGE: u64 = 16 << 20;

/// The memory of a guest: one or more ranges of its addresses, zero at first.
#[derive(Debug)]
pub struct Memory {
    /// Addresses of this process for all of the guest's. Nobody can use those that are not memory.
    room: MmapRegion,
    /// Where in it the guest's address zero is: huge pages begin there in both.
    zero: usize,
    ranges: Vec<Range<u64>>,
    /// What the guest may not have written to: below the image, and segments without that right.
    read_only: Vec<Range<u64>>,
}

/// A guest named addresses that it does not have, or may not have written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadPointer {
    /// Where it points.
    pub address: u64,
    /// How many bytes it is said to have there.
    pub len: u64,
    /// It is memory, but not to be written to.
    pub read_only: bool,
}

/// A structure of the ABI as it lies in guest memory.
///
/// # Safety
///
/// `#[repr(C)]`, of integers alone, without padding between or behind them.
pub unsafe trait Plain: Copy + Default {}

// SAFETY: `fata_abi::hvt` defines them so, with every byte of padding a field.
unsafe impl Plain for WallTime {}
// SAFETY: as above.
unsafe impl Plain for Puts {}
// SAFETY: as above.
unsafe impl Plain for Poll {}
// SAFETY: as above.
unsafe impl Plain for BlockTransfer {}
// SAFETY: as above.
unsafe impl Plain for NetTransfer {}
// SAFETY: as above.
unsafe impl Plain for Halt {}

impl Memory {
    /// Maps memory for these addresses of the guest: whole pages, ascending, disjoint. Between them
    /// nothing can be reached.
    ///
    /// # Errors
    ///
    /// The host has no such amount.
    pub fn new(ranges: &[Range<u64>]) -> Result<Self, Error> {
        let cannot = |error: &dyn fmt::Display| {
            let bytes: u64 = ranges.iter().map(|range| range.end - range.start).sum();
            let megabytes = bytes.div_ceil(1 << 20);
            Error::new(format!("cannot map {megabytes} MB for the guest: {error}"))
                .hint("give less with `--mem`")
        };
        let end = ranges.last().map_or(0, |range| range.end);
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        let room = MmapRegion::build(None, (end + HUGE_PAGE) as usize, libc::PROT_NONE, flags)
            .map_err(|error| cannot(&error))?;
        let memory = Self {
            zero: room.as_ptr().align_offset(HUGE_PAGE as usize),
            room,
            ranges: ranges.to_vec(),
            read_only: Vec::new(),
        };
        for range in ranges {
            let protected = memory.protect(range, MprotectFlags::READ | MprotectFlags::WRITE);
            protected.map_err(|error| cannot(&error))?;
        }
        Ok(memory)
    }

    /// Its ranges, in ascending order.
    pub fn ranges(&self) -> &[Range<u64>] {
        &self.ranges
    }

    /// End of the last one.
    pub fn end(&self) -> u64 {
        self.ranges.last().map_or(0, |range| range.end)
    }

    /// Where an address of the guest is in this process, from zero to [`end`](Self::end).
    pub fn host(&self, address: u64) -> *mut c_void {
        let offset = self.zero + address as usize;
        self.room.as_ptr().wrapping_add(offset).cast()
    }

    /// The `len` bytes at `address`, to be read. No bytes are anywhere.
    ///
    /// # Errors
    ///
    /// They are not all memory of the guest.
    pub fn readable(&self, address: u64, len: u64) -> Result<Buffer<'_>, BadPointer> {
        let inside = |range: &Range<u64>| range.contains(&address) && len <= range.end - address;
        let start = match len {
            0 => Some(0),
            _ if self.ranges.iter().any(inside) => Some(self.zero + address as usize),
            _ => None,
        };
        let bytes = start.and_then(|start| self.room.get_slice(start, len as usize).ok());
        let bytes = bytes.ok_or(BadPointer::new(address, len, false))?;
        Ok(Buffer { bytes })
    }

    /// The `len` bytes at `address`, to be written. No bytes are anywhere.
    ///
    /// # Errors
    ///
    /// They are not all memory of the guest, or some are not to be written to.
    pub fn writable(&self, address: u64, len: u64) -> Result<BufferMut<'_>, BadPointer> {
        let buffer = self.readable(address, len)?;
        // What is memory ends below the largest address, so this sum is right.
        let end = address + len;
        let meets = |range: &Range<u64>| len > 0 && range.start < end && address < range.end;
        match self.read_only.iter().any(meets) {
            false => Ok(BufferMut(buffer)),
            true => Err(BadPointer::new(address, len, true)),
        }
    }

    /// A copy of the structure at `address`.
    ///
    /// # Errors
    ///
    /// As [`readable`](Self::readable).
    pub fn read<T: Plain>(&self, address: u64) -> Result<T, BadPointer> {
        let buffer = self.readable(address, size_of::<T>() as u64)?;
        let mut value = T::default();
        buffer.copy_to(bytes_of(&mut value));
        Ok(value)
    }

    /// Writes the structure `value` to `address`.
    ///
    /// # Errors
    ///
    /// As [`writable`](Self::writable).
    pub fn write<T: Plain>(&self, address: u64, mut value: T) -> Result<(), BadPointer> {
        let buffer = self.writable(address, size_of::<T>() as u64)?;
        buffer.copy_from(bytes_of(&mut value));
        Ok(())
    }

    /// The ring at `address`. All of it is atomic, so it is the one thing in guest memory that may be
    /// referred to.
    ///
    /// # Errors
    ///
    /// It is not all memory of the guest, or not aligned.
    pub fn ring(&self, address: u64) -> Result<&Ring, BadPointer> {
        let len = size_of::<Ring>() as u64;
        let buffer = self.writable(address, len)?;
        let start = buffer.bytes.ptr_guard_mut().as_ptr().cast::<Ring>();
        if !start.is_aligned() {
            return Err(BadPointer::new(address, len, false));
        }
        // SAFETY: 1. The bytes are mapped as long as `self` lives, and aligned. 2. All of a `Ring` is
        // atomic integers, for which any bytes are a value, and which others may change.
        Ok(unsafe { &*start })
    }

    /// Copies `bytes` to `address`, whatever the rights there: for the tender's own part, and a
    /// debugger's. Not behind [`guard`](Self::guard), where the host's protection is in the way.
    ///
    /// # Errors
    ///
    /// They would not all be in memory of the guest.
    pub fn put(&self, address: u64, bytes: &[u8]) -> Result<(), BadPointer> {
        let buffer = self.readable(address, bytes.len() as u64)?;
        BufferMut(buffer).copy_from(bytes);
        Ok(())
    }

    /// The `len` bytes at `address`, as long as there is no guest that could refer to them.
    ///
    /// # Errors
    ///
    /// They are not all memory of the guest.
    pub(crate) fn fresh(&mut self, address: u64, len: u64) -> Result<&mut [u8], BadPointer> {
        let bytes = self.readable(address, len)?.bytes;
        let start = bytes.ptr_guard_mut().as_ptr();
        // SAFETY: 1. The bytes are mapped as long as `self` lives, initialised, and writable up to
        // `guard`, behind which nothing here is called. 2. `self` is borrowed as long as the slice
        // is, so this process has no other way to them; a guest gets its memory from a shared
        // reference that lasts for ever, after which there is no other kind.
        Ok(unsafe { slice::from_raw_parts_mut(start, bytes.len()) })
    }

    /// Copies the segments of `image` to their addresses, and henceforth refuses to have those
    /// written that are not writable, as well as everything below the image.
    ///
    /// # Errors
    ///
    /// The file cannot be read.
    ///
    /// # Panics
    ///
    /// A segment is not in memory: [`Image::check_fits`] finds that out.
    pub fn load(&mut self, source: &impl Source, image: &Image) -> Result<(), Error> {
        self.read_only.push(0..LOAD_MIN);
        for segment in &image.segments {
            let into = self.fresh(segment.address, segment.file_size);
            let into = into.expect("segments of an image that was checked to fit");
            source.read_at(segment.offset, into)?;
            if !segment.write {
                self.read_only.push(segment.start..segment.end);
            }
        }
        Ok(())
    }

    /// Has the host refuse writes to the segments that [`load`](Self::load) found not to be writable,
    /// so that they stay what they are even if the guest changes its page tables. Low memory is left
    /// out: to read page tables that lie there counts as a write with some CPUs.
    ///
    /// # Errors
    ///
    /// The host cannot do it.
    pub fn guard(&self) -> Result<(), Error> {
        for range in self.read_only.iter().filter(|range| range.start > 0) {
            let at = range.start;
            let cannot = Error::cannot(format!("protect memory at {at:#x}"));
            self.protect(range, MprotectFlags::READ).map_err(cannot)?;
        }
        Ok(())
    }

    /// Has the host use huge pages between the image and the stack, if there is so much that the time
    /// which they save exceeds what it takes to clear one, and small ones elsewhere: a short run
    /// touches little more than the image and the top of the stack, which begins at `end`.
    pub fn choose_page_sizes(&self, image_end: u64, end: u64) {
        self.advise(&(0..self.end()), Advice::LinuxNoHugepage);
        let start = image_end.next_multiple_of(HUGE_PAGE);
        let end = (end / HUGE_PAGE).saturating_sub(1) * HUGE_PAGE;
        if start + LARGE <= end {
            self.advise(&(start..end), Advice::LinuxHugepage);
        }
    }

    /// Gives advice about whole pages of the guest. A kernel that does not know it refuses, and
    /// nothing is lost.
    fn advise(&self, range: &Range<u64>, advice: Advice) {
        let len = (range.end - range.start) as usize;
        // SAFETY: the range is part of `room`, and the advice is one about page sizes, which leaves
        // the content as it is.
        let _ = unsafe { rustix::mm::madvise(self.host(range.start), len, advice) };
    }

    /// Sets what this process, and so the guest, may do with whole pages of the guest.
    fn protect(&self, range: &Range<u64>, rights: MprotectFlags) -> Result<(), Errno> {
        let len = (range.end - range.start) as usize;
        // SAFETY: 1. The range is part of `room`: a range of memory, or a segment of an image that was
        // checked to fit. 2. No reference to it exists, and what loses the right to be written to is
        // in `read_only`, so that nothing of this process writes there.
        unsafe { rustix::mm::mprotect(self.host(range.start), len, rights) }
    }
}

/// The bytes of a structure.
fn bytes_of<T: Plain>(value: &mut T) -> &mut [u8] {
    // SAFETY: all of them are initialised, and any bytes are a value, as `Plain` promises.
    unsafe { slice::from_raw_parts_mut(ptr::from_mut(value).cast(), size_of::<T>()) }
}

impl BadPointer {
    const fn new(address: u64, len: u64, read_only: bool) -> Self {
        Self {
            address,
            len,
            read_only,
        }
    }
}

impl fmt::Display for BadPointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.read_only {
            true => "not to be written to",
            false => "not in the guest's memory",
        };
        write!(f, "{} bytes at {:#x} are {what}", self.len, self.address)
    }
}

impl std::error::Error for BadPointer {}

#[cfg(test)]
mod tests;
