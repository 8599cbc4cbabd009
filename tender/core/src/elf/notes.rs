// SPDX-License-Identifier: ISC
//! The notes of an image: for which tender it is, which devices it wants, where its offer lies.
//!
//! Each note stands in a `PT_NOTE` segment of its own. Notes of other owners are passed over; of ours
//! each may be there once.

use fata_abi::{
    manifest::{Manifest, NOTE_PADDING},
    note::{self, FATA, SOLO5, Target},
    offer::Offer,
};

use super::{
    Abi, MAKE_AN_IMAGE, OfferPlace, SEGMENT_NOTE, Source, damaged,
    headers::{ProgramHeader, u32_at},
};
use crate::Error;

/// Bytes before the owner's name.
const WORDS: usize = 12;
/// Enough for the largest manifest (6688 bytes with its note header).
const MAX_SIZE: u64 = 8192;

/// Reads the manifest, and where the offer goes.
pub(super) fn read(
    source: &dyn Source,
    headers: &[ProgramHeader],
    abi: Abi,
) -> Result<(Manifest<Vec<u8>>, Option<OfferPlace>), Error> {
    let (mut found_abi, mut manifest, mut offer) = (None, None, None);
    for (index, header) in headers.iter().enumerate() {
        if header.kind != SEGMENT_NOTE {
            continue;
        }
        let bytes = content(source, header).ok_or_else(|| wrong_size(index))??;
        let owner = bytes.get(WORDS..WORDS + u32_at(&bytes, 0) as usize);
        if owner != Some(SOLO5) && owner != Some(FATA) {
            continue;
        }
        let found = note::parse(&bytes).ok_or_else(|| wrong_size(index))?;
        let slot = match (found.owner, found.note_type) {
            (owner, note::TYPE_ABI) if owner == SOLO5 => &mut found_abi,
            (owner, note::TYPE_MANIFEST) if owner == SOLO5 => &mut manifest,
            (owner, note::TYPE_OFFER) if owner == FATA => &mut offer,
            _ => continue,
        };
        if slot.replace((index, found.descriptor.to_vec())).is_some() {
            return Err(damaged(format!("has the note of header {index} twice")));
        }
    }
    let no_abi = || Error::new("has no ABI note, so it is no unikernel").hint(MAKE_AN_IMAGE);
    let (header, descriptor) = found_abi.ok_or_else(no_abi)?;
    check_abi(header, &descriptor, abi)?;
    let (header, descriptor) = manifest.ok_or_else(|| damaged("has no manifest note"))?;
    let bytes = descriptor.get(NOTE_PADDING..);
    let manifest = Manifest::parse(bytes.ok_or_else(|| wrong_size(header))?.to_vec())
        .map_err(|error| damaged(format!("has a bad manifest: {error}")))?;
    let place =
        |(header, bytes): (usize, Vec<u8>)| offer_place(&bytes).ok_or_else(|| wrong_size(header));
    Ok((manifest, offer.map(place).transpose()?))
}

/// The content of a note segment, as much of it as we could need; `None` if it has no room for a note.
fn content(source: &dyn Source, header: &ProgramHeader) -> Option<Result<Vec<u8>, Error>> {
    let whole = source.holds(header.offset, header.file_size);
    let mut bytes = vec![0; header.file_size.min(MAX_SIZE) as usize];
    let read = || source.read_at(header.offset, &mut bytes).map(|()| bytes);
    (whole && header.file_size >= WORDS as u64).then(read)
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

fn check_abi(header: usize, descriptor: &[u8], abi: Abi) -> Result<(), Error> {
    if descriptor.len() != 16 {
        return Err(wrong_size(header));
    }
    let name = |target| match note::target_name(target) {
        Some(name) => name.to_owned(),
        None => format!("target {target}"),
    };
    let ours = name(abi.target as u32);
    let target = u32_at(descriptor, 0);
    if target != abi.target as u32 {
        let theirs = name(target);
        let what = format!("is an image for {theirs}, not {ours}");
        let run = match [Target::Hvt, Target::Spt]
            .map(|own| own as u32)
            .contains(&target)
        {
            true => format!("run it with `fata-{theirs}`, or "),
            false => String::new(),
        };
        let hint = format!("{run}build it for this one with `cargo fata build -t {ours}`");
        return Err(Error::new(what).hint(hint));
    }
    let version = u32_at(descriptor, 4);
    if version != abi.version {
        let known = abi.version;
        return Err(damaged(format!(
            "is for version {version} of the {ours} ABI, not {known}"
        )));
    }
    Ok(())
}

fn wrong_size(header: usize) -> Error {
    damaged(format!("has a note (header {header}) of the wrong size"))
}
