// SPDX-License-Identifier: ISC
//! The image loader's parser: from hostile bytes to an [`Image`] that proves the rules.
//!
//! An image is written by whoever wants out of the sandbox, so nothing in it is believed. [`parse`]
//! is a pure function over a [`Source`]; it reads headers and notes only, a few kilobytes however
//! large the file. The rules are those of Solo5's loader (Solo5 `tenders/common/elf.c`), stricter
//! where no toolchain could mean it. An error says which is broken, of a file whose name comes before
//! it ([`Error::about`]).
//!
//! Read first: ELF-64 Object File Format, "File Header", "Program Header Table"; `fata_abi::note`.

mod headers;
mod notes;

use std::{fs::File, io, os::unix::fs::FileExt, path::Path};

use fata_abi::{hvt::LOW_MEMORY, manifest::Manifest, note::Target, offer::Offer, solo5::LOAD_MIN};

use crate::Error;
use headers::ProgramHeader;

/// Bytes of a page. Segments begin and end at a multiple of it.
pub const PAGE_SIZE: u64 = 4096;
/// What the address of an [`Offer`] is a multiple of. Images may have one from when it had no word
/// of 8 bytes; it is written as bytes.
const FIRST_ALIGNMENT: u64 = 4;
/// Addresses stay below this, so that sums of them cannot overflow.
const MAX_ADDRESS: u64 = 1 << 46;

const SEGMENT_LOAD: u32 = 1;
const SEGMENT_NOTE: u32 = 4;
const FLAG_EXECUTE: u32 = 1;
const FLAG_WRITE: u32 = 2;
const FLAG_READ: u32 = 4;

// What to do about a file that is no image, or a bad one.
const GIVE_AN_IMAGE: &str = "give an image, such as one that `cargo fata build` wrote";
const MAKE_AN_IMAGE: &str = "it may be an ordinary program: run it as it is, or make an image of its \
     source with `cargo fata build`";
const DAMAGED: &str = "the file is damaged, or its linker made something else of it";

/// Where the bytes of an image come from.
pub trait Source {
    /// Number of bytes.
    fn size(&self) -> u64;

    /// Fills `into` with the bytes from `offset`.
    ///
    /// # Errors
    ///
    /// There are not as many, or they cannot be read.
    fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<(), Error>;

    /// Whether there are `size` bytes from `offset` on.
    fn holds(&self, offset: u64, size: u64) -> bool {
        offset
            .checked_add(size)
            .is_some_and(|end| end <= self.size())
    }
}

impl Source for &[u8] {
    fn size(&self) -> u64 {
        self.len() as u64
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<(), Error> {
        let mut rest = self.get(offset as usize..).unwrap_or_default();
        io::Read::read_exact(&mut rest, into).map_err(Error::cannot("be read"))
    }
}

/// A file as a source, its size taken once.
#[derive(Debug)]
pub struct FileSource {
    file: File,
    size: u64,
}

impl Source for FileSource {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<(), Error> {
        let read = self.file.read_exact_at(into, offset);
        read.map_err(Error::cannot("be read"))
    }
}

/// What an image must be linked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Abi {
    /// The target.
    pub target: Target,
    /// Version of the target's ABI.
    pub version: u32,
}

/// An image whose headers and notes obey every rule.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Image {
    /// Address of its first instruction, in an executable segment.
    pub entry: u64,
    /// End of its last segment with file content, a multiple of the page size.
    pub end: u64,
    /// Its segments that have file content, in ascending order, disjoint, at or above
    /// [`LOAD_MIN`].
    pub segments: Vec<Segment>,
    /// Its manifest.
    pub manifest: Manifest<Vec<u8>>,
    /// Where its zeroed [`Offer`] is, within a writable segment, if it has one.
    pub offer: Option<OfferPlace>,
    /// End of everything that it will use without asking.
    used: u64,
}

/// The place for an offer in an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OfferPlace {
    /// Its address.
    pub address: u64,
    /// Its bytes, [`Offer::FIRST_SIZE`] at least; a tender may know of fewer or more.
    pub size: u16,
    /// What the image wants: bits of [`fata_abi::offer`] that begin with `WANT_`.
    pub wants: u16,
}

