// SPDX-License-Identifier: ISC
//! System calls that have no safe wrapper elsewhere.

use std::arch::asm;

use rustix::io::{Errno, Result};

/// System call numbers of x86-64 that are used by number.
pub(crate) mod number {
    pub(crate) const READ: u32 = 0;
    pub(crate) const WRITE: u32 = 1;
    pub(crate) const CLOSE: u32 = 3;
    pub(crate) const MPROTECT: u32 = 10;
    pub(crate) const MUNMAP: u32 = 11;
    pub(crate) const RT_SIGACTION: u32 = 13;
    pub(crate) const PREAD64: u32 = 17;
    pub(crate) const PWRITE64: u32 = 18;
    pub(crate) const WRITEV: u32 = 20;
    pub(crate) const FDATASYNC: u32 = 75;
    pub(crate) const PERSONALITY: u32 = 135;
    pub(crate) const PRCTL: u32 = 157;
    pub(crate) const ARCH_PRCTL: u32 = 158;
    pub(crate) const CLOCK_GETTIME: u32 = 228;
    pub(crate) const EXIT_GROUP: u32 = 231;
    pub(crate) const EPOLL_PWAIT: u32 = 281;
    pub(crate) const TIMERFD_SETTIME: u32 = 286;
    pub(crate) const SECCOMP: u32 = 317;
    pub(crate) const RSEQ: u32 = 334;
    pub(crate) const CLOSE_RANGE: u32 = 436;
    pub(crate) const LANDLOCK_CREATE_RULESET: u32 = 444;
    pub(crate) const LANDLOCK_RESTRICT_SELF: u32 = 446;
}

/// Makes a system call.
///
/// # Safety
///
/// The call must be sound with these arguments: pointers among them must be valid for what the
/// kernel does with them, and nothing that safe code relies on may change.
pub(crate) unsafe fn call(number: u32, arguments: [usize; 5]) -> Result<usize> {
    let [a, b, c, d, e] = arguments;
    let result: isize;
    // SAFETY: the instruction clobbers rcx, r11 and rax, as stated; the caller answers for what the
    // call does.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") number as usize => result,
            in("rdi") a, in("rsi") b, in("rdx") c, in("r10") d, in("r8") e,
            lateout("rcx") _, lateout("r11") _,
            options(nostack),
        );
    }
    match result {
        -4095..0 => Err(Errno::from_raw_os_error(-result as i32)),
        _ => Ok(result as usize),
    }
}
