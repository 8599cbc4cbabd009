// SPDX-License-Identifier: ISC
//! The system calls that a tender leaves to an spt image, and the only assembly.
//!
//! A call that the tender's filter does not know kills the process, so each wrapper states which
//! arguments the filter pins. Read first: the Linux x86-64 calling convention (psABI, appendix A.2),
//! and section "spt" of Solo5's `spt_core.c` for the filter.

use core::arch::asm;

use fata_abi::offer::GATHER_PARTS;

/// A Linux error number.
pub(crate) type Errno = i32;

/// Interrupted before anything was done.
pub(crate) const EINTR: Errno = 4;
/// Would block.
pub(crate) const EAGAIN: Errno = 11;

/// The console.
pub(crate) const STDOUT: i32 = 1;
/// Clock for deadlines.
pub(crate) const CLOCK_MONOTONIC: usize = 1;
/// Clock of the day.
pub(crate) const CLOCK_REALTIME: usize = 0;

const READ: usize = 0;
const WRITE: usize = 1;
const MPROTECT: usize = 10;
const PREAD64: usize = 17;
const PWRITE64: usize = 18;
const WRITEV: usize = 20;
const FDATASYNC: usize = 75;
const CLOCK_GETTIME: usize = 228;
const EXIT_GROUP: usize = 231;
const EPOLL_PWAIT: usize = 281;
const TIMERFD_SETTIME: usize = 286;

const PROT_NONE: usize = 0;
const TFD_TIMER_ABSTIME: usize = 1;

/// Makes a system call of up to five arguments.
///
/// # Safety
///
/// Whatever memory call `number` reads or writes by these arguments is valid for that, and no Rust
/// reference says otherwise.
#[inline(always)]
unsafe fn call(number: usize, [a, b, c, d, e]: [usize; 5]) -> Result<usize, Errno> {
    let result: isize;
    // SAFETY: 1. the kernel changes no register but `rax`, `rcx` and `r11`, which are declared, and
    // leaves the stack and its red zone alone; 2. what it does to memory is the caller's promise,
    // and the block is not marked as free of memory effects.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") number => result,
            in("rdi") a,
            in("rsi") b,
            in("rdx") c,
            in("r10") d,
            in("r8") e,
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack),
        );
    }
    // The kernel reports errors as -4095..=-1.
    if result < 0 {
        Err(-result as Errno)
    } else {
        Ok(result as usize)
    }
}

/// `read(fd, ..)`; the filter allows the descriptors of network devices.
pub(crate) fn read(fd: i32, into: &mut [u8]) -> Result<usize, Errno> {
    let address = into.as_mut_ptr().expose_provenance();
    // SAFETY: the kernel writes at most `into.len()` bytes to `into`, which is ours to write.
    unsafe { call(READ, [fd as usize, address, into.len(), 0, 0]) }
}

/// `write(fd, ..)`; the filter allows the console and network devices.
pub(crate) fn write(fd: i32, bytes: &[u8]) -> Result<usize, Errno> {
    let address = bytes.as_ptr().expose_provenance();
    // SAFETY: the kernel only reads `bytes`.
    unsafe { call(WRITE, [fd as usize, address, bytes.len(), 0, 0]) }
}

/// `writev(fd, ..)`, which sends its parts as one frame; only where `OFFER_GATHER` is offered, for
/// network devices.
pub(crate) fn writev(fd: i32, parts: [&[u8]; GATHER_PARTS]) -> Result<usize, Errno> {
    // Each a `struct iovec`: address, length.
    let parts = parts.map(|part| [part.as_ptr().expose_provenance(), part.len()]);
    let address = parts.as_ptr().expose_provenance();
    // SAFETY: the kernel only reads `parts` and what they lead to.
    unsafe { call(WRITEV, [fd as usize, address, GATHER_PARTS, 0, 0]) }
}

/// `pread64`; the filter allows block devices, one block inside the device, or what the offer says.
///
/// # Safety
///
/// `into..into + len` is valid for writes and nothing else refers to it.
pub(crate) unsafe fn pread(fd: i32, into: *mut u8, len: usize, at: u64) -> Result<usize, Errno> {
    let address = into.expose_provenance();
    // SAFETY: the kernel writes at most `len` bytes to `into`, which the caller vouches for.
    unsafe { call(PREAD64, [fd as usize, address, len, at as usize, 0]) }
}

