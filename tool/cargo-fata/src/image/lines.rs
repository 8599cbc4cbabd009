// SPDX-License-Identifier: ISC
//! Lines of source in a linked file with debug information (DWARF 5, section 6.2).

use addr2line::{
    Context,
    gimli::{Dwarf, EndianSlice, LittleEndian, SectionId},
};
use object::read::elf::{FileHeader, SectionHeader};

use super::{ENDIAN, Elf};

/// What is known of the source of a linked file.
pub struct Lines<'a>(Context<EndianSlice<'a, LittleEndian>>);

impl<'a> Lines<'a> {
    /// Reads it; `None` where it is broken.
    pub fn read(elf: &Elf<'a>) -> Option<Self> {
        let sections = elf.header.sections(ENDIAN, elf.data).ok()?;
        let load = |id: SectionId| -> Result<_, object::Error> {
            let section = sections.section_by_name(ENDIAN, id.name().as_bytes());
            let data = match section {
                Some((_, section)) => section.data(ENDIAN, elf.data)?,
                None => &[],
            };
            Ok(EndianSlice::new(data, LittleEndian))
        };
        let dwarf = Dwarf::load(load).ok()?;
        Context::from_dwarf(dwarf).ok().map(Self)
    }

    /// File, line and column that the instruction at `address` was made of.
    pub fn at(&self, address: u64) -> Option<String> {
        let location = self.0.find_location(address).ok()??;
        let (file, line) = (location.file?, location.line?);
        Some(match location.column {
            Some(column) => format!("{file}:{line}:{column}"),
            None => format!("{file}:{line}"),
        })
    }
}
