// SPDX-License-Identifier: ISC
//! Core files: a guest's memory and registers, in the form in which Linux leaves those of a process
//! that crashed, so that gdb shows them: `gdb IMAGE.debug core.fata-spt.PID`.
//!
//! A file has one segment a [`Region`]. Pages that are all zero are left out as holes, and memory
//! goes through a buffer of `CHUNK` bytes, so that a core file takes little time and room however
//! much memory a guest was given.
//!
//! Read first: core(5), elf(5); Linux `fs/binfmt_elf.c`, `struct elf_prstatus`.

mod place;

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use fata_tender::{Error, elf::PAGE_SIZE};
use rustix::fs::Access;

use crate::Registers;
pub use place::Place;

/// Bytes of memory that are in hand at once.
const CHUNK: usize = 256 << 10;
const FILE_HEADER_SIZE: usize = 64;
const PROGRAM_HEADER_SIZE: usize = 56;
const TYPE_CORE: u16 = 4;
const MACHINE_X86_64: u16 = 62;
const SEGMENT_LOAD: u32 = 1;
const SEGMENT_NOTE: u32 = 4;
const NOTE_PRSTATUS: u32 = 1;
const NOTE_FPREGSET: u32 = 2;
/// Regions at most; a guest has about ten, and the count is a number of 16 bits.
const MAX_REGIONS: usize = 1000;

/// Memory that a guest had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    /// Its first address, the start of a page.
    pub start: u64,
    /// The address after it, the start of a page.
    pub end: u64,
    /// What the guest may do there: the sum of 4 for reading, 2 for writing, 1 for executing.
    pub rights: u32,
}

/// What is known of a guest's end beside its memory.
#[derive(Clone, Copy, Debug)]
pub struct State {
    /// Its registers.
    pub registers: Registers,
    /// The signal that ended it, or would have in a process.
    pub signal: u8,
    /// The process that it ran in.
    pub pid: u32,
}

/// A folder for core files that was seen to be one.
#[derive(Debug)]
pub struct CoreFolder(PathBuf);

impl CoreFolder {
    /// Looks whether files can be made in `folder`, long before one has to be.
    ///
    /// # Errors
    ///
    /// It is none, or not for this user to write to.
    pub fn new(folder: &Path) -> Result<Self, Error> {
        let name = folder.display();
        if !folder.is_dir() {
            let error = Error::new(format!("there is no folder `{name}` for a core file"));
            return Err(error.hint(format!("make it with `mkdir -p {name}`")));
        }
        let rights = Access::WRITE_OK | Access::EXEC_OK;
        rustix::fs::access(folder, rights).map_err(|error| {
            Error::new(format!("cannot write a core file into `{name}`: {error}"))
                .hint("give `--dumpcore` a folder that you may write to, as in `--dumpcore=/tmp`")
        })?;
        // What is made there later is made there also if the process has moved.
        let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
        Ok(Self(folder))
    }

    /// The file for a guest of this tender that ran in process `pid`.
    pub fn file(&self, tender: &str, pid: u32) -> PathBuf {
        self.0.join(format!("core.{tender}.{pid}"))
    }

    /// Makes that file, readable by its owner alone, for a guest has secrets.
    ///
    /// # Errors
    ///
    /// As it is with files.
    pub fn create(&self, tender: &str, pid: u32) -> io::Result<(PathBuf, File)> {
        let path = self.file(tender, pid);
        // A file of an earlier process of that number gives way; nothing is written through a link.
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut options = OpenOptions::new();
        let file = options
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)?;
        Ok((path, file))
    }
}

