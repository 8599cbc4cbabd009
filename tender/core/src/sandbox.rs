// SPDX-License-Identifier: ISC
//! What the process gives up before the guest runs in it, or on a virtual CPU of its.
//!
//! The filter of system calls ([`seccomp`]) is the wall; all of this stands behind it, so that a hole
//! in the filter, or in the kernel behind an allowed call, still leads to a process without rights,
//! files or a name to reach. Rights belong to threads: only those that are started after [`enter`]
//! are without them too. What follows it cannot open anything.
//!
//! Read first: capabilities(7), landlock(7), Linux `Documentation/userspace-api/landlock.rst`.

use std::os::fd::RawFd;

use rustix::{
    fs::{Mode, OFlags},
    io::Errno,
    process::{DumpableBehavior, Resource, Rlimit},
    thread::{CapabilitySet, CapabilitySets},
};

use crate::{
    Error, seccomp,
    system::{self, number},
};

const READ_IMPLIES_EXEC: usize = 0x0040_0000;
const PERSONALITY_QUERY: usize = 0xffff_ffff;
const SIGBUS: usize = 7;
const SIGSEGV: usize = 11;
const SIGPIPE: usize = 13;
const SIGCHLD: usize = 17;
const SIG_DFL: usize = 0;
const SIG_IGN: usize = 1;

/// Standard output, the guest's console.
pub const STDOUT: RawFd = 1;
/// Standard error, for what a tender says.
pub const STDERR: RawFd = 2;

/// Refuses hosts on which the sandbox would not hold. To be called before anything else is done: it
/// also sees to it that nothing opened later takes the place of a standard descriptor.
///
/// # Errors
///
/// The host lacks what the sandbox needs, or takes from it.
pub fn check_host() -> Result<(), Error> {
    open_standard_descriptors()
        .map_err(|error| Error::new(format!("cannot open `/dev/null`: {error}")))?;
    // SAFETY: this argument makes the call a query.
    let persona = unsafe { system::call(number::PERSONALITY, [PERSONALITY_QUERY, 0, 0, 0, 0]) };
    if persona.is_ok_and(|persona| persona & READ_IMPLIES_EXEC != 0) {
        return Err(Error::new(
            "this process runs with READ_IMPLIES_EXEC: all its memory is executable",
        )
        .hint("start it without `setarch --read-implies-exec`"));
    }
    seccomp::check_host()
}

/// Fills the places of descriptors 0, 1 and 2 that the caller closed, lest a device take one: the
/// guest may write to standard output.
fn open_standard_descriptors() -> Result<(), Errno> {
    use rustix::stdio::{stderr, stdin, stdout};
    for standard in [stdin(), stdout(), stderr()] {
        if rustix::io::fcntl_getfd(standard) == Err(Errno::BADF) {
            // The lowest free number, which is this one.
            std::mem::forget(rustix::fs::open("/dev/null", OFlags::RDWR, Mode::empty())?);
        }
    }
    Ok(())
}

/// What [`enter`] leaves to the process.
#[derive(Clone, Debug)]
pub struct Kept {
    /// Descriptors. All others are closed, and whoever owns one may neither use nor drop it after.
    pub descriptors: Vec<RawFd>,
    /// How many descriptors one `poll` may name. The kernel has one limit for that and for the
    /// numbers of new ones: with zero there will be none.
    pub polled: u64,
    /// There is a process of a user-mode network, for which nobody will wait.
    pub has_child: bool,
}

/// Gives up everything but what is `kept`.
///
/// # Errors
///
/// The kernel refuses a step; nothing is said of how many were made.
pub fn enter(kept: Kept) -> Result<(), Error> {
    let cannot = |what: &'static str| {
        move |error: Errno| Error::new(format!("cannot set up the sandbox: {what}: {error}"))
    };
    reset_signals(kept.has_child).map_err(cannot("signals"))?;
    // Not for debuggers of the same user, nor for a core dump handler.
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .map_err(cannot("dumps"))?;
    rustix::thread::set_no_new_privs(true).map_err(cannot("privileges"))?;
    restrict_files().map_err(cannot("landlock"))?;
    drop_capabilities().map_err(cannot("capabilities"))?;
    // Neither a core file, which would hold the guest's secrets, nor a new descriptor, ever.
    for (resource, most) in [(Resource::Core, 0), (Resource::Nofile, kept.polled)] {
        let limit = Rlimit {
            current: Some(most),
            maximum: Some(most),
        };
        rustix::process::setrlimit(resource, limit).map_err(cannot("limits"))?;
    }
    close_others(kept.descriptors).map_err(cannot("descriptors"))
}

