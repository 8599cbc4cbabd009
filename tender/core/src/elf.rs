// SPDX-License-Identifier: ISC
//! The image loader's parser: from hostile bytes to an [`Image`] that proves the rules.
//!
//! An image is written by whoever wants out of the sandbox, so nothing in it is believed. [`parse`]
//! is a pure function over a [`Source`]; it reads headers and notes only, a few kilobytes however
//! large the file. The rules are those of Solo5's loader (Solo5 `tenders/common/elf.c`), stricter
//! where no toolchain could mean it: each is a variant of [`ElfError`].
//!
//! Read first: ELF-64 Object File Format, "File Header", "Program Header Table"; `fata_abi::note`.

mod error;
mod notes;

use std::{fs::File, io, os::unix::fs::FileExt, path::Path};

use fata_abi::{hvt::LOW_MEMORY, manifest::Manifest, note::Target, offer::Offer, solo5::LOAD_MIN};

pub use error::{ElfError, SegmentRule};

use crate::Error;

/// Bytes of a page. Segments begin and end at a multiple of it.
pub const PAGE_SIZE: u64 = 4096;
/// Program headers at most; images have about ten.
const MAX_HEADERS: u16 = 128;
/// What the address of an [`Offer`] is a multiple of. Images may have one from when it had no word
/// of 8 bytes; it is written as bytes.
const FIRST_ALIGNMENT: u64 = 4;
/// Addresses stay below this, so that sums of them cannot overflow.
const MAX_ADDRESS: u64 = 1 << 46;

const FILE_HEADER_SIZE: u16 = 64;
const PROGRAM_HEADER_SIZE: u16 = 56;
const TYPE_EXECUTABLE: u16 = 2;
const MACHINE_X86_64: u16 = 62;
const SEGMENT_LOAD: u32 = 1;
const SEGMENT_NOTE: u32 = 4;
const FLAG_EXECUTE: u32 = 1;
const FLAG_WRITE: u32 = 2;
const FLAG_READ: u32 = 4;

/// Where the bytes of an image come from.
pub trait Source {
    /// Number of bytes.
    fn size(&self) -> u64;

    /// Fills `into` with the bytes from `offset`.
    ///
    /// # Errors
    ///
    /// There are not as many, or they cannot be read.
    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<()>;
}

