// SPDX-License-Identifier: ISC
//! The hypercalls: what a guest asks for by an `out` with the address of a structure.
//!
//! Each structure is copied once, checked, acted upon, and written back. The calls are those of
//! Solo5's tender (Solo5 `tenders/hvt/hvt_core.c`, `hvt_module_{net,blk}.c`), except that an error
//! of the host, which ends that tender, is told to the guest here. No hypervisor is needed to run
//! them: [`Host::call`] is a function of memory and devices, for tests and fuzzers too.

use std::{
    fmt,
    os::fd::{AsFd, AsRawFd},
    ptr,
    time::{Duration, Instant},
};

use fata_abi::hvt::{
    BlockTransfer, COOKIE_SIZE, HYPERCALL_PORT, Halt, Hypercall, INVALID, NetTransfer, OK, Poll,
    Puts, WallTime,
};
use rustix::{
    io::Errno,
    time::{ClockId, clock_gettime},
};

use crate::{
    console::Console,
    devices::Devices,
    memory::{BadPointer, Memory},
    ring::Wake,
};

/// What hypercalls act upon.
#[derive(Debug)]
pub struct Host<'a> {
    /// The guest's memory.
    pub memory: &'a Memory,
    /// The guest's devices.
    pub devices: &'a Devices,
    /// How the guest waits for commits in its rings, if it does, as `OFFER_RINGS` says.
    pub rings: Option<&'a Wake<'a>>,
    /// The guest's console.
    pub console: Console<'a>,
}

/// What follows a hypercall.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The guest goes on.
    Continue,
    /// The guest has ended.
    Halted {
        /// With this status.
        status: i32,
        /// Address of [`COOKIE_SIZE`] readable bytes about why, or zero.
        cookie: u64,
    },
}

/// What a guest may not ask for; it ends there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A port that is not a hypercall's.
    Port(u16),
    /// A pointer in the arguments of a call, or to them.
    Pointer(Hypercall, BadPointer),
}

