// SPDX-License-Identifier: ISC
//! ELF notes: how an image says what it is, before anything in it runs.
//!
//! Solo5's notes ("ABI1", "MFT1") make an image start under any Solo5 tender; the note named "Fata"
//! leads to what only our tenders and tools look for and others pass over. Facts: Solo5
//! `include/elf_abi.h`, `include/mft_abi.h`. Each note stands in a program header of its own.

/// Owner name of Solo5's notes.
pub const SOLO5: &[u8; 6] = b"Solo5\0";
/// Owner name of Fata's notes.
pub const FATA: &[u8; 5] = b"Fata\0";
/// Type of the note that names target and ABI version: "ABI1".
pub const TYPE_ABI: u32 = 0x3149_4241;
/// Type of the manifest note: "MFT1".
pub const TYPE_MANIFEST: u32 = 0x3154_464d;
/// Type of Fata's note whose descriptor is the address of an [`Image`](crate::image::Image): "IMG1".
pub const TYPE_IMAGE: u32 = 0x3147_4d49;
/// Type of Fata's note whose descriptor is the address of an [`Offer`](crate::offer::Offer): "OFR1".
pub const TYPE_OFFER: u32 = 0x3152_464f;
/// Bytes before the descriptor, for both owner names: three words and the name padded to 8.
pub const HEADER_SIZE: usize = 20;

/// Content of `.interp`: no file can have this name, so no host kernel will run an image.
pub const INTERPRETER: &[u8; 20] = b"/nonexistent/solo5/\0";

/// Target numbers of the ABI note.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Target {
    /// Hardware virtualised tender.
    Hvt = 1,
    /// Sandboxed Linux process.
    Spt = 2,
    /// virtio machine.
    Virtio = 3,
    /// Muen separation kernel.
    Muen = 4,
    /// Genode.
    Genode = 5,
    /// Xen.
    Xen = 6,
}

/// Name of the target with this number, if there is one.
pub fn target_name(number: u32) -> Option<&'static str> {
    const NAMES: [(Target, &str); 6] = [
        (Target::Hvt, "hvt"),
        (Target::Spt, "spt"),
        (Target::Virtio, "virtio"),
        (Target::Muen, "muen"),
        (Target::Genode, "genode"),
        (Target::Xen, "xen"),
    ];
    let known = NAMES.iter().find(|(target, _)| *target as u32 == number);
    known.map(|(_, name)| *name)
}

/// A note as it stands in an image. Aligned so that a manifest in it is aligned to 8.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(8))]
pub struct Note<const SIZE: usize>(pub [u8; SIZE]);

/// The ABI note, for section `.note.solo5.abi`.
pub const fn abi(target: Target, version: u32) -> Note<{ HEADER_SIZE + 16 }> {
    let mut bytes = header(SOLO5, TYPE_ABI);
    put(&mut bytes, HEADER_SIZE, &(target as u32).to_le_bytes());
    put(&mut bytes, HEADER_SIZE + 4, &version.to_le_bytes());
    Note(bytes)
}

/// An OpenBSD identification note, which must come first: with it the image is an OpenBSD
/// executable in the eyes of a host kernel that looks for such notes, and not one of its own.
pub const OPENBSD: Note<24> = {
    let mut bytes = [0; 24];
    put(&mut bytes, 0, &8u32.to_le_bytes());
    put(&mut bytes, 4, &4u32.to_le_bytes());
    put(&mut bytes, 8, &1u32.to_le_bytes());
    put(&mut bytes, 12, b"OpenBSD\0");
    Note(bytes)
};

/// A note of Fata whose descriptor is the address of `T` in the image, after a word that aligns it
/// and may say more. Readers that know of no more pass over it.
#[repr(C)]
pub struct AddressNote<T: 'static> {
    owner_size: u32,
    descriptor_size: u32,
    note_type: u32,
    owner: [u8; 8],
    remark: u32,
    address: &'static T,
}

