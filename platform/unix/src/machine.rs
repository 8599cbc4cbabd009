// SPDX-License-Identifier: ISC
//! The devices of the process and its waiting for them, behind one value.

use std::{
    os::fd::OwnedFd,
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

use fata_abi::{
    Error, Frame, Handle, HandleSet, Platform,
    manifest::{MAX_ENTRIES, Properties},
};
use fata_tender::attach::Attached;
use rustix::{
    event::epoll::{self, CreateFlags, Event, EventData, EventFlags},
    time::Timespec,
};

use crate::{
    Unix,
    block::Disk,
    net::{self, Nic},
};

/// Events taken at a time; further devices stay ready for the next call.
const BATCH: usize = 8;

static MACHINE: OnceLock<Machine> = OnceLock::new();

/// What the process has.
#[derive(Debug)]
pub(crate) struct Machine {
    pub(crate) command_line: String,
    devices: [Device; MAX_ENTRIES],
    epoll: OwnedFd,
    /// Network devices that could not receive because too many buffers were lent.
    starved: AtomicU64,
}

/// A manifest entry with what is behind it.
#[derive(Debug)]
enum Device {
    None,
    Net(Nic),
    Block(Disk),
}

/// The one machine of this process. Without a start, as in a test, it has no devices.
pub(crate) fn machine() -> &'static Machine {
    MACHINE.get_or_init(|| {
        Machine::new(String::new(), Vec::new()).expect("the host gives an epoll descriptor")
    })
}

/// Makes `machine` the one of this process, before anybody has asked for it.
pub(crate) fn install(machine: Machine) {
    MACHINE.set(machine).expect("a process starts once");
}

