// SPDX-License-Identifier: ISC
//! Leaves of a linked file what a tender loads and a person may ask for.
//!
//! The tool does this itself because `strip` is part of no Rust toolchain. What is loaded stays
//! where the linker put it; the headers of loaded sections stay for `describe`, symbols and debug
//! information go.

use object::{
    LittleEndian, U16, U32, U64,
    elf::{FileHeader64, SHF_ALLOC, SHT_NOBITS, SHT_STRTAB, SectionHeader64, SymbolSection},
    pod::{bytes_of, from_bytes},
    read::elf::{FileHeader, ProgramHeader, SectionHeader},
};

use super::{ENDIAN, ImageError};

const NAMES: &[u8] = b".shstrtab";

/// The image in the linked file `data`.
///
/// # Errors
///
/// [`ImageError::Elf`] if its headers are broken.
pub fn strip(data: &[u8]) -> Result<Vec<u8>, ImageError> {
    let bad = |error: object::Error| ImageError::Elf(error.to_string());
    let header = FileHeader64::<LittleEndian>::parse(data).map_err(bad)?;
    let sections = header.sections(ENDIAN, data).map_err(bad)?;
    let mut image = data[..loaded_end(header, data)?].to_vec();

    let mut names = vec![0];
    let mut headers = vec![empty()];
    for section in sections.iter() {
        if section.sh_flags(ENDIAN).0 & SHF_ALLOC.0 == 0 {
            continue;
        }
        let mut kept = *section;
        let end = section
            .sh_offset(ENDIAN)
            .checked_add(section.sh_size(ENDIAN));
        let stored = section.sh_type(ENDIAN) != SHT_NOBITS;
        if stored && end.is_none_or(|end| end > image.len() as u64) {
            return Err(ImageError::Elf("a loaded section is in no segment".into()));
        }
        kept.sh_name = U32::new(ENDIAN, names.len() as u32);
        kept.sh_link = U32::new(ENDIAN, 0);
        kept.sh_info = U32::new(ENDIAN, 0);
        names.extend_from_slice(sections.section_name(ENDIAN, section).map_err(bad)?);
        names.push(0);
        headers.push(kept);
    }
    let mut strings = empty();
    strings.sh_name = U32::new(ENDIAN, names.len() as u32);
    strings.sh_type = object::U32::new(ENDIAN, SHT_STRTAB);
    names.extend_from_slice(NAMES);
    names.push(0);
    strings.sh_offset = U64::new(ENDIAN, image.len() as u64);
    strings.sh_size = U64::new(ENDIAN, names.len() as u64);
    strings.sh_addralign = U64::new(ENDIAN, 1);
    headers.push(strings);
    append(&mut image, header, &names, &headers);
    Ok(image)
}

/// End of the last byte that a program header speaks of, or of these headers.
fn loaded_end(header: &FileHeader64<LittleEndian>, data: &[u8]) -> Result<usize, ImageError> {
    let bad = |error: object::Error| ImageError::Elf(error.to_string());
    let programs = header.program_headers(ENDIAN, data).map_err(bad)?;
    let mut end = header.e_phoff(ENDIAN) + size_of_val(programs) as u64;
    for program in programs {
        let (offset, size) = program.file_range(ENDIAN);
        end = end.max(offset.saturating_add(size));
    }
    match usize::try_from(end) {
        Ok(end) if end <= data.len() => Ok(end),
        _ => Err(ImageError::Elf("a segment lies outside of the file".into())),
    }
}

fn append(
    image: &mut Vec<u8>,
    header: &FileHeader64<LittleEndian>,
    names: &[u8],
    headers: &[SectionHeader64<LittleEndian>],
) {
    image.extend_from_slice(names);
    image.resize(image.len().next_multiple_of(8), 0);
    let mut new = *header;
    new.e_shoff = U64::new(ENDIAN, image.len() as u64);
    new.e_shnum = U16::new(ENDIAN, headers.len() as u16);
    new.e_shstrndx = U16::new(ENDIAN, SymbolSection(headers.len() as u16 - 1));
    for header in headers {
        image.extend_from_slice(bytes_of(header));
    }
    let new = bytes_of(&new);
    image[..new.len()].copy_from_slice(new);
}

fn empty() -> SectionHeader64<LittleEndian> {
    let zeros = [0; size_of::<SectionHeader64<LittleEndian>>()];
    let (header, _) = from_bytes(&zeros).expect("as many bytes as a header has");
    *header
}
