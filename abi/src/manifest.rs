// SPDX-License-Identifier: ISC
//! Solo5's application manifest: the devices that an image declares, and nothing beyond them.
//!
//! The manifest is an ELF note in the image ("MFT1"). A tender copies it into the guest's memory
//! after attaching a host resource to each entry; a device is then named by its index. Facts:
//! Solo5 `include/mft_abi.h`, version 1. All numbers are little endian.
//!
//! ```text
//! note descriptor: 4 bytes of padding | version u32 | entries u32 | entry * 104 bytes
//! entry:  0 name, NUL padded   68 type u32   72 properties (16 bytes)   88 backend (8)   96 attached
//! ```

use core::{ffi::CStr, fmt};

use crate::note::{self, Note};

/// Version of the manifest format.
pub const VERSION: u32 = 1;
/// Entries at most, the reserved first one included.
pub const MAX_ENTRIES: usize = 64;
/// Devices at most.
pub const MAX_DEVICES: usize = MAX_ENTRIES - 1;
/// Bytes of a device name at most.
pub const MAX_NAME: usize = 67;
/// Bytes before the entries.
pub const HEADER_SIZE: usize = 8;
/// Bytes of an entry.
pub const ENTRY_SIZE: usize = 104;
/// Bytes before the manifest in its note's descriptor, which align it to 8 in the image.
pub const NOTE_PADDING: usize = 4;

const TYPE: usize = 68;
const PROPERTIES: usize = 72;
const BACKEND: usize = 88;
const ATTACHED: usize = 96;

const TYPE_BLOCK: u32 = 1;
const TYPE_NET: u32 = 2;
const TYPE_RESERVED: u32 = 1 << 30;

// The largest note that Solo5's tenders accept, as its header computes it.
const _: () = assert!(NOTE_PADDING + HEADER_SIZE + MAX_ENTRIES * ENTRY_SIZE == 6668);
const _: () = assert!((note::HEADER_SIZE + NOTE_PADDING).is_multiple_of(8));

/// What a manifest entry asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceKind {
    /// A block device.
    Block,
    /// A network device.
    Net,
}

/// A device as a program declares it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Device<'a> {
    /// Its name: 1 to 67 letters and digits of ASCII.
    pub name: &'a str,
    /// What it is.
    pub kind: DeviceKind,
}

/// Why a list of devices makes no manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceError {
    /// More than [`MAX_DEVICES`].
    TooMany,
    /// A name is empty or longer than [`MAX_NAME`].
    NameLength,
    /// A name has a character other than an ASCII letter or digit.
    NameCharacter,
    /// Two devices have one name.
    Duplicate,
}

/// Checks a list of devices against the rules of the manifest.
///
/// # Errors
///
/// The first rule that is broken, and the index of the device that breaks it.
pub const fn check(devices: &[Device<'_>]) -> Result<(), (usize, DeviceError)> {
    let mut i = 0;
    while i < devices.len() {
        if i >= MAX_DEVICES {
            return Err((i, DeviceError::TooMany));
        }
        if let Err(error) = check_name(devices[i].name.as_bytes()) {
            return Err((i, error));
        }
        let mut j = 0;
        while j < i {
            if bytes_equal(devices[i].name.as_bytes(), devices[j].name.as_bytes()) {
                return Err((i, DeviceError::Duplicate));
            }
            j += 1;
        }
        i += 1;
    }
    Ok(())
}

const fn check_name(name: &[u8]) -> Result<(), DeviceError> {
    if name.is_empty() || name.len() > MAX_NAME {
        return Err(DeviceError::NameLength);
    }
    let mut i = 0;
    while i < name.len() {
        if !name[i].is_ascii_alphanumeric() {
            return Err(DeviceError::NameCharacter);
        }
        i += 1;
    }
    Ok(())
}

const fn bytes_equal(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    let mut i = 0;
    while i < a.len() {
        if a[i] != b[i] {
            return false;
        }
        i += 1;
    }
    true
}

/// Bytes of the whole note for `devices` devices.
pub const fn note_size(devices: usize) -> usize {
    note::HEADER_SIZE + NOTE_PADDING + HEADER_SIZE + (devices + 1) * ENTRY_SIZE
}

/// The manifest note for `devices`, for placement in section `.note.solo5.manifest`. `SIZE` is
/// [`note_size`] of their number.
///
/// # Panics
///
/// If [`check`] refuses the list, with a message that says why: in a constant this is a compile
/// error.
pub const fn encode_note<const SIZE: usize>(devices: &[Device<'_>]) -> Note<SIZE> {
    match check(devices) {
        Ok(()) => {}
        Err((_, DeviceError::TooMany)) => panic!("a unikernel has at most 63 devices"),
        Err((_, DeviceError::NameLength)) => {
            panic!("a device name has 1 to 67 characters: rename the field")
        }
        Err((_, DeviceError::NameCharacter)) => {
            panic!(
                "a device name has only letters and digits (no underscore): rename the field, or \
                 name the device with #[device(name = \"...\")]"
            )
        }
        Err((_, DeviceError::Duplicate)) => panic!("two devices have the same name"),
    }
    assert!(SIZE == note_size(devices.len()));
    let mut bytes = note::header::<SIZE>(note::SOLO5, note::TYPE_MANIFEST);
    let manifest = note::HEADER_SIZE + NOTE_PADDING;
    note::put(&mut bytes, manifest, &VERSION.to_le_bytes());
    note::put(
        &mut bytes,
        manifest + 4,
        &(devices.len() as u32 + 1).to_le_bytes(),
    );
    let mut at = manifest + HEADER_SIZE;
    note::put(&mut bytes, at + TYPE, &TYPE_RESERVED.to_le_bytes());
    let mut i = 0;
    while i < devices.len() {
        at += ENTRY_SIZE;
        note::put(&mut bytes, at, devices[i].name.as_bytes());
        let kind = match devices[i].kind {
            DeviceKind::Block => TYPE_BLOCK,
            DeviceKind::Net => TYPE_NET,
        };
        note::put(&mut bytes, at + TYPE, &kind.to_le_bytes());
        i += 1;
    }
    Note(bytes)
}

/// The host resource behind an entry, filled in by the tender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attachment {
    /// File descriptor, for targets whose guest uses it (spt).
    pub fd: i32,
    /// What the device is like.
    pub properties: Properties,
}

/// Properties of an attached device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Properties {
    /// A block device's geometry.
    Block {
        /// Bytes on the device.
        capacity: u64,
        /// Bytes in a block.
        block_size: u16,
    },
    /// A network device's address and MTU.
    Net {
        /// Ethernet address.
        mac: [u8; 6],
        /// Largest IP packet.
        mtu: u16,
    },
}

