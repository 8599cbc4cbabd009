// SPDX-License-Identifier: ISC
//! The calls of a guest, as a trace names them: system calls of spt, hypercalls of hvt.

use std::mem::offset_of;

use fata_abi::hvt::{BlockTransfer, Halt, Hypercall, NetTransfer, Poll, Puts};

use super::Argument;

/// What a letter says of an argument: `n` a number, `a` an address, `d` a descriptor.
type Kinds = &'static str;

const SYSTEM_CALLS: [(libc::c_long, &str, Kinds); 12] = [
    (libc::SYS_read, "read", "dan"),
    (libc::SYS_write, "write", "dan"),
    (libc::SYS_writev, "writev", "dan"),
    (libc::SYS_pread64, "pread64", "dann"),
    (libc::SYS_pwrite64, "pwrite64", "dann"),
    (libc::SYS_fdatasync, "fdatasync", "d"),
    (libc::SYS_mprotect, "mprotect", "ann"),
    (libc::SYS_arch_prctl, "arch_prctl", "na"),
    (libc::SYS_clock_gettime, "clock_gettime", "na"),
    (libc::SYS_exit_group, "exit_group", "n"),
    (libc::SYS_epoll_pwait, "epoll_pwait", "nannan"),
    (libc::SYS_timerfd_settime, "timerfd_settime", "nnaa"),
];

/// Name and arguments of a system call. One that no guest may make, and that ends it, has no name.
/// `device`: the name of the device behind a descriptor.
pub fn system_call(
    call: u64,
    arguments: [u64; 6],
    device: impl Fn(u64) -> Option<String>,
) -> (String, Vec<Argument>) {
    let known = SYSTEM_CALLS
        .iter()
        .find(|(known, ..)| *known as u64 == call);
    let (name, kinds) = match known {
        Some((_, name, kinds)) => ((*name).to_owned(), *kinds),
        None => (format!("syscall_{call}"), "aaaaaa"),
    };
    let arguments = kinds
        .bytes()
        .zip(arguments)
        .map(|(kind, value)| match kind {
            b'n' => Argument::Number(value),
            b'd' => device(value).map_or(Argument::Number(value), Argument::Device),
            _ => Argument::Address(value),
        });
    (name, arguments.collect())
}

/// A field of a hypercall's structure, by its place: a number, an address, a number of 32 bits.
#[derive(Clone, Copy)]
enum Field {
    Number(usize),
    Address(usize),
    Short(usize),
}

use Field::{Address, Number, Short};

const TRANSFER: &[Field] = &[
    Number(offset_of!(BlockTransfer, handle)),
    Number(offset_of!(BlockTransfer, offset)),
    Address(offset_of!(BlockTransfer, data)),
    Number(offset_of!(BlockTransfer, len)),
];
const TRANSFERRED: Option<usize> = Some(offset_of!(BlockTransfer, result));
const FRAME: &[Field] = &[
    Number(offset_of!(NetTransfer, handle)),
    Address(offset_of!(NetTransfer, data)),
    Number(offset_of!(NetTransfer, len)),
];
const PASSED: Option<usize> = Some(offset_of!(NetTransfer, result));

/// Solo5's name of a hypercall, what it is given, and where its result is.
fn layout(call: Hypercall) -> (&'static str, &'static [Field], Option<usize>) {
    match call {
        Hypercall::WallTime => ("walltime", &[], None),
        Hypercall::Puts => (
            "puts",
            &[
                Address(offset_of!(Puts, data)),
                Number(offset_of!(Puts, len)),
            ],
            None,
        ),
        Hypercall::Poll => (
            "poll",
            &[Number(offset_of!(Poll, timeout))],
            Some(offset_of!(Poll, result)),
        ),
        Hypercall::BlockWrite => ("blkwrite", TRANSFER, TRANSFERRED),
        Hypercall::BlockRead => ("blkread", TRANSFER, TRANSFERRED),
        Hypercall::NetWrite => ("netwrite", FRAME, PASSED),
        Hypercall::NetRead => ("netread", FRAME, PASSED),
        Hypercall::Halt => (
            "halt",
            &[
                Short(offset_of!(Halt, exit_status)),
                Address(offset_of!(Halt, cookie)),
            ],
            None,
        ),
    }
}

/// Name and arguments of a hypercall. `word` reads the structure; it is all in memory, or the call
/// fails and has none.
pub fn hypercall(
    call: Hypercall,
    word: impl Fn(usize) -> Option<u64>,
) -> (&'static str, Vec<Argument>) {
    let (name, fields, _) = layout(call);
    let arguments = fields.iter().map(|field| {
        Some(match *field {
            Number(at) => Argument::Number(word(at)?),
            Address(at) => Argument::Address(word(at)?),
            Short(at) => Argument::Number(word(at)? & u64::from(u32::MAX)),
        })
    });
    (name, arguments.collect::<Option<_>>().unwrap_or_default())
}

/// The result of a hypercall that has returned.
pub fn result(call: Hypercall, word: impl Fn(usize) -> Option<u64>) -> i64 {
    let (_, _, place) = layout(call);
    let result = place.and_then(word).unwrap_or(0);
    i64::from(result as i32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hypercalls_are_read_from_their_structures() {
        let words = [3, 512, 0x20_0000, 1024, 2 | 7 << 32];
        let word = |at: usize| words.get(at / 8).copied();
        let (name, arguments) = hypercall(Hypercall::BlockRead, word);
        assert_eq!(name, "blkread");
        let expected = [
            Argument::Number(3),
            Argument::Number(512),
            Argument::Address(0x20_0000),
            Argument::Number(1024),
        ];
        assert_eq!(arguments, expected);
        assert_eq!(result(Hypercall::BlockRead, word), 2);
        let (name, arguments) =
            hypercall(Hypercall::Halt, |at| Some([0x1000, 255 | 9 << 32][at / 8]));
        assert_eq!(name, "halt");
        assert_eq!(
            arguments,
            [Argument::Number(255), Argument::Address(0x1000)]
        );
        assert_eq!(hypercall(Hypercall::Puts, |_| None), ("puts", Vec::new()));
    }

    #[test]
    fn a_system_call_that_is_not_known_has_its_number() {
        let device = |fd| (fd == 5).then(|| "service".to_owned());
        let (name, arguments) = system_call(39, [1, 0, 0, 0, 0, 0], device);
        assert_eq!((name.as_str(), arguments.len()), ("syscall_39", 6));
        let (name, arguments) = system_call(1, [1, 0x1000, 3, 9, 9, 9], device);
        let expected = [
            Argument::Number(1),
            Argument::Address(0x1000),
            Argument::Number(3),
        ];
        assert_eq!((name.as_str(), &arguments[..]), ("write", &expected[..]));
        let (_, arguments) = system_call(0, [5, 0x1000, 3, 9, 9, 9], device);
        assert_eq!(arguments[0], Argument::Device("service".to_owned()));
    }
}
