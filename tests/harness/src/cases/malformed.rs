// SPDX-License-Identifier: ISC
//! Rows about images that are spoiled: each is refused, and the message says what is wrong.
//!
//! Offsets are those of ELF-64 ("File Header", "Program Header Table") and of the manifest
//! ([`fata_abi::manifest`]).

use std::fs;

use fata_abi::{manifest, note};

use super::Lab;
use crate::{
    outcome::{Check, Ending},
    platform::{Platform, Target},
};

const PROGRAM_HEADER: usize = 56;
const LOAD: u32 = 1;
const NOTE: u32 = 4;
/// From the beginning of a manifest to its entries.
const ENTRIES: usize = 8;

/// A number of 32 bits to overwrite: the structure that it is in, and where.
type Place = (fn(&[u8]) -> usize, usize);

/// Manifests and ABI notes.
pub(super) fn manifests(lab: &Lab) -> Check {
    let (wrong, target, version) = match lab.platform.target() {
        Target::Hvt => (
            2,
            "is an image for spt, not hvt",
            "version 9 of the hvt ABI",
        ),
        _ => (
            1,
            "is an image for hvt, not spt",
            "version 9 of the spt ABI",
        ),
    };
    let spoiled: [(&str, Place, u32, &str); 9] = [
        ("version", (manifest_at, 0), 2, "version is 2"),
        ("no-entries", (manifest_at, 4), 0, "0 entries"),
        ("many-entries", (manifest_at, 4), 65, "65 entries"),
        ("size", (manifest_at, 4), 2, "entry count"),
        ("first", (manifest_at, 8 + 68), 1, "entry 0"),
        ("none", (manifest_header, 0), 0, "no manifest note"),
        ("target", (abi_at, 0), wrong, target),
        ("abi", (abi_at, 4), 9, version),
        ("no-abi", (abi_header, 0), 0, "no ABI note"),
    ];
    numbers(lab, &spoiled)
}

/// Headers and segments.
pub(super) fn headers(lab: &Lab) -> Check {
    let file_header: fn(&[u8]) -> usize = |_| 0;
    let spoiled: [(&str, Place, u32, &str); 7] = [
        ("bits", (file_header, 4), 0x0001_0101, "64 bits"),
        ("machine", (file_header, 16), 183 << 16 | 2, "processor"),
        (
            "dynamic",
            (file_header, 16),
            62 << 16 | 3,
            "fixed addresses",
        ),
        ("entry", (file_header, 24), 0x10, "starts at an address"),
        ("rights", (first_load, 4), 7, "writable and executable"),
        ("low", (first_load, 16), 0x1000, "below 0x100000"),
        ("high", (first_load, 20), 0x7fff, "has a segment"),
    ];
    numbers(lab, &spoiled)
}

/// Manifests and notes that lie about what follows them, in an image with two devices.
pub(super) fn lies(lab: &Lab) -> Check {
    let first: fn(&[u8]) -> usize = |image| manifest_at(image) + ENTRIES + manifest::ENTRY_SIZE;
    let spoiled: [(&str, Place, u32, &str); 10] = [
        ("kind", (first, 68), 3, "entry 1"),
        ("reserved", (first, 68), 1 << 30, "entry 1"),
        ("unnamed", (first, 0), 0, "entry 1"),
        ("signs", (first, 0), u32::from_le_bytes(*b"../."), "entry 1"),
        ("attached", (first, 96), 1, "claims to be attached already"),
        ("owner", (manifest_note, 0), u32::MAX, "no manifest note"),
        ("note", (manifest_note, 4), u32::MAX, "of the wrong size"),
        (
            "long",
            (manifest_header, 32),
            0x7fff_ffff,
            "of the wrong size",
        ),
        ("far", (manifest_header, 12), u32::MAX, "of the wrong size"),
        ("offer", (offer_at, 4), 0x10_0000, "where it may not write"),
    ];
    numbers(lab, &spoiled)?;
    let good = read(lab)?;
    let names = [first(&good), first(&good) + manifest::ENTRY_SIZE];
    let name = good[names[0]..][..68].to_vec();
    for (file, name) in [("twice", name), ("endless", vec![b'a'; 68])] {
        let mut image = good.clone();
        image[names[1]..][..68].copy_from_slice(&name);
        refused(lab, file, &image, "entry 2")?;
    }
    Ok(())
}

