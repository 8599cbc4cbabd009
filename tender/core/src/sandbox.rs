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

use landlock::{ABI, Access, AccessFs, AccessNet, Ruleset, RulesetAttr, RulesetError, Scope};
use libc::{SIG_DFL, SIG_IGN, SIGBUS, SIGCHLD, SIGPIPE, SIGSEGV};
use rustix::{
    fs::{Mode, OFlags},
    io::Errno,
    process::{DumpableBehavior, Resource, Rlimit},
    thread::{CapabilitySet, CapabilitySets},
};

use crate::{Error, seccomp, system};

/// Standard output, the guest's console.
pub const STDOUT: RawFd = libc::STDOUT_FILENO;
/// Standard error, for what a tender says.
pub const STDERR: RawFd = libc::STDERR_FILENO;

/// Refuses hosts on which the sandbox would not hold. To be called before anything else is done: it
/// also sees to it that nothing opened later takes the place of a standard descriptor.
///
/// # Errors
///
/// The host lacks what the sandbox needs, or takes from it.
pub fn check_host() -> Result<(), Error> {
    open_standard_descriptors().map_err(Error::cannot("open `/dev/null`"))?;
    // SAFETY: this argument makes the call a query.
    let persona = unsafe { libc::personality(0xffff_ffff) };
    if persona >= 0 && persona & libc::READ_IMPLIES_EXEC != 0 {
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
    let cannot = |what| Error::cannot(format!("set up the sandbox: {what}"));
    reset_signals(kept.has_child);
    // Not for debuggers of the same user, nor for a core dump handler.
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .map_err(cannot("dumps"))?;
    rustix::thread::set_no_new_privs(true).map_err(cannot("privileges"))?;
    restrict_files().map_err(Error::cannot("set up the sandbox: landlock"))?;
    drop_capabilities().map_err(cannot("capabilities"))?;
    // Neither a core file, which would hold the guest's secrets, nor a new descriptor, ever.
    for (resource, most) in [(Resource::Core, 0), (Resource::Nofile, kept.polled)] {
        let (current, maximum) = (Some(most), Some(most));
        let limit = Rlimit { current, maximum };
        rustix::process::setrlimit(resource, limit).map_err(cannot("limits"))?;
    }
    close_others(kept.descriptors).map_err(cannot("descriptors"))
}

/// Undoes what Rust's runtime did to signals: handlers of faults, whose code may be about to be
/// unmapped, and `SIGPIPE` ignored.
fn reset_signals(has_child: bool) {
    let defaults = [SIGBUS, SIGSEGV, SIGPIPE].map(|signal| (signal, SIG_DFL));
    // A child whose end is ignored leaves no zombie.
    let child = has_child.then_some((SIGCHLD, SIG_IGN));
    for (signal, handler) in defaults.into_iter().chain(child) {
        // SAFETY: neither value is the address of a handler, so no code of this process will run.
        // These signals can be set, so it does not fail.
        unsafe { libc::signal(signal, handler) };
    }
}

/// Landlock, as far as the kernel has it: no right to any file, no TCP, no abstract socket or signal
/// beyond this process.
fn restrict_files() -> Result<(), RulesetError> {
    let rules = Ruleset::default()
        .handle_access(AccessFs::from_all(ABI::V5))?
        .handle_access(AccessNet::from_all(ABI::V4))?
        .scope(Scope::from_all(ABI::V6))?;
    rules.create()?.restrict_self().map(drop)
}

/// Drops all capabilities from all sets.
fn drop_capabilities() -> Result<(), Errno> {
    // What an older kernel does not know, it does not give either.
    let unless_unknown = |result| match result {
        Err(Errno::INVAL) => Ok(()),
        result => result,
    };
    // The bounding set needs a capability to be changed, so it comes first; without one there is
    // nothing in it that `no_new_privs` does not withhold.
    let held = rustix::thread::capabilities(None)?;
    if held.effective.contains(CapabilitySet::SETPCAP) {
        for capability in CapabilitySet::all().iter() {
            unless_unknown(rustix::thread::remove_capability_from_bounding_set(
                capability,
            ))?;
        }
    }
    unless_unknown(rustix::thread::clear_ambient_capability_set())?;
    let none = CapabilitySet::empty();
    let none = CapabilitySets {
        effective: none,
        permitted: none,
        inheritable: none,
    };
    rustix::thread::set_capabilities(None, none)
}

/// Closes every descriptor but those `kept`. Whoever owns one of them may neither use nor drop it after.
///
/// # Errors
///
/// The kernel refuses.
pub fn close_others(mut kept: Vec<RawFd>) -> Result<(), Errno> {
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
    let arguments = [first as usize, last as usize, 0, 0, 0];
    // JUSTIFICATION: closing what this process was started with, and what it opened for itself.
    // SAFETY: the owners of these descriptors never use or close them again, as `close_others` and
    // `enter` say.
    match unsafe { system::call(libc::SYS_close_range, arguments) } {
        // Before Linux 5.9: one by one, as far as descriptors commonly go.
        Err(Errno::NOSYS) => {
            for fd in first..=last.min(1 << 16) {
                // SAFETY: as above.
                unsafe { libc::close(fd as RawFd) };
            }
            Ok(())
        }
        result => result.map(drop),
    }
}
