// SPDX-License-Identifier: ISC
//! What the targets of the hvt tender share: the devices of a guest, and the guest itself, which does
//! what the input says.

use std::{fs::File, os::fd::OwnedFd};

use fata_abi::manifest::Properties;
use fata_hvt::devices::Devices;
use fata_tender::attach::Attached;
use rustix::{
    fs::{MemfdFlags, memfd_create},
    net::{AddressFamily, SocketFlags, SocketType, socketpair},
};

pub const NIC: usize = 1;
const DISK: usize = 2;

/// Both devices, with the other end of the network and the file that is the disk.
pub struct Attachment {
    pub devices: Devices,
    pub wire: OwnedFd,
    pub file: File,
}

/// A network and a disk of `capacity` bytes.
pub fn attach(capacity: u64) -> Attachment {
    let flags = SocketFlags::NONBLOCK;
    let (device, wire) =
        socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None).unwrap();
    let file = File::from(memfd_create("disk", MemfdFlags::CLOEXEC).unwrap());
    file.set_len(capacity).unwrap();
    let net = Properties::Net {
        mac: [0; 6],
        mtu: 1500,
    };
    let block = Properties::Block {
        capacity,
        block_size: 512,
    };
    let attached = |index, descriptor, properties| Attached {
        index,
        descriptor,
        properties,
        vnet: None,
    };
    let devices = Devices::new(vec![
        attached(NIC, device, net),
        attached(DISK, file.try_clone().unwrap().into(), block),
    ]);
    Attachment {
        devices,
        wire,
        file,
    }
}

/// What the guest does next, from the front of the input.
pub struct Script<'a>(pub &'a [u8]);

impl Script<'_> {
    pub fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    pub fn word(&mut self) -> Option<u32> {
        let (first, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u32::from_le_bytes(*first))
    }
}