/// A manifest whose bytes obey every rule above. Holding one proves that the sizes agree, entry 0
/// is the reserved one, and all others have a known type and a proper, unique name.
#[derive(Clone, Copy, Debug)]
pub struct Manifest<B>(B);

/// Why bytes are not a manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ManifestError {
    /// The length is not that of the number of entries stated.
    Size {
        /// Bytes expected.
        expected: usize,
        /// Bytes found.
        found: usize,
    },
    /// Not version 1.
    Version(u32),
    /// No entry at all, or more than [`MAX_ENTRIES`].
    Entries(u32),
    /// Entry 0 is not the reserved one.
    First,
    /// The entry's type is unknown.
    Type {
        /// Index of the entry.
        entry: usize,
        /// The type found.
        found: u32,
    },
    /// The entry's name breaks a rule.
    Name {
        /// Index of the entry.
        entry: usize,
        /// The rule.
        error: DeviceError,
    },
    /// The entry is marked as attached although only a tender may attach.
    Attached {
        /// Index of the entry.
        entry: usize,
    },
}

impl fmt::Display for ManifestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Size { expected, found } => {
                write!(
                    f,
                    "manifest has {found} bytes where its entry count needs {expected}"
                )
            }
            Self::Version(found) => write!(f, "manifest version is {found}, not {VERSION}"),
            Self::Entries(found) => {
                write!(f, "manifest states {found} entries, not 1 to {MAX_ENTRIES}")
            }
            Self::First => f.write_str("manifest entry 0 is not the reserved one"),
            Self::Type { entry, found } => {
                write!(
                    f,
                    "manifest entry {entry} has the unknown device type {found}"
                )
            }
            Self::Name { entry, error } => write!(
                f,
                "name of manifest entry {entry} {}",
                match error {
                    DeviceError::NameLength => "is empty or longer than 67 characters",
                    DeviceError::NameCharacter => "has a character that is no letter or digit",
                    DeviceError::Duplicate => "is that of an earlier entry",
                    DeviceError::TooMany => "is one too many",
                }
            ),
            Self::Attached { entry } => {
                write!(f, "manifest entry {entry} claims to be attached already")
            }
        }
    }
}

impl core::error::Error for ManifestError {}

impl<B: AsRef<[u8]>> Manifest<B> {
    /// Checks `bytes`, a manifest without the padding of its note, as a tender must before it
    /// believes one.
    ///
    /// # Errors
    ///
    /// The first rule that is broken.
    pub fn parse(bytes: B) -> Result<Self, ManifestError> {
        let raw = bytes.as_ref();
        if raw.len() < HEADER_SIZE {
            return Err(ManifestError::Size {
                expected: HEADER_SIZE,
                found: raw.len(),
            });
        }
        let version = u32_at(raw, 0);
        if version != VERSION {
            return Err(ManifestError::Version(version));
        }
        let entries = u32_at(raw, 4);
        if entries == 0 || entries as usize > MAX_ENTRIES {
            return Err(ManifestError::Entries(entries));
        }
        let expected = HEADER_SIZE + entries as usize * ENTRY_SIZE;
        if raw.len() != expected {
            return Err(ManifestError::Size {
                expected,
                found: raw.len(),
            });
        }
        let manifest = Self(bytes);
        manifest.check_entries()?;
        Ok(manifest)
    }

