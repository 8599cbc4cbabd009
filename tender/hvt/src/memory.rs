// SPDX-License-Identifier: ISC
//! The guest's memory, and the one way to it.
//!
//! Whatever address a guest names, in a hypercall, in a ring or in a structure that either leads to,
//! becomes a [`Buffer`] or a [`BufferMut`] here or nowhere: [`Memory::readable`] and
//! [`Memory::writable`] check it, and nothing else makes one. The guest runs on and may change any
//! byte at any time, so nobody holds a Rust reference to its memory; what is looked at twice is
//! copied first.

use std::{
    ffi::c_void,
    fmt,
    ops::{Deref, Range},
    os::fd::{AsFd, AsRawFd, BorrowedFd},
    ptr,
};

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
    mm::{Advice, MapFlags, MprotectFlags, ProtFlags},
};
use vm_memory::{
    ByteValued, GuestAddress, GuestMemoryBackend, GuestMemoryMmap, GuestMemoryRegion,
    GuestRegionMmap, MmapRegion, VolatileSlice,
};

/// Bytes that one entry of a page table's second level maps.
pub const HUGE_PAGE: u64 = 2 << 20;
/// From so much memory on, most of it is worth huge pages.
const LARGE: u64 = 16 << 20;

/// The memory of a guest: one or more ranges of its addresses, zero at first.
#[derive(Debug)]
pub struct Memory {
    map: GuestMemoryMmap,
    whole: Region,
    /// What the guest may not have written to: below the image, and segments without that right.
    read_only: Vec<Range<u64>>,
}

/// A range of guest memory that was checked, to be read.
#[derive(Clone, Copy, Debug)]
pub struct Buffer<'a> {
    bytes: VolatileSlice<'a>,
}

// SAFETY: the guest's memory is every thread's alike, and all access to it allows for others.
unsafe impl Send for Buffer<'_> {}

/// A range of guest memory that was checked, to be written or read.
#[derive(Clone, Copy, Debug)]
pub struct BufferMut<'a>(Buffer<'a>);

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
pub unsafe trait Plain: Copy + Default + Send + Sync {}

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

/// Carries a [`Plain`] over to the trait that `vm_memory` asks for.
#[derive(Clone, Copy, Default)]
#[repr(transparent)]
struct Wire<T>(T);

// SAFETY: `Plain` promises what this trait wants: any bytes are a value, and all of them initialised.
unsafe impl<T: Plain> ByteValued for Wire<T> {}

/// A range of guest memory on the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    /// First address in the guest.
    pub guest: u64,
    /// The same in this process.
    pub host: u64,
    /// Number of bytes.
    pub len: u64,
}

impl Memory {
    /// Maps memory for these addresses of the guest: whole pages, ascending, disjoint. Between them
    /// nothing can be reached.
    ///
    /// # Errors
    ///
    /// The host has no such amount.
    pub fn new(ranges: &[Range<u64>]) -> Result<Self, Error> {
        let cannot = |error| {
            let bytes: u64 = ranges.iter().map(|range| range.end - range.start).sum();
            let megabytes = bytes.div_ceil(1 << 20);
            Error::new(format!("cannot map {megabytes} MB for the guest: {error}"))
                .hint("give less with `--mem`")
        };
        let start = ranges.first().map_or(0, |range| range.start);
        let end = ranges.last().map_or(0, |range| range.end);
        let whole = reserve(start, end - start).map_err(cannot)?;
        let regions = ranges.iter().map(|range| whole.map(range));
        let regions = regions.collect::<Result<Vec<_>, _>>().map_err(cannot)?;
        let map = GuestMemoryMmap::from_regions(regions).expect("ascending and disjoint");
        Ok(Self {
            map,
            whole,
            read_only: Vec::new(),
        })
    }

    /// From its first address to its last, with what lies between its ranges.
    pub fn whole(&self) -> Region {
        self.whole
    }

    /// Its ranges, in ascending order.
    pub fn regions(&self) -> impl Iterator<Item = Region> {
        self.map.iter().map(|region| Region {
            guest: region.start_addr().0,
            host: region.as_ptr().addr() as u64,
            len: region.len(),
        })
    }

