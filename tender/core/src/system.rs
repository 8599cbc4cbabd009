// SPDX-License-Identifier: ISC
//! System calls that have no safe wrapper elsewhere.

use std::arch::asm;

use rustix::io::{Errno, Result};

/// System call numbers of x86-64 that are used by number.
pub mod number {
    #![expect(missing_docs, reason = "named as the calls are")]

    pub const READ: u32 = 0;
    pub const WRITE: u32 = 1;
    pub const CLOSE: u32 = 3;
    pub const MPROTECT: u32 = 10;
    pub const MUNMAP: u32 = 11;
    pub const RT_SIGACTION: u32 = 13;
    pub const IOCTL: u32 = 16;
    pub const PREAD64: u32 = 17;
    pub const PWRITE64: u32 = 18;
    pub const WRITEV: u32 = 20;
    pub const FDATASYNC: u32 = 75;
    pub const PERSONALITY: u32 = 135;
    pub const PRCTL: u32 = 157;
    pub const ARCH_PRCTL: u32 = 158;
    pub const FUTEX: u32 = 202;
    pub const RESTART_SYSCALL: u32 = 219;
    pub const CLOCK_GETTIME: u32 = 228;
    pub const EXIT_GROUP: u32 = 231;
    pub const PPOLL: u32 = 271;
    pub const EPOLL_PWAIT: u32 = 281;
    pub const TIMERFD_SETTIME: u32 = 286;
    pub const SECCOMP: u32 = 317;
    pub const RSEQ: u32 = 334;
    pub const CLOSE_RANGE: u32 = 436;
    pub const EPOLL_PWAIT2: u32 = 441;
    pub const LANDLOCK_CREATE_RULESET: u32 = 444;
    pub const LANDLOCK_RESTRICT_SELF: u32 = 446;
}

/// Ends the process, all its threads, without anything that is usually done before.
pub fn exit(status: u8) -> ! {
    loop {
        // SAFETY: nothing of this process runs after the call.
        let _ = unsafe { call(number::EXIT_GROUP, [status.into(), 0, 0, 0, 0]) };
    }
}

/// Makes a system call.
///
/// # Safety
///
/// The call must be sound with these arguments: pointers among them must be valid for what the
/// kernel does with them, and nothing that safe code relies on may change.
///
/// # Errors
///
/// The kernel's.
pub unsafe fn call(number: u32, arguments: [usize; 5]) -> Result<usize> {
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
