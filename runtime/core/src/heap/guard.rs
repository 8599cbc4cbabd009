// SPDX-License-Identifier: ISC
//! Guard words around blocks, and a quarantine for freed ones.
//!
//! ```text
//!  padding | canary | the block ... | canary
//!            8 bytes                  8 bytes, wherever the block ends
//! ```
//!
//! The canaries are made of a secret, the block's address and its size, so an overflow cannot
//! guess them and a stale header does not pass for a valid one. Freeing checks both, turns the
//! first into that of a freed block, overwrites the block with [`POISON`], and puts it into a
//! queue. When its turn comes, the poison must be intact; only then may the memory be used again.
//! So this finds: writes past either end, freeing twice, freeing what is no block, writing after
//! freeing; and reading after freeing shows poison instead of plausible data.

use core::{
    alloc::Layout,
    ptr::{self, NonNull},
};

use fata_abi::platform;
use talc::{DefaultBinning, base::Talc, source::Manual};

use crate::{arch, console::Line};

/// Fills freed blocks. As an address it lies outside of any user half.
const POISON: u8 = 0xdf;
/// Bytes of a block that are poisoned; no larger block is held back. Bounds what freeing costs.
const POISONED: usize = 1024;
/// Freed blocks held back at most, so 32 KiB and a little.
const HELD: usize = 32;
/// Bytes before a block, where its alignment needs no more.
const FRONT: usize = 8;
/// Bytes after a block.
const BACK: usize = 8;

/// How a block in use, and one in the queue, is marked.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    Used = 0,
    Freed = 1,
}

/// The checks and their state.
pub(super) struct Guards {
    /// Whether there are any.
    pub(super) on: bool,
    secret: u64,
    held: [Option<(NonNull<u8>, Layout)>; HELD],
    next: usize,
}

// Every function here shares the contract of the `GlobalAlloc` method it is part of, with `talc` the
// allocator that the block came from.
impl Guards {
    /// No checks. All bytes of this are zero, so that it takes no place in the image.
    pub(super) const fn off() -> Self {
        Self {
            on: false,
            secret: 0,
            held: [None; HELD],
            next: 0,
        }
    }

    /// Begins to check, before the first block is allocated.
    pub(super) fn start(&mut self) {
        self.on = true;
        self.secret = arch::random().unwrap_or_default() ^ arch::ticks().rotate_left(32);
    }

    /// # Safety
    ///
    /// As for [`core::alloc::GlobalAlloc::alloc`].
    pub(super) unsafe fn allocate(
        &mut self,
        talc: &mut Talc<Manual, DefaultBinning>,
        layout: Layout,
    ) -> Option<NonNull<u8>> {
        let (outer, front) = wrapped(layout)?;
        // SAFETY: the outer layout is not empty.
        let start = match unsafe { talc.allocate(outer) } {
            Some(start) => start,
            None => {
                self.release_all(talc);
                // SAFETY: as above.
                unsafe { talc.allocate(outer) }?
            }
        };
        // SAFETY: `front` bytes lie before the block, inside of the outer layout.
        let block = unsafe { start.add(front) };
        // SAFETY: the block is new and has room for both guards.
        unsafe { self.guard(block, layout.size(), Mark::Used) };
        Some(block)
    }

    /// # Safety
    ///
    /// As for [`core::alloc::GlobalAlloc::dealloc`], except that violations which the guards show
    /// are found and end the image.
    pub(super) unsafe fn free(
        &mut self,
        talc: &mut Talc<Manual, DefaultBinning>,
        block: *mut u8,
        layout: Layout,
    ) {
        let Some(block) = NonNull::new(block) else {
            return;
        };
        // SAFETY: the caller's promise.
        unsafe { self.check(block, layout.size(), Mark::Used, "it was freed") };
        // SAFETY: the block is checked and ours now.
        unsafe { self.guard(block, layout.size(), Mark::Freed) };
        let poisoned = layout.size().min(POISONED);
        // SAFETY: within the block.
        unsafe { ptr::write_bytes(block.as_ptr(), POISON, poisoned) };
        if layout.size() > POISONED {
            // SAFETY: the block is no longer used by anybody.
            unsafe { release(talc, block, layout) };
            return;
        }
        let oldest = self.held[self.next].replace((block, layout));
        self.next = (self.next + 1) % HELD;
        if let Some((block, layout)) = oldest {
            self.examine(block, layout);
            // SAFETY: it was held back since it was freed.
            unsafe { release(talc, block, layout) };
        }
    }

