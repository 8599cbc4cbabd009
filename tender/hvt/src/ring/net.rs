// SPDX-License-Identifier: ISC
//! The ring of all network devices: frames go from guest memory to a descriptor and back, without a
//! copy between.
//!
//! A descriptor is a tap, or a socket that keeps messages apart; it does not block. A frame that it
//! does not take is lost, as on a wire: a queue is full, the link is down, the length is none of a
//! frame's. A device that is gone falls silent.

use std::{collections::VecDeque, os::fd::BorrowedFd};

use fata_abi::{
    Handle, HandleSet,
    hvt::{
        AGAIN, INVALID, OK,
        ring::{NET_READ, NET_WRITE, SLOTS},
    },
    net::{LONGEST_FRAME, vnet},
};
use rustix::io::Errno;

use super::{BATCH, Bell, Entry, Host, Lie, Server, Wake};
use crate::memory::{BufferMut, Memory};

/// Bytes of the longest frame, with a virtio-net header before it and a VLAN tag in it.
const LONGEST: u32 = (vnet::HEADER + LONGEST_FRAME + 4) as u32;

/// What is done with the entries of the network ring.
#[derive(Debug)]
pub struct Net<'m> {
    host: Host<'m>,
    memory: &'m Memory,
    wake: &'m Wake,
    /// By their index in the manifest.
    nics: Vec<Option<Nic<'m>>>,
    /// Whether the guest lends its buffers, as `OFFER_RINGS` says. Otherwise it is answered at once.
    lends: bool,
    /// Number of buffers lent.
    lent: u32,
    /// Devices that may have something to read.
    readable: HandleSet,
}

#[derive(Debug)]
struct Nic<'m> {
    descriptor: BorrowedFd<'m>,
    /// Where its next frames go, and what the guest knows these buffers by.
    lent: VecDeque<(BufferMut<'m>, u32)>,
}

impl<'m> Net<'m> {
    /// For a guest with these network devices, each with its index in the manifest. If it lends its
    /// buffers, as `OFFER_RINGS` says, the devices ring `bell`.
    ///
    /// # Errors
    ///
    /// The kernel's.
    pub fn new(
        host: Host<'m>,
        memory: &'m Memory,
        wake: &'m Wake,
        devices: impl IntoIterator<Item = (usize, BorrowedFd<'m>)>,
        lends: bool,
        bell: &mut Bell,
    ) -> Result<Self, Errno> {
        let mut nics = Vec::new();
        for (index, descriptor) in devices {
            // All that it can ever hold, since its thread may not ask for memory later.
            let mut lent = VecDeque::new();
            if lends {
                lent.reserve(SLOTS as usize);
                bell.add(descriptor, index as u64)?;
            }
            nics.resize_with(nics.len().max(index + 1), || None);
            nics[index] = Some(Nic { descriptor, lent });
        }
        Ok(Self {
            host,
            memory,
            wake,
            nics,
            lends,
            lent: 0,
            readable: HandleSet::EMPTY,
        })
    }

    fn carry_out(&mut self, entry: Entry) -> Result<(), Lie> {
        match entry.operation {
            NET_WRITE => self.send(entry),
            NET_READ => self.lend(entry),
            _ => Ok(()),
        }
    }

    fn send(&self, entry: Entry) -> Result<(), Lie> {
        let Some(Some(nic)) = self.nics.get(entry.handle as usize) else {
            return Ok(());
        };
        if entry.len != 0 && entry.len <= LONGEST {
            let frame = self.memory.readable(entry.data, entry.len.into())?;
            // What is not taken is lost.
            let _ = frame.write_to(nic.descriptor);
        }
        Ok(())
    }

    fn lend(&mut self, entry: Entry) -> Result<(), Lie> {
        let nic = self.nics.get_mut(entry.handle as usize);
        let Some(nic) = nic.and_then(Option::as_mut).filter(|_| entry.len != 0) else {
            return self.host.commit(entry.id, INVALID, 0);
        };
        let buffer = self.memory.writable(entry.data, entry.len.into())?;
        if !self.lends {
            let (result, len) = match buffer.read_from(nic.descriptor) {
                Ok(0) | Err(Errno::AGAIN) => (AGAIN, 0),
                Ok(len) => (OK, len as u32),
                Err(_) => (INVALID, 0),
            };
            return self.host.commit(entry.id, result, len);
        }
        if self.lent == SLOTS {
            return Err(Lie::Commits(SLOTS + 1));
        }
        self.lent += 1;
        nic.lent.push_back((buffer, entry.id));
        Ok(())
    }

    /// Fills buffers that are lent, and says whether that could go on.
    fn receive(&mut self) -> Result<bool, Lie> {
        let mut more = false;
        for handle in self.readable {
            let Some(Some(nic)) = self.nics.get_mut(handle.index()) else {
                continue;
            };
            for _ in 0..BATCH {
                let Some((buffer, id)) = nic.lent.front() else {
                    break;
                };
                match buffer.read_from(nic.descriptor) {
                    // It is empty, or gone: it will ring when that changes.
                    Ok(0) | Err(_) => {
                        self.readable.remove(handle);
                        break;
                    }
                    Ok(len) => {
                        self.host.commit(*id, OK, len as u32)?;
                        self.lent -= 1;
                        nic.lent.pop_front();
                    }
                }
            }
            more |= self.readable.contains(handle) && !nic.lent.is_empty();
        }
        Ok(more)
    }

    fn publish(&mut self) {
        if self.host.publish() {
            self.wake.wake();
        }
    }
}

impl Server for Net<'_> {
    fn ring(&self) -> &Host<'_> {
        &self.host
    }

    fn round(&mut self) -> Result<bool, Lie> {
        for _ in 0..self.host.pending()?.min(BATCH) {
            let entry = self.host.take();
            self.carry_out(entry)?;
        }
        self.publish();
        let more = self.receive()?;
        self.publish();
        Ok(more)
    }

    fn ready(&mut self, index: u64) {
        if let Some(handle) = Handle::new(index as usize) {
            self.readable.insert(handle);
        }
    }
}

#[cfg(test)]
mod tests;
