// SPDX-License-Identifier: ISC
//! The notes of an image: for which tender it is, which devices it wants, where its offer lies.
//!
//! Each note stands in a `PT_NOTE` segment of its own. Notes of other owners are passed over
//! unread; of ours each may be there once.

use fata_abi::{
    manifest::{Manifest, NOTE_PADDING},
    note::{self, FATA, SOLO5},
    offer::Offer,
};

use super::{
    Abi, ElfError, OfferPlace, ProgramHeader, SEGMENT_NOTE, Source, check_in_file, u32_at,
};

/// Bytes before the owner's name.
const WORDS: usize = 12;
/// Enough for the largest manifest (6688 bytes with its note header).
const MAX_SIZE: u64 = 8192;

/// What the notes say.
pub(super) struct Notes {
    pub(super) manifest: Manifest<Vec<u8>>,
    pub(super) offer: Option<OfferPlace>,
}

pub(super) fn read<S: Source + ?Sized>(
    source: &S,
    headers: &[ProgramHeader],
    abi: Abi,
) -> Result<Notes, ElfError> {
    let mut found_abi = None;
    let mut manifest = None;
    let mut offer = None;
    for (index, header) in headers.iter().enumerate() {
        if header.kind != SEGMENT_NOTE {
            continue;
        }
        let Some(bytes) = content(source, index, header)? else {
            continue;
        };
        let found = note::parse(&bytes).ok_or(ElfError::NoteSize { header: index })?;
        let slot = match (found.owner, found.note_type) {
            (owner, note::TYPE_ABI) if owner == SOLO5 => &mut found_abi,
            (owner, note::TYPE_MANIFEST) if owner == SOLO5 => &mut manifest,
            (owner, note::TYPE_OFFER) if owner == FATA => &mut offer,
            _ => continue,
        };
        if slot.replace((index, found.descriptor.to_vec())).is_some() {
            return Err(ElfError::NoteTwice { header: index });
        }
    }
    let (header, descriptor) = found_abi.ok_or(ElfError::NoAbi)?;
    check_abi(header, &descriptor, abi)?;
    let (header, descriptor) = manifest.ok_or(ElfError::NoManifest)?;
    let bytes = descriptor.get(NOTE_PADDING..);
    let bytes = bytes.ok_or(ElfError::NoteSize { header })?.to_vec();
    Ok(Notes {
        manifest: Manifest::parse(bytes).map_err(ElfError::Manifest)?,
        offer: match offer {
            Some((header, bytes)) => {
                Some(offer_place(&bytes).ok_or(ElfError::NoteSize { header })?)
            }
            None => None,
        },
    })
}

/// Where the offer goes, by what its note says; an image older than what the note can say beside the
/// address has zero there.
fn offer_place(descriptor: &[u8]) -> Option<OfferPlace> {
    let address = note::address(descriptor)?;
    let remark = note::remark(descriptor)?;
    Some(OfferPlace {
        address,
        size: match remark as u16 {
            0 => Offer::FIRST_SIZE as u16,
            size => size,
        },
        wants: (remark >> 16) as u16,
    })
}

/// The content of a note segment, if its owner is one of ours.
fn content<S: Source + ?Sized>(
    source: &S,
    index: usize,
    header: &ProgramHeader,
) -> Result<Option<Vec<u8>>, ElfError> {
    let wrong = || ElfError::NoteSize { header: index };
    check_in_file(source, header.offset, header.file_size).ok_or_else(wrong)?;
    if header.file_size < WORDS as u64 {
        return Err(wrong());
    }
    let size = header.file_size.min(MAX_SIZE) as usize;
    let mut bytes = vec![0; size];
    let owner_end = size.min(WORDS + SOLO5.len());
    source.read_at(header.offset, &mut bytes[..owner_end])?;
    let name = &bytes[WORDS..owner_end];
    let owner_size = u32_at(&bytes, 0) as usize;
    let ours = [&SOLO5[..], &FATA[..]];
    if !ours
        .iter()
        .any(|owner| owner.len() == owner_size && name.starts_with(owner))
    {
        return Ok(None);
    }
    source.read_at(header.offset, &mut bytes)?;
    Ok(Some(bytes))
}

fn check_abi(header: usize, descriptor: &[u8], abi: Abi) -> Result<(), ElfError> {
    if descriptor.len() != 16 {
        return Err(ElfError::NoteSize { header });
    }
    let target = u32_at(descriptor, 0);
    if target != abi.target as u32 {
        return Err(ElfError::Target { found: target, abi });
    }
    let version = u32_at(descriptor, 4);
    if version != abi.version {
        return Err(ElfError::Version {
            found: version,
            abi,
        });
    }
    Ok(())
}