    /// # Safety
    ///
    /// As for [`core::alloc::GlobalAlloc::realloc`]; if this returns false nothing has changed.
    pub(super) unsafe fn resize(
        &mut self,
        talc: &mut Talc<Manual, DefaultBinning>,
        block: *mut u8,
        layout: Layout,
        size: usize,
    ) -> bool {
        let Some(block) = NonNull::new(block) else {
            return false;
        };
        // SAFETY: the caller's promise.
        unsafe { self.check(block, layout.size(), Mark::Used, "it was resized") };
        let Ok(new) = Layout::from_size_align(size, layout.align()) else {
            return false;
        };
        let (Some((outer, front)), Some((new, _))) = (wrapped(layout), wrapped(new)) else {
            return false;
        };
        // SAFETY: this is where the outer block starts.
        let start = unsafe { block.sub(front) };
        // SAFETY: `outer` is what it was allocated with.
        let done = unsafe { talc.try_realloc_in_place(start.as_ptr(), outer, new.size()) };
        if done {
            // SAFETY: the block has room for the new size and both guards.
            unsafe { self.guard(block, size, Mark::Used) };
        }
        done
    }

    /// Checks and frees all blocks that are held back.
    fn release_all(&mut self, talc: &mut Talc<Manual, DefaultBinning>) {
        for i in 0..HELD {
            if let Some((block, layout)) = self.held[i].take() {
                self.examine(block, layout);
                // SAFETY: it was held back since it was freed.
                unsafe { release(talc, block, layout) };
            }
        }
    }

    /// Stops the image if a block that is held back was written to.
    fn examine(&self, block: NonNull<u8>, layout: Layout) {
        let size = layout.size();
        // SAFETY: the block is held back, so it is still ours, and it was filled when it came.
        let bytes = unsafe { core::slice::from_raw_parts(block.as_ptr(), size) };
        if bytes.iter().any(|byte| *byte != POISON) {
            damaged(
                block,
                size,
                "was written to after it was freed",
                "its memory was to be used again",
            );
        }
        // SAFETY: as above.
        unsafe { self.check(block, size, Mark::Freed, "its memory was to be used again") };
    }

    fn canary(&self, block: NonNull<u8>, size: usize, mark: Mark) -> u64 {
        // An odd factor spreads address and size over all bits.
        let mixed = (block.addr().get() as u64 ^ (size as u64).rotate_left(32))
            .wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (self.secret ^ mixed) ^ (mark as u64)
    }

    /// Writes the guards of a block.
    ///
    /// # Safety
    ///
    /// `FRONT` bytes before the block and `BACK` bytes after it are ours to write.
    unsafe fn guard(&self, block: NonNull<u8>, size: usize, mark: Mark) {
        let canary = self.canary(block, size, mark);
        // SAFETY: by the caller's promise; what holds it is aligned to 8 at least.
        unsafe { front(block).write(canary) };
        // SAFETY: by the caller's promise.
        unsafe { back(block, size).write_unaligned(canary) };
    }

    /// Stops the image if the guards of a block are not as [`guard`](Self::guard) wrote them.
    ///
    /// # Safety
    ///
    /// `FRONT` bytes before the block are readable, and if they are as written, so is the rest.
    unsafe fn check(&self, block: NonNull<u8>, size: usize, mark: Mark, when: &str) {
        // SAFETY: by the caller's promise.
        let front = unsafe { front(block).read() };
        if front != self.canary(block, size, mark) {
            let what = if mark == Mark::Used && front == self.canary(block, size, Mark::Freed) {
                "was freed before"
            } else {
                "was overwritten before its start, or has another size, or is not of this heap"
            };
            damaged(block, size, what, when);
        }
        // SAFETY: by the caller's promise, since the front is as written.
        let back = unsafe { back(block, size).read_unaligned() };
        if back != self.canary(block, size, mark) {
            damaged(block, size, "was overwritten after its end", when);
        }
    }
}

/// The canary before a block.
fn front(block: NonNull<u8>) -> *mut u64 {
    block.as_ptr().wrapping_sub(FRONT).cast()
}

/// The canary after a block.
fn back(block: NonNull<u8>, size: usize) -> *mut u64 {
    block.as_ptr().wrapping_add(size).cast()
}

/// The layout that holds a block of `layout` with its guards, and the bytes before the block.
fn wrapped(layout: Layout) -> Option<(Layout, usize)> {
    let align = layout.align().max(FRONT);
    let size = layout.size().checked_add(align + BACK)?;
    Some((Layout::from_size_align(size, align).ok()?, align))
}

/// Gives memory back to the allocator.
///
/// # Safety
///
/// The block was allocated by [`Guards::allocate`] with this layout and is used by nobody.
unsafe fn release(talc: &mut Talc<Manual, DefaultBinning>, block: NonNull<u8>, layout: Layout) {
    if let Some((outer, front)) = wrapped(layout) {
        let start = block.as_ptr().wrapping_sub(front);
        // SAFETY: this undoes what `allocate` did.
        unsafe { talc.deallocate(start, outer) };
    }
}

#[cold]
fn damaged(block: NonNull<u8>, size: usize, what: &str, when: &str) -> ! {
    let mut line = Line::new();
    line.push("fatal: heap: block of ");
    line.push_number(size as u64, 0, b' ');
    line.push(" bytes at ");
    line.push_hex(block.addr().get());
    line.push(" ");
    line.push(what);
    line.push(" (seen when ");
    line.push(when);
    line.push(")\n");
    line.flush();
    platform::abort()
}
