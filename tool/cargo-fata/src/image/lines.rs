// SPDX-License-Identifier: ISC
//! Where in the source the instructions of a linked file come from, by its debug information
//! (DWARF 5, sections 3.3 for inlined functions and 6.2 for lines).

use std::path::Path;

use addr2line::{
    Context, FrameIter, Location,
    gimli::{Dwarf, EndianSlice, LittleEndian, SectionId},
};
use object::read::elf::{FileHeader, SectionHeader};
use rustc_demangle::demangle;

use super::{ENDIAN, Elf, symbols::Symbols};
use crate::output::display;

/// More functions than these are not inlined into each other by a compiler.
const DEPTH: usize = 32;

type Bytes<'a> = EndianSlice<'a, LittleEndian>;

/// What is known of the source of a linked file.
pub struct Lines<'a>(Context<Bytes<'a>>);

/// A function that an instruction belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Its name, where one is known.
    pub function: Option<String>,
    /// File, line and column in it.
    pub place: Option<String>,
}

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

    /// The function that the instruction at `address` was written in, then the one that the
    /// compiler put that into, and so on. The last one is a function of the file.
    pub fn at(&self, address: u64) -> Vec<Frame> {
        let found = self.0.find_frames(address).skip_all_loads();
        found.map(frames).unwrap_or_default()
    }
}

fn frames(mut iterator: FrameIter<'_, Bytes<'_>>) -> Vec<Frame> {
    let mut frames = Vec::new();
    while let Ok(Some(frame)) = iterator.next()
        && frames.len() < DEPTH
    {
        let name = frame.function.and_then(|function| {
            let raw = function.raw_name().ok()?;
            Some(without_parameters(&format!("{:#}", demangle(&raw))).to_owned())
        });
        frames.push(Frame {
            function: name,
            place: frame.location.and_then(place),
        });
    }
    frames
}

/// `block_on` of `block_on<fata_runtime::{async_block_env#0}>`, as which a function without a mangled
/// name is recorded; for generic code, what it is generic over is often the longest part.
fn without_parameters(name: &str) -> &str {
    match name.find('<') {
        Some(at) if at > 0 && name.ends_with('>') => &name[..at],
        _ => name,
    }
}

fn place(location: Location<'_>) -> Option<String> {
    let (file, line) = (display(Path::new(location.file?)), location.line?);
    Some(match location.column {
        Some(column) => format!("{file}:{line}:{column}"),
        None => format!("{file}:{line}"),
    })
}

/// The functions around each of `addresses` in the linked file `data`, innermost first; none where
/// nothing is known.
pub fn name(data: &[u8], addresses: &[u64]) -> Vec<Vec<Frame>> {
    let elf = Elf::parse(data).ok();
    let symbols = elf.as_ref().and_then(|elf| Symbols::read(elf).ok());
    let symbols = symbols.unwrap_or_default();
    let lines = elf.as_ref().and_then(Lines::read);
    let around = |&address: &u64| {
        let mut frames = lines.as_ref().map_or(Vec::new(), |lines| lines.at(address));
        let function = symbols.function(address);
        match frames.last_mut() {
            // The symbol is the name that a debugger and `describe` use.
            Some(outermost) => outermost.function = function.or(outermost.function.take()),
            None => frames.extend(function.map(|function| Frame {
                function: Some(function),
                place: None,
            })),
        }
        frames
    };
    addresses.iter().map(around).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_of_generic_functions_are_left_out() {
        for (name, short) in [
            ("block_on<main::{async_block_env#0}>", "block_on"),
            ("main", "main"),
            ("<u8 as Into<u16>>::into", "<u8 as Into<u16>>::into"),
            ("", ""),
        ] {
            assert_eq!(without_parameters(name), short);
        }
    }

    #[test]
    fn what_is_no_image_has_no_names() {
        assert_eq!(name(b"no image", &[1, 2]), [vec![], vec![]]);
    }
}