/// Files that are no image, or not a whole one.
pub(super) fn files(lab: &Lab) -> Check {
    let image = read(lab)?;
    refused(lab, "empty", &[], "is not an ELF file")?;
    refused(lab, "text", &b"#!/bin/sh\nexit 0\n".repeat(20), "text file")?;
    refused(lab, "cut-header", &image[..100], "ends before")?;
    refused(lab, "cut-content", &image[..image.len() / 2], "")
}

fn numbers(lab: &Lab, spoiled: &[(&str, Place, u32, &str)]) -> Check {
    let good = read(lab)?;
    for &(name, (structure, offset), value, message) in spoiled {
        let mut image = good.clone();
        let at = structure(&image) + offset;
        image[at..at + 4].copy_from_slice(&value.to_le_bytes());
        refused(lab, name, &image, message)?;
    }
    Ok(())
}

fn read(lab: &Lab) -> Result<Vec<u8>, Ending> {
    lab.not_on(Platform::Unix, "a plain process is loaded by the host")?;
    fs::read(&lab.image).map_err(|error| Ending::Failed(error.to_string()))
}

fn refused(lab: &Lab, name: &str, image: &[u8], message: &str) -> Check {
    let file = lab.scratch.join(name);
    fs::write(&file, image).map_err(|error| Ending::Failed(error.to_string()))?;
    let outcome = lab.platform.launch(&file).option("--mem=16").run()?;
    outcome.exits(1)?;
    if !lab.platform.is_stock() {
        outcome.says(message)?;
        outcome.says(&format!("{name}`"))?;
    }
    Ok(())
}

fn get(image: &[u8], at: usize) -> u32 {
    let bytes = image
        .get(at..at + 4)
        .and_then(|bytes| bytes.try_into().ok());
    bytes.map(u32::from_le_bytes).unwrap_or_default()
}

/// Where the program headers of a type are.
fn program_headers(image: &[u8], wanted: u32) -> impl Iterator<Item = usize> {
    let (first, count) = (get(image, 32) as usize, get(image, 56) as usize & 0xffff);
    let all = (0..count).map(move |n| first + n * PROGRAM_HEADER);
    all.filter(move |&header| get(image, header) == wanted)
}

fn first_load(image: &[u8]) -> usize {
    program_headers(image, LOAD).next().unwrap_or(0)
}

/// Where the program header of a note is, and where the note.
fn find_note(image: &[u8], wanted: u32) -> (usize, usize) {
    let notes = program_headers(image, NOTE);
    let mut notes = notes.map(|header| (header, get(image, header + 8) as usize));
    notes
        .find(|&(_, at)| get(image, at + 8) == wanted)
        .unwrap_or((0, 0))
}

fn manifest_header(image: &[u8]) -> usize {
    find_note(image, note::TYPE_MANIFEST).0
}

fn manifest_note(image: &[u8]) -> usize {
    find_note(image, note::TYPE_MANIFEST).1
}

fn manifest_at(image: &[u8]) -> usize {
    manifest_note(image) + note::HEADER_SIZE + manifest::NOTE_PADDING
}

fn abi_header(image: &[u8]) -> usize {
    find_note(image, note::TYPE_ABI).0
}

fn offer_at(image: &[u8]) -> usize {
    find_note(image, note::TYPE_OFFER).1 + note::HEADER_SIZE
}

fn abi_at(image: &[u8]) -> usize {
    find_note(image, note::TYPE_ABI).1 + note::HEADER_SIZE
}
