// SPDX-License-Identifier: ISC
//! The buffers that frames are lent from: 64 of one size, shared by all network devices.
//!
//! They lie at the front of the guest's memory rather than in `.bss`, so that an image without a
//! network device has none, and their size follows the MTU that the tender found.

use core::{cell::Cell, ptr};

use fata_abi::{Frame, Offload, frame::Release};

/// Buffers in the pool, one for each bit of a word.
pub(crate) const BUFFERS: usize = u64::BITS as usize;
/// Buffers that only sending may take: a program that keeps every frame that it receives can still
/// answer.
const RESERVED: u32 = 16;
/// Bytes beyond the MTU that a buffer has at least: the Ethernet header, a VLAN tag, and one that no
/// frame reaches, by which a frame that was cut short is told.
const OVERHEAD: usize = 14 + 4 + 1;
/// Buffers start on cache lines of their own.
const LINE: usize = 64;

/// The pool. Bit `n` of `free` is set while nobody holds buffer `n`; the lowest free one is taken
/// first, because it was the last in use and is still in the cache.
pub(crate) struct Pool {
    start: Cell<*mut u8>,
    size: Cell<u32>,
    free: Cell<u64>,
    release: Cell<Option<fn(usize)>>,
}

impl Pool {
    /// A pool without buffers.
    pub(crate) const fn new() -> Self {
        Self {
            start: Cell::new(ptr::null_mut()),
            size: Cell::new(0),
            free: Cell::new(0),
            release: Cell::new(None),
        }
    }

    /// Bytes of memory for a pool that serves links with this MTU.
    pub(crate) const fn bytes_for(mtu: u16) -> usize {
        BUFFERS * buffer_size(mtu)
    }

    /// Takes memory into use. `release` is called when a frame is dropped, and is to call
    /// [`give_back`](Self::give_back).
    ///
    /// # Safety
    ///
    /// 1. `start..start + bytes_for(mtu)` is initialised memory that is the pool's alone for good.
    /// 2. No buffer is lent.
    pub(crate) unsafe fn init(&self, start: *mut u8, mtu: u16, release: fn(usize)) {
        self.start.set(start);
        self.size.set(buffer_size(mtu) as u32);
        self.free.set(u64::MAX);
        self.release.set(Some(release));
    }

    /// Whether there is a buffer to receive into.
    pub(crate) fn can_receive(&self) -> bool {
        self.free.get().count_ones() > RESERVED
    }

    /// Lends a buffer to receive into, as a frame that fills it.
    pub(crate) fn take_to_receive(&self) -> Option<Frame> {
        if self.can_receive() {
            self.take()
        } else {
            None
        }
    }

    /// Lends a buffer, as a frame that fills it.
    pub(crate) fn take(&self) -> Option<Frame> {
        let free = self.free.get();
        if free == 0 {
            return None;
        }
        let token = free.trailing_zeros() as usize;
        self.free.set(free & (free - 1));
        let size = self.size.get();
        // SAFETY: a bit was set, so `init` has run; `token < BUFFERS`, so this stays inside the
        // memory that it was promised.
        let data = unsafe { self.start.get().add(token * size as usize) };
        let data = ptr::NonNull::new(data)?;
        let call = self.release.get()?;
        let release = Release { call, token };
        // SAFETY: 1. `data..data + size` is one buffer of the memory that `init` was promised:
        // initialised, and the pool's. Its bit is cleared until the frame gives it back, so no other
        // frame has it. 2. `size <= size`.
        Some(unsafe { Frame::from_raw(data, size, size, Offload::default(), release) })
    }

    /// Takes back the buffer that was lent with `token`.
    pub(crate) fn give_back(&self, token: usize) {
        debug_assert_eq!(self.free.get() >> token & 1, 0, "buffer returned twice");
        self.free.set(self.free.get() | 1 << token);
    }
}

const fn buffer_size(mtu: u16) -> usize {
    (mtu as usize + OVERHEAD).next_multiple_of(LINE)
}

#[cfg(test)]
pub(crate) mod tests;
