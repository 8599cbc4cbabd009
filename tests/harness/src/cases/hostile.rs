// SPDX-License-Identifier: ISC
//! Rows about a guest that attacks its tender.
//!
//! Each attack is a launch of one image, `tests/unikernels/hostile`, that ends in one of two ways:
//! the tender stops the guest, with status 255 and a message that says for what, or the guest goes
//! on, refused, and finds that nothing has changed. A tender that a signal has killed has crashed; a
//! disk that has changed was written to by what was to be refused. What a row leaves out of all
//! combinations, for they take a second each, the fuzz target `hvt_hypercalls` has.

use std::{fs, io, path::PathBuf};

pub(super) use self::endless::endless;
use super::{Lab, debug};
use crate::{
    launch::{Launch, Running},
    namespace::Namespace,
    outcome::{Check, Ending, Outcome},
    platform::Platform,
};

mod endless;

/// Bytes of the disk, as the image knows.
const CAPACITY: usize = 64 << 10;
/// Hypercalls, from 1 on.
const CALLS: [&str; 8] = [
    "WallTime",
    "Puts",
    "Poll",
    "BlockWrite",
    "BlockRead",
    "NetWrite",
    "NetRead",
    "Halt",
];
const NOT_MEMORY: &str = "not in the guest's memory";
const READ_ONLY: &str = "not to be written to";
const NO_CALL: &str = "which is no hypercall";
const NO_ADDRESS: &str = "where that is not allowed";
const NO_RIGHT: &str = "it used memory in a way that is not allowed";

/// The image and its devices, of which the host can see what became.
struct Attacker<'a> {
    lab: &'a Lab,
    network: Namespace,
    disk: PathBuf,
    content: Vec<u8>,
}

impl<'a> Attacker<'a> {
    fn new(lab: &'a Lab) -> Result<Self, Ending> {
        lab.not_on(Platform::Unix, "a plain process has no tender")?;
        lab.not_on_stock("it is our tender that is attacked")?;
        let network = Namespace::new()?;
        network.tap("tap0", "10.0.0.1/24", 1500)?;
        let content: Vec<u8> = (0..CAPACITY).map(|n| (n / 3) as u8).collect();
        let disk = lab.scratch.join("storage.img");
        fs::write(&disk, &content).map_err(failed)?;
        Ok(Self {
            lab,
            network,
            disk,
            content,
        })
    }

    fn on_hvt(lab: &'a Lab) -> Result<Self, Ending> {
        lab.not_on(Platform::Spt, "on spt there is no virtual CPU")?;
        Self::new(lab)
    }

    fn launch(&self, attack: &str) -> Launch {
        let launch = self.lab.launch().net("service", "tap0");
        let launch = launch.block("storage", &self.disk);
        words(launch, &[("attack", attack)])
    }

    fn start(&self, launch: Launch) -> Result<Running, Ending> {
        launch.start(Some(&self.network))
    }

    /// Runs it to its end.
    fn end(&self, launch: Launch) -> Result<Outcome, Ending> {
        let outcome = self.start(launch)?.wait()?;
        if fs::read(&self.disk).map_err(failed)? != self.content {
            return outcome.fails("a disk that nobody wrote to");
        }
        if outcome.output.contains("REACHED") {
            return outcome.fails("an end at the attack");
        }
        Ok(outcome)
    }

    /// The tender ends the guest and says why.
    fn stopped(&self, launch: Launch, why: &str) -> Check {
        let outcome = self.end(launch)?;
        outcome.aborts()?;
        outcome.says("fata-hvt: the guest was stopped")?;
        outcome.says(why)
    }

    /// The guest goes on, and finds nothing wrong.
    fn outlived(&self, attack: &str) -> Check {
        self.end(self.launch(attack))?.success()
    }
}

fn failed(error: io::Error) -> Ending {
    Ending::Failed(error.to_string())
}

/// Adds boot arguments.
fn words(launch: Launch, words: &[(&str, &str)]) -> Launch {
    let add = |launch: Launch, &(name, value): &(&str, &str)| {
        launch.argument(format!("--{name}={value}"))
    };
    words.iter().fold(launch, add)
}

/// Calls and entries that are answered with an error, and what has no effect.
pub(super) fn refused(lab: &Lab) -> Check {
    let attacker = Attacker::on_hvt(lab)?;
    attacker.outlived("refused")?;
    attacker.outlived("rings")?;
    attacker.outlived("unheeded")
}

