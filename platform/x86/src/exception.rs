// SPDX-License-Identifier: ISC
//! Exceptions: all end the image, with a report.
//!
//! Nothing here ever returns to what was interrupted. Each vector has an entry of eight bytes, which
//! calls a common one, so that its number can be told by the return address; that one saves every
//! register and goes on in Rust.
//!
//! Read first: Intel SDM volume 3, sections 6.14.2 (stack frame), 6.15 (each exception).

use core::{
    arch::naked_asm,
    cell::Cell,
    fmt,
    ops::Range,
    sync::atomic::{AtomicBool, Ordering},
};

use crate::report;

/// Exceptions that the architecture defines or keeps for itself.
pub(crate) const VECTORS: usize = 32;
pub(crate) const NMI: usize = 2;
pub(crate) const DOUBLE_FAULT: usize = 8;
/// Bytes between two entries.
const ENTRY: usize = 8;

/// What the report of an exception needs of the platform. All of it is called on the stack of the
/// exception.
#[derive(Clone, Copy)]
pub struct Host {
    /// Writes to the console.
    pub write: fn(&[u8]),
    /// The memory that the stack of the image lies in: readable, all of it. The page below it is
    /// taken for its guard.
    pub stack: fn() -> Range<usize>,
    /// Ends the image as failed; [`TrapFrame::cookie`] is of use to whoever looks at a core dump.
    pub halt: fn(&TrapFrame) -> !,
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host").finish_non_exhaustive()
    }
}

/// The CPU as an exception found it.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct TrapFrame {
    /// `rax rbx rcx rdx rsi rdi rbp r8 .. r15`
    pub registers: [u64; 15],
    /// Which exception.
    pub vector: u64,
    /// The address that a page fault is about; of others, the last such address.
    pub cr2: u64,
    /// More about the exception, or zero.
    pub error: u64,
    /// The instruction that could not be executed, or the next one.
    pub rip: u64,
    /// Code segment.
    pub cs: u64,
    /// Flags.
    pub rflags: u64,
    /// Stack pointer.
    pub rsp: u64,
    /// Stack segment.
    pub ss: u64,
}

/// Where `rbp` is among [`TrapFrame::registers`].
const RBP: usize = 6;

impl TrapFrame {
    /// The frame pointer.
    pub(crate) const fn rbp(&self) -> u64 {
        self.registers[RBP]
    }

    /// The address of `cr2`, `error`, `rip`, `cs`, `rflags`, `rsp` and `ss` in this order, as Solo5's
    /// tenders want it for core dumps.
    pub fn cookie(&self) -> usize {
        (&raw const self.cr2).expose_provenance()
    }
}

/// The entries of all vectors, one after the other, and the code that they share.
///
/// The CPU aligns the stack of IST to 16 and pushes five words, and a sixth, the error code, for some
/// vectors: which, the alignment of what results tells. The rest of the [`TrapFrame`] is laid below.
/// The direction flag, which Rust expects to be clear, may be set.
#[unsafe(naked)]
extern "C" fn entries() {
    naked_asm!(
        ".p2align 3",
        "2:",
        ".rept {vectors}",
        ".p2align 3",
        "call 3f",
        ".endr",
        "3:",
        "test spl, 8",
        "jnz 4f",
        // No error code: the return address is in its place. It moves one down and leaves a zero.
        "push [rsp]",
        "mov qword ptr [rsp + 8], 0",
        "4:",
        "push 0",
        "push r15",
        "push r14",
        "push r13",
        "push r12",
        "push r11",
        "push r10",
        "push r9",
        "push r8",
        "push rbp",
        "push rdi",
        "push rsi",
        "push rdx",
        "push rcx",
        "push rbx",
        "push rax",
        // The number of the vector from the return address, whose place `cr2` takes.
        "lea rcx, [rip + 2b]",
        "mov rax, [rsp + {cr2}]",
        "sub rax, rcx",
        "shr rax, 3",
        "mov [rsp + {vector}], rax",
        "mov rax, cr2",
        "mov [rsp + {cr2}], rax",
        "mov rdi, rsp",
        "cld",
        // 23 words are on the stack.
        "push 0",
        "call {dispatch}",
        vectors = const VECTORS,
        cr2 = const core::mem::offset_of!(TrapFrame, cr2),
        vector = const core::mem::offset_of!(TrapFrame, vector),
        dispatch = sym dispatch,
    )
}

const _: () = assert!(size_of::<TrapFrame>() == 23 * 8);

/// The address that `vector` is to go to.
pub(crate) fn entry(vector: usize) -> usize {
    let entries: extern "C" fn() = entries;
    (entries as *const ()).addr().next_multiple_of(ENTRY) + vector * ENTRY
}

struct OneThread(Cell<Option<Host>>);

// SAFETY: an image has one thread. An exception in the one moment when this is written finds the old
// value or the new one, or a report that fails as described at `dispatch`.
unsafe impl Sync for OneThread {}

static HOST: OneThread = OneThread(Cell::new(None));
static REPORTING: AtomicBool = AtomicBool::new(false);

/// Names who reports exceptions.
pub(crate) fn set_host(host: Host) {
    HOST.0.set(Some(host));
}

/// Reports an exception and ends the image. Should that itself lead to an exception, the second one
/// is named, and nothing more is tried.
extern "C" fn dispatch(frame: &TrapFrame) -> ! {
    let Some(host) = HOST.0.get() else {
        // Entries are used from when there is a host.
        loop {
            core::hint::spin_loop();
        }
    };
    if REPORTING.swap(true, Ordering::Relaxed) {
        report::summary(frame, "exception while reporting one", host.write);
    } else {
        report::full(frame, &(host.stack)(), host.write);
    }
    (host.halt)(frame)
}
