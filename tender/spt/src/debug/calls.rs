// SPDX-License-Identifier: ISC
//! The system calls that a guest may make, as a trace names them.

use fata_tender::system::number;
use fata_tender_debug::trace::Argument;

/// What a letter says of an argument: `n` a number, `a` an address.
type Kinds = &'static str;

const CALLS: [(u32, &str, Kinds); 12] = [
    (number::READ, "read", "nan"),
    (number::WRITE, "write", "nan"),
    (number::WRITEV, "writev", "nan"),
    (number::PREAD64, "pread64", "nann"),
    (number::PWRITE64, "pwrite64", "nann"),
    (number::FDATASYNC, "fdatasync", "n"),
    (number::MPROTECT, "mprotect", "ann"),
    (number::ARCH_PRCTL, "arch_prctl", "na"),
    (number::CLOCK_GETTIME, "clock_gettime", "na"),
    (number::EXIT_GROUP, "exit_group", "n"),
    (number::EPOLL_PWAIT, "epoll_pwait", "nannan"),
    (number::TIMERFD_SETTIME, "timerfd_settime", "nnaa"),
];

/// Name and arguments of a system call. One that no guest may make, and that ends it, has no name.
pub(super) fn describe(call: u64, arguments: [u64; 6]) -> (String, Vec<Argument>) {
    let known = CALLS.iter().find(|(known, ..)| u64::from(*known) == call);
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
