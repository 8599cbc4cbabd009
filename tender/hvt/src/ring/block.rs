// SPDX-License-Identifier: ISC
//! The ring of all block devices: one request after the other, each answered as soon as it is done.

use std::os::fd::BorrowedFd;

use fata_abi::hvt::{
    INVALID, OK, UNSPECIFIED,
    ring::{BLOCK_FLUSH, BLOCK_READ, BLOCK_WRITE},
};

use super::{BATCH, Entry, Host, Lie, Server, Wake};
use crate::memory::Memory;

/// A block device.
#[derive(Clone, Copy, Debug)]
pub struct Disk<'m> {
    /// A file or a device of the host.
    pub descriptor: BorrowedFd<'m>,
    /// Its size in bytes.
    pub capacity: u64,
    /// What offsets and lengths are multiples of.
    pub block_size: u16,
    /// Most bytes of a transfer.
    pub max_transfer: u32,
}

impl Disk<'_> {
    /// Whether a transfer is whole blocks, not too long, and ends on the device.
    pub fn accepts(&self, offset: u64, len: u64) -> bool {
        let block = u64::from(self.block_size);
        let end = offset.checked_add(len);
        len != 0
            && len <= self.max_transfer.into()
            && len.is_multiple_of(block)
            && offset.is_multiple_of(block)
            && end.is_some_and(|end| end <= self.capacity)
    }
}

/// What is done with the entries of the ring of block devices.
#[derive(Debug)]
pub struct Block<'m> {
    host: Host<'m>,
    memory: &'m Memory,
    wake: &'m Wake,
    /// By their index in the manifest.
    disks: Vec<Option<Disk<'m>>>,
}

impl<'m> Block<'m> {
    /// For a guest with these block devices, each with its index in the manifest.
    pub fn new(
        host: Host<'m>,
        memory: &'m Memory,
        wake: &'m Wake,
        devices: impl IntoIterator<Item = (usize, Disk<'m>)>,
    ) -> Self {
        let mut disks = Vec::new();
        for (index, disk) in devices {
            disks.resize(disks.len().max(index + 1), None);
            disks[index] = Some(disk);
        }
        Self {
            host,
            memory,
            wake,
            disks,
        }
    }

    /// Does what an entry asks for, and returns the result.
    fn carry_out(&self, entry: Entry) -> Result<i32, Lie> {
        let Some(Some(disk)) = self.disks.get(entry.handle as usize) else {
            return Ok(INVALID);
        };
        let len = u64::from(entry.len);
        if entry.operation == BLOCK_FLUSH {
            let done = rustix::fs::fdatasync(disk.descriptor);
            return Ok(done.map_or(UNSPECIFIED, |()| OK));
        }
        if !disk.accepts(entry.offset, len) {
            return Ok(INVALID);
        }
        let moved = if entry.operation == BLOCK_READ {
            let buffer = self.memory.writable(entry.data, len)?;
            buffer.read_at(disk.descriptor, entry.offset)
        } else {
            let buffer = self.memory.readable(entry.data, len)?;
            buffer.write_at(disk.descriptor, entry.offset)
        };
        Ok(match moved {
            Ok(moved) if moved as u64 == len => OK,
            _ => UNSPECIFIED,
        })
    }
}

impl Server for Block<'_> {
    fn ring(&self) -> &Host<'_> {
        &self.host
    }

    fn round(&mut self) -> Result<bool, Lie> {
        for _ in 0..self.host.pending()?.min(BATCH) {
            let entry = self.host.take();
            if let BLOCK_READ | BLOCK_WRITE | BLOCK_FLUSH = entry.operation {
                let result = self.carry_out(entry)?;
                let len = if result == OK { entry.len } else { 0 };
                self.host.commit(entry.id, result, len)?;
            }
            if self.host.publish() {
                self.wake.wake();
            }
        }
        Ok(false)
    }

    fn ready(&mut self, _: u64) {}
}

#[cfg(test)]
mod tests;
