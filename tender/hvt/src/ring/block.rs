// SPDX-License-Identifier: ISC
//! The ring of all block devices: one request after the other, each answered as soon as it is done.

use fata_abi::hvt::{
    INVALID, OK,
    ring::{BLOCK_FLUSH, BLOCK_READ, BLOCK_WRITE, Request},
};
use fata_tender::boot::MAX_TRANSFER;

use super::{BATCH, Host, Lie};
use crate::{devices::Devices, memory::Memory};

/// What is done with the entries of the ring of block devices.
#[derive(Clone, Copy, Debug)]
pub struct Block<'m> {
    /// The guest's memory.
    pub memory: &'m Memory,
    /// Its devices.
    pub devices: &'m Devices,
}

impl Block<'_> {
    /// Serves the ring once. There is never more to do than there are entries.
    ///
    /// # Errors
    ///
    /// The guest lies.
    pub fn round(&self, host: &mut Host<'_>) -> Result<bool, Lie> {
        for _ in 0..host.pending()?.min(BATCH) {
            let entry = host.take();
            if let BLOCK_READ | BLOCK_WRITE | BLOCK_FLUSH = entry.operation {
                let result = self.carry_out(entry)?;
                let len = if result == OK { entry.len } else { 0 };
                host.commit(entry.id, result, len)?;
            }
            host.publish();
        }
        Ok(false)
    }

    /// Does what an entry asks for, and returns the result.
    fn carry_out(&self, entry: Request) -> Result<i32, Lie> {
        let (offset, len) = (entry.offset, u64::from(entry.len));
        let Some(device) = self.devices.blocks.get(&entry.handle.into()) else {
            return Ok(INVALID);
        };
        if entry.operation == BLOCK_FLUSH {
            return Ok(device.flush());
        }
        let long = entry.len == 0 || entry.len > MAX_TRANSFER;
        if long || !device.contains(offset, len) {
            return Ok(INVALID);
        }
        Ok(match entry.operation {
            BLOCK_READ => device.read(offset, self.memory.writable(entry.data, len)?),
            _ => device.write(offset, self.memory.readable(entry.data, len)?),
        })
    }
}

#[cfg(test)]
mod tests;
