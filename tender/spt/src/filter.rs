// SPDX-License-Identifier: ISC
//! Which system calls the guest may make, with which arguments: rules as data, and their filter.
//!
//! [`rules`] is the policy, one entry a thing that is allowed with the reason for it; whatever no
//! rule allows kills the process. A guest gets rules for the devices it has and no others. Solo5's
//! tender has the same rules as far as [`Input::offered`] is false (Solo5 `tenders/spt/`), except
//! that a signal mask for `epoll_pwait` is refused here, which no guest needs and which would let it
//! put off SIGTERM.
//!
//! The filter is put together here rather than by a library (seccompiler was tried), for what the
//! rules need is little and partly beyond it: with two tiers for each of 63 block devices it makes
//! 4610 instructions where the kernel takes 4096, a range of addresses is a condition on the sum of
//! two arguments, and the calls made for every packet must come first.
//!
//! Read first: seccomp(2); Linux `Documentation/userspace-api/seccomp_filter.rst`.

pub mod bpf;

use fata_abi::{
    manifest::{Attachment, Properties},
    offer::GATHER_PARTS,
    spt::MEMORY_BASE,
};

use crate::{
    boot::{MAX_TRANSFER, takes_transfers},
    system::number,
};
use bpf::Instruction;

const STDOUT: u64 = 1;
const CLOCK_REALTIME: u64 = 0;
const CLOCK_MONOTONIC: u64 = 1;
const ARCH_SET_FS: u64 = 0x1002;
const PROT_NONE: u64 = 0;

/// What the rules depend on.
#[derive(Clone, Debug)]
pub struct Input {
    /// The epoll set.
    pub epoll: i32,
    /// The timer.
    pub timer: i32,
    /// The devices.
    pub devices: Vec<Attachment>,
    /// Whether the image wants the offer, and so knows of what goes beyond Solo5's ABI.
    pub offered: bool,
    /// Whether that image knows of frames that are sent in parts.
    pub gather: bool,
    /// Where the guest's memory ends.
    pub memory: u64,
}

/// One thing that is allowed: a system call all of whose conditions hold.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Number of the system call.
    pub call: u32,
    /// Conditions on its arguments.
    pub conditions: Vec<Condition>,
    /// What the guest needs it for.
    pub why: &'static str,
}

/// A condition on the arguments of a system call. Arguments are compared in all their 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// This argument has this value.
    Equal(u32, u64),
    /// This argument is at most this.
    AtMost(u32, u64),
    /// Argument 0 is an address and argument 1 a length of whole pages, all of it within this range
    /// of addresses.
    Within(u64, u64),
}

use Condition::{AtMost, Equal, Within};

/// The filter for [`rules`].
pub fn compile(input: &Input) -> Vec<Instruction> {
    bpf::compile(&rules(input))
}

/// What the guest may do, the most frequent first.
pub fn rules(input: &Input) -> Vec<Rule> {
    let mut rules = Vec::new();
    for device in &input.devices {
        if let Properties::Net { .. } = device.properties {
            rules.extend(network(device.fd));
            if input.gather {
                rules.push(gather(device.fd));
            }
        }
    }
    rules.extend(common(input));
    for device in &input.devices {
        if let Properties::Block {
            capacity,
            block_size,
        } = device.properties
        {
            rules.extend(block(device.fd, capacity, block_size.into()));
            if input.offered {
                rules.extend(block_offered(device.fd, capacity, device.properties));
            }
        }
    }
    if input.offered {
        rules.push(rule(
            number::MPROTECT,
            &[Equal(2, PROT_NONE), Within(MEMORY_BASE, input.memory)],
            "give up pages of its own memory, as guards below the stack",
        ));
    }
    rules
}

/// Which calls come first in the filter: those made for every packet, block or wait.
const ORDER: [u32; 12] = [
    number::READ,
    number::WRITE,
    number::WRITEV,
    number::EPOLL_PWAIT,
    number::PREAD64,
    number::PWRITE64,
    number::TIMERFD_SETTIME,
    number::CLOCK_GETTIME,
    number::FDATASYNC,
    number::MPROTECT,
    number::ARCH_PRCTL,
    number::EXIT_GROUP,
];

fn common(input: &Input) -> [Rule; 7] {
    let epoll = descriptor(input.epoll);
    let timer = descriptor(input.timer);
    [
        rule(number::WRITE, &[Equal(0, STDOUT)], "console output"),
        rule(
            number::EPOLL_PWAIT,
            &[Equal(0, epoll), Equal(4, 0)],
            "wait for a device or the timer; without a signal mask, so that SIGTERM gets through",
        ),
        rule(
            number::TIMERFD_SETTIME,
            &[Equal(0, timer)],
            "wait until a deadline",
        ),
        rule(
            number::CLOCK_GETTIME,
            &[Equal(0, CLOCK_MONOTONIC)],
            "tell how much time has passed",
        ),
        rule(
            number::CLOCK_GETTIME,
            &[Equal(0, CLOCK_REALTIME)],
            "tell the time of day",
        ),
        rule(
            number::ARCH_PRCTL,
            &[Equal(0, ARCH_SET_FS)],
            "set its thread pointer",
        ),
        rule(number::EXIT_GROUP, &[], "exit"),
    ]
}

fn network(fd: i32) -> [Rule; 2] {
    let fd = descriptor(fd);
    [
        rule(number::READ, &[Equal(0, fd)], "receive a frame"),
        rule(number::WRITE, &[Equal(0, fd)], "send a frame"),
    ]
}

/// So few parts that what the kernel copies of their list stays on its stack.
fn gather(fd: i32) -> Rule {
    rule(
        number::WRITEV,
        &[Equal(0, descriptor(fd)), AtMost(2, GATHER_PARTS as u64)],
        "send a frame from where its parts lie: what it means, headers, payload",
    )
}

/// One block within the device, so that a file can neither be read nor grown beyond its end.
fn block(fd: i32, capacity: u64, block_size: u64) -> [Rule; 2] {
    let conditions = [
        Equal(0, descriptor(fd)),
        Equal(2, block_size),
        AtMost(3, capacity.saturating_sub(block_size)),
    ];
    [
        rule(number::PREAD64, &conditions, "read a block"),
        rule(number::PWRITE64, &conditions, "write a block"),
    ]
}

/// Several blocks in one call: of any length up to a limit, as far from the end as that limit.
fn block_offered(fd: i32, capacity: u64, properties: Properties) -> Vec<Rule> {
    let fd = Equal(0, descriptor(fd));
    let mut rules = vec![rule(
        number::FDATASYNC,
        &[fd],
        "make what it wrote to a block device durable",
    )];
    if takes_transfers(properties) {
        let most = u64::from(MAX_TRANSFER);
        let conditions = [fd, AtMost(2, most), AtMost(3, capacity - most)];
        rules.push(rule(number::PREAD64, &conditions, "read several blocks"));
        rules.push(rule(number::PWRITE64, &conditions, "write several blocks"));
    }
    rules
}

fn rule(call: u32, conditions: &[Condition], why: &'static str) -> Rule {
    Rule {
        call,
        conditions: conditions.to_vec(),
        why,
    }
}

/// A descriptor as it stands in an argument. Descriptors are never negative.
fn descriptor(fd: i32) -> u64 {
    fd as u64
}

#[cfg(test)]
mod tests;