impl OfferPlace {
    /// Whether there is room for all of the offer that this tender knows of.
    pub const fn is_whole(&self) -> bool {
        self.size as usize >= size_of::<Offer>()
    }
}

/// A segment with content in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Segment {
    /// Where its content begins in memory.
    pub address: u64,
    /// Where its content begins in the file.
    pub offset: u64,
    /// Bytes of content, at least one.
    pub file_size: u64,
    /// Bytes in memory, at least as many; those beyond the content are zero.
    pub memory_size: u64,
    /// Start of the pages that it has to itself.
    pub start: u64,
    /// End of the pages that it has to itself.
    pub end: u64,
    /// Whether it may be read.
    pub read: bool,
    /// Whether it may be written.
    pub write: bool,
    /// Whether it may be executed; then it may not be written.
    pub execute: bool,
}

impl Image {
    /// Where the memory of the guest ends that is given `size` bytes.
    ///
    /// For Solo5's tenders memory is all that lies below that address. An image that knows of offers
    /// is given as many bytes as it can use: [`LOW_MEMORY`] for what the tender tells it, and all
    /// others from [`LOAD_MIN`] on. What lies between is not memory.
    pub const fn memory_end(&self, size: u64) -> u64 {
        size + self.beyond_size()
    }

    /// Checks that the image fits into `size` bytes of memory with some left for stack and heap.
    ///
    /// # Errors
    ///
    /// It does not.
    pub fn check_fits(&self, size: u64) -> Result<(), Error> {
        let needed = self.used + 4 * PAGE_SIZE - self.beyond_size();
        if size >= needed {
            return Ok(());
        }
        let kilobytes = [needed, size].map(|bytes| bytes >> 10);
        let megabytes = needed.div_ceil(1 << 20);
        Err(Error::new(format!(
            "needs {} KB of memory to start and is given {} KB",
            kilobytes[0], kilobytes[1]
        ))
        .hint(format!("give it more, with at least `--mem={megabytes}`")))
    }

    /// How far the end of memory lies beyond its size.
    const fn beyond_size(&self) -> u64 {
        match self.offer {
            Some(_) => LOAD_MIN - LOW_MEMORY,
            None => 0,
        }
    }
}

/// Opens and parses the image at `path`.
///
/// # Errors
///
/// The file cannot be read or is no image for `abi`; the message names the file.
pub fn open(path: &Path, abi: Abi) -> Result<(FileSource, Image), Error> {
    let cannot = |error: io::Error| {
        Error::new(format!(
            "cannot open the image `{}`: {error}",
            path.display()
        ))
        .hint("give the path of an image, such as one that `cargo fata build` wrote")
    };
    let file = File::open(path).map_err(cannot)?;
    let metadata = file.metadata().map_err(cannot)?;
    if !metadata.is_file() {
        return Err(cannot(io::Error::other("not a regular file")));
    }
    let size = metadata.len();
    let source = FileSource { file, size };
    let image = parse(&source, abi).map_err(|error| error.about(path.display()))?;
    Ok((source, image))
}

