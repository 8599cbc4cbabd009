// SPDX-License-Identifier: ISC
//! The buffers that frames are lent from, shared by all network devices: 64 of a size that holds
//! what a link carries, and, where frames larger than that may come, some that hold those.
//!
//! They lie at the front of the guest's memory rather than in `.bss`, so that an image without a
//! network device has none, and their number and size follow the memory and the MTU that the tender
//! found.
//!
//! How long a frame is one knows when it has been read. So where a large one may come it is read
//! into a large buffer, and what turns out small is copied out of it ([`Pool::fit`]): that costs less
//! than a system call more would, and nothing small ever keeps a large buffer.

use core::{cell::Cell, ptr};

use fata_abi::{Frame, Offload, frame::Release, net::vnet, offer::LARGE_BUFFER};

/// Small buffers in the pool, one for each bit of a word.
pub const BUFFERS: usize = u64::BITS as usize;
/// Small buffers that only sending may take: a program that keeps every frame that it receives can
/// still answer.
const RESERVED: usize = 16;
/// Bytes beyond the MTU that a buffer has at least: the header before a frame, the Ethernet header, a
/// VLAN tag, and one that no frame reaches, by which a frame that was cut short is told.
const OVERHEAD: usize = vnet::HEADER + 14 + 4 + 1;
/// Buffers start on cache lines of their own.
const LINE: usize = 64;

/// What a pool is to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// Largest MTU of a link.
    pub mtu: u16,
    /// Number of large buffers, up to 64.
    pub large: usize,
}

impl Sizes {
    /// Bytes of memory for such a pool.
    pub const fn bytes(self) -> usize {
        BUFFERS * buffer_size(self.mtu) + self.large * LARGE_BUFFER
    }
}

/// The pool. Bit `n` of a set is set while nobody holds buffer `n`; the lowest free one is taken
/// first, because it was the last in use and is still in the cache. Tokens of large buffers follow
/// those of small ones.
#[derive(Debug)]
pub struct Pool {
    start: Cell<*mut u8>,
    size: Cell<u32>,
    free: Cell<u64>,
    free_large: Cell<u64>,
    /// Number of large buffers.
    large: Cell<usize>,
    release: Cell<Option<fn(usize)>>,
}

impl Pool {
    /// A pool without buffers.
    #[expect(
        clippy::new_without_default,
        reason = "it is for constants, which a default is not"
    )]
    pub const fn new() -> Self {
        Self {
            start: Cell::new(ptr::null_mut()),
            size: Cell::new(0),
            free: Cell::new(0),
            free_large: Cell::new(0),
            large: Cell::new(0),
            release: Cell::new(None),
        }
    }

    /// Takes memory into use. `release` is called when a frame is dropped, and is to call
    /// [`give_back`](Self::give_back).
    ///
    /// # Safety
    ///
    /// 1. `start..start + sizes.bytes()` is initialised memory that is the pool's alone for good.
    /// 2. No buffer is lent.
    pub unsafe fn init(&self, start: *mut u8, sizes: Sizes, release: fn(usize)) {
        self.start.set(start);
        self.size.set(buffer_size(sizes.mtu) as u32);
        self.free.set(u64::MAX);
        self.free_large.set(match sizes.large {
            0 => 0,
            count => u64::MAX >> (u64::BITS as usize).saturating_sub(count),
        });
        self.large.set(sizes.large);
        self.release.set(Some(release));
    }

    /// Whether there are large buffers at all.
    pub fn has_large(&self) -> bool {
        self.large.get() != 0
    }

    /// Buffers of a size that nobody holds.
    pub fn free(&self, large: bool) -> usize {
        let set = if large { &self.free_large } else { &self.free };
        set.get().count_ones() as usize
    }

    /// Whether there is a buffer to receive into: a large one, or a small one.
    pub fn can_receive(&self, large: bool) -> bool {
        if large {
            self.free(true) != 0
        } else {
            self.free(false) > RESERVED
        }
    }

    /// Lends a buffer to receive into, as a frame that fills it.
    pub fn take_to_receive(&self, large: bool) -> Option<Frame> {
        if self.can_receive(large) {
            self.take(large)
        } else {
            None
        }
    }

    /// Moves a frame that is small out of its large buffer, as long as there are small ones.
    pub fn fit(&self, frame: Frame) -> Frame {
        if frame.len() + vnet::HEADER > self.size.get() as usize {
            return frame;
        }
        let Some(mut small) = self.take_to_receive(false) else {
            return frame;
        };
        small.advance(vnet::HEADER);
        small.set_len(frame.len());
        small.copy_from_slice(&frame);
        small.offload = frame.offload;
        small
    }

    /// Lends a buffer, as a frame that fills it.
    pub fn take(&self, large: bool) -> Option<Frame> {
        let set = if large { &self.free_large } else { &self.free };
        let free = set.get();
        if free == 0 {
            return None;
        }
        let number = free.trailing_zeros() as usize;
        set.set(free & (free - 1));
        let token = if large { BUFFERS + number } else { number };
        // SAFETY: its bit was set, and is cleared now until the frame gives it back, so that no other
        // frame has it.
        unsafe { self.frame(token) }
    }

    /// The number of the buffer that `frame`, which is not empty, lies in, and by which
    /// [`give_back`](Self::give_back) knows it.
    pub fn token(&self, frame: &Frame) -> Option<usize> {
        let offset = frame.as_ptr().addr().checked_sub(self.start.get().addr())?;
        let small = self.size.get() as usize;
        let number = offset.checked_div(small)?;
        if number < BUFFERS {
            return Some(number);
        }
        let number = (offset - BUFFERS * small) / LARGE_BUFFER;
        (number < self.large.get()).then_some(BUFFERS + number)
    }

    /// The frame that fills a buffer, once more: nothing if there is no such buffer.
    ///
    /// # Safety
    ///
    /// It was taken as a frame, which was forgotten and not dropped; and nothing else accesses it.
    pub unsafe fn frame(&self, token: usize) -> Option<Frame> {
        let small = self.size.get();
        let (offset, size) = if token < BUFFERS {
            (token * small as usize, small)
        } else if token - BUFFERS < self.large.get() {
            let offset = BUFFERS * small as usize + (token - BUFFERS) * LARGE_BUFFER;
            (offset, LARGE_BUFFER as u32)
        } else {
            return None;
        };
        // SAFETY: the buffer was taken, so `init` has run, and there is one of this number; so this
        // stays inside the memory that it was promised.
        let data = unsafe { self.start.get().add(offset) };
        let data = ptr::NonNull::new(data)?;
        let call = self.release.get()?;
        let release = Release { call, token };
        // SAFETY: 1. `data..data + size` is one buffer of the memory that `init` was promised:
        // initialised, and the pool's; that nothing else accesses it is the caller's promise.
        // 2. `size <= size`.
        Some(unsafe { Frame::from_raw(data, size, size, Offload::default(), release) })
    }

    /// Takes back the buffer that was lent with `token`.
    pub fn give_back(&self, token: usize) {
        let set = if token < BUFFERS {
            &self.free
        } else {
            &self.free_large
        };
        let bit = 1 << (token % BUFFERS);
        debug_assert_eq!(set.get() & bit, 0, "buffer returned twice");
        set.set(set.get() | bit);
    }
}

const fn buffer_size(mtu: u16) -> usize {
    (mtu as usize + OVERHEAD).next_multiple_of(LINE)
}

#[cfg(test)]
mod tests;
