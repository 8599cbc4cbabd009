// SPDX-License-Identifier: ISC
//! What tenders tell a guest at its start, as far as it is the same for all: the command line, and
//! the offer to an image that knows of offers.

use std::{ffi::OsString, os::unix::ffi::OsStrExt};

use fata_abi::{
    offer::{Offer, WANT_LARGE, WANT_LARGE_UDP, large_buffers},
    solo5::COMMAND_LINE_SIZE,
};

use crate::{
    Error,
    attach::{Attached, Vnet, Wants},
    elf::{Image, OfferPlace},
    system,
};

/// Most bytes of one transfer that is offered. Larger transfers win nothing over this in the page
/// cache, and requests within this distance of a device's end go block by block.
pub const MAX_TRANSFER: u32 = 128 << 10;

/// The arguments as one line, NUL terminated.
///
/// # Errors
///
/// They are longer than a guest expects.
pub fn command_line(arguments: &[OsString]) -> Result<Vec<u8>, Error> {
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

/// What the image makes of frames beyond plain ones: what its note says, and its memory, which ends
/// at `memory_end`, has room for.
pub fn wants(image: &Image, memory_end: u64) -> Wants {
    let Some(offer) = image.offer.filter(OfferPlace::is_whole) else {
        return Wants::default();
    };
    let room = large_buffers(memory_end) > 0;
    Wants {
        vnet: true,
        large: room && offer.wants & WANT_LARGE != 0,
        large_udp: room && offer.wants & WANT_LARGE_UDP != 0,
    }
}

/// The bytes of an offer of these features, with a fresh seed, for an image that has this place for
/// them.
///
/// # Errors
///
/// The host has no random bytes.
pub fn offer(place: &OfferPlace, features: u32, attached: &[Attached]) -> Result<Vec<u8>, Error> {
    let seed: [u8; 64] = system::random()?;
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
    Ok(bytes)
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

    #[test]
    fn an_offer_is_as_long_as_its_place() {
        let place = |size| OfferPlace {
            address: 0,
            size,
            wants: 0,
        };
        let whole = offer(&place(200), 5, &[]).unwrap();
        assert_eq!((whole.len(), whole[0]), (size_of::<Offer>(), 5));
        assert_eq!(whole[4..8], MAX_TRANSFER.to_le_bytes());
        let first = offer(&place(72), 5, &[]).unwrap();
        assert_eq!(first.len(), Offer::FIRST_SIZE);
        assert_ne!(first[8..], whole[8..72]);
    }
}
