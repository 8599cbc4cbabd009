// SPDX-License-Identifier: ISC
//! Reads a finished image: a Fata unikernel, or one that Solo5's tools made.
//!
//! An image may come from anywhere, so nothing in it is believed: every number is checked against
//! the file before it is used, and no content makes this panic or run for long. Read first: the
//! ELF specification, chapter "Object Files"; `fata_abi::note`.

use std::fmt;

use fata_abi::{manifest::Manifest, note};
use object::{
    LittleEndian,
    elf::{
        FileHeader64, PF_R, PF_W, PF_X, PT_DYNAMIC, PT_LOAD, PT_NOTE, ProgramHeader64, SHF_ALLOC,
        SHT_NOBITS, SHT_SYMTAB,
    },
    read::elf::{FileHeader, ProgramHeader, SectionHeader, Sym},
};

pub mod about;
pub mod check;
pub mod lines;
pub mod linked;
pub mod strip;
pub mod symbols;

pub use about::About;

pub(crate) const ENDIAN: LittleEndian = LittleEndian;

/// Why a file is no image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImageError {
    /// The file is not an ELF file for x86-64, or a broken one.
    Elf(String),
    /// It has no note that says for which tender it is.
    NoAbi,
    /// Its manifest is not as it must be.
    Manifest(String),
    /// What it says of itself leads out of the file, or is no text.
    About(&'static str),
}

impl fmt::Display for ImageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Elf(reason) => write!(f, "not an executable for x86-64: {reason}"),
            Self::NoAbi => f.write_str("not a unikernel: no ABI note says which tender runs it"),
            Self::Manifest(reason) => write!(f, "broken manifest: {reason}"),
            Self::About(reason) => write!(f, "what the image says of itself is broken: {reason}"),
        }
    }
}

impl std::error::Error for ImageError {}

/// An ELF file and what is read of it.
#[derive(Clone, Debug)]
pub struct Elf<'a> {
    data: &'a [u8],
    header: &'a FileHeader64<LittleEndian>,
    /// What is loaded, in the order of the file.
    pub segments: Vec<Segment<'a>>,
    /// The first note of every note segment.
    pub notes: Vec<note::Found<'a>>,
    /// Sections that are loaded, with their names.
    pub sections: Vec<Section>,
    dynamic: bool,
}

/// A loaded part.
#[derive(Clone, Copy, Debug)]
pub struct Segment<'a> {
    /// Its address.
    pub address: u64,
    /// Its bytes in the file.
    pub content: &'a [u8],
    /// Its bytes in memory, at least those in the file.
    pub memory: u64,
    /// `PF_R | PF_W | PF_X`.
    pub flags: u32,
}

/// A named part of a loaded part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// Its name.
    pub name: String,
    /// Its bytes in memory.
    pub size: u64,
    /// Whether the bytes are in the file.
    pub stored: bool,
}

impl Segment<'_> {
    /// The rights, as `r-x`.
    pub fn rights(&self) -> String {
        [(PF_R, 'r'), (PF_W, 'w'), (PF_X, 'x')]
            .map(|(flag, c)| if self.flags & flag.0 != 0 { c } else { '-' })
            .iter()
            .collect()
    }
}

impl<'a> Elf<'a> {
    /// Reads the headers of `data`.
    ///
    /// # Errors
    ///
    /// [`ImageError::Elf`] if they are not those of a static executable.
    pub fn parse(data: &'a [u8]) -> Result<Self, ImageError> {
        let bad = |error: object::Error| ImageError::Elf(error.to_string());
        if !data.starts_with(&object::elf::ELFMAG) {
            return Err(ImageError::Elf("it does not begin like one".into()));
        }
        let header = FileHeader64::<LittleEndian>::parse(data).map_err(bad)?;
        if header.e_machine(ENDIAN) != object::elf::EM_X86_64 {
            return Err(ImageError::Elf("made for another CPU".into()));
        }
        let mut elf = Self {
            data,
            header,
            segments: Vec::new(),
            notes: Vec::new(),
            sections: Vec::new(),
            dynamic: false,
        };
        for program in header.program_headers(ENDIAN, data).map_err(bad)? {
            elf.take_segment(program)?;
        }
        elf.read_sections();
        Ok(elf)
    }

    fn take_segment(&mut self, program: &ProgramHeader64<LittleEndian>) -> Result<(), ImageError> {
        let content = program
            .data(ENDIAN, self.data)
            .map_err(|()| ImageError::Elf("a segment lies outside of the file".into()))?;
        match program.p_type(ENDIAN) {
            PT_LOAD => self.segments.push(Segment {
                address: program.p_vaddr(ENDIAN),
                content,
                memory: program.p_memsz(ENDIAN).max(content.len() as u64),
                flags: program.p_flags(ENDIAN).0,
            }),
            PT_NOTE => self.notes.extend(note::parse(content)),
            PT_DYNAMIC => self.dynamic = true,
            _ => {}
        }
        Ok(())
    }

