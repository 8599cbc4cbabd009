// SPDX-License-Identifier: ISC
//! What is behind the handles of a guest: descriptors of the host.
//!
//! A handle is an index in the manifest. Nothing here waits for anything but a disk.

use std::{
    collections::BTreeMap,
    os::fd::OwnedFd,
    sync::atomic::{AtomicBool, Ordering},
};

use fata_abi::{
    hvt::{AGAIN, INVALID, OK, UNSPECIFIED},
    manifest::Properties,
};
use fata_tender::attach::Attached;
use rustix::io::Errno;

use crate::memory::{Buffer, BufferMut};

/// The devices of a guest by their handles.
#[derive(Debug, Default)]
pub struct Devices {
    /// The network devices.
    pub nets: BTreeMap<u64, Net>,
    /// The block devices.
    pub blocks: BTreeMap<u64, Block>,
}

/// A network device.
#[derive(Debug)]
pub struct Net {
    /// What frames are read from and written to. It does not block.
    pub descriptor: OwnedFd,
    gone: AtomicBool,
}

/// A block device.
#[derive(Debug)]
pub struct Block {
    /// The file or device.
    pub descriptor: OwnedFd,
    /// Bytes on the device.
    capacity: u64,
    /// Bytes of a block.
    block_size: u16,
}

impl Devices {
    /// Takes what was attached.
    pub fn new(attached: Vec<Attached>) -> Self {
        let mut devices = Self::default();
        for device in attached {
            let (handle, descriptor) = (device.index as u64, device.descriptor);
            match device.properties {
                Properties::Block {
                    capacity,
                    block_size,
                } => {
                    let block = Block {
                        descriptor,
                        capacity,
                        block_size,
                    };
                    devices.blocks.insert(handle, block);
                }
                Properties::Net { .. } => {
                    let gone = AtomicBool::new(false);
                    devices.nets.insert(handle, Net { descriptor, gone });
                }
            }
        }
        devices
    }
}

impl Net {
    /// Sends a frame. One that the device has no room for, or cannot send now, is lost, as on every
    /// network.
    ///
    /// # Errors
    ///
    /// [`INVALID`]: it is no frame.
    pub fn send(&self, frame: Buffer<'_>) -> Result<(), i32> {
        match frame.write_to(&self.descriptor) {
            Err(Errno::INVAL | Errno::MSGSIZE) => Err(INVALID),
            _ => Ok(()),
        }
    }

    /// Receives a frame; one that is longer than `into` is cut.
    ///
    /// # Errors
    ///
    /// [`AGAIN`]: there is none now. [`INVALID`]: there is no room for any.
    pub fn receive(&self, into: BufferMut<'_>) -> Result<usize, i32> {
        if into.is_empty() {
            return Err(INVALID);
        }
        match into.read_from(&self.descriptor) {
            Ok(0) | Err(Errno::BADFD | Errno::CONNRESET) => {
                self.gone.store(true, Ordering::Relaxed);
                Err(AGAIN)
            }
            Ok(len) => Ok(len),
            Err(Errno::INVAL) => Err(INVALID),
            Err(_) => Err(AGAIN),
        }
    }

    /// Whether its other side has ended, so that nothing will be received any more.
    pub fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Relaxed)
    }
}

impl Block {
    /// Whether `len` bytes from `offset` on are blocks of the device. If they are none, `offset` must
    /// be that of a block.
    pub fn contains(&self, offset: u64, len: u64) -> bool {
        let end = offset.checked_add(len);
        let whole = (offset | len).is_multiple_of(self.block_size.into());
        whole && offset < self.capacity && end.is_some_and(|end| end <= self.capacity)
    }

    /// Reads all of `into` from `offset` on; [`OK`], or [`UNSPECIFIED`] if the host failed.
    pub fn read(&self, offset: u64, into: BufferMut<'_>) -> i32 {
        status(into.read_at(&self.descriptor, offset))
    }

    /// Writes all of `from` at `offset`; [`OK`], or [`UNSPECIFIED`] if the host failed.
    pub fn write(&self, offset: u64, from: Buffer<'_>) -> i32 {
        status(from.write_at(&self.descriptor, offset))
    }

    /// Makes what was written durable; [`OK`], or [`UNSPECIFIED`] if the host failed.
    pub fn flush(&self) -> i32 {
        status(rustix::fs::fdatasync(&self.descriptor))
    }
}

fn status(done: Result<(), Errno>) -> i32 {
    done.map_or(UNSPECIFIED, |()| OK)
}
