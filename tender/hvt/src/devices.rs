// SPDX-License-Identifier: ISC
//! What is behind the handles of a guest: descriptors of the host.
//!
//! A handle is an index in the manifest. Nothing here waits for anything but a disk.

use std::{
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::atomic::{AtomicBool, Ordering},
};

use fata_abi::{
    hvt::{AGAIN, INVALID, OK, UNSPECIFIED},
    manifest::Properties,
};
use fata_tender::attach::Attached;
use rustix::io::Errno;

use crate::memory::{Buffer, BufferMut};

/// The devices of a guest, each with its handle.
#[derive(Debug, Default)]
pub struct Devices {
    nets: Vec<(usize, Net)>,
    blocks: Vec<(usize, Block)>,
}

/// A network device.
#[derive(Debug)]
pub struct Net {
    descriptor: OwnedFd,
    gone: AtomicBool,
}

/// A block device.
#[derive(Debug)]
pub struct Block {
    descriptor: OwnedFd,
    /// Bytes on the device.
    capacity: u64,
    /// Bytes of a block.
    block_size: u16,
}

impl Devices {
    /// Takes what was attached.
    pub fn new(attached: Vec<Attached>) -> Self {
        let mut devices = Self::default();
        for Attached {
            index,
            descriptor,
            properties,
            ..
        } in attached
        {
            match properties {
                Properties::Block {
                    capacity,
                    block_size,
                } => {
                    let block = Block {
                        descriptor,
                        capacity,
                        block_size,
                    };
                    devices.blocks.push((index, block));
                }
                Properties::Net { .. } => {
                    let gone = AtomicBool::new(false);
                    devices.nets.push((index, Net { descriptor, gone }));
                }
            }
        }
        devices
    }

    /// The network device with this handle.
    pub fn net(&self, handle: u64) -> Option<&Net> {
        find(&self.nets, handle)
    }

    /// The block device with this handle.
    pub fn block(&self, handle: u64) -> Option<&Block> {
        find(&self.blocks, handle)
    }

    /// The network devices, each with its handle.
    pub fn nets(&self) -> impl Iterator<Item = (usize, &Net)> {
        self.nets.iter().map(|(handle, net)| (*handle, net))
    }

    /// The block devices, each with its handle.
    pub fn blocks(&self) -> impl Iterator<Item = (usize, &Block)> {
        self.blocks.iter().map(|(handle, block)| (*handle, block))
    }
}

fn find<T>(devices: &[(usize, T)], handle: u64) -> Option<&T> {
    let mut found = devices.iter().filter(|(index, _)| *index as u64 == handle);
    found.next().map(|(_, device)| device)
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
        let disk = &self.descriptor;
        whole(into.len(), |done| {
            into.skip(done).read_at(disk, offset + done as u64)
        })
    }

    /// Writes all of `from` at `offset`; [`OK`], or [`UNSPECIFIED`] if the host failed.
    pub fn write(&self, offset: u64, from: Buffer<'_>) -> i32 {
        let disk = &self.descriptor;
        whole(from.len(), |done| {
            from.skip(done).write_at(disk, offset + done as u64)
        })
    }

    /// Makes what was written durable; [`OK`], or [`UNSPECIFIED`] if the host failed.
    pub fn flush(&self) -> i32 {
        rustix::fs::fdatasync(&self.descriptor).map_or(UNSPECIFIED, |()| OK)
    }
}

/// Makes a transfer of `len` bytes from parts, each of which begins behind what is done.
fn whole(len: usize, part: impl Fn(usize) -> Result<usize, Errno>) -> i32 {
    let mut done = 0;
    while done < len {
        match part(done) {
            // The file has become shorter.
            Ok(0) | Err(_) => return UNSPECIFIED,
            Ok(count) => done += count,
        }
    }
    OK
}

impl AsFd for Net {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

impl AsFd for Block {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}
