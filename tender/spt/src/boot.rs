// SPDX-License-Identifier: ISC
//! What the guest is told at its start: boot information, manifest, command line; and the offer.
//!
//! The first three follow each other in low memory, as Solo5's tender lays them out. The offer
//! stands where the image wants it, if it is an image that knows of offers.

use std::os::fd::AsRawFd;

use fata_abi::{
    manifest::Properties,
    offer::{
        OFFER_EDGE, OFFER_FLUSH, OFFER_GATHER, OFFER_GUARD, OFFER_SEED, OFFER_TRANSFER, OFFER_VNET,
    },
    solo5::COMMAND_LINE_SIZE,
    spt::{BOOT_INFO, BootInfo},
};
use fata_tender::{
    Error,
    attach::Attached,
    boot::{self, MAX_TRANSFER},
    elf::Image,
};

use crate::{Waiting, memory::GuestMemory};

/// Writes boot information, manifest and command line, and returns the address that follows.
pub(crate) fn write(
    memory: &mut GuestMemory,
    image: &Image,
    waiting: &Waiting,
    command_line: &[u8],
) -> Result<u64, Error> {
    let manifest = image.manifest.as_bytes();
    let manifest_at = BOOT_INFO + size_of::<BootInfo>() as u64;
    let command_line_at = manifest_at + manifest.len() as u64;
    let mut info = Vec::new();
    for word in [memory.end(), image.end, command_line_at, manifest_at] {
        info.extend(word.to_le_bytes());
    }
    for descriptor in [&waiting.epoll, &waiting.timer] {
        info.extend(descriptor.as_raw_fd().to_le_bytes());
    }
    put(memory, BOOT_INFO, &info);
    put(memory, manifest_at, manifest);
    put(memory, command_line_at, command_line);
    Ok(command_line_at + COMMAND_LINE_SIZE as u64)
}

/// Fills in the offer of an image that wants one.
pub(crate) fn offer(
    memory: &mut GuestMemory,
    image: &Image,
    attached: &[Attached],
) -> Result<(), Error> {
    let Some(place) = image.offer else {
        return Ok(());
    };
    let mut features = OFFER_SEED | OFFER_GUARD | OFFER_TRANSFER | OFFER_FLUSH | OFFER_EDGE;
    if place.is_whole() {
        features |= OFFER_GATHER | OFFER_VNET;
    }
    let bytes = boot::offer(&place, features, attached)?;
    put(memory, place.address, &bytes);
    Ok(())
}

/// Whether block requests on a device with these properties may be longer than a block.
pub(crate) fn takes_transfers(properties: Properties) -> bool {
    matches!(properties, Properties::Block { capacity, .. } if capacity >= MAX_TRANSFER.into())
}

/// Writes to memory that the layout, or the parser of images, has shown to be the guest's.
fn put(memory: &mut GuestMemory, address: u64, bytes: &[u8]) {
    let into = memory.bytes(address, bytes.len() as u64);
    into.expect("memory of the guest").copy_from_slice(bytes);
}