/// Writes a core file. `read` fills a piece of memory, which begins at a page, and returns how many
/// bytes there are; what is missing becomes zero.
///
/// # Errors
///
/// The file cannot be written.
pub fn write(
    file: &File,
    state: &State,
    regions: &[Region],
    mut read: impl FnMut(u64, &mut [u8]) -> usize,
) -> io::Result<()> {
    let regions = &regions[..regions.len().min(MAX_REGIONS)];
    let headers = FILE_HEADER_SIZE + PROGRAM_HEADER_SIZE * (1 + regions.len());
    let notes = notes(state);
    let mut head = file_header(1 + regions.len());
    head.extend(program_header(
        SEGMENT_NOTE,
        0,
        headers as u64,
        None,
        notes.len() as u64,
    ));
    let first = ((headers + notes.len()) as u64).next_multiple_of(PAGE_SIZE);
    let mut offset = first;
    for region in regions {
        let size = region.end - region.start;
        let rights = region.rights;
        head.extend(program_header(
            SEGMENT_LOAD,
            rights,
            offset,
            Some(region.start),
            size,
        ));
        offset += size;
    }
    head.extend(notes);
    file.write_all_at(&head, 0)?;
    file.set_len(offset)?;
    let mut buffer = vec![0; CHUNK];
    let mut offset = first;
    for region in regions {
        for start in (region.start..region.end).step_by(CHUNK) {
            let len = CHUNK.min((region.end - start) as usize);
            let bytes = &mut buffer[..len];
            let known = read(start, bytes).min(len);
            store(file, &bytes[..known], offset)?;
            offset += len as u64;
        }
    }
    Ok(())
}

/// Stores the pages that are not zero.
fn store(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    let page = PAGE_SIZE as usize;
    let mut at = 0;
    let zero = |page: &[u8]| page.iter().all(|&byte| byte == 0);
    while at < bytes.len() {
        let pages = bytes[at..].chunks(page);
        let full: usize = pages.take_while(|page| !zero(page)).map(<[u8]>::len).sum();
        file.write_all_at(&bytes[at..at + full], offset + at as u64)?;
        at += full;
        let pages = bytes[at..].chunks(page);
        at += pages
            .take_while(|page| zero(page))
            .map(<[u8]>::len)
            .sum::<usize>();
    }
    Ok(())
}

fn file_header(count: usize) -> Vec<u8> {
    let mut header = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    for half in [TYPE_CORE, MACHINE_X86_64] {
        header.extend(half.to_le_bytes());
    }
    header.extend(1u32.to_le_bytes());
    for word in [0, FILE_HEADER_SIZE as u64, 0] {
        header.extend(word.to_le_bytes());
    }
    header.extend(0u32.to_le_bytes());
    let sizes = [FILE_HEADER_SIZE, PROGRAM_HEADER_SIZE, count, 0, 0, 0];
    header.extend(sizes.iter().flat_map(|&size| (size as u16).to_le_bytes()));
    header
}

fn program_header(kind: u32, rights: u32, offset: u64, address: Option<u64>, size: u64) -> Vec<u8> {
    let (address, memory_size, align) = match address {
        Some(address) => (address, size, PAGE_SIZE),
        None => (0, 0, 4),
    };
    let mut header = Vec::with_capacity(PROGRAM_HEADER_SIZE);
    for word in [kind, rights] {
        header.extend(word.to_le_bytes());
    }
    for word in [offset, address, 0, size, memory_size, align] {
        header.extend(word.to_le_bytes());
    }
    header
}

fn notes(state: &State) -> Vec<u8> {
    let mut notes = note(NOTE_PRSTATUS, &status(state));
    notes.extend(note(NOTE_FPREGSET, &state.registers.fx));
    notes
}

fn note(kind: u32, content: &[u8]) -> Vec<u8> {
    const NAME: &[u8; 8] = b"CORE\0\0\0\0";
    let mut note = Vec::new();
    for word in [5, content.len() as u32, kind] {
        note.extend(word.to_le_bytes());
    }
    note.extend(NAME);
    note.extend(content);
    note
}

/// Linux's `struct elf_prstatus`: the signal thrice, masks, four process numbers, four times,
/// registers, whether there are x87 registers too.
fn status(state: &State) -> Vec<u8> {
    let signal = u32::from(state.signal);
    let mut status = Vec::with_capacity(336);
    for word in [signal, 0, 0, signal, 0, 0, 0, 0] {
        status.extend(word.to_le_bytes());
    }
    for pid in [state.pid, 0, state.pid, state.pid] {
        status.extend(pid.to_le_bytes());
    }
    status.extend([0; 64]);
    let words = state.registers.to_user();
    status.extend(words.into_iter().flat_map(u64::to_le_bytes));
    status.extend(1u64.to_le_bytes());
    status
}

#[cfg(test)]
mod tests;