    /// Section headers are for people: where they are broken, there are none.
    fn read_sections(&mut self) {
        let Ok(table) = self.header.sections(ENDIAN, self.data) else {
            return;
        };
        for section in table.iter() {
            let flags = section.sh_flags(ENDIAN);
            let name = table.section_name(ENDIAN, section);
            if let (Ok(name), true) = (name, flags.0 & SHF_ALLOC.0 != 0) {
                self.sections.push(Section {
                    name: String::from_utf8_lossy(name).into_owned(),
                    size: section.sh_size(ENDIAN),
                    stored: section.sh_type(ENDIAN) != SHT_NOBITS,
                });
            }
        }
    }

    /// `length` bytes at `address` of the loaded image, as far as the file holds them.
    pub fn at(&self, address: u64, length: u64) -> Option<&'a [u8]> {
        self.segments.iter().find_map(|segment| {
            let start = usize::try_from(address.checked_sub(segment.address)?).ok()?;
            let end = start.checked_add(usize::try_from(length).ok()?)?;
            segment.content.get(start..end)
        })
    }

    /// Bytes of memory that the image takes when loaded.
    pub fn memory(&self) -> u64 {
        self.segments
            .iter()
            .fold(0, |sum: u64, segment| sum.saturating_add(segment.memory))
    }

    /// The descriptor of the first note of `owner` with this type.
    pub fn note(&self, owner: &[u8], note_type: u32) -> Option<&'a [u8]> {
        self.notes
            .iter()
            .find(|note| note.owner == owner && note.note_type == note_type)
            .map(|note| note.descriptor)
    }

    /// Target number and version of the ABI note.
    ///
    /// # Errors
    ///
    /// [`ImageError::NoAbi`].
    pub fn abi(&self) -> Result<(u32, u32), ImageError> {
        let descriptor = self.note(note::SOLO5, note::TYPE_ABI).unwrap_or_default();
        let word = |at: usize| {
            let bytes = descriptor.get(at..at + 4)?.try_into().ok()?;
            Some(u32::from_le_bytes(bytes))
        };
        word(0).zip(word(4)).ok_or(ImageError::NoAbi)
    }

    /// The manifest, checked.
    ///
    /// # Errors
    ///
    /// [`ImageError::Manifest`].
    pub fn manifest(&self) -> Result<Manifest<&'a [u8]>, ImageError> {
        let descriptor = self
            .note(note::SOLO5, note::TYPE_MANIFEST)
            .and_then(|descriptor| descriptor.get(fata_abi::manifest::NOTE_PADDING..))
            .ok_or_else(|| ImageError::Manifest("there is none".into()))?;
        Manifest::parse(descriptor).map_err(|error| ImageError::Manifest(error.to_string()))
    }

    /// Names that the image leaves for somebody else to define, and whether it asks for a dynamic
    /// linker; both are empty in an image that can run.
    pub fn undefined(&self) -> (Vec<String>, bool) {
        let mut names = Vec::new();
        if let Ok(sections) = self.header.sections(ENDIAN, self.data)
            && let Ok(symbols) = sections.symbols(ENDIAN, self.data, SHT_SYMTAB)
        {
            for symbol in symbols
                .iter()
                .filter(|s| s.is_undefined(ENDIAN) && !s.is_local())
            {
                if let Ok(name) = symbols.symbol_name(ENDIAN, symbol) {
                    names.push(String::from_utf8_lossy(name).into_owned());
                }
            }
        }
        names.retain(|name| !name.is_empty());
        (names, self.dynamic)
    }
}

/// Name of the platform that `target` of an ABI note means.
pub fn platform_name(target: u32) -> String {
    let known = note::target_name(target).map(str::to_owned);
    known.unwrap_or_else(|| format!("unknown ({target})"))
}

/// Reads everything that can be read of `data`: the entry point for fuzzing.
pub fn read_everything(data: &[u8]) {
    let Ok(elf) = Elf::parse(data) else { return };
    let _ = elf.abi();
    let _ = elf.manifest().map(|manifest| manifest.devices().count());
    let _ = About::read(&elf);
    let _ = elf.undefined();
    let _ = symbols::Symbols::read(&elf);
    let _ = strip::strip(data);
}

#[cfg(test)]
pub(crate) mod tests;
