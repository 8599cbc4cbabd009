// SPDX-License-Identifier: ISC
//! The hypercalls: what a guest asks for by an `out` with the address of a structure.
//!
//! Each structure is copied once, checked, acted upon, and written back. The calls are those of
//! Solo5's tender (Solo5 `tenders/hvt/hvt_core.c`, `hvt_module_{net,blk}.c`), except that an error
//! of the host, which ends that tender, is told to the guest here. No hypervisor is needed to run
//! them: [`Host::call`] is a function of memory and devices, for tests and fuzzers too.

use std::{
    fmt, io,
    os::fd::AsRawFd,
    ptr,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use fata_abi::hvt::{
    BlockTransfer, COOKIE_SIZE, HYPERCALL_PORT, Halt, Hypercall, INVALID, NetTransfer, OK, Poll,
    Puts, WallTime,
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
        let fault = |bad| Fault::Pointer(call, bad);
        match call {
            Hypercall::WallTime => self.wall_time(at),
            Hypercall::Puts => self.puts(at),
            Hypercall::Poll => self.poll(at),
            Hypercall::BlockWrite | Hypercall::BlockRead => self.block(at, call),
            Hypercall::NetWrite | Hypercall::NetRead => self.net(at, call),
            Hypercall::Halt => return self.halt(at).map_err(fault),
        }
        .map_err(fault)?;
        Ok(Outcome::Continue)
    }

    fn wall_time(&self, at: u64) -> Result<(), BadPointer> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let nanoseconds = now.map_or(0, |now| now.as_nanos() as u64);
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
        for (&handle, net) in self.devices.nets.iter().filter(|(_, net)| !net.is_gone()) {
            count = handle as usize + 1;
            polled[count - 1].fd = net.descriptor.as_raw_fd();
        }
        wait(&mut polled[..count], timeout);
        let ready = (0..count).filter(|&handle| polled[handle].revents != 0);
        ready.fold(0, |set, handle| set | 1 << handle)
    }

    fn block(&self, at: u64, call: Hypercall) -> Result<(), BadPointer> {
        let mut transfer: BlockTransfer = self.memory.read(at)?;
        let (offset, data, len) = (transfer.offset, transfer.data, transfer.len);
        let device = self.devices.blocks.get(&transfer.handle);
        transfer.result = match device.filter(|device| device.contains(offset, len)) {
            None => INVALID,
            Some(device) if call == Hypercall::BlockRead => {
                device.read(offset, self.memory.writable(data, len)?)
            }
            Some(device) => device.write(offset, self.memory.readable(data, len)?),
        };
        self.memory.write(at, transfer)
    }

    fn net(&self, at: u64, call: Hypercall) -> Result<(), BadPointer> {
        let mut transfer: NetTransfer = self.memory.read(at)?;
        let (data, len) = (transfer.data, transfer.len);
        let done = match self.devices.nets.get(&transfer.handle) {
            None => Err(INVALID),
            Some(device) if call == Hypercall::NetRead => {
                let received = device.receive(self.memory.writable(data, len)?);
                received.map(|len| transfer.len = len as u64)
            }
            Some(device) => device.send(self.memory.readable(data, len)?),
        };
        transfer.result = done.err().unwrap_or(OK);
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
    let count = polled.len() as libc::nfds_t;
    loop {
        let left = timeout.saturating_sub(start.elapsed());
        let left = libc::timespec {
            // Half of a `u64` of nanoseconds is a small number of seconds.
            tv_sec: left.as_secs() as i64,
            tv_nsec: left.subsec_nanos().into(),
        };
        // SAFETY: 1. The slice has as many entries as stated, which the kernel reads and writes. 2.
        // `left` lives until the call returns. 3. A null mask means none.
        let found =
            unsafe { libc::ppoll(polled.as_mut_ptr(), count, &raw const left, ptr::null()) };
        if found >= 0 || io::Error::last_os_error().kind() != io::ErrorKind::Interrupted {
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