/// Structures of hypercalls where none can be: each call in one such place, and those that only
/// return something where it must not be written.
pub(super) fn structures(lab: &Lab) -> Check {
    let attacker = Attacker::on_hvt(lab)?;
    let structure = |number: usize, at: &str, why: &str| {
        let launch = attacker.launch("call");
        let launch = words(launch, &[("number", &number.to_string()), ("at", at)]);
        let outcome = attacker.end(launch)?;
        outcome.aborts()?;
        outcome.says(&format!("in its hypercall {}, ", CALLS[number - 1]))?;
        outcome.says(why)
    };
    let places = ["hole", "before-hole", "straddle", "end", "top"];
    for (number, at) in (1..=CALLS.len()).zip(places.into_iter().cycle()) {
        structure(number, at, NOT_MEMORY)?;
    }
    for (number, at) in [(1, "text"), (3, "rodata"), (4, "low")] {
        structure(number, at, READ_ONLY)?;
    }
    Ok(())
}

/// What the structures lead to.
pub(super) fn data(lab: &Lab) -> Check {
    let attacker = Attacker::on_hvt(lab)?;
    for (number, handle, data, len, why) in [
        ("2", "0", "wrap", "512", NOT_MEMORY),
        ("4", "2", "hole", "512", NOT_MEMORY),
        ("5", "2", "straddle", "512", NOT_MEMORY),
        ("6", "1", "end", "512", NOT_MEMORY),
        ("7", "1", "far", "512", NOT_MEMORY),
        ("8", "0", "before-hole", "512", NOT_MEMORY),
        ("2", "0", "data", "18446744073709551615", NOT_MEMORY),
        ("6", "1", "null", "18446744073709551615", NOT_MEMORY),
        ("7", "1", "data", "4294967296", NOT_MEMORY),
        ("5", "2", "text", "512", READ_ONLY),
        ("7", "1", "rodata", "512", READ_ONLY),
        ("5", "2", "tables", "512", READ_ONLY),
    ] {
        let launch = words(
            attacker.launch("call"),
            &[
                ("number", number),
                ("handle", handle),
                ("data", data),
                ("len", len),
            ],
        );
        attacker.stopped(launch, why)?;
    }
    Ok(())
}

/// Indices of rings that cannot be, of the network by a buffer that is lent, and of the disk by a
/// flush.
pub(super) fn indices(lab: &Lab) -> Check {
    const ENTRIES: &str = "it counts more entries than there are slots";
    const COMMITS: &str = "it asks for more commits than there are slots";
    let attacker = Attacker::on_hvt(lab)?;
    for (handle, number) in [("1", "2"), ("2", "5")] {
        for (at, len, why) in [
            ("entries", "1025", ENTRIES),
            ("entries", "2147483648", ENTRIES),
            ("commits", "1", COMMITS),
            ("answers", "512", COMMITS),
        ] {
            let launch = words(
                attacker.launch("ring"),
                &[
                    ("handle", handle),
                    ("number", number),
                    ("at", at),
                    ("len", len),
                ],
            );
            attacker.stopped(launch, why)?;
        }
    }
    Ok(())
}

/// A lie that the thread of a ring sees leaves the core file that of the virtual CPU writes.
pub(super) fn core_file_of_a_lie(lab: &Lab) -> Check {
    let attacker = Attacker::on_hvt(lab)?;
    for handle in ["1", "2"] {
        let launch = words(
            attacker.launch("ring"),
            &[("handle", handle), ("at", "entries"), ("len", "1025")],
        );
        let (outcome, core) = debug::dumped(lab, launch, |launch| attacker.end(launch))?;
        outcome.aborts()?;
        outcome.says("fata-hvt: the guest was stopped: in a ring, ")?;
        debug::judge(lab, core, debug::SEGMENTATION_FAULT)?;
    }
    Ok(())
}

