// SPDX-License-Identifier: ISC
//! The calls of a trace in words: which device a number means, what an argument is.
//!
//! A tender writes names of devices and numbers. Those of hvt's hypercalls name devices by their
//! place in the manifest; a descriptor without a name stands for the device if the image has one of its
//! kind. A call that is not known is shown as it was written.

use std::fmt::{self, Write};

use fata_abi::manifest::DeviceKind::{self, Block, Net};

use super::record::Record;

/// The devices of what was traced, by their place in the manifest.
pub type Devices = [(String, DeviceKind)];

/// What an argument is.
#[derive(Clone, Copy)]
enum Part {
    /// An address, a length where that is plain, or another number.
    Plain,
    /// A number of this meaning.
    Named(&'static str),
    /// A device by its place in the manifest.
    Device,
    /// A descriptor of a device of this kind, or of the console.
    Descriptor(DeviceKind),
    /// Nanoseconds.
    Time,
    /// The number of a clock.
    Clock,
    /// What says nothing here.
    Hidden,
}

use Part::{Clock, Descriptor, Device, Hidden, Named, Plain, Time};

/// The arguments of calls: the system calls that spt's filter allows, and the hypercalls.
const CALLS: [(&str, &[Part]); 19] = [
    ("read", &[Descriptor(Net), Plain, Named("length")]),
    ("write", &[Descriptor(Net), Plain, Named("length")]),
    ("writev", &[Descriptor(Net), Plain, Named("parts")]),
    (
        "pread64",
        &[Descriptor(Block), Plain, Named("length"), Named("offset")],
    ),
    (
        "pwrite64",
        &[Descriptor(Block), Plain, Named("length"), Named("offset")],
    ),
    ("fdatasync", &[Descriptor(Block)]),
    (
        "epoll_pwait",
        &[
            Hidden,
            Plain,
            Named("room for"),
            Named("timeout"),
            Hidden,
            Hidden,
        ],
    ),
    ("timerfd_settime", &[Hidden, Named("flags"), Plain, Hidden]),
    ("clock_gettime", &[Clock, Plain]),
    ("mprotect", &[Plain, Named("length"), Named("rights")]),
    ("exit_group", &[Named("status")]),
    ("walltime", &[]),
    ("puts", &[Plain, Named("length")]),
    ("poll", &[Time]),
    (
        "blkwrite",
        &[Device, Named("offset"), Plain, Named("length")],
    ),
    (
        "blkread",
        &[Device, Named("offset"), Plain, Named("length")],
    ),
    ("netwrite", &[Device, Plain, Named("length")]),
    ("netread", &[Device, Plain, Named("length")]),
    ("halt", &[Named("status"), Hidden]),
];

/// As long as nobody waits, in nanoseconds.
const FOREVER: u64 = 1 << 62;

/// What results less than zero mean, of those that a guest can meet.
const ERRORS: [(i64, &str); 9] = [
    (4, "EINTR"),
    (5, "EIO"),
    (9, "EBADF"),
    (11, "EAGAIN"),
    (14, "EFAULT"),
    (22, "EINVAL"),
    (28, "ENOSPC"),
    (90, "EMSGSIZE"),
    (100, "ENETDOWN"),
];

/// What results of the hypercalls for devices mean.
const OUTCOMES: [&str; 4] = ["ok", "again", "invalid", "failed"];

/// Arguments of a call, as in `storage, 0x11a000, length 512, offset 0`.
pub fn arguments(record: &Record<'_>, devices: &Devices) -> String {
    let parts = CALLS.iter().find(|(name, _)| *name == record.name);
    let parts = parts.map_or(&[] as &[Part], |(_, parts)| parts);
    let parts = parts.iter().copied().chain(std::iter::repeat(Plain));
    let mut text = String::new();
    for (part, word) in parts.zip(record.arguments.split_whitespace()) {
        if matches!(part, Hidden) {
            continue;
        }
        if !text.is_empty() {
            text.push_str(", ");
        }
        // A string takes whatever is written to it.
        let _ = argument(&mut text, part, word, devices);
    }
    text
}

fn argument(to: &mut String, part: Part, word: &str, devices: &Devices) -> fmt::Result {
    let number: Option<u64> = word.parse().ok();
    let device = |number: Option<u64>| devices.get(usize::try_from(number?).ok()?);
    match (part, number) {
        (Named(name), Some(number)) => write!(to, "{name} {}", number as i64),
        (Named(name), None) => write!(to, "{name} {word}"),
        (Time, Some(FOREVER..)) => to.write_str("forever"),
        (Time, Some(nanoseconds)) => to.write_str(&super::text::time(nanoseconds)),
        (Clock, Some(0)) => to.write_str("time of day"),
        (Clock, Some(1)) => to.write_str("monotonic"),
        (Descriptor(_), Some(1)) => to.write_str("console"),
        (Descriptor(kind), Some(_)) => match only(devices, kind) {
            Some(name) => to.write_str(name),
            None => write!(to, "descriptor {word}"),
        },
        (Device, number) => match device(number) {
            Some((name, _)) => to.write_str(name),
            None => write!(to, "device {word}"),
        },
        _ => to.write_str(word),
    }
}

/// The name of the device of `kind`, if there is one only.
fn only(devices: &Devices, kind: DeviceKind) -> Option<&str> {
    let mut names = devices.iter().filter(|(_, other)| *other == kind);
    match (names.next(), names.next()) {
        (Some((name, _)), None) => Some(name),
        _ => None,
    }
}

/// The result of a call in words; `None` for one that never returned.
pub fn result<'a>(record: &Record<'a>) -> Option<&'a str> {
    let for_device = ["blkread", "blkwrite", "netread", "netwrite"].contains(&record.name);
    let meaning = |result: i64| match for_device {
        true => OUTCOMES.get(usize::try_from(result).ok()?).copied(),
        false => {
            let error = ERRORS.iter().find(|(error, _)| result == -error);
            error.map(|(_, name)| *name)
        }
    };
    match record.result {
        "" | "?" => None,
        result => Some(result.parse().ok().and_then(meaning).unwrap_or(result)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(line: &str, devices: &[(&str, DeviceKind)]) -> String {
        let devices: Vec<(String, DeviceKind)> = devices
            .iter()
            .map(|(name, kind)| ((*name).to_owned(), *kind))
            .collect();
        let record = Record::parse(line).unwrap();
        let arguments = arguments(&record, &devices);
        format!("{}({arguments}) {:?}", record.name, result(&record))
    }

    #[test]
    fn devices_have_their_names() {
        let both = [("service", Net), ("storage", Block)];
        for (line, expected) in [
            (
                "0 0 write 1 0x1000 6 = 6",
                "write(console, 0x1000, length 6) Some(\"6\")",
            ),
            (
                "0 0 read 5 0x1000 1514 = -11",
                "read(service, 0x1000, length 1514) Some(\"EAGAIN\")",
            ),
            (
                "0 0 pread64 6 0x1000 512 1024 = 512",
                "pread64(storage, 0x1000, length 512, offset 1024) Some(\"512\")",
            ),
            (
                "0 0 pread64 storage 0x1000 512 1024 = 512",
                "pread64(storage, 0x1000, length 512, offset 1024) Some(\"512\")",
            ),
            (
                "0 0 blkread 1 512 0x1000 512 = 0",
                "blkread(storage, offset 512, 0x1000, length 512) Some(\"ok\")",
            ),
            (
                "0 0 netread 7 0x1000 9 = 1",
                "netread(device 7, 0x1000, length 9) Some(\"again\")",
            ),
        ] {
            assert_eq!(shown(line, &both), expected);
        }
        let two = [("one", Net), ("two", Net)];
        assert_eq!(
            shown("0 0 read 5 0 9 = 1", &two),
            "read(descriptor 5, 0, length 9) Some(\"1\")"
        );
    }

    #[test]
    fn what_is_not_known_is_shown_as_it_is() {
        for (line, expected) in [
            ("0 0 later 1 two = -95", "later(1, two) Some(\"-95\")"),
            ("0 0 poll soon", "poll(soon) None"),
            ("0 0 poll 1500 = 0", "poll(1.5 µs) Some(\"0\")"),
            (
                "0 0 poll 9223372036854775807 = 1",
                "poll(forever) Some(\"1\")",
            ),
            ("0 0 exit_group 0 = ?", "exit_group(status 0) None"),
            ("0 0 halt 1 0x0 7", "halt(status 1, 7) None"),
            (
                "0 0 epoll_pwait 5 0x10 8 18446744073709551615 0x0 8 = 1",
                "epoll_pwait(0x10, room for 8, timeout -1) Some(\"1\")",
            ),
        ] {
            assert_eq!(shown(line, &[]), expected);
        }
    }
}