impl<T> AddressNote<T> {
    /// A note of type `note_type` that leads to `target`.
    pub const fn new(note_type: u32, target: &'static T) -> Self {
        Self::with_remark(note_type, target, 0)
    }

    /// A note of type `note_type` that leads to `target` and says `remark` of it.
    pub const fn with_remark(note_type: u32, target: &'static T, remark: u32) -> Self {
        let mut owner = [0; 8];
        put(&mut owner, 0, FATA);
        Self {
            owner_size: FATA.len() as u32,
            descriptor_size: (4 + size_of::<usize>()) as u32,
            note_type,
            owner,
            remark,
            address: target,
        }
    }
}

const _: () = assert!(core::mem::offset_of!(AddressNote<u8>, address) == HEADER_SIZE + 4);

/// The address in the descriptor of an [`AddressNote`].
pub fn address(descriptor: &[u8]) -> Option<u64> {
    let bytes: &[u8; 8] = descriptor.get(4..)?.try_into().ok()?;
    Some(u64::from_le_bytes(*bytes))
}

/// The remark in the descriptor of an [`AddressNote`].
pub fn remark(descriptor: &[u8]) -> Option<u32> {
    Some(u32::from_le_bytes(*descriptor.first_chunk()?))
}

/// A note found in an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found<'a> {
    /// Owner name, with its NUL.
    pub owner: &'a [u8],
    /// Type, whose meaning is the owner's.
    pub note_type: u32,
    /// Descriptor.
    pub descriptor: &'a [u8],
}

/// The first note in the content of a `PT_NOTE` segment, or `None` if the sizes that it states do
/// not fit into the segment.
pub fn parse(segment: &[u8]) -> Option<Found<'_>> {
    let word = |at: usize| {
        Some(u32::from_le_bytes(
            segment.get(at..at.checked_add(4)?)?.try_into().ok()?,
        ))
    };
    let owner_size = word(0)? as usize;
    let descriptor_size = word(4)? as usize;
    let note_type = word(8)?;
    let owner_end = 12usize.checked_add(owner_size)?;
    let descriptor_start = owner_end.checked_next_multiple_of(4)?;
    let descriptor_end = descriptor_start.checked_add(descriptor_size)?;
    Some(Found {
        owner: segment.get(12..owner_end)?,
        note_type,
        descriptor: segment.get(descriptor_start..descriptor_end)?,
    })
}

/// A note of `SIZE` bytes with its header filled in and its descriptor zero.
pub(crate) const fn header<const SIZE: usize>(owner: &[u8], note_type: u32) -> [u8; SIZE] {
    let mut bytes = [0; SIZE];
    put(&mut bytes, 0, &(owner.len() as u32).to_le_bytes());
    put(&mut bytes, 4, &((SIZE - HEADER_SIZE) as u32).to_le_bytes());
    put(&mut bytes, 8, &note_type.to_le_bytes());
    put(&mut bytes, 12, owner);
    bytes
}

/// Copies `from` to `into[at..]`; `copy_from_slice` for constants too.
pub(crate) const fn put(into: &mut [u8], at: usize, from: &[u8]) {
    let mut i = 0;
    while i < from.len() {
        into[at + i] = from[i];
        i += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_parse_back() {
        let note = abi(Target::Spt, 2);
        let found = parse(&note.0).unwrap();
        assert_eq!(found.owner, SOLO5);
        assert_eq!(found.note_type, TYPE_ABI);
        assert_eq!(found.descriptor[..8], [2, 0, 0, 0, 2, 0, 0, 0]);
        assert_eq!(parse(&OPENBSD.0).unwrap().owner, b"OpenBSD\0");
    }

    #[test]
    fn lying_sizes_are_refused() {
        let mut note = abi(Target::Spt, 2).0;
        for size in [17u32, 0x7fff_ffff, u32::MAX] {
            note[4..8].copy_from_slice(&size.to_le_bytes());
            assert_eq!(parse(&note), None);
        }
        let mut note = abi(Target::Spt, 2).0;
        note[..4].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(parse(&note), None);
        assert_eq!(parse(&[]), None);
    }
}