/// Entries of rings that lead where they must not, from the beginning or when the host has looked.
pub(super) fn entries(lab: &Lab) -> Check {
    let attacker = Attacker::on_hvt(lab)?;
    for (handle, number, data, why) in [
        ("1", "1", "hole", NOT_MEMORY),
        ("1", "2", "wrap", NOT_MEMORY),
        ("2", "3", "straddle", NOT_MEMORY),
        ("2", "4", "end", NOT_MEMORY),
        ("1", "2", "text", READ_ONLY),
        ("2", "3", "rodata", READ_ONLY),
        ("2", "3", "tables", READ_ONLY),
    ] {
        let launch = words(
            attacker.launch("ring"),
            &[
                ("handle", handle),
                ("number", number),
                ("at", "entry"),
                ("data", data),
            ],
        );
        attacker.stopped(launch, why)?;
    }
    // Read once, an entry is one or the other.
    let outcome = attacker.end(attacker.launch("rewrite"))?;
    if outcome.success().is_ok() {
        return Ok(());
    }
    outcome.aborts()?;
    outcome.says("in an entry of a ring, ")?;
    outcome.says(READ_ONLY)
}

/// Ports.
pub(super) fn ports(lab: &Lab) -> Check {
    each(
        lab,
        &[
            (
                "port-in",
                "it read from port 0x502, 4 bytes, which is no hypercall",
            ),
            ("port-8", "it wrote to port 0x502, 1 bytes"),
            ("port-16", "it wrote to port 0x502, 2 bytes"),
            ("port-none", "it wrote to port 0x528, which is no hypercall"),
            ("port-zero", "it wrote to port 0x500, which is no hypercall"),
            ("port-reset", "it wrote to port 0xcf9, 1 bytes"),
            (
                "port-string",
                "in its hypercall Puts, 16 bytes at 0xffffffff are not",
            ),
            ("kick-none", "it wrote to port 0x600, which is no hypercall"),
            ("kick-8", "it wrote to port 0x600, 1 bytes"),
            ("kick-string", NO_CALL),
        ],
    )
}

/// Memory, behind page tables of the guest's that give it all rights, and ends of the CPU.
pub(super) fn memory(lab: &Lab) -> Check {
    each(
        lab,
        &[
            ("nothing-read", NO_ADDRESS),
            ("nothing-write", NO_ADDRESS),
            ("nothing-execute", "the guest was stopped at 0x40000000"),
            ("apic", NO_ADDRESS),
            ("hole-read", NO_RIGHT),
            ("hole-write", NO_RIGHT),
            ("text-write", NO_RIGHT),
            ("rodata-write", NO_RIGHT),
            ("end-write", NO_ADDRESS),
            ("halt", "it halted its CPU, which nothing would wake"),
            ("triple-fault", "an exception that it does not handle"),
        ],
    )
}

fn each(lab: &Lab, attacks: &[(&str, &str)]) -> Check {
    let attacker = Attacker::on_hvt(lab)?;
    for (attack, why) in attacks {
        attacker.stopped(attacker.launch(attack), why)?;
    }
    Ok(())
}

/// What the CPU itself refuses, or the hypervisor: the guest gets an exception.
pub(super) fn exceptions(lab: &Lab) -> Check {
    let attacker = Attacker::on_hvt(lab)?;
    for (attack, exception) in [
        ("register", "#GP "),
        ("register-svm", "#GP "),
        ("register-clock", "#GP "),
        ("register-time", "#GP "),
        ("register-steal", "#GP "),
        ("reserved-bits", "#GP "),
        ("no-paging", "#GP "),
        ("nested", "#UD "),
    ] {
        let outcome = attacker.end(attacker.launch(attack))?;
        outcome.aborts()?;
        outcome.says(exception)?;
    }
    // It is not for the machine to be blamed.
    attacker.stopped(attacker.launch("probe"), "it halted its CPU")
}

/// On spt an image makes system calls of the host: with memory that there is not they fail, and
/// those that its devices do not need kill it.
pub(super) fn system_calls(lab: &Lab) -> Check {
    for platform in [Platform::Hvt, Platform::Solo5Hvt] {
        lab.not_on(platform, "on a virtual CPU there are no system calls")?;
    }
    let attacker = Attacker::new(lab)?;
    attacker.outlived("system-calls")?;
    // A file opened, memory mapped, a process made, the disk's descriptor closed, and 512 bytes read
    // by descriptors other than its own.
    for (number, handle, len) in [
        ("2", "0", "0"),
        ("9", "0", "4096"),
        ("57", "0", "0"),
        ("3", "1", "0"),
        ("17", "0", "512"),
        ("0", "0", "512"),
    ] {
        let arguments = [("number", number), ("handle", handle), ("len", len)];
        let launch = words(attacker.launch("system-call"), &arguments);
        attacker.end(launch)?.is_killed_by_filter()?;
    }
    Ok(())
}