impl Host<'_> {
    /// Does what an `out` of `value` to `port` asks for. It blocks for [`Hypercall::Poll`], for disks
    /// and for a console that blocks.
    ///
    /// # Errors
    ///
    /// The guest asks for what no guest may.
    pub fn call(&mut self, port: u16, value: u32) -> Result<Outcome, Fault> {
        let number = port.checked_sub(HYPERCALL_PORT);
        let call = number.and_then(Hypercall::new).ok_or(Fault::Port(port))?;
        let at = u64::from(value);
        let done = match call {
            Hypercall::WallTime => self.wall_time(at),
            Hypercall::Puts => self.puts(at),
            Hypercall::Poll => self.poll(at),
            Hypercall::BlockWrite | Hypercall::BlockRead => self.block(at, call),
            Hypercall::NetWrite => self.net_write(at),
            Hypercall::NetRead => self.net_read(at),
            Hypercall::Halt => {
                return self.halt(at).map_err(|bad| Fault::Pointer(call, bad));
            }
        };
        done.map_err(|bad| Fault::Pointer(call, bad))?;
        Ok(Outcome::Continue)
    }

    fn wall_time(&self, at: u64) -> Result<(), BadPointer> {
        let now = clock_gettime(ClockId::Realtime);
        let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
        let nanoseconds = seconds * 1_000_000_000 + now.tv_nsec as u64;
        self.memory.write(at, WallTime { nanoseconds })
    }

    fn puts(&mut self, at: u64) -> Result<(), BadPointer> {
        let Puts { data, len } = self.memory.read(at)?;
        self.console.write(self.memory.readable(data, len)?);
        Ok(())
    }

    /// Waits until a network device has something to read.
    fn poll(&self, at: u64) -> Result<(), BadPointer> {
        let mut poll: Poll = self.memory.read(at)?;
        // Before it waits: a guest shall not learn of its mistake after hours.
        self.memory.writable(at, size_of::<Poll>() as u64)?;
        let timeout = Duration::from_nanos(poll.timeout);
        poll.ready_set = match &self.rings {
            Some(rings) => {
                rings.wait(timeout);
                0
            }
            None => self.ready_nets(timeout),
        };
        poll.result = poll.ready_set.count_ones() as i32;
        self.memory.write(at, poll)
    }

    /// Waits until a network device has something to read, and returns which have.
    fn ready_nets(&self, timeout: Duration) -> u64 {
        let none = libc::pollfd {
            fd: -1,
            events: libc::POLLIN,
            revents: 0,
        };
        // Handles are below 64.
        let mut polled = [none; 64];
        let mut count = 0;
        for (handle, net) in self.devices.nets().filter(|(_, net)| !net.is_gone()) {
            polled[handle].fd = net.as_fd().as_raw_fd();
            count = handle + 1;
        }
        wait(&mut polled[..count], timeout);
        let ready = polled
            .iter()
            .enumerate()
            .filter(|(_, one)| one.revents != 0);
        ready.fold(0, |set, (handle, _)| set | 1 << handle)
    }

    fn block(&self, at: u64, call: Hypercall) -> Result<(), BadPointer> {
        let mut transfer: BlockTransfer = self.memory.read(at)?;
        let BlockTransfer {
            handle,
            offset,
            data,
            len,
            ..
        } = transfer;
        let device = self.devices.block(handle);
        transfer.result = match device.filter(|device| device.contains(offset, len)) {
            None => INVALID,
            Some(device) if call == Hypercall::BlockRead => {
                device.read(offset, self.memory.writable(data, len)?)
            }
            Some(device) => device.write(offset, self.memory.readable(data, len)?),
        };
        self.memory.write(at, transfer)
    }

    fn net_write(&self, at: u64) -> Result<(), BadPointer> {
        let mut transfer: NetTransfer = self.memory.read(at)?;
        transfer.result = match self.devices.net(transfer.handle) {
            None => INVALID,
            Some(device) => {
                let frame = self.memory.readable(transfer.data, transfer.len)?;
                device.send(frame).err().unwrap_or(OK)
            }
        };
        self.memory.write(at, transfer)
    }

    fn net_read(&self, at: u64) -> Result<(), BadPointer> {
        let mut transfer: NetTransfer = self.memory.read(at)?;
        transfer.result = match self.devices.net(transfer.handle) {
            None => INVALID,
            Some(device) => {
                let into = self.memory.writable(transfer.data, transfer.len)?;
                match device.receive(into) {
                    Ok(len) => {
                        transfer.len = len as u64;
                        OK
                    }
                    Err(result) => result,
                }
            }
        };
        self.memory.write(at, transfer)
    }

    fn halt(&self, at: u64) -> Result<Outcome, BadPointer> {
        let halt: Halt = self.memory.read(at)?;
        if halt.cookie != 0 {
            self.memory.readable(halt.cookie, COOKIE_SIZE)?;
        }
        Ok(Outcome::Halted {
            status: halt.exit_status,
            cookie: halt.cookie,
        })
    }
}

/// Waits until one of `polled` is ready, at most for `timeout`, whatever signals come. What is ready
/// has something in `revents`.
fn wait(polled: &mut [libc::pollfd], timeout: Duration) {
    let start = Instant::now();
    loop {
        let left = timeout.saturating_sub(start.elapsed());
        let left = libc::timespec {
            // Half of a `u64` of nanoseconds is a small number of seconds.
            tv_sec: left.as_secs() as i64,
            tv_nsec: i64::from(left.subsec_nanos()),
        };
        let count = polled.len() as libc::nfds_t;
        // SAFETY: 1. The slice has as many entries as stated, which the kernel reads and writes. 2.
        // `left` lives until the call returns. 3. A null mask means none.
        let found =
            unsafe { libc::ppoll(polled.as_mut_ptr(), count, &raw const left, ptr::null()) };
        let error = std::io::Error::last_os_error();
        if found >= 0 || Errno::from_io_error(&error) != Some(Errno::INTR) {
            return;
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Port(port) => write!(f, "it wrote to port {port:#x}, which is no hypercall"),
            Self::Pointer(call, bad) => write!(f, "in its hypercall {call:?}, {bad}"),
        }
    }
}

#[cfg(test)]
mod tests;