/// Parses the headers and notes of an image. Never panics, whatever the bytes.
///
/// # Errors
///
/// The first rule that is broken.
pub fn parse(source: &dyn Source, abi: Abi) -> Result<Image, Error> {
    let (entry, headers) = headers::read(source)?;
    // Before anything else: for which kind of tender it is, so that an ordinary program or an image
    // for another tender is told so, and not which of our rules it breaks.
    let (manifest, offer) = notes::read(source, &headers, abi)?;
    let segments = segments(source, &headers)?;
    let inside = |address: u64, segment: &Segment| {
        address >= segment.address && address - segment.address < segment.memory_size
    };
    let mut executable = segments.iter().filter(|segment| segment.execute);
    if !executable.any(|segment| inside(entry, segment)) {
        let what = "starts at an address in no executable segment";
        return Err(damaged(format!("{what}: {entry:#x}")));
    }
    if let Some(OfferPlace { address, size, .. }) = offer {
        let long_enough = usize::from(size) >= Offer::FIRST_SIZE;
        let last = address.saturating_add(u64::from(size).saturating_sub(1));
        let mut writable = segments.iter().filter(|segment| segment.write);
        let aligned = address.is_multiple_of(FIRST_ALIGNMENT);
        if !long_enough || !aligned || !writable.any(|s| inside(address, s) && inside(last, s)) {
            let what = "wants the tender's offer where it may not write, or has no room for it";
            return Err(damaged(format!("{what}: {address:#x}")));
        }
    }
    let end = segments.last().map_or(LOAD_MIN, |segment| segment.end);
    Ok(Image {
        entry,
        end,
        manifest,
        offer,
        used: used(&headers, end),
        segments,
    })
}

/// The error of a file that breaks a rule which all linkers keep.
fn damaged(message: impl Into<String>) -> Error {
    Error::new(message).hint(DAMAGED)
}

fn segments(source: &dyn Source, headers: &[ProgramHeader]) -> Result<Vec<Segment>, Error> {
    let mut segments: Vec<Segment> = Vec::new();
    for (index, header) in headers.iter().enumerate() {
        // As in Solo5: a segment without content is no more than a remark about zeroed memory.
        if header.kind == SEGMENT_LOAD && header.file_size > 0 {
            let floor = segments.last().map_or(LOAD_MIN, |last| last.end);
            let segment = segment(source, header, floor);
            let bad = |rule| damaged(format!("has a segment (header {index}) {rule}"));
            segments.push(segment.map_err(bad)?);
        }
    }
    match segments.is_empty() {
        true => Err(damaged("has no segment with content")),
        false => Ok(segments),
    }
}

/// A segment that obeys every rule; its pages begin at `floor` or above.
fn segment(source: &dyn Source, header: &ProgramHeader, floor: u64) -> Result<Segment, String> {
    let &ProgramHeader {
        offset,
        address,
        file_size,
        memory_size,
        align,
        ..
    } = header;
    // Where the first rule is broken, these are numbers without a meaning.
    let start = address & !align.wrapping_sub(1);
    let end = address.checked_add(memory_size);
    let end = end.and_then(|end| end.checked_next_multiple_of(align));
    let end = end.unwrap_or(u64::MAX);
    let aligned = align.is_power_of_two() && (PAGE_SIZE..=MAX_ADDRESS).contains(&align);
    let [read, write, execute] =
        [FLAG_READ, FLAG_WRITE, FLAG_EXECUTE].map(|flag| header.flags & flag != 0);
    let inside_file = source.holds(offset, file_size);
    let too_low = format!("below {LOAD_MIN:#x}");
    let rules = [
        (aligned, "that is not aligned to pages"),
        (start >= LOAD_MIN, &too_low),
        (
            start >= floor,
            "that overlaps the one before, or is out of order",
        ),
        (
            memory_size >= file_size,
            "that is larger in the file than in memory",
        ),
        (end <= MAX_ADDRESS, "that ends beyond all memory"),
        (inside_file, "whose content is not within the file"),
        (!(write && execute), "that is both writable and executable"),
    ];
    if let Some((_, broken)) = rules.iter().find(|(obeyed, _)| !obeyed) {
        return Err((*broken).to_owned());
    }
    Ok(Segment {
        address,
        offset,
        file_size,
        memory_size,
        start,
        end,
        read,
        write,
        execute,
    })
}

/// End of all segments, those without content too, though they are otherwise passed over.
fn used(headers: &[ProgramHeader], end: u64) -> u64 {
    headers
        .iter()
        .filter(|header| header.kind == SEGMENT_LOAD && header.memory_size > 0)
        .map(|header| header.address.saturating_add(header.memory_size))
        .fold(end, u64::max)
        .min(MAX_ADDRESS)
        .next_multiple_of(PAGE_SIZE)
}

#[cfg(test)]
mod tests;
