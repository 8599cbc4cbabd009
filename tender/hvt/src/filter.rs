// SPDX-License-Identifier: ISC
//! Which system calls each thread of the tender may make while the guest runs, with which arguments.
//!
//! The guest itself can make none. Whoever takes over the tender from within it is left with what
//! [`rules`] allows to the thread that was taken over: memory that the process has, descriptors that
//! it has, and the few calls that move frames, blocks and text. Anything else kills the process. A
//! thread has rules for its own work and its guest's devices alone.
//!
//! Behind [`close`] nothing asks for memory or gives any back, no thread starts or ends, and there is
//! no signal handler, unless the guest is looked into: none of what that takes is allowed. Addresses are not checked, which here are
//! the tender's own.
//!
//! Read first: [`fata_tender::seccomp`].

use std::os::fd::RawFd;

use fata_abi::manifest::{Attachment, Properties};
use fata_tender::{
    Error,
    sandbox::{self, Kept, STDERR, STDOUT},
    seccomp::{
        self,
        Condition::{self, AtMost, Equal},
        Rule,
    },
};
use rustix::time::{ClockId, clock_gettime};

/// Most devices, and so descriptors that are waited for at once.
const MAX_DEVICES: u64 = 64;
const FUTEX_WAIT_PRIVATE: u64 = 128;
const FUTEX_WAKE_PRIVATE: u64 = 129;
/// `CLOCK_REALTIME` is 0, `CLOCK_MONOTONIC` 1.
const CLOCKS: u64 = 1;

/// A thread of the tender.
#[derive(Clone, Copy, Debug)]
pub enum Thread<'a> {
    /// The one that is the virtual CPU, and does what its hypercalls ask for.
    Cpu {
        /// Those of the hypervisor.
        descriptors: &'a [RawFd],
        /// What it asks of them while the guest runs: numbers of `ioctl`s.
        requests: &'a [u64],
    },
    /// That of the network ring.
    Net {
        /// What it waits with.
        epoll: RawFd,
    },
    /// That of the ring of block devices.
    Block {
        /// What it waits with.
        epoll: RawFd,
    },
}

/// Gives up all rights but to `descriptors`, standard output and standard error. Threads that are
/// started after it have none either.
///
/// # Errors
///
/// The kernel refuses.
pub fn enter(mut descriptors: Vec<RawFd>, has_child: bool) -> Result<(), Error> {
    descriptors.extend([STDOUT, STDERR]);
    sandbox::enter(Kept {
        descriptors,
        polled: MAX_DEVICES,
        has_child,
    })
}

/// Closes the filter around the calling thread, which is to be `thread` from here on.
///
/// # Errors
///
/// The kernel refuses.
pub fn close(thread: Thread<'_>, devices: &[Attachment]) -> Result<(), Error> {
    install(&rules(thread, devices))
}

/// Closes a filter around the calling thread that allows what `rules` allow.
pub(crate) fn install(rules: &[Rule]) -> Result<(), Error> {
    // The first look at a clock finds the vDSO, by a call that is not allowed later.
    let _ = clock_gettime(ClockId::Monotonic);
    // To give it back could take a call that is no longer allowed.
    let filter = seccomp::compile(rules).leak();
    seccomp::install(filter)
}

/// What `thread` may do for a guest with these devices, the most frequent first.
pub fn rules(thread: Thread<'_>, devices: &[Attachment]) -> Vec<Rule> {
    let mut rules = Vec::new();
    match thread {
        Thread::Cpu {
            descriptors,
            requests,
        } => {
            rules.extend(descriptors.iter().flat_map(|&fd| runs(fd, requests)));
            let stdout = Condition::descriptor(STDOUT);
            rules.push(Rule::new(libc::SYS_write, &[stdout], "console output"));
            rules.extend(devices.iter().flat_map(|device| transfers(*device)));
            rules.extend(waits());
        }
        Thread::Net { epoll } => {
            let nets = devices.iter().filter(|device| is_net(device));
            rules.extend(nets.flat_map(|device| transfers(*device)));
            rules.extend(serves(epoll));
        }
        Thread::Block { epoll } => {
            for device in devices.iter().filter(|device| !is_net(device)) {
                rules.extend(transfers(*device));
                let fd = Condition::descriptor(device.fd);
                let why = "make what the guest wrote to a block device durable";
                rules.push(Rule::new(libc::SYS_fdatasync, &[fd], why));
            }
            rules.extend(serves(epoll));
        }
    }
    rules.extend(ends());
    rules
}

fn is_net(device: &Attachment) -> bool {
    matches!(device.properties, Properties::Net { .. })
}

fn runs(fd: RawFd, requests: &[u64]) -> impl Iterator<Item = Rule> {
    const WHY: &str = "run the guest, and say where it failed";
    requests.iter().map(move |&request| {
        let conditions = [Condition::descriptor(fd), Equal(1, request)];
        Rule::new(libc::SYS_ioctl, &conditions, WHY)
    })
}

/// Frames, or bytes as many as the device has, from where it has some: not the start of a block alone,
/// as a part of a transfer that comes to an end within one is followed by another. That they end on
/// the device depends on both numbers and is not for a filter.
fn transfers(Attachment { fd, properties }: Attachment) -> [Rule; 2] {
    let fd = Condition::descriptor(fd);
    match properties {
        Properties::Net { .. } => [
            Rule::new(libc::SYS_read, &[fd], "receive a frame"),
            Rule::new(libc::SYS_write, &[fd], "send a frame"),
        ],
        Properties::Block { capacity, .. } => {
            let last = capacity.saturating_sub(1);
            let conditions = [fd, AtMost(2, capacity), AtMost(3, last)];
            [
                Rule::new(libc::SYS_pread64, &conditions, "read blocks"),
                Rule::new(libc::SYS_pwrite64, &conditions, "write blocks"),
            ]
        }
    }
}

/// How the thread of the virtual CPU waits.
fn waits() -> [Rule; 4] {
    [
        Rule::new(
            libc::SYS_futex,
            &[Equal(1, FUTEX_WAIT_PRIVATE)],
            "wait for a ring's commit, or some time",
        ),
        Rule::new(
            libc::SYS_ppoll,
            &[AtMost(1, MAX_DEVICES), Equal(3, 0)],
            "wait for a frame, some time, or room on the console; without a signal mask, so that \
             SIGTERM gets through",
        ),
        Rule::new(
            libc::SYS_restart_syscall,
            &[],
            "go on waiting when the process was stopped in between",
        ),
        Rule::new(
            libc::SYS_clock_gettime,
            &[AtMost(0, CLOCKS)],
            "tell the time where the vDSO cannot",
        ),
    ]
}

/// How the thread of a ring waits, and lets the guest know.
fn serves(epoll: RawFd) -> [Rule; 3] {
    let conditions = [Condition::descriptor(epoll), Equal(4, 0)];
    let why = "wait for a kick, or a frame; without a signal mask, so that SIGTERM gets through";
    [
        Rule::new(
            libc::SYS_futex,
            &[Equal(1, FUTEX_WAKE_PRIVATE)],
            "wake the thread of the virtual CPU",
        ),
        Rule::new(libc::SYS_epoll_pwait, &conditions, why),
        // Which one it is depends on how the program was built.
        Rule::new(libc::SYS_epoll_pwait2, &conditions, why),
    ]
}

fn ends() -> [Rule; 2] {
    [
        Rule::new(
            libc::SYS_write,
            &[Condition::descriptor(STDERR)],
            "say why the guest was ended",
        ),
        Rule::new(libc::SYS_exit_group, &[], "exit"),
    ]
}

#[cfg(test)]
mod tests;