impl Machine {
    /// A machine with these devices.
    pub(crate) fn new(command_line: String, attached: Vec<Attached>) -> rustix::io::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let mut devices = [const { Device::None }; MAX_ENTRIES];
        for Attached {
            index,
            descriptor,
            properties,
            vnet,
        } in attached
        {
            devices[index] = match properties {
                Properties::Net { mac, mtu } => {
                    // Told of what arrives, and of an end once: a device that nobody reads, or that
                    // is gone, would end every wait otherwise.
                    let data = EventData::new_u64(index as u64);
                    epoll::add(&epoll, &descriptor, data, EventFlags::IN | EventFlags::ET)?;
                    Device::Net(Nic {
                        descriptor,
                        mac,
                        mtu,
                        vnet,
                    })
                }
                Properties::Block {
                    capacity,
                    block_size,
                } => Device::Block(Disk::new(descriptor, capacity, block_size.into())),
            };
        }
        Ok(Self {
            command_line,
            devices,
            epoll,
            starved: AtomicU64::new(0),
        })
    }

    /// The network device at `handle`.
    pub(crate) fn net(&self, handle: Handle) -> Result<&Nic, Error> {
        match &self.devices[handle.index()] {
            Device::Net(nic) => Ok(nic),
            _ => Err(Error::Invalid),
        }
    }

    /// The block device at `handle`.
    pub(crate) fn block(&self, handle: Handle) -> Result<&Disk, Error> {
        match &self.devices[handle.index()] {
            Device::Block(disk) => Ok(disk),
            _ => Err(Error::Invalid),
        }
    }

    /// Does what [`Platform::net_receive`] says.
    pub(crate) fn net_receive(&self, handle: Handle) -> Result<Frame, Error> {
        let nic = self.net(handle)?;
        if !net::can_receive() {
            self.starved
                .fetch_or(1 << handle.index(), Ordering::Relaxed);
            return Err(Error::Again);
        }
        nic.receive()
    }

    /// Does what [`Platform::wait`] says.
    pub(crate) fn wait(&self, deadline: u64) -> HandleSet {
        let mut ready = self.finished_blocks();
        if net::can_receive() {
            // No edge tells of frames that had come before.
            ready.0 |= self.starved.swap(0, Ordering::Relaxed);
        }
        let timeout = if ready != HandleSet::EMPTY || deadline == 0 {
            Some(0)
        } else if deadline == u64::MAX {
            None
        } else {
            Some(deadline.saturating_sub(Unix::clock_monotonic()))
        };
        let timeout = timeout.map(|nanoseconds| Timespec {
            tv_sec: (nanoseconds / 1_000_000_000) as i64,
            tv_nsec: (nanoseconds % 1_000_000_000) as i64,
        });
        let mut events = [const { std::mem::MaybeUninit::<Event>::uninit() }; BATCH];
        // An interruption is a spurious return.
        let Ok((events, _)) = epoll::wait(&self.epoll, &mut events[..], timeout.as_ref()) else {
            return ready;
        };
        for event in events {
            ready.0 |= 1 << event.data.u64();
        }
        ready
    }

    fn finished_blocks(&self) -> HandleSet {
        let mut ready = HandleSet::EMPTY;
        for (index, device) in self.devices.iter().enumerate() {
            if matches!(device, Device::Block(disk) if disk.is_ready()) {
                ready.0 |= 1 << index;
            }
        }
        ready
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixDatagram;

    use super::*;
    use crate::net::tests::COUNT;

    const MILLISECOND: u64 = 1_000_000;

    fn device(index: usize) -> (Attached, UnixDatagram) {
        let (ours, theirs) = UnixDatagram::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let attached = Attached {
            index,
            descriptor: ours.into(),
            properties: Properties::Net {
                mac: [2, 0, 0, 0, 0, 1],
                mtu: 1500,
            },
            vnet: None,
        };
        (attached, theirs)
    }

    #[test]
    fn waits_for_time_and_for_devices() {
        let _alone = COUNT.lock();
        let (attached, theirs) = device(5);
        let machine = Machine::new(String::new(), vec![attached]).unwrap();
        let start = Unix::clock_monotonic();
        assert_eq!(machine.wait(start + 20 * MILLISECOND), HandleSet::EMPTY);
        let end = Unix::clock_monotonic();
        assert!(end >= start + 20 * MILLISECOND);
        for past in [0, 1, start] {
            assert_eq!(machine.wait(past), HandleSet::EMPTY);
        }
        theirs.send(&[0; 60]).unwrap();
        assert_eq!(machine.wait(u64::MAX), HandleSet(1 << 5));
        let handle = Handle::new(5).unwrap();
        assert_eq!(machine.net_receive(handle).unwrap().len(), 60);
        assert_eq!(machine.net_receive(handle).unwrap_err(), Error::Again);
        for deadline in [0, u64::MAX, end + 1_000_000 * MILLISECOND] {
            theirs.send(&[0; 60]).unwrap();
            assert_eq!(machine.wait(deadline), HandleSet(1 << 5));
        }
        assert!(machine.net(Handle::new(5).unwrap()).is_ok());
        assert!(machine.block(Handle::new(5).unwrap()).is_err());
        assert!(machine.net(Handle::new(6).unwrap()).is_err());
    }

    #[test]
    fn what_nobody_reads_or_is_gone_does_not_keep_a_wait_from_waiting() {
        let _alone = COUNT.lock();
        let (attached, theirs) = device(5);
        let machine = Machine::new(String::new(), vec![attached]).unwrap();
        for _ in 0..3 {
            theirs.send(&[0; 60]).unwrap();
        }
        let wait = || {
            let start = Unix::clock_monotonic();
            let end = start + 50 * MILLISECOND;
            let mut turns = 0;
            while Unix::clock_monotonic() < end {
                machine.wait(end);
                turns += 1;
            }
            turns
        };
        assert!(wait() <= 3, "frames that nobody reads");
        drop(theirs);
        assert!(wait() <= 3, "a device that is gone");
        let handle = Handle::new(5).unwrap();
        for _ in 0..3 {
            assert_eq!(machine.net_receive(handle).unwrap().len(), 60);
        }
        assert!(machine.net_receive(handle).is_err());
        assert!(wait() <= 3, "a device known to be gone");
    }

    #[test]
    fn finished_requests_end_a_wait() {
        let file = rustix::fs::memfd_create("disk", rustix::fs::MemfdFlags::CLOEXEC).unwrap();
        let attached = Attached {
            index: 2,
            descriptor: file,
            properties: Properties::Block {
                capacity: 512,
                block_size: 512,
            },
            vnet: None,
        };
        let machine = Machine::new(String::new(), vec![attached]).unwrap();
        let disk = machine.block(Handle::new(2).unwrap()).unwrap();
        let flush = fata_abi::block::Request {
            operation: fata_abi::block::Operation::Flush,
            offset: 0,
            data: std::ptr::null_mut(),
            len: 0,
            tag: 0,
        };
        // SAFETY: there is no memory in it.
        unsafe { disk.submit(flush) }.unwrap();
        assert_eq!(machine.wait(u64::MAX), HandleSet(1 << 2));
        disk.complete().unwrap();
        assert_eq!(machine.wait(0), HandleSet::EMPTY);
    }
}