/// `pwrite64`; the filter allows what it allows for [`pread`].
///
/// # Safety
///
/// `from..from + len` is valid for reads and nothing writes to it.
pub(crate) unsafe fn pwrite(fd: i32, from: *const u8, len: usize, at: u64) -> Result<usize, Errno> {
    let address = from.expose_provenance();
    // SAFETY: the kernel reads at most `len` bytes from `from`, which the caller vouches for.
    unsafe { call(PWRITE64, [fd as usize, address, len, at as usize, 0]) }
}

/// `fdatasync(fd)`; only where `OFFER_FLUSH` is offered.
pub(crate) fn fdatasync(fd: i32) -> Result<usize, Errno> {
    // SAFETY: no memory is involved.
    unsafe { call(FDATASYNC, [fd as usize, 0, 0, 0, 0]) }
}

/// `mprotect(start, len, PROT_NONE)`; only where `OFFER_GUARD` is offered.
///
/// # Safety
///
/// Nothing accesses `start..start + len` ever after.
pub(crate) unsafe fn protect_none(start: usize, len: usize) -> Result<usize, Errno> {
    // SAFETY: the kernel accesses no memory of ours; that nobody else does is the caller's promise.
    unsafe { call(MPROTECT, [start, len, PROT_NONE, 0, 0]) }
}

/// `clock_gettime(clock)` in nanoseconds; the filter allows the two clocks above.
pub(crate) fn clock_gettime(clock: usize) -> u64 {
    let mut time = Timespec::default();
    let address = (&raw mut time).expose_provenance();
    // SAFETY: the kernel writes one `struct timespec` to `time`. It cannot fail for these clocks.
    let _ = unsafe { call(CLOCK_GETTIME, [clock, address, 0, 0, 0]) };
    time.seconds * 1_000_000_000 + time.nanoseconds
}

/// `exit_group(status)`.
pub(crate) fn exit_group(status: u8) -> ! {
    loop {
        // SAFETY: no memory is involved, and nothing runs afterwards.
        let _ = unsafe { call(EXIT_GROUP, [status as usize, 0, 0, 0, 0]) };
    }
}

/// `timerfd_settime(fd, TFD_TIMER_ABSTIME, ..)`: the timer fires once at `nanoseconds` of the
/// monotonic clock, or never if zero; what fired before is forgotten. The filter pins `fd`.
pub(crate) fn timerfd_settime(fd: i32, nanoseconds: u64) {
    let value = Timespec {
        seconds: nanoseconds / 1_000_000_000,
        nanoseconds: nanoseconds % 1_000_000_000,
    };
    // A `struct itimerspec`: interval, value.
    let time = [Timespec::default(), value];
    let address = time.as_ptr().expose_provenance();
    let arguments = [fd as usize, TFD_TIMER_ABSTIME, address, 0, 0];
    // SAFETY: the kernel reads `time` and, with a null fourth argument, writes nothing.
    let _ = unsafe { call(TIMERFD_SETTIME, arguments) };
}

/// `epoll_pwait(fd, ..)` without a signal mask; `timeout` in milliseconds, -1 for ever. The filter
/// pins `fd`. Returns how many events were written; an interruption counts as none.
pub(crate) fn epoll_wait(fd: i32, events: &mut [EpollEvent], timeout: i32) -> usize {
    let address = events.as_mut_ptr().expose_provenance();
    let arguments = [fd as usize, address, events.len(), timeout as usize, 0];
    // SAFETY: the kernel writes at most `events.len()` events, for which all bytes are valid; the
    // null fifth argument is the signal mask.
    unsafe { call(EPOLL_PWAIT, arguments) }.unwrap_or(0)
}

/// `struct timespec`.
#[repr(C)]
#[derive(Default)]
struct Timespec {
    seconds: u64,
    nanoseconds: u64,
}

/// `struct epoll_event`, which is packed on x86-64.
#[repr(C, packed)]
#[derive(Clone, Copy, Default)]
pub(crate) struct EpollEvent {
    pub(crate) events: u32,
    pub(crate) data: u64,
}

const _: () = assert!(size_of::<EpollEvent>() == 12);
