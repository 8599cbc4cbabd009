// SPDX-License-Identifier: ISC
//! The heap: the `talc` allocator over the memory that the platform gives, with checks around it.
//!
//! With `--heap-checks` (the default) each block has guard words around it, a freed block is
//! poisoned and held back for a while (`guard`), and a violation stops the image with a message:
//! memory that is known to be damaged must not be computed with. Rust makes such damage rare; what
//! unsafe code and C libraries in an image do is what this is for.

mod guard;
#[cfg(test)]
mod tests;

use core::{
    alloc::{GlobalAlloc, Layout},
    cell::UnsafeCell,
    ops::Range,
    ptr,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
};

use fata_abi::platform;
use talc::{DefaultBinning, base::Talc, source::Manual};

use self::guard::Guards;
use crate::{args::Value, console::Line, stack};

/// The global allocator of an image; see the documentation of the module.
pub struct Heap {
    locked: AtomicBool,
    state: UnsafeCell<State>,
}

// SAFETY: `state` is reached through `Heap::with` alone, which lets in one at a time.
unsafe impl Sync for Heap {}
// SAFETY: the raw pointers in the state lead to memory that belongs to the heap on any thread.
unsafe impl Send for Heap {}

struct State {
    talc: Talc<Manual, DefaultBinning>,
    /// Memory it was given; empty until the first allocation.
    memory: Range<usize>,
    guards: Guards,
}

/// How full the heap is, in bytes. Blocks count as long as they were asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Statistics {
    /// In blocks now.
    pub used: usize,
    /// In blocks at most so far.
    pub peak: usize,
    /// The whole heap, what the allocator keeps for itself included.
    pub size: usize,
}

static USED: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);
static SIZE: AtomicUsize = AtomicUsize::new(0);
/// Bytes of the last allocation if it failed.
static FAILED: AtomicUsize = AtomicUsize::new(0);

/// How full the heap of this image is.
pub fn statistics() -> Statistics {
    Statistics {
        used: USED.load(Ordering::Relaxed),
        peak: PEAK.load(Ordering::Relaxed),
        size: SIZE.load(Ordering::Relaxed),
    }
}

/// Prints what to do about an allocation that failed, if one just has; whether it did. For platforms
/// on which not [`panic`](crate::panic()) ends an image whose memory ran out.
pub fn report_failure() -> bool {
    let mut line = Line::new();
    explain_failure(&mut line);
    line.flush();
    FAILED.load(Ordering::Relaxed) != 0
}

/// Appends to the message of a panic what to do about an allocation that failed, if one just has:
/// Rust's own message knows only its size.
pub(crate) fn explain_failure(line: &mut Line) {
    let failed = FAILED.load(Ordering::Relaxed);
    if failed != 0 {
        let Statistics { used, size, .. } = statistics();
        line.push("out of memory: ");
        line.push_number(failed as u64, 0, b' ');
        line.push(" bytes asked for, ");
        line.push_number(used as u64, 0, b' ');
        line.push(" of ");
        line.push_number(size as u64, 0, b' ');
        line.push(" in use; give more with `--mem`\n");
    }
}

impl Heap {
    /// The heap before its first allocation. There is one in an image.
    pub const fn new() -> Self {
        Self {
            locked: AtomicBool::new(false),
            state: UnsafeCell::new(State {
                talc: Talc::new(Manual),
                memory: 0..0,
                guards: Guards::off(),
            }),
        }
    }

    /// Calls `f` with the state, which is set up on the first call.
    fn with<R>(&self, f: impl FnOnce(&mut State) -> R) -> R {
        struct Unlock<'a>(&'a AtomicBool);
        impl Drop for Unlock<'_> {
            fn drop(&mut self) {
                self.0.store(false, Ordering::Release);
            }
        }
        while self.locked.swap(true, Ordering::Acquire) {
            core::hint::spin_loop();
        }
        let _unlock = Unlock(&self.locked);
        // SAFETY: `locked` was false and is ours until `_unlock` is dropped, so no other reference
        // exists.
        let state = unsafe { &mut *self.state.get() };
        if state.memory.is_empty() {
            state.set_up();
        }
        f(state)
    }
}

impl Default for Heap {
    fn default() -> Self {
        Self::new()
    }
}

