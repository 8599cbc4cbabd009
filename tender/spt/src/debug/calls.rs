// SPDX-License-Identifier: ISC
//! The system calls that a guest may make, as a trace names them.

use fata_tender_debug::trace::Argument;

/// What a letter says of an argument: `n` a number, `a` an address.
type Kinds = &'static str;

const CALLS: [(libc::c_long, &str, Kinds); 12] = [
    (libc::SYS_read, "read", "nan"),
    (libc::SYS_write, "write", "nan"),
    (libc::SYS_writev, "writev", "nan"),
    (libc::SYS_pread64, "pread64", "nann"),
    (libc::SYS_pwrite64, "pwrite64", "nann"),
    (libc::SYS_fdatasync, "fdatasync", "n"),
    (libc::SYS_mprotect, "mprotect", "ann"),
    (libc::SYS_arch_prctl, "arch_prctl", "na"),
    (libc::SYS_clock_gettime, "clock_gettime", "na"),
    (libc::SYS_exit_group, "exit_group", "n"),
    (libc::SYS_epoll_pwait, "epoll_pwait", "nannan"),
    (libc::SYS_timerfd_settime, "timerfd_settime", "nnaa"),
];

/// Name and arguments of a system call. One that no guest may make, and that ends it, has no name.
pub(super) fn describe(call: u64, arguments: [u64; 6]) -> (String, Vec<Argument>) {
    let known = CALLS.iter().find(|(known, ..)| *known as u64 == call);
    let (name, kinds) = match known {
        Some((_, name, kinds)) => ((*name).to_owned(), *kinds),
        None => (format!("syscall_{call}"), "aaaaaa"),
    };
    let arguments = kinds
        .bytes()
        .zip(arguments)
        .map(|(kind, value)| match kind {
            b'n' => Argument::Number(value),
            _ => Argument::Address(value),
        });
    (name, arguments.collect())
}
