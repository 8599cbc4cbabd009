// SPDX-License-Identifier: ISC
//! Why a file is not an image that a tender runs: one variant a rule.

use std::{fmt, io, path::Path};

use fata_abi::{manifest::ManifestError, note::Target, solo5::LOAD_MIN};

use super::{Abi, MAX_HEADERS};
use crate::Error;

/// Why a file is not an image that a tender runs.
#[derive(Debug)]
pub enum ElfError {
    /// It cannot be read.
    Read(io::Error),
    /// It does not begin as ELF files do.
    NotElf {
        /// It begins with readable text.
        text: bool,
    },
    /// It ends within this part.
    Truncated(&'static str),
    /// Not 64 bits and little endian.
    Class,
    /// Not for x86-64 but for this machine.
    Machine(u16),
    /// Not an executable at fixed addresses.
    Type(u16),
    /// Its headers have other sizes than ELF-64 has.
    HeaderSizes,
    /// It has none or too many program headers.
    HeaderCount(u16),
    /// No segment has content.
    NothingToLoad,
    /// A segment breaks a rule.
    Segment {
        /// Index of its program header.
        header: usize,
        /// The rule.
        rule: SegmentRule,
    },
    /// The entry point is in no executable segment.
    Entry(u64),
    /// A note does not fit into its segment, or its content has the wrong size.
    NoteSize {
        /// Index of its program header.
        header: usize,
    },
    /// A note is there twice.
    NoteTwice {
        /// Index of the program header of the second.
        header: usize,
    },
    /// No ABI note: not a unikernel.
    NoAbi,
    /// Linked for another tender.
    Target {
        /// What it is linked for.
        found: u32,
        /// What was asked for.
        abi: Abi,
    },
    /// Linked for another version of the ABI.
    Version {
        /// What it is linked for.
        found: u32,
        /// What was asked for.
        abi: Abi,
    },
    /// No manifest note.
    NoManifest,
    /// The manifest breaks a rule.
    Manifest(ManifestError),
    /// The place for an offer is not in a writable segment, not aligned, or too short.
    Offer(u64),
    /// It needs more memory than there is.
    Memory {
        /// Bytes that would do to start it.
        needed: u64,
        /// Bytes that it is to be given.
        memory: u64,
    },
}

/// A rule that segments obey.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SegmentRule {
    /// Alignment is a power of two, and a page at least.
    Alignment,
    /// No segment lies below [`LOAD_MIN`].
    TooLow,
    /// Segments are in ascending order, and none shares a page with another.
    Order,
    /// A segment is not smaller in memory than in the file.
    Sizes,
    /// A segment ends at an address that can be.
    TooHigh,
    /// The content of a segment is within the file.
    OutsideFile,
    /// No segment is both writable and executable.
    WriteAndExecute,
}

impl From<io::Error> for ElfError {
    fn from(error: io::Error) -> Self {
        Self::Read(error)
    }
}

impl ElfError {
    /// The error as a person sees it who gave the file `path`.
    pub fn about(&self, path: &Path) -> Error {
        let error = Error::new(format!("`{}` {self}", path.display()));
        match self.hint() {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }

    fn hint(&self) -> Option<String> {
        match *self {
            Self::NotElf { .. } | Self::Class | Self::Machine(_) => {
                Some("give an image, such as one that `cargo fata build` wrote".to_owned())
            }
            Self::Type(_) | Self::NoAbi => Some(
                "it may be an ordinary program: run it as it is, or make an image of its source \
                 with `cargo fata build`"
                    .to_owned(),
            ),
            Self::Target { abi, .. } => {
                let ours = target_name(abi.target as u32);
                Some(format!(
                    "build it for this one with `cargo fata build -t {ours}`"
                ))
            }
            Self::Memory { needed, .. } => {
                let megabytes = needed.div_ceil(1 << 20);
                Some(format!("give it more, with at least `--mem={megabytes}`"))
            }
            Self::Read(_) | Self::HeaderCount(_) => None,
            _ => Some("the file is damaged, or its linker made something else of it".to_owned()),
        }
    }
}

impl fmt::Display for ElfError {
    #[expect(clippy::too_many_lines, reason = "a line or two for each rule")]
    /// What is said of the file: follows its name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(error) => write!(f, "cannot be read: {error}"),
            Self::NotElf { text: true } => f.write_str("is a text file, not an image"),
            Self::NotElf { text: false } => f.write_str("is not an ELF file"),
            Self::Truncated(part) => write!(f, "ends before its {part} are complete"),
            Self::Class => f.write_str("is not an ELF file of 64 bits, little endian"),
            Self::Machine(machine) => {
                write!(
                    f,
                    "is for another processor than x86-64: ELF machine {machine}"
                )
            }
            Self::Type(kind) => {
                write!(
                    f,
                    "is not linked to run at fixed addresses: ELF type {kind}"
                )
            }
            Self::HeaderSizes => f.write_str("states header sizes that ELF-64 does not have"),
            Self::HeaderCount(count) => {
                write!(f, "has {count} program headers, not 1 to {MAX_HEADERS}")
            }
            Self::NothingToLoad => f.write_str("has no segment with content"),
            Self::Segment { header, rule } => write!(f, "has a segment (header {header}) {rule}"),
            Self::Entry(entry) => {
                write!(
                    f,
                    "starts at an address in no executable segment: {entry:#x}"
                )
            }
            Self::NoteSize { header } => {
                write!(f, "has a note (header {header}) of the wrong size")
            }
            Self::NoteTwice { header } => write!(f, "has the note of header {header} twice"),
            Self::NoAbi => f.write_str("has no ABI note, so it is no unikernel"),
            Self::Target { found, abi } => write!(
                f,
                "is an image for {}, not {}",
                target_name(*found),
                target_name(abi.target as u32)
            ),
            Self::Version { found, abi } => write!(
                f,
                "is for version {found} of the {} ABI, not {}",
                target_name(abi.target as u32),
                abi.version
            ),
            Self::NoManifest => f.write_str("has no manifest note"),
            Self::Manifest(error) => write!(f, "has a bad manifest: {error}"),
            Self::Offer(address) => {
                write!(
                    f,
                    "wants the tender's offer where it may not write, or has no room for it: \
                     {address:#x}"
                )
            }
            Self::Memory { needed, memory } => write!(
                f,
                "needs {} KB of memory to start and is given {} KB",
                needed >> 10,
                memory >> 10
            ),
        }
    }
}

impl std::error::Error for ElfError {}

impl fmt::Display for SegmentRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Alignment => f.write_str("that is not aligned to pages"),
            Self::TooLow => write!(f, "below {LOAD_MIN:#x}"),
            Self::Order => f.write_str("that overlaps the one before, or is out of order"),
            Self::Sizes => f.write_str("that is larger in the file than in memory"),
            Self::TooHigh => f.write_str("that ends beyond all memory"),
            Self::OutsideFile => f.write_str("whose content is not within the file"),
            Self::WriteAndExecute => f.write_str("that is both writable and executable"),
        }
    }
}

fn target_name(target: u32) -> String {
    let named = [
        (Target::Hvt, "hvt"),
        (Target::Spt, "spt"),
        (Target::Virtio, "virtio"),
        (Target::Muen, "muen"),
        (Target::Genode, "genode"),
        (Target::Xen, "xen"),
    ];
    match named.iter().find(|(known, _)| *known as u32 == target) {
        Some((_, name)) => (*name).to_owned(),
        None => format!("target {target}"),
    }
}
