// SPDX-License-Identifier: ISC
//! What lies where in guest memory, and what the guest is told at its start.
//!
//! Boot information, manifest and command line follow each other in low memory, as Solo5's tender
//! lays them out; [`cpu`](crate::cpu) has the rest of it. The rings lie behind the end of memory that
//! the guest is told of.

use std::ops::Range;

use fata_abi::{
    hvt::{BOOT_INFO, BootInfo, FEATURE_RING, LOW_MEMORY, ring::RINGS_SIZE},
    manifest::DeviceKind,
    offer::{OFFER_FLUSH, OFFER_RINGS, OFFER_SEED, OFFER_TRANSFER, OFFER_VNET},
    solo5::LOAD_MIN,
};
use fata_tender::{Error, Guest, boot, elf::Image};

use crate::memory::Memory;

/// End of the memory that an image of Solo5's can have: its hypercalls pass addresses of 32 bits,
/// of structures on its stack.
const SOLO5_MOST: u64 = 4 << 30;

/// What lies where in guest memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// End of memory that the guest is told of.
    pub end: u64,
    /// Address of the rings, if the guest is to have them.
    pub rings: Option<u64>,
    /// It knows of offers, and so what is behind [`OFFER_RINGS`].
    pub offer: bool,
}

impl Layout {
    /// The layout for an image whose memory ends at `end`.
    ///
    /// # Errors
    ///
    /// It is an image of Solo5's, which cannot have so much.
    pub fn new(image: &Image, end: u64) -> Result<Self, Error> {
        let offer = image.offer.is_some();
        if !offer && end > SOLO5_MOST {
            let most = SOLO5_MOST >> 20;
            let message = format!("an image of Solo5's has at most {most} MB on hvt");
            return Err(Error::new(message).hint(format!("give `--mem={most}` or less")));
        }
        // To an image of Solo5's a ring means network devices alone.
        let mut devices = image.manifest.devices();
        let rings = devices.any(|(_, device)| offer || device.kind == DeviceKind::Net);
        Ok(Self {
            end,
            rings: rings.then_some(end),
            offer,
        })
    }

    /// The addresses that are memory, ascending.
    pub fn ranges(&self) -> [Range<u64>; 2] {
        let low = if self.offer { LOW_MEMORY } else { LOAD_MIN };
        let hidden = self.rings.map_or(0, |_| RINGS_SIZE);
        [0..low, LOAD_MIN..self.end + hidden]
    }
}

/// Writes boot information, manifest and command line, and the offer if the image wants one.
/// `tsc_hz`: frequency of the time-stamp counter.
///
/// # Errors
///
/// The host has no random bytes.
pub fn write(memory: &Memory, layout: &Layout, guest: &Guest, tsc_hz: u64) -> Result<(), Error> {
    let image = &guest.image;
    let manifest = image.manifest.as_bytes();
    let manifest_at = BOOT_INFO + size_of::<BootInfo>() as u64;
    let command_line_at = manifest_at + manifest.len() as u64;
    let features = layout.rings.map_or(0, |_| FEATURE_RING);
    let info = [
        layout.end,
        image.end,
        tsc_hz,
        command_line_at,
        manifest_at,
        features.into(),
        layout.rings.unwrap_or(0),
    ];
    // The layout, and the parser of images, have shown all this to be memory.
    let put = |at, bytes: &[u8]| memory.put(at, bytes).expect("memory of the guest");
    put(BOOT_INFO, info.map(u64::to_le_bytes).as_flattened());
    put(manifest_at, manifest);
    put(command_line_at, &guest.command_line);
    let Some(place) = image.offer else {
        return Ok(());
    };
    let mut features = OFFER_SEED | OFFER_TRANSFER;
    if place.is_whole() {
        features |= OFFER_VNET;
    }
    if layout.rings.is_some() {
        features |= OFFER_RINGS | OFFER_FLUSH;
    }
    let offer = boot::offer(&place, features, &guest.attached)?;
    put(place.address, &offer);
    Ok(())
}
