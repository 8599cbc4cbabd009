// SPDX-License-Identifier: ISC
//! The file header and the program headers of an image.

use super::{GIVE_AN_IMAGE, MAKE_AN_IMAGE, Source, damaged};
use crate::Error;

/// Program headers at most; images have about ten.
const MAX_HEADERS: u16 = 128;
const FILE_HEADER_SIZE: usize = 64;
const PROGRAM_HEADER_SIZE: usize = 56;
const TYPE_EXECUTABLE: u16 = 2;
const MACHINE_X86_64: u16 = 62;

/// A program header as it stands in the file: claims, none of them checked.
pub(super) struct ProgramHeader {
    pub(super) kind: u32,
    pub(super) flags: u32,
    pub(super) offset: u64,
    pub(super) address: u64,
    pub(super) file_size: u64,
    pub(super) memory_size: u64,
    pub(super) align: u64,
}

/// Reads the entry point and the program headers.
pub(super) fn read(source: &dyn Source) -> Result<(u64, Vec<ProgramHeader>), Error> {
    let header = file_header(source)?;
    Ok((u64_at(&header, 24), program_headers(source, &header)?))
}

/// Reads the file header, and checks what is fixed in it.
fn file_header(source: &dyn Source) -> Result<[u8; FILE_HEADER_SIZE], Error> {
    let mut bytes = [0; FILE_HEADER_SIZE];
    let available = source.size().min(bytes.len() as u64) as usize;
    source.read_at(0, &mut bytes[..available])?;
    if bytes[..4] != *b"\x7fELF" {
        let printable = |b: &u8| b.is_ascii_graphic() || b.is_ascii_whitespace();
        let what = match available > 0 && bytes[..available].iter().all(printable) {
            true => "is a text file, not an image",
            false => "is not an ELF file",
        };
        return Err(Error::new(what).hint(GIVE_AN_IMAGE));
    }
    if available < bytes.len() {
        return Err(damaged("ends before its file header is complete"));
    }
    let [kind, machine, own_size, size_of_others] = [16, 18, 52, 54].map(|at| u16_at(&bytes, at));
    // 64 bits, little endian, the only version there is.
    if bytes[4..7] != [2, 1, 1] || u32_at(&bytes, 20) != 1 {
        let what = "is not an ELF file of 64 bits, little endian";
        return Err(Error::new(what).hint(GIVE_AN_IMAGE));
    }
    if machine != MACHINE_X86_64 {
        let what = format!("is for another processor than x86-64: ELF machine {machine}");
        return Err(Error::new(what).hint(GIVE_AN_IMAGE));
    }
    if kind != TYPE_EXECUTABLE {
        let what = format!("is not linked to run at fixed addresses: ELF type {kind}");
        return Err(Error::new(what).hint(MAKE_AN_IMAGE));
    }
    let sizes = [own_size, size_of_others].map(usize::from);
    if sizes != [FILE_HEADER_SIZE, PROGRAM_HEADER_SIZE] {
        return Err(damaged("states header sizes that ELF-64 does not have"));
    }
    Ok(bytes)
}

fn program_headers(source: &dyn Source, header: &[u8]) -> Result<Vec<ProgramHeader>, Error> {
    let (offset, count) = (u64_at(header, 32), u16_at(header, 56));
    if count == 0 || count > MAX_HEADERS {
        let what = format!("has {count} program headers, not 1 to {MAX_HEADERS}");
        return Err(Error::new(what));
    }
    let mut bytes = vec![0; usize::from(count) * PROGRAM_HEADER_SIZE];
    if !source.holds(offset, bytes.len() as u64) {
        return Err(damaged("ends before its program headers are complete"));
    }
    source.read_at(offset, &mut bytes)?;
    let headers = bytes.chunks_exact(PROGRAM_HEADER_SIZE);
    let headers = headers.map(|bytes| ProgramHeader {
        kind: u32_at(bytes, 0),
        flags: u32_at(bytes, 4),
        offset: u64_at(bytes, 8),
        address: u64_at(bytes, 16),
        file_size: u64_at(bytes, 32),
        memory_size: u64_at(bytes, 40),
        align: u64_at(bytes, 48),
    });
    Ok(headers.collect())
}

/// The sizes of all headers are constants, so these positions are inside them.
fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from(u16_at(bytes, at)) | u32::from(u16_at(bytes, at + 2)) << 16
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}
