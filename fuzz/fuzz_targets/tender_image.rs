// SPDX-License-Identifier: ISC
//! An image as a tender meets it: ELF headers, notes, and the manifest.

#![no_main]

use fata_abi::{manifest::Manifest, note::Target, spt};
use fata_tender::elf::{Abi, parse};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let abi = Abi {
        target: Target::Spt,
        version: spt::ABI_VERSION,
    };
    if let Ok(image) = parse(&data, abi) {
        // What a parsed image proves.
        assert!(
            image
                .segments
                .iter()
                .any(|segment| segment.address <= image.entry)
        );
        assert!(image.manifest.devices().count() < 64);
    }
    if let Ok(manifest) = Manifest::parse(data) {
        assert!(
            manifest
                .devices()
                .all(|(_, device)| !device.name.is_empty())
        );
    }
});