impl State {
    #[cold]
    #[inline(never)]
    fn set_up(&mut self) {
        let memory = stack::divide();
        // A plain process has no heap to lay out, and no command line yet.
        let checks = !platform::memory().stack_inside
            || stack::argument("--heap-checks").and_then(bool::parse) != Some(false);
        // SAFETY: the platform gives this memory to the image, the stack is left out of it, and
        // nothing else takes it.
        unsafe { self.start(memory, checks) };
    }

    /// Begins to use `memory`.
    ///
    /// # Safety
    ///
    /// The memory is valid and belongs to the heap for ever.
    unsafe fn start(&mut self, memory: Range<usize>, checks: bool) {
        // SAFETY: as promised by the caller.
        let _ = unsafe { self.talc.claim(memory.start as *mut u8, memory.len()) };
        SIZE.store(memory.len(), Ordering::Relaxed);
        self.memory = memory;
        if checks {
            self.guards.start();
        }
    }

    /// # Safety
    ///
    /// As for [`GlobalAlloc::alloc`].
    unsafe fn allocate(&mut self, layout: Layout) -> *mut u8 {
        let block = if self.guards.on {
            // SAFETY: the caller's promise is passed on.
            unsafe { self.guards.allocate(&mut self.talc, layout) }
        } else {
            // SAFETY: the caller's promise is passed on.
            unsafe { self.talc.allocate(layout) }
        };
        let Some(block) = block else {
            FAILED.store(layout.size(), Ordering::Relaxed);
            return ptr::null_mut();
        };
        FAILED.store(0, Ordering::Relaxed);
        let used = USED.load(Ordering::Relaxed) + layout.size();
        count(used);
        block.as_ptr()
    }

    /// # Safety
    ///
    /// As for [`GlobalAlloc::dealloc`].
    unsafe fn free(&mut self, block: *mut u8, layout: Layout) {
        if self.guards.on {
            // SAFETY: the caller's promise is passed on.
            unsafe { self.guards.free(&mut self.talc, block, layout) };
        } else {
            // SAFETY: the caller's promise is passed on.
            unsafe { self.talc.deallocate(block, layout) };
        }
        USED.store(
            USED.load(Ordering::Relaxed) - layout.size(),
            Ordering::Relaxed,
        );
    }

    /// Changes the size of a block where it lies, if there is room.
    ///
    /// # Safety
    ///
    /// As for [`GlobalAlloc::realloc`].
    unsafe fn resize(&mut self, block: *mut u8, layout: Layout, size: usize) -> bool {
        let done = if self.guards.on {
            // SAFETY: the caller's promise is passed on.
            unsafe { self.guards.resize(&mut self.talc, block, layout, size) }
        } else {
            // SAFETY: the caller's promise is passed on.
            unsafe { self.talc.try_realloc_in_place(block, layout, size) }
        };
        if done {
            count(USED.load(Ordering::Relaxed) - layout.size() + size);
        }
        done
    }
}

/// Notes that `used` bytes are in blocks.
fn count(used: usize) {
    USED.store(used, Ordering::Relaxed);
    if used > PEAK.load(Ordering::Relaxed) {
        PEAK.store(used, Ordering::Relaxed);
    }
}

// SAFETY: blocks come from `talc`, at the place and with the alignment of the layout or of a
// larger one that contains it, and stay the caller's until freed.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise is passed on.
        self.with(|state| unsafe { state.allocate(layout) })
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is passed on.
        self.with(|state| unsafe { state.free(block, layout) });
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller's promise is passed on.
        if self.with(|state| unsafe { state.resize(block, layout, size) }) {
            return block;
        }
        // SAFETY: the caller promises that the new size, rounded up to the alignment, is valid.
        let larger = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        // SAFETY: not empty, by the caller's promise.
        let new = unsafe { self.alloc(larger) };
        if !new.is_null() {
            // SAFETY: both blocks are valid for the smaller of their sizes, and distinct.
            unsafe { ptr::copy_nonoverlapping(block, new, size.min(layout.size())) };
            // SAFETY: the caller's promise, passed on; its block is no longer used.
            unsafe { self.dealloc(block, layout) };
        }
        new
    }
}
