// SPDX-License-Identifier: ISC
//! The guest's memory: a range of this process's addresses, from [`MEMORY_BASE`] up.
//!
//! A guest address is the same number on the host, so nothing translates; but this is the only file
//! that turns such a number into memory, and it does so through one check.

use std::{ptr, slice};

use fata_abi::{solo5::LOAD_MIN, spt::MEMORY_BASE};
use fata_tender::{
    Error,
    elf::{Image, PAGE_SIZE, Source},
};
use rustix::{
    io::Errno,
    mm::{MapFlags, MprotectFlags, ProtFlags},
};

/// The memory of the guest, mapped. It stays so: the process becomes the guest.
pub(crate) struct GuestMemory {
    end: u64,
}

impl GuestMemory {
    /// Maps memory that ends at `end`: zero, readable and writable, not executable.
    pub(crate) fn map(end: u64) -> Result<Self, Error> {
        let base = ptr::without_provenance_mut(MEMORY_BASE as usize);
        let len = (end - MEMORY_BASE) as usize;
        let flags = MapFlags::PRIVATE | MapFlags::FIXED_NOREPLACE;
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        // JUSTIFICATION: the ABI fixes the address.
        // SAFETY: 1. NOREPLACE makes the kernel refuse if anything of this process is in the way.
        // 2. A kernel too old to know it takes the address as a wish, and the check below notices.
        let found = unsafe { rustix::mm::mmap_anonymous(base, len, protection, flags) };
        match found {
            Ok(found) if ptr::eq(found, base) => Ok(Self { end }),
            Ok(_) => Err(cannot_map(end, Errno::EXIST)),
            Err(error) => Err(cannot_map(end, error)),
        }
    }

    /// Where it ends.
    pub(crate) fn end(&self) -> u64 {
        self.end
    }

    /// The `len` bytes at `address`, if they are in the guest's memory.
    pub(crate) fn bytes(&mut self, address: u64, len: u64) -> Option<&mut [u8]> {
        let end = address.checked_add(len)?;
        if address < MEMORY_BASE || end > self.end {
            return None;
        }
        let start = ptr::with_exposed_provenance_mut(address as usize);
        // JUSTIFICATION: mapped memory is reached by its address.
        // SAFETY: 1. `map` made this range of the process's addresses memory that nothing else
        // uses, and it is never unmapped. 2. It is zero or written by this tender, so initialised.
        // 3. `self` is borrowed as long as the slice is, and there is only one `GuestMemory`.
        // 4. Until `protect`, which comes last, all of it may be written.
        Some(unsafe { slice::from_raw_parts_mut(start, len as usize) })
    }

    /// Copies the segments of `image` to their addresses.
    pub(crate) fn load(&mut self, source: &impl Source, image: &Image) -> Result<(), Error> {
        for segment in &image.segments {
            let into = self.bytes(segment.address, segment.file_size);
            let into = into.expect("segments of an image that was checked to fit");
            source.read_at(segment.offset, into)?;
        }
        Ok(())
    }

    /// Gives each segment the rights that it asks for. What is not in a segment stays readable and
    /// writable.
    pub(crate) fn protect(&mut self, image: &Image) -> Result<(), Error> {
        for segment in &image.segments {
            let mut rights = MprotectFlags::empty();
            rights.set(MprotectFlags::READ, segment.read);
            rights.set(MprotectFlags::WRITE, segment.write);
            rights.set(MprotectFlags::EXEC, segment.execute);
            self.set_rights(segment.start, segment.end - segment.start, rights)?;
        }
        Ok(())
    }

    /// Changes the rights of whole pages.
    pub(crate) fn set_rights(
        &mut self,
        address: u64,
        len: u64,
        rights: MprotectFlags,
    ) -> Result<(), Error> {
        let start = self
            .bytes(address, len)
            .expect("pages of the guest")
            .as_mut_ptr();
        // SAFETY: the pages are the guest's, by `bytes`; no borrow of them outlives this statement,
        // and later writes of the tender go to other pages.
        unsafe { rustix::mm::mprotect(start.cast(), len as usize, rights) }
            .map_err(|error| Error::new(format!("cannot protect memory at {address:#x}: {error}")))
    }
}

const _: () = assert!(LOAD_MIN.is_multiple_of(PAGE_SIZE) && MEMORY_BASE < LOAD_MIN);

fn cannot_map(end: u64, error: Errno) -> Error {
    let megabytes = end.div_ceil(1 << 20);
    let message = format!("cannot map {megabytes} MB for the guest: {error}");
    match error {
        Errno::PERM | Errno::ACCESS => Error::new(message)
            .hint("the system reserves low addresses: set vm.mmap_min_addr to 65536 or less"),
        Errno::EXIST => Error::new(message)
            .hint("something is in the way: give less with `--mem`, or build a PIE of this tender"),
        _ => Error::new(message).hint("give less with `--mem`"),
    }
}