impl Source for [u8] {
    fn size(&self) -> u64 {
        self.len() as u64
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<()> {
        let from = usize::try_from(offset)
            .ok()
            .and_then(|start| self.get(start..start.checked_add(into.len())?))
            .ok_or(io::ErrorKind::UnexpectedEof)?;
        into.copy_from_slice(from);
        Ok(())
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

    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(into, offset)
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
    pub fn check_fits(&self, size: u64) -> Result<(), ElfError> {
        let needed = self.used + 4 * PAGE_SIZE - self.beyond_size();
        match size >= needed {
            true => Ok(()),
            false => Err(ElfError::Memory {
                needed,
                memory: size,
            }),
        }
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
    let name = path.display();
    let cannot = |error: io::Error| {
        let error = Error::new(format!("cannot open the image `{name}`: {error}"));
        error.hint("give the path of an image, such as one that `cargo fata build` wrote")
    };
    let file = File::open(path).map_err(cannot)?;
    let metadata = file.metadata().map_err(cannot)?;
    if !metadata.is_file() {
        return Err(cannot(io::Error::other("not a regular file")));
    }
    let size = metadata.len();
    let source = FileSource { file, size };
    let image = parse(&source, abi).map_err(|error| error.about(path))?;
    Ok((source, image))
}

/// Parses the headers and notes of an image. Never panics, whatever the bytes.
///
/// # Errors
///
/// The first rule that is broken.
pub fn parse<S: Source + ?Sized>(source: &S, abi: Abi) -> Result<Image, ElfError> {
    let header = FileHeader::read(source)?;
    let headers = header.program_headers(source)?;
    // Before anything else: for which kind of tender it is, so that an ordinary program or an image
    // for another tender is told so, and not which of our rules it breaks.
    let notes = notes::read(source, &headers, abi)?;
    let segments = segments(source, &headers)?;
    let inside = |address: u64, segment: &Segment| {
        address >= segment.address && address - segment.address < segment.memory_size
    };
    let mut executable = segments.iter().filter(|segment| segment.execute);
    if !executable.any(|segment| inside(header.entry, segment)) {
        return Err(ElfError::Entry(header.entry));
    }
    if let Some(OfferPlace { address, size, .. }) = notes.offer {
        let long_enough = usize::from(size) >= Offer::FIRST_SIZE;
        let last = address.saturating_add(u64::from(size).saturating_sub(1));
        let mut writable = segments.iter().filter(|segment| segment.write);
        let aligned = address.is_multiple_of(FIRST_ALIGNMENT);
        if !long_enough || !aligned || !writable.any(|s| inside(address, s) && inside(last, s)) {
            return Err(ElfError::Offer(address));
        }
    }
    let end = segments.last().map_or(LOAD_MIN, |segment| segment.end);
    Ok(Image {
        entry: header.entry,
        end,
        manifest: notes.manifest,
        offer: notes.offer,
        used: used(&headers, end),
        segments,
    })
}

/// What the file header says, as far as it is not fixed.
struct FileHeader {
    entry: u64,
    headers_offset: u64,
    headers: u16,
}

impl FileHeader {
    fn read<S: Source + ?Sized>(source: &S) -> Result<Self, ElfError> {
        let mut bytes = [0; FILE_HEADER_SIZE as usize];
        let available = source.size().min(bytes.len() as u64) as usize;
        source.read_at(0, &mut bytes[..available])?;
        if bytes[..4] != *b"\x7fELF" {
            let printable = |b: &u8| b.is_ascii_graphic() || b.is_ascii_whitespace();
            let text = available > 0 && bytes[..available].iter().all(printable);
            return Err(ElfError::NotElf { text });
        }
        if available < bytes.len() {
            return Err(ElfError::Truncated("file header"));
        }
        // 64 bits, little endian, the only version there is.
        if bytes[4..7] != [2, 1, 1] || u32_at(&bytes, 20) != 1 {
            return Err(ElfError::Class);
        }
        let kind = u16_at(&bytes, 16);
        let machine = u16_at(&bytes, 18);
        if machine != MACHINE_X86_64 {
            return Err(ElfError::Machine(machine));
        }
        if kind != TYPE_EXECUTABLE {
            return Err(ElfError::Type(kind));
        }
        let sizes = (u16_at(&bytes, 52), u16_at(&bytes, 54));
        if sizes != (FILE_HEADER_SIZE, PROGRAM_HEADER_SIZE) {
            return Err(ElfError::HeaderSizes);
        }
        let headers = u16_at(&bytes, 56);
        if headers == 0 || headers > MAX_HEADERS {
            return Err(ElfError::HeaderCount(headers));
        }
        Ok(Self {
            entry: u64_at(&bytes, 24),
            headers_offset: u64_at(&bytes, 32),
            headers,
        })
    }

    fn program_headers<S: Source + ?Sized>(
        &self,
        source: &S,
    ) -> Result<Vec<ProgramHeader>, ElfError> {
        let size = usize::from(self.headers) * usize::from(PROGRAM_HEADER_SIZE);
        check_in_file(source, self.headers_offset, size as u64)
            .ok_or(ElfError::Truncated("program headers"))?;
        let mut bytes = vec![0; size];
        source.read_at(self.headers_offset, &mut bytes)?;
        let headers = bytes.chunks_exact(usize::from(PROGRAM_HEADER_SIZE));
        Ok(headers.map(ProgramHeader::decode).collect())
    }
}

/// A program header as it stands in the file: claims, none of them checked.
struct ProgramHeader {
    kind: u32,
    flags: u32,
    offset: u64,
    address: u64,
    file_size: u64,
    memory_size: u64,
    align: u64,
}

impl ProgramHeader {
    fn decode(bytes: &[u8]) -> Self {
        Self {
            kind: u32_at(bytes, 0),
            flags: u32_at(bytes, 4),
            offset: u64_at(bytes, 8),
            address: u64_at(bytes, 16),
            file_size: u64_at(bytes, 32),
            memory_size: u64_at(bytes, 40),
            align: u64_at(bytes, 48),
        }
    }
}

fn segments<S: Source + ?Sized>(
    source: &S,
    headers: &[ProgramHeader],
) -> Result<Vec<Segment>, ElfError> {
    let mut segments: Vec<Segment> = Vec::new();
    for (index, header) in headers.iter().enumerate() {
        // As in Solo5: a segment without content is no more than a remark about zeroed memory.
        if header.kind != SEGMENT_LOAD || header.file_size == 0 {
            continue;
        }
        let floor = segments.last().map_or(LOAD_MIN, |last| last.end);
        let segment = segment(source, header, floor).map_err(|rule| ElfError::Segment {
            header: index,
            rule,
        })?;
        segments.push(segment);
    }
    match segments.is_empty() {
        true => Err(ElfError::NothingToLoad),
        false => Ok(segments),
    }
}

fn segment<S: Source + ?Sized>(
    source: &S,
    header: &ProgramHeader,
    floor: u64,
) -> Result<Segment, SegmentRule> {
    if !header.align.is_power_of_two() || header.align < PAGE_SIZE || header.align > MAX_ADDRESS {
        return Err(SegmentRule::Alignment);
    }
    let start = header.address & !(header.align - 1);
    if start < LOAD_MIN {
        return Err(SegmentRule::TooLow);
    }
    if start < floor {
        return Err(SegmentRule::Order);
    }
    if header.memory_size < header.file_size {
        return Err(SegmentRule::Sizes);
    }
    let end = header
        .address
        .checked_add(header.memory_size)
        .and_then(|end| end.checked_next_multiple_of(header.align))
        .filter(|&end| end <= MAX_ADDRESS)
        .ok_or(SegmentRule::TooHigh)?;
    check_in_file(source, header.offset, header.file_size).ok_or(SegmentRule::OutsideFile)?;
    let segment = Segment {
        address: header.address,
        offset: header.offset,
        file_size: header.file_size,
        memory_size: header.memory_size,
        start,
        end,
        read: header.flags & FLAG_READ != 0,
        write: header.flags & FLAG_WRITE != 0,
        execute: header.flags & FLAG_EXECUTE != 0,
    };
    if segment.write && segment.execute {
        return Err(SegmentRule::WriteAndExecute);
    }
    Ok(segment)
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

fn check_in_file<S: Source + ?Sized>(source: &S, offset: u64, size: u64) -> Option<()> {
    (offset.checked_add(size)? <= source.size()).then_some(())
}

/// The sizes of all headers are constants, so these positions are inside them.
fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from(u16_at(bytes, at)) | u32::from(u16_at(bytes, at + 2)) << 16
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}

#[cfg(test)]
mod tests;