/// Undoes what Rust's runtime did to signals: handlers of faults, whose code may be about to be
/// unmapped, and `SIGPIPE` ignored.
fn reset_signals(has_child: bool) -> Result<(), Errno> {
    for signal in [SIGBUS, SIGSEGV, SIGPIPE] {
        set_signal(signal, SIG_DFL)?;
    }
    match has_child {
        // A child whose end is ignored leaves no zombie.
        true => set_signal(SIGCHLD, SIG_IGN),
        false => Ok(()),
    }
}

fn set_signal(signal: usize, handler: usize) -> Result<(), Errno> {
    // The kernel's `struct sigaction`: handler, flags, restorer, mask.
    let action = [handler, 0, 0, 0];
    let action = (&raw const action).expose_provenance();
    // SAFETY: 1. The call reads the structure that the argument points to, of the size stated last.
    // 2. Neither value is the address of a handler, so no code of this process will run for it.
    unsafe {
        system::call(
            number::RT_SIGACTION,
            [signal, action, 0, size_of::<usize>(), 0],
        )
    }
    .map(drop)
}

/// Landlock: no right to any file, no TCP, no abstract socket or signal beyond this process.
fn restrict_files() -> Result<(), Errno> {
    const VERSION: usize = 1;
    // Rights that each version of the kernel's interface added: files, TCP ports, scopes.
    const FILES: [u64; 6] = [0, 0x1fff, 0x3fff, 0x7fff, 0x7fff, 0xffff];
    // SAFETY: without a structure, the call tells the version.
    let version = unsafe { system::call(number::LANDLOCK_CREATE_RULESET, [0, 0, VERSION, 0, 0]) };
    let version = match version {
        Ok(version) => version,
        // The kernel has no landlock, or it is off.
        Err(Errno::NOSYS | Errno::OPNOTSUPP) => return Ok(()),
        Err(error) => return Err(error),
    };
    let mut rules = [FILES[version.min(FILES.len() - 1)], 0, 0];
    if version >= 4 {
        rules[1] = 0x3;
    }
    if version >= 6 {
        rules[2] = 0x3;
    }
    let size = match version {
        ..4 => 8,
        4 | 5 => 16,
        _ => 24,
    };
    let rules = (&raw const rules).expose_provenance();
    // SAFETY: the call reads as many bytes as stated, which the array has.
    let set = unsafe { system::call(number::LANDLOCK_CREATE_RULESET, [rules, size, 0, 0, 0]) }?;
    // SAFETY: the call takes a descriptor, which is closed with all others afterwards.
    unsafe { system::call(number::LANDLOCK_RESTRICT_SELF, [set, 0, 0, 0, 0]) }.map(drop)
}

/// Drops all capabilities from all sets.
fn drop_capabilities() -> Result<(), Errno> {
    // The bounding set needs a capability to be changed, so it comes first; without one there is
    // nothing in it that `no_new_privs` does not withhold.
    let held = rustix::thread::capabilities(None)?;
    if held.effective.contains(CapabilitySet::SETPCAP) {
        for capability in CapabilitySet::all().iter() {
            match rustix::thread::remove_capability_from_bounding_set(capability) {
                // The kernel is older than the capability.
                Ok(()) | Err(Errno::INVAL) => {}
                Err(error) => return Err(error),
            }
        }
    }
    match rustix::thread::clear_ambient_capability_set() {
        Ok(()) | Err(Errno::INVAL) => {}
        Err(error) => return Err(error),
    }
    let none = CapabilitySets {
        effective: CapabilitySet::empty(),
        permitted: CapabilitySet::empty(),
        inheritable: CapabilitySet::empty(),
    };
    rustix::thread::set_capabilities(None, none)
}

/// Closes every descriptor but those `kept`.
fn close_others(mut kept: Vec<RawFd>) -> Result<(), Errno> {
    kept.sort_unstable();
    let mut from: u32 = 0;
    for fd in kept {
        let fd = fd as u32;
        if fd > from {
            close_range(from, fd - 1)?;
        }
        from = fd + 1;
    }
    close_range(from, u32::MAX)
}

fn close_range(first: u32, last: u32) -> Result<(), Errno> {
    let close = |number, first: u32, last: u32| {
        // JUSTIFICATION: closing what this process was started with, and what it opened for itself.
        // SAFETY: the owners of these descriptors never use or close them again, as `enter` says: from
        // here on there is only the guest, until the process ends.
        unsafe { system::call(number, [first as usize, last as usize, 0, 0, 0]) }
    };
    match close(number::CLOSE_RANGE, first, last) {
        // Before Linux 5.9: one by one, as far as descriptors commonly go.
        Err(Errno::NOSYS) => {
            for fd in first..=last.min(1 << 16) {
                let _ = close(number::CLOSE, fd, 0);
            }
            Ok(())
        }
        result => result.map(drop),
    }
}
