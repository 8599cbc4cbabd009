// SPDX-License-Identifier: ISC
//! Which system calls the guest may make, with which arguments.
//!
//! [`rules`] is the policy, one entry a thing that is allowed with the reason for it; whatever no
//! rule allows kills the process. A guest gets rules for the devices it has and no others. Solo5's
//! tender has the same rules as far as [`Input::offered`] is false (Solo5 `tenders/spt/`), except
//! that a signal mask for `epoll_pwait` is refused here, which no guest needs and which would let it
//! put off SIGTERM.
//!
//! Read first: [`fata_tender::seccomp`].

use fata_abi::{
    manifest::{Attachment, Properties},
    offer::GATHER_PARTS,
    spt::MEMORY_BASE,
};
use fata_tender::{
    boot::MAX_TRANSFER,
    sandbox::STDOUT,
    seccomp::{
        self, Condition,
        Condition::{AtMost, Equal, Within},
        Rule,
        bpf::Instruction,
    },
};

use crate::boot::takes_transfers;

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
    pub memory_end: u64,
}

/// The filter for [`rules`].
pub fn compile(input: &Input) -> Vec<Instruction> {
    seccomp::compile(&rules(input))
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
    rules.extend(common(input));
    if input.offered {
        rules.push(Rule::new(
            libc::SYS_mprotect,
            &[Equal(2, PROT_NONE), Within(MEMORY_BASE, input.memory_end)],
            "give up pages of its own memory, as guards below the stack",
        ));
    }
    rules
}

fn common(input: &Input) -> [Rule; 7] {
    [
        Rule::new(
            libc::SYS_write,
            &[Condition::descriptor(STDOUT)],
            "console output",
        ),
        Rule::new(
            libc::SYS_epoll_pwait,
            &[Condition::descriptor(input.epoll), Equal(4, 0)],
            "wait for a device or the timer; without a signal mask, so that SIGTERM gets through",
        ),
        Rule::new(
            libc::SYS_timerfd_settime,
            &[Condition::descriptor(input.timer)],
            "wait until a deadline",
        ),
        Rule::new(
            libc::SYS_clock_gettime,
            &[Equal(0, CLOCK_MONOTONIC)],
            "tell how much time has passed",
        ),
        Rule::new(
            libc::SYS_clock_gettime,
            &[Equal(0, CLOCK_REALTIME)],
            "tell the time of day",
        ),
        Rule::new(
            libc::SYS_arch_prctl,
            &[Equal(0, ARCH_SET_FS)],
            "set its thread pointer",
        ),
        Rule::new(libc::SYS_exit_group, &[], "exit"),
    ]
}

fn network(fd: i32) -> [Rule; 2] {
    let fd = Condition::descriptor(fd);
    [
        Rule::new(libc::SYS_read, &[fd], "receive a frame"),
        Rule::new(libc::SYS_write, &[fd], "send a frame"),
    ]
}

/// So few parts that what the kernel copies of their list stays on its stack.
fn gather(fd: i32) -> Rule {
    Rule::new(
        libc::SYS_writev,
        &[Condition::descriptor(fd), AtMost(2, GATHER_PARTS as u64)],
        "send a frame from where its parts lie: what it means, headers, payload",
    )
}

/// One block within the device, so that a file can neither be read nor grown beyond its end.
fn block(fd: i32, capacity: u64, block_size: u64) -> [Rule; 2] {
    let conditions = [
        Condition::descriptor(fd),
        Equal(2, block_size),
        AtMost(3, capacity.saturating_sub(block_size)),
    ];
    [
        Rule::new(libc::SYS_pread64, &conditions, "read a block"),
        Rule::new(libc::SYS_pwrite64, &conditions, "write a block"),
    ]
}

/// Several blocks in one call: of any length up to a limit, as far from the end as that limit.
fn block_offered(fd: i32, capacity: u64, properties: Properties) -> Vec<Rule> {
    let fd = Condition::descriptor(fd);
    let mut rules = vec![Rule::new(
        libc::SYS_fdatasync,
        &[fd],
        "make what it wrote to a block device durable",
    )];
    if takes_transfers(properties) {
        let most = u64::from(MAX_TRANSFER);
        let conditions = [fd, AtMost(2, most), AtMost(3, capacity - most)];
        rules.push(Rule::new(
            libc::SYS_pread64,
            &conditions,
            "read several blocks",
        ));
        rules.push(Rule::new(
            libc::SYS_pwrite64,
            &conditions,
            "write several blocks",
        ));
    }
    rules
}

#[cfg(test)]
mod tests;
