// SPDX-License-Identifier: ISC
//! Images by hand, for tests: headers, notes and machine code put together as a linker would.
//!
//! The defaults make an image that every rule accepts; a test breaks one thing. The tests of
//! `tender/spt` include this file too, and run what it makes.

use fata_abi::{
    manifest::{Device, DeviceKind, ENTRY_SIZE, encode_note, note_size},
    note::{self, Target},
    spt,
};

/// Where [`Assembly::text`] is loaded.
pub(crate) const TEXT: u64 = 0x10_0000;
/// Where [`Assembly::data`] is loaded.
pub(crate) const DATA: u64 = 0x20_0000;

/// A program header to be written.
#[derive(Clone, Debug)]
pub(crate) struct Header {
    pub(crate) kind: u32,
    pub(crate) flags: u32,
    pub(crate) address: u64,
    pub(crate) content: Vec<u8>,
    pub(crate) memory_size: u64,
    pub(crate) align: u64,
}

/// An image to be put together.
#[derive(Clone, Debug)]
pub(crate) struct Assembly {
    pub(crate) entry: u64,
    pub(crate) headers: Vec<Header>,
}

impl Assembly {
    /// An image for spt with this code and no devices: text, 4096 writable bytes, ABI, manifest.
    pub(crate) fn new(text: &[u8]) -> Self {
        let abi = note::abi(Target::Spt, spt::ABI_VERSION);
        let manifest = encode_note::<{ note_size(0) }>(&[]);
        Self {
            entry: TEXT,
            headers: vec![
                load(5, TEXT, text.to_vec()),
                load(6, DATA, vec![0; 4096]),
                note(note::OPENBSD.0.to_vec()),
                note(abi.0.to_vec()),
                note(manifest.0.to_vec()),
            ],
        }
    }

    /// The same image with these devices.
    pub(crate) fn devices(mut self, devices: &[Device<'_>]) -> Self {
        let mut bytes = encode_note::<{ note_size(0) }>(&[]).0.to_vec();
        for device in devices {
            let mut entry = [0; ENTRY_SIZE];
            entry[..device.name.len()].copy_from_slice(device.name.as_bytes());
            entry[68] = match device.kind {
                DeviceKind::Block => 1,
                DeviceKind::Net => 2,
            };
            bytes.extend(entry);
        }
        let descriptor = (bytes.len() - note::HEADER_SIZE) as u32;
        bytes[4..8].copy_from_slice(&descriptor.to_le_bytes());
        let entries = devices.len() as u32 + 1;
        bytes[28..32].copy_from_slice(&entries.to_le_bytes());
        self.headers[4] = note(bytes);
        self
    }

    /// The same image with an offer wanted at `address`, as images did at first.
    pub(crate) fn offer(self, address: u64) -> Self {
        self.offer_of(address, 0)
    }

    /// The same image with an offer wanted at `address`, of which its note says `remark`.
    pub(crate) fn offer_of(mut self, address: u64, remark: u32) -> Self {
        let mut bytes = Vec::new();
        for word in [note::FATA.len() as u32, 12, note::TYPE_OFFER] {
            bytes.extend(word.to_le_bytes());
        }
        bytes.extend(b"Fata\0\0\0\0");
        bytes.extend(remark.to_le_bytes());
        bytes.extend(address.to_le_bytes());
        self.headers.push(note(bytes));
        self
    }

    /// The bytes of the file.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut offset = 64 + 56 * self.headers.len() as u64;
        let mut file = vec![0x7f, b'E', b'L', b'F', 2, 1, 1];
        file.resize(16, 0);
        file.extend(2u16.to_le_bytes());
        file.extend(62u16.to_le_bytes());
        file.extend(1u32.to_le_bytes());
        file.extend(self.entry.to_le_bytes());
        file.extend(64u64.to_le_bytes());
        file.extend([0; 12]);
        for half in [64u16, 56, self.headers.len() as u16, 0, 0, 0] {
            file.extend(half.to_le_bytes());
        }
        for header in &self.headers {
            file.extend(header.kind.to_le_bytes());
            file.extend(header.flags.to_le_bytes());
            let size = header.content.len() as u64;
            let words = [offset, header.address, header.address, size];
            for word in words.into_iter().chain([header.memory_size, header.align]) {
                file.extend(word.to_le_bytes());
            }
            offset += size;
        }
        for header in &self.headers {
            file.extend(&header.content);
        }
        file
    }
}

/// A segment of type `PT_LOAD`.
pub(crate) fn load(flags: u32, address: u64, content: Vec<u8>) -> Header {
    Header {
        kind: 1,
        flags,
        address,
        memory_size: content.len() as u64,
        content,
        align: 4096,
    }
}

/// A segment of type `PT_NOTE`.
pub(crate) fn note(content: Vec<u8>) -> Header {
    Header {
        kind: 4,
        flags: 4,
        address: 0,
        memory_size: content.len() as u64,
        content,
        align: 8,
    }
}