    /// The `len` bytes at `address`, to be read. No bytes are anywhere.
    ///
    /// # Errors
    ///
    /// They are not all memory of the guest.
    pub fn readable(&self, address: u64, len: u64) -> Result<Buffer<'_>, BadPointer> {
        let bytes = match usize::try_from(len) {
            Ok(0) => Some(VolatileSlice::from(&mut [][..])),
            Ok(size) => self.map.get_slice(GuestAddress(address), size).ok(),
            Err(_) => None,
        };
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
        let meets = |range: &Range<u64>| {
            range.start < address.saturating_add(len) && address < range.end && len > 0
        };
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
        let mut value = Wire(T::default());
        buffer.copy_to(value.as_mut_slice());
        Ok(value.0)
    }

    /// Writes the structure `value` to `address`.
    ///
    /// # Errors
    ///
    /// As [`writable`](Self::writable).
    pub fn write<T: Plain>(&self, address: u64, value: T) -> Result<(), BadPointer> {
        let buffer = self.writable(address, size_of::<T>() as u64)?;
        buffer.copy_from(Wire(value).as_slice());
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
        buffer.bytes.copy_from(bytes);
        Ok(())
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
            let mut content = vec![0; segment.file_size as usize];
            source.read_at(segment.offset, &mut content)?;
            let put = self.put(segment.address, &content);
            put.expect("segments of an image that was checked to fit");
            if !segment.write {
                self.read_only.push(segment.start..segment.end);
            }
        }
        Ok(())
    }

    /// Has the host refuse writes to the segments of `image` that are not writable, so that they stay
    /// what they are even if the guest changes its page tables.
    ///
    /// # Errors
    ///
    /// The host cannot do it.
    pub fn guard(&self, image: &Image) -> Result<(), Error> {
        for segment in image.segments.iter().filter(|segment| !segment.write) {
            let at = segment.start;
            let len = (segment.end - at) as usize;
            // SAFETY: 1. These are whole pages of the guest's memory: the image was checked to fit. 2.
            // Nothing of this process writes to them any more, as they are in `read_only`.
            unsafe { rustix::mm::mprotect(self.whole.host(at), len, MprotectFlags::READ) }
                .map_err(|error| {
                    Error::new(format!("cannot protect memory at {at:#x}: {error}"))
                })?;
        }
        Ok(())
    }

    /// Has the host use huge pages between the image and the stack, if there is so much that the time
    /// which they save exceeds what it takes to clear one, and small ones elsewhere: a short run
    /// touches little more than the image and the top of the stack, which begins at `end`.
    pub fn choose_page_sizes(&self, image_end: u64, end: u64) {
        self.advise(self.whole.guest, self.whole.len, Advice::LinuxNoHugepage);
        let start = image_end.next_multiple_of(HUGE_PAGE);
        let end = (end / HUGE_PAGE).saturating_sub(1) * HUGE_PAGE;
        if let Some(len) = end.checked_sub(start).filter(|&len| len >= LARGE) {
            self.advise(start, len, Advice::LinuxHugepage);
        }
    }

    /// Gives advice about a part of what was reserved. A kernel that does not know it refuses, and
    /// nothing is lost.
    fn advise(&self, guest: u64, len: u64, advice: Advice) {
        // SAFETY: the range is part of what was reserved, and the advice is one about page sizes,
        // which leaves the content as it is.
        let _ = unsafe { rustix::mm::madvise(self.whole.host(guest), len as usize, advice) };
    }
}

/// Reserves addresses of this process for guest memory, at the same distance from a huge page as the
/// guest's, without which KVM cannot map one.
fn reserve(guest: u64, len: u64) -> Result<Region, Errno> {
    let room = usize::try_from(len + HUGE_PAGE).map_err(|_| Errno::NOMEM)?;
    let flags = MapFlags::PRIVATE | MapFlags::NORESERVE;
    // SAFETY: the kernel chooses addresses that nothing has.
    let room =
        unsafe { rustix::mm::mmap_anonymous(ptr::null_mut(), room, ProtFlags::empty(), flags) }?;
    let room = room.expose_provenance() as u64;
    let host = room + guest.wrapping_sub(room) % HUGE_PAGE;
    Ok(Region { guest, host, len })
}