    fn check_entries(&self) -> Result<(), ManifestError> {
        let first = self.raw(0);
        if u32_at(first, TYPE) != TYPE_RESERVED || first[0] != 0 {
            return Err(ManifestError::First);
        }
        for entry in 0..self.len() {
            if self.raw(entry)[ATTACHED] != 0 {
                return Err(ManifestError::Attached { entry });
            }
        }
        for entry in 1..self.len() {
            let raw = self.raw(entry);
            let found = u32_at(raw, TYPE);
            if found != TYPE_BLOCK && found != TYPE_NET {
                return Err(ManifestError::Type { entry, found });
            }
            let name = name_bytes(raw);
            check_name(name).map_err(|error| ManifestError::Name { entry, error })?;
            if (1..entry).any(|earlier| name_bytes(self.raw(earlier)) == name) {
                return Err(ManifestError::Name {
                    entry,
                    error: DeviceError::Duplicate,
                });
            }
        }
        Ok(())
    }

    /// Trusts `bytes` to be what a tender attached, as a guest does with the manifest of its boot
    /// information: only the length is looked at.
    pub fn from_tender(bytes: B) -> Self {
        Self(bytes)
    }

    /// Number of entries, the reserved one included.
    #[expect(
        clippy::len_without_is_empty,
        reason = "a manifest always has its reserved entry"
    )]
    pub fn len(&self) -> usize {
        (self.0.as_ref().len() - HEADER_SIZE) / ENTRY_SIZE
    }

    /// The bytes, as they go into a guest's memory.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_ref()
    }

    /// The devices in order, with the index that is their handle.
    pub fn devices(&self) -> impl Iterator<Item = (usize, Device<'_>)> {
        (1..self.len()).filter_map(|index| self.device(index).map(|device| (index, device)))
    }

    /// The device at `index`, if there is one.
    pub fn device(&self, index: usize) -> Option<Device<'_>> {
        let kind = self.kind(index)?;
        core::str::from_utf8(name_bytes(self.raw(index)))
            .ok()
            .map(|name| Device { name, kind })
    }

    /// What the device at `index` is, if there is one.
    pub fn kind(&self, index: usize) -> Option<DeviceKind> {
        if index == 0 || index >= self.len() {
            return None;
        }
        match u32_at(self.raw(index), TYPE) {
            TYPE_BLOCK => Some(DeviceKind::Block),
            TYPE_NET => Some(DeviceKind::Net),
            _ => None,
        }
    }

    /// What the tender attached at `index`.
    pub fn attachment(&self, index: usize) -> Option<Attachment> {
        let kind = self.kind(index)?;
        let raw = self.raw(index);
        if raw[ATTACHED] == 0 {
            return None;
        }
        let properties = match kind {
            DeviceKind::Block => Properties::Block {
                capacity: u64::from_le_bytes(array_at(raw, PROPERTIES)),
                block_size: u16::from_le_bytes(array_at(raw, PROPERTIES + 8)),
            },
            DeviceKind::Net => Properties::Net {
                mac: array_at(raw, PROPERTIES),
                mtu: u16::from_le_bytes(array_at(raw, PROPERTIES + 6)),
            },
        };
        Some(Attachment {
            fd: i32::from_le_bytes(array_at(raw, BACKEND)),
            properties,
        })
    }

    fn raw(&self, index: usize) -> &[u8] {
        let at = HEADER_SIZE + index * ENTRY_SIZE;
        &self.0.as_ref()[at..at + ENTRY_SIZE]
    }
}

impl<B: AsRef<[u8]> + AsMut<[u8]>> Manifest<B> {
    /// Attaches a host resource to the device at `index`.
    ///
    /// # Panics
    ///
    /// If there is no such device, or the properties are of another kind than the device.
    pub fn attach(&mut self, index: usize, attachment: Attachment) {
        let kind = self.kind(index).expect("a device of this manifest");
        let at = HEADER_SIZE + index * ENTRY_SIZE;
        let raw = &mut self.0.as_mut()[at..at + ENTRY_SIZE];
        match (kind, attachment.properties) {
            (
                DeviceKind::Block,
                Properties::Block {
                    capacity,
                    block_size,
                },
            ) => {
                note::put(raw, PROPERTIES, &capacity.to_le_bytes());
                note::put(raw, PROPERTIES + 8, &block_size.to_le_bytes());
            }
            (DeviceKind::Net, Properties::Net { mac, mtu }) => {
                note::put(raw, PROPERTIES, &mac);
                note::put(raw, PROPERTIES + 6, &mtu.to_le_bytes());
            }
            _ => panic!("properties of another kind of device"),
        }
        note::put(raw, BACKEND, &attachment.fd.to_le_bytes());
        raw[ATTACHED] = 1;
    }
}

fn name_bytes(entry: &[u8]) -> &[u8] {
    let name = &entry[..TYPE];
    CStr::from_bytes_until_nul(name).map_or(name, CStr::to_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(array_at(bytes, at))
}

fn array_at<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(&bytes[at..at + N]);
    array
}

#[cfg(test)]
mod tests;
