// SPDX-License-Identifier: ISC
//! What the guest is told at its start: boot information, manifest, command line; and the offer.
//!
//! The first three follow each other in low memory, as Solo5's tender lays them out. The offer
//! stands where the image wants it, if it is an image that knows of offers.

use std::{
    ffi::OsString,
    os::{fd::AsRawFd, unix::ffi::OsStrExt},
};

use fata_abi::{
    manifest::Properties,
    offer::{
        OFFER_EDGE, OFFER_FLUSH, OFFER_GATHER, OFFER_GUARD, OFFER_SEED, OFFER_TRANSFER, OFFER_VNET,
        Offer,
    },
    solo5::COMMAND_LINE_SIZE,
    spt::{BOOT_INFO, BootInfo},
};
use fata_tender::{
    Error,
    attach::{Attached, Vnet},
    elf::Image,
};
use rustix::rand::GetRandomFlags;

use crate::{Waiting, memory::GuestMemory};

/// Most bytes of one transfer that is offered. Larger transfers win nothing over this in the page
/// cache, and requests within this distance of a device's end go block by block.
pub(crate) const MAX_TRANSFER: u32 = 128 << 10;

/// Writes boot information, manifest and command line, and returns the address that follows.
pub(crate) fn write(
    memory: &mut GuestMemory,
    image: &Image,
    waiting: &Waiting,
    arguments: &[OsString],
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
    put(memory, command_line_at, &command_line(arguments)?);
    Ok(command_line_at + COMMAND_LINE_SIZE as u64)
}

/// The arguments as one line, NUL terminated.
fn command_line(arguments: &[OsString]) -> Result<Vec<u8>, Error> {
    let words: Vec<_> = arguments.iter().map(|word| word.as_bytes()).collect();
    let mut line = words.join(&b' ');
    if line.len() >= COMMAND_LINE_SIZE {
        let most = COMMAND_LINE_SIZE - 1;
        return Err(Error::new(format!(
            "the arguments of the unikernel have {} bytes, where {most} are the most",
            line.len()
        ))
        .hint("pass long values in a file on a block device, or compile them into the image"));
    }
    line.push(0);
    Ok(line)
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
    let mut seed = [0; 64];
    // Up to 256 bytes come whole or not at all.
    rustix::rand::getrandom(&mut seed, GetRandomFlags::empty())
        .map_err(|error| Error::new(format!("cannot get random bytes: {error}")))?;
    let set = |member: fn(&Vnet) -> bool| {
        let members = attached
            .iter()
            .filter(|d| d.vnet.as_ref().is_some_and(member));
        members.fold(0u64, |set, device| set | 1 << device.index)
    };
    let mut bytes = Vec::with_capacity(size_of::<Offer>());
    bytes.extend(features.to_le_bytes());
    bytes.extend(MAX_TRANSFER.to_le_bytes());
    bytes.extend(seed);
    for devices in [set(|_| true), set(|vnet| vnet.udp), set(|vnet| vnet.large)] {
        bytes.extend(devices.to_le_bytes());
    }
    // An older image has no place for what came later, a newer one for more, which stays zero.
    bytes.truncate(place.size.into());
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_joined_by_single_blanks() {
        let words = ["--a=b".into(), "".into(), "c d".into()];
        assert_eq!(command_line(&words).unwrap(), b"--a=b  c d\0");
        assert_eq!(command_line(&[]).unwrap(), b"\0");
    }

    #[test]
    fn a_long_line_is_refused() {
        let word = |len| OsString::from("x".repeat(len));
        assert_eq!(command_line(&[word(8191)]).unwrap().len(), 8192);
        let error = command_line(&[word(4000), word(4191)])
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("8192 bytes, where 8191 are the most\nhint:"),
            "{error}"
        );
    }
}