impl Region {
    /// Where an address of the guest in it is in this process.
    fn host(&self, guest: u64) -> *mut c_void {
        ptr::with_exposed_provenance_mut((self.host + (guest - self.guest)) as usize)
    }

    /// Maps memory in a part of what was reserved: zero, readable and writable.
    fn map(&self, range: &Range<u64>) -> Result<GuestRegionMmap, Errno> {
        let len = (range.end - range.start) as usize;
        let start = self.host(range.start);
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        let flags = MapFlags::PRIVATE | MapFlags::FIXED;
        // SAFETY: `reserve` has set these addresses aside for this, so it replaces nothing else.
        let start = unsafe { rustix::mm::mmap_anonymous(start, len, protection, flags) }?;
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        // SAFETY: it was mapped above with this length, and is never unmapped.
        let region = unsafe { MmapRegion::build_raw(start.cast(), len, protection, flags) };
        let region = region.map_err(|_| Errno::INVAL)?;
        GuestRegionMmap::new(region, GuestAddress(range.start)).ok_or(Errno::OVERFLOW)
    }
}

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
        transfer(descriptor.as_fd(), |descriptor| {
            let bytes = self.bytes.ptr_guard();
            // SAFETY: the bytes are mapped as long as `self` lives; the kernel reads them.
            unsafe { libc::write(descriptor, bytes.as_ptr().cast(), self.len()) }
        })
    }

    /// Writes the bytes to `descriptor` from `offset` on, as `pwrite` does.
    ///
    /// # Errors
    ///
    /// Those of `pwrite`.
    pub fn write_at(&self, descriptor: impl AsFd, offset: u64) -> Result<usize, Errno> {
        let offset = i64::try_from(offset).map_err(|_| Errno::INVAL)?;
        transfer(descriptor.as_fd(), |descriptor| {
            let bytes = self.bytes.ptr_guard();
            // SAFETY: the bytes are mapped as long as `self` lives; the kernel reads them.
            unsafe { libc::pwrite(descriptor, bytes.as_ptr().cast(), self.len(), offset) }
        })
    }
}

impl<'a> Deref for BufferMut<'a> {
    type Target = Buffer<'a>;

    fn deref(&self) -> &Buffer<'a> {
        &self.0
    }
}

impl BufferMut<'_> {
    /// What is left behind the first `count` bytes, of which there are as many.
    #[must_use]
    pub fn skip(&self, count: usize) -> Self {
        Self(self.0.skip(count))
    }

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
        transfer(descriptor.as_fd(), |descriptor| {
            let bytes = self.bytes.ptr_guard_mut();
            // SAFETY: 1. The bytes are mapped as long as `self` lives, and writable, by `writable`.
            // 2. No reference to them exists, and whoever reads them allows for a change.
            unsafe { libc::read(descriptor, bytes.as_ptr().cast(), self.len()) }
        })
    }

    /// Reads from `descriptor` from `offset` on, as `pread` does.
    ///
    /// # Errors
    ///
    /// Those of `pread`.
    pub fn read_at(&self, descriptor: impl AsFd, offset: u64) -> Result<usize, Errno> {
        let offset = i64::try_from(offset).map_err(|_| Errno::INVAL)?;
        transfer(descriptor.as_fd(), |descriptor| {
            let bytes = self.bytes.ptr_guard_mut();
            // SAFETY: as in `read_from`.
            unsafe { libc::pread(descriptor, bytes.as_ptr().cast(), self.len(), offset) }
        })
    }
}

/// Makes a transfer, again if a signal came in between.
fn transfer(descriptor: BorrowedFd<'_>, call: impl Fn(i32) -> isize) -> Result<usize, Errno> {
    loop {
        match usize::try_from(call(descriptor.as_raw_fd())) {
            Ok(count) => return Ok(count),
            Err(_) => match Errno::from_io_error(&std::io::Error::last_os_error()) {
                Some(Errno::INTR) => {}
                error => return Err(error.unwrap_or(Errno::IO)),
            },
        }
    }
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
