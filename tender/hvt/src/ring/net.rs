// SPDX-License-Identifier: ISC
//! The ring of all network devices: frames go from guest memory to a descriptor and back, without a
//! copy between.
//!
//! A descriptor is a tap, or a socket that keeps messages apart; it does not block. A frame that it
//! does not take is lost, as on a wire: a queue is full, the link is down, the length is none of a
//! frame's. A device that is gone falls silent.

use std::{array, collections::VecDeque};

use fata_abi::{
    HandleSet,
    hvt::{
        INVALID, OK,
        ring::{NET_READ, NET_WRITE, Request, SLOTS},
    },
    net::{LONGEST_FRAME, vnet},
};
use rustix::io::Errno;

use super::{BATCH, Bell, Host, Lie};
use crate::{
    devices::Devices,
    memory::{BufferMut, Memory},
};

/// Bytes of the longest frame, with a virtio-net header before it and a VLAN tag in it.
const LONGEST: u32 = (vnet::HEADER + LONGEST_FRAME + 4) as u32;

/// What is done with the entries of the network ring.
#[derive(Debug)]
pub struct Net<'m> {
    memory: &'m Memory,
    devices: &'m Devices,
    /// Whether the guest lends its buffers, as `OFFER_RINGS` says. Otherwise it is answered at once.
    lends: bool,
    /// Where the next frames of each device go, and what the guest knows these buffers by.
    lent: [VecDeque<(BufferMut<'m>, u32)>; 64],
}

impl<'m> Net<'m> {
    /// For a guest with these devices. If it lends its buffers, as `OFFER_RINGS` says, they ring
    /// `bell`.
    ///
    /// # Errors
    ///
    /// The kernel's.
    pub fn new(
        memory: &'m Memory,
        devices: &'m Devices,
        lends: bool,
        bell: &Bell,
    ) -> Result<Self, Errno> {
        let mut lent = array::from_fn(|_| VecDeque::new());
        for (&handle, device) in devices.nets.iter().filter(|_| lends) {
            // All that it can ever hold, since its thread may not ask for memory later.
            lent[handle as usize] = VecDeque::with_capacity(SLOTS as usize);
            bell.add(&device.descriptor, handle)?;
        }
        Ok(Self {
            memory,
            devices,
            lends,
            lent,
        })
    }

    /// Serves the ring once: entries, then frames.
    ///
    /// # Errors
    ///
    /// The guest lies.
    pub fn round(&mut self, host: &mut Host<'_>, readable: &mut HandleSet) -> Result<bool, Lie> {
        for _ in 0..host.pending()?.min(BATCH) {
            let entry = host.take();
            match entry.operation {
                NET_WRITE => self.send(entry)?,
                NET_READ => self.lend(entry, host)?,
                _ => {}
            }
        }
        host.publish();
        let more = self.receive(host, readable)?;
        host.publish();
        Ok(more)
    }

    fn send(&self, entry: Request) -> Result<(), Lie> {
        let device = self.devices.nets.get(&entry.handle.into());
        if let Some(device) = device.filter(|_| (1..=LONGEST).contains(&entry.len)) {
            // What is no frame is lost like one that the device does not take.
            let _ = device.send(self.memory.readable(entry.data, entry.len.into())?);
        }
        Ok(())
    }

    fn lend(&mut self, entry: Request, host: &mut Host<'_>) -> Result<(), Lie> {
        let device = self.devices.nets.get(&entry.handle.into());
        let Some(device) = device.filter(|_| entry.len != 0) else {
            return host.commit(entry.id, INVALID, 0);
        };
        let buffer = self.memory.writable(entry.data, entry.len.into())?;
        if !self.lends {
            return match device.receive(buffer) {
                Ok(len) => host.commit(entry.id, OK, len as u32),
                Err(result) => host.commit(entry.id, result, 0),
            };
        }
        let lent = &mut self.lent[entry.handle as usize];
        if lent.len() == SLOTS as usize {
            return Err(Lie::Commits);
        }
        lent.push_back((buffer, entry.id));
        Ok(())
    }

    /// Fills buffers that are lent, and says whether that could go on.
    fn receive(&mut self, host: &mut Host<'_>, readable: &mut HandleSet) -> Result<bool, Lie> {
        let mut more = false;
        for handle in *readable {
            let lent = &mut self.lent[handle.index()];
            let Some(device) = self.devices.nets.get(&(handle.index() as u64)) else {
                continue;
            };
            for _ in 0..BATCH.min(lent.len() as u32) {
                let (buffer, id) = lent[0];
                let Ok(len) = device.receive(buffer) else {
                    // It is empty, or gone, and rings when that changes.
                    readable.remove(handle);
                    break;
                };
                host.commit(id, OK, len as u32)?;
                lent.pop_front();
            }
            more |= readable.contains(handle) && !lent.is_empty();
        }
        Ok(more)
    }
}

#[cfg(test)]
mod tests;
