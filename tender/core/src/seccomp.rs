// SPDX-License-Identifier: ISC
//! Which system calls a tender or its guest may make, with which arguments: rules as data, and their
//! filter.
//!
//! A [`Rule`] is one thing that is allowed, with the reason for it; whatever no rule allows kills the
//! process. [`compile`] makes the kernel's filter of a list of them; each tender has its own list.
//!
//! The filter is put together here rather than by a library (seccompiler was tried), for what the
//! rules need is little and partly beyond it: with two tiers for each of 63 block devices it makes
//! 4610 instructions where the kernel takes 4096, a range of addresses is a condition on the sum of
//! two arguments, and the calls made for every packet must come first.
//!
//! Read first: seccomp(2); Linux `Documentation/userspace-api/seccomp_filter.rst`.

pub mod bpf;

use crate::{Error, system};
pub use bpf::compile;
use bpf::{Instruction, KILL_PROCESS};

/// One thing that is allowed: a system call all of whose conditions hold.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Number of the system call.
    pub call: libc::c_long,
    /// Conditions on its arguments.
    pub conditions: Vec<Condition>,
    /// What it is needed for.
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

impl Rule {
    /// A rule that allows `call` where `conditions` hold.
    pub fn new(call: libc::c_long, conditions: &[Condition], why: &'static str) -> Self {
        Self {
            call,
            conditions: conditions.to_vec(),
            why,
        }
    }
}

impl Condition {
    /// The first argument is this descriptor, which is not negative.
    pub const fn descriptor(fd: i32) -> Self {
        Self::Equal(0, fd as u64)
    }
}

/// Closes `filter` around this thread, and threads that it starts, for good. The thread must have
/// given up privileges, as [`sandbox::enter`](crate::sandbox::enter) does.
///
/// # Errors
///
/// The kernel refuses.
pub fn install(filter: &[Instruction]) -> Result<(), Error> {
    const SET_MODE_FILTER: usize = 1;
    // Linux's `struct sock_fprog`.
    let program = [filter.len(), filter.as_ptr().expose_provenance()];
    let program = (&raw const program).expose_provenance();
    // SAFETY: 1. The call reads the structure that the argument points to, and as many instructions
    // as it says, which have the kernel's layout. 2. What it changes is which calls are possible;
    // one that is not ends the process, which no safe code can notice.
    let closed = unsafe { system::call(libc::SYS_seccomp, [SET_MODE_FILTER, 0, program, 0, 0]) };
    let what = "set up the sandbox: filter of system calls";
    closed.map(drop).map_err(Error::cannot(what))
}

/// Refuses a kernel that has no such filters.
pub(crate) fn check_host() -> Result<(), Error> {
    const GET_ACTION_AVAIL: usize = 2;
    let action = KILL_PROCESS;
    let action = (&raw const action).expose_provenance();
    // SAFETY: the call reads the word that the argument points to.
    let known = unsafe { system::call(libc::SYS_seccomp, [GET_ACTION_AVAIL, 0, action, 0, 0]) };
    known.map(drop).map_err(|error| {
        Error::new(format!(
            "the kernel has no seccomp filters that kill a process: {error}"
        ))
        .hint("use Linux 4.14 or later, built with CONFIG_SECCOMP_FILTER")
    })
}

#[cfg(test)]
mod tests;
