// SPDX-License-Identifier: ISC
//! The process that the network runs in, and how little it may do.
//!
//! It is forked, not executed: the caller may be a sealed tool whose file is gone, and a start takes
//! a fraction of a millisecond. What it keeps of its parent is memory and the standard error; files
//! are closed, capabilities dropped, and the file system put out of reach where the kernel has
//! Landlock. See fork(2), prctl(2) and landlock(7).

use std::{
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd},
    panic::{AssertUnwindSafe, catch_unwind},
};

use landlock::{ABI, Access, AccessFs, CompatLevel, Compatible, Ruleset, RulesetAttr};
use rustix::{
    net::{AddressFamily, SocketFlags, SocketType, socketpair, sockopt},
    process::{DumpableBehavior, Pid, Signal},
    thread::CapabilitySet,
};

use crate::{Config, network::Bound};

/// Bytes of frames that may be on their way in each direction; the kernel may allow less.
const SOCKET_BUFFER: usize = 1 << 20;

/// A running network, and the guest's end of it. It ends when the socket is closed, or this process
/// ends.
#[derive(Debug)]
pub struct UserNet {
    socket: OwnedFd,
    pid: Pid,
}

impl UserNet {
    /// The guest's end: non-blocking, closed on exec; each message is an Ethernet frame of at most
    /// 1514 bytes. It reads zero bytes when the network has ended.
    pub fn into_socket(self) -> OwnedFd {
        self.socket
    }

    /// The process of the network, for who wants to wait for its end.
    pub fn pid(&self) -> i32 {
        self.pid.as_raw_pid()
    }
}

impl AsFd for UserNet {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Opens the ports that `config` forwards and starts a process that is the network of the guest
/// whose hardware address is `mac`.
///
/// The caller must have one thread: the child keeps using the heap, which another thread might hold
/// locked.
///
/// # Errors
///
/// A port that cannot be had, named with what to do; a second thread; what the kernel refuses.
pub fn spawn(config: Config, mac: [u8; 6]) -> io::Result<UserNet> {
    let bound = Bound::new(config)?;
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let (guest, ours) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
    for end in [&guest, &ours] {
        sockopt::set_socket_send_buffer_size(end, SOCKET_BUFFER)?;
    }
    let parent = rustix::process::getpid();
    match fork()? {
        Some(pid) => Ok(UserNet { socket: guest, pid }),
        None => {
            drop(guest);
            // Nothing may return, or unwind, into what the parent was doing.
            let result = catch_unwind(AssertUnwindSafe(|| child(bound, ours, mac, parent)));
            exit(match result {
                Ok(Ok(())) => 0,
                Ok(Err(error)) => {
                    eprintln!("fata-usernet: the network of the guest ended: {error}");
                    1
                }
                Err(_panic) => 101,
            })
        }
    }
}

fn child(bound: Bound, socket: OwnedFd, mac: [u8; 6], parent: Pid) -> io::Result<()> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    if rustix::process::getppid() != Some(parent) {
        // It ended before it could be watched.
        return Ok(());
    }
    let mut keep: Vec<RawFd> = bound.descriptors().chain([socket.as_raw_fd()]).collect();
    keep.push(libc::STDERR_FILENO);
    close_all_but(keep);
    confine()?;
    bound.run(socket, mac)
}

/// Gives up what the network does not need. Landlock is used as far as the kernel has it.
fn confine() -> io::Result<()> {
    rustix::thread::set_no_new_privs(true)?;
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    let none = rustix::thread::CapabilitySets {
        effective: CapabilitySet::empty(),
        permitted: CapabilitySet::empty(),
        inheritable: CapabilitySet::empty(),
    };
    rustix::thread::set_capabilities(None, none)?;
    let files = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(ABI::V5))
        .and_then(Ruleset::create)
        .and_then(|ruleset| ruleset.restrict_self());
    files.map(drop).map_err(io::Error::other)
}

/// Makes a second process, which gets `None`.
#[expect(unsafe_code, reason = "fork has no safe form")]
fn fork() -> io::Result<Option<Pid>> {
    if std::fs::read_dir("/proc/self/task")?.count() != 1 {
        return Err(io::Error::other(
            "cannot start a user network from a process with several threads; \
             start it before other threads are",
        ));
    }
    // SAFETY: fork copies the calling thread alone. 1. There is no other, as just seen, so no lock
    // is held by one that is missing in the child. 2. The caller makes sure that the child ends in
    // `exit` and neither returns nor unwinds, so no owner is dropped twice.
    let pid = unsafe { libc::fork() };
    if pid < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(Pid::from_raw(pid))
}

/// Closes every descriptor that is not in `keep`. Where the kernel cannot (before 5.9), they stay.
#[expect(
    unsafe_code,
    reason = "closing what others own is what I/O safety is against"
)]
fn close_all_but(mut keep: Vec<RawFd>) {
    keep.sort_unstable();
    let mut first: libc::c_uint = 0;
    for fd in keep {
        let fd = fd as libc::c_uint;
        if first < fd {
            // SAFETY: only the child runs this. 1. The owners of these descriptors are copies of
            // the parent's that are never used or dropped here, since the child does not return.
            // 2. Those that the child uses are in `keep`.
            unsafe { libc::close_range(first, fd - 1, 0) };
        }
        first = fd + 1;
    }
    // SAFETY: as above.
    unsafe { libc::close_range(first, libc::c_uint::MAX, 0) };
}

/// Ends this process without running what its parent registered for its own end.
#[expect(
    unsafe_code,
    reason = "std has no exit that leaves exit handlers alone"
)]
fn exit(status: i32) -> ! {
    // SAFETY: it takes any number and does not return.
    unsafe { libc::_exit(status) }
}
