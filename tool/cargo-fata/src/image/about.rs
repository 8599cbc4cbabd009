// SPDX-License-Identifier: ISC
//! What an image says of itself, followed through its file by the layout of `fata_abi::image`.

use fata_abi::{
    image::{Argument, ArgumentTree, Image, LAYOUT, REPEATED, REQUIRED},
    note,
};
use serde::Serialize;

use super::{Elf, ImageError};

/// Longest text that is read, and most nodes of the tree of arguments: far above what anybody
/// writes, and low enough that a hostile image cannot keep the reader busy.
const MAX_TEXT: u64 = 64 * 1024;
const MAX_NODES: usize = 4096;
const MAX_DEPTH: usize = 32;

/// What an image says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct About {
    /// Name of the program.
    pub name: String,
    /// Its version.
    pub version: String,
    /// What it is, in a line.
    pub about: String,
    /// Name of the platform that it was linked for.
    pub platform: String,
    /// Arguments compiled in.
    pub boot_arguments: String,
    /// Whether they are final.
    pub sealed: bool,
    /// The arguments that it understands, with their full names.
    pub arguments: Vec<AboutArgument>,
}

/// One boot argument.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AboutArgument {
    /// Name with all prefixes, without `--`.
    pub name: String,
    /// What stands for the value; empty for a flag.
    pub value: String,
    /// The default as it would be typed; empty for none.
    pub default: String,
    /// What it is for.
    pub help: String,
    /// The image does not start without it.
    pub required: bool,
    /// It may be given several times.
    pub repeated: bool,
}

impl About {
    /// Reads it, or `None` where `elf` is no image of Fata's.
    ///
    /// # Errors
    ///
    /// [`ImageError::About`] where an address leads out of the file.
    pub fn read(elf: &Elf<'_>) -> Result<Option<Self>, ImageError> {
        let Some(descriptor) = elf.note(note::FATA, note::TYPE_IMAGE) else {
            return Ok(None);
        };
        let address = note::address(descriptor).ok_or(ImageError::About("the note is short"))?;
        let image = Record::at(elf, address, size_of::<Image>())?;
        if image.u32(core::mem::offset_of!(Image, layout)) != LAYOUT {
            return Err(ImageError::About("its layout is that of another version"));
        }
        let tree = image.u64(core::mem::offset_of!(Image, arguments));
        let mut collector = Collector {
            elf,
            budget: MAX_NODES,
            arguments: Vec::new(),
        };
        collector.tree(tree, "", 0)?;
        Ok(Some(Self {
            name: image.text(core::mem::offset_of!(Image, name))?,
            version: image.text(core::mem::offset_of!(Image, version))?,
            about: image.text(core::mem::offset_of!(Image, about))?,
            platform: image.text(core::mem::offset_of!(Image, platform))?,
            boot_arguments: image.text(core::mem::offset_of!(Image, boot_arguments))?,
            sealed: image.u32(core::mem::offset_of!(Image, sealed)) != 0,
            arguments: collector.arguments,
        }))
    }
}

/// A structure in the image, wholly inside the file.
struct Record<'e, 'a> {
    elf: &'e Elf<'a>,
    bytes: &'a [u8],
}

impl<'e, 'a> Record<'e, 'a> {
    fn at(elf: &'e Elf<'a>, address: u64, size: usize) -> Result<Self, ImageError> {
        match elf.at(address, size as u64) {
            Some(bytes) => Ok(Self { elf, bytes }),
            None => Err(ImageError::About("an address leads out of the file")),
        }
    }

    /// The offset is that of a field, and `at` has checked the size of the whole.
    fn u32(&self, offset: usize) -> u32 {
        let mut word = [0; 4];
        word.copy_from_slice(&self.bytes[offset..offset + 4]);
        u32::from_le_bytes(word)
    }

    fn u64(&self, offset: usize) -> u64 {
        u64::from(self.u32(offset)) | u64::from(self.u32(offset + 4)) << 32
    }

    /// Address and length of the slice at `offset`.
    fn slice(&self, offset: usize) -> (u64, u64) {
        (self.u64(offset), self.u64(offset + 8))
    }

    fn text(&self, offset: usize) -> Result<String, ImageError> {
        let (address, length) = self.slice(offset);
        if length == 0 {
            // The address of an empty slice means nothing.
            return Ok(String::new());
        }
        if length > MAX_TEXT {
            return Err(ImageError::About("a text is longer than any text"));
        }
        let bytes = self.elf.at(address, length);
        let bytes = bytes.ok_or(ImageError::About("a text leads out of the file"))?;
        // What is printed on a terminal must not steer it.
        let text = str::from_utf8(bytes).map_err(|_| ImageError::About("a text is not UTF-8"))?;
        Ok(text.replace(|c: char| c.is_control() && c != '\n', "\u{fffd}"))
    }
}

/// Walks the tree of arguments.
struct Collector<'e, 'a> {
    elf: &'e Elf<'a>,
    budget: usize,
    arguments: Vec<AboutArgument>,
}

impl Collector<'_, '_> {
    fn tree(&mut self, address: u64, prefix: &str, depth: usize) -> Result<(), ImageError> {
        self.spend()?;
        if depth == MAX_DEPTH {
            return Err(ImageError::About("its arguments are nested without end"));
        }
        let tree = Record::at(self.elf, address, size_of::<ArgumentTree>())?;
        let own = tree.text(core::mem::offset_of!(ArgumentTree, prefix))?;
        let prefix = match own.is_empty() {
            true => prefix.to_owned(),
            false => format!("{prefix}{own}-"),
        };
        let (arguments, count) = tree.slice(core::mem::offset_of!(ArgumentTree, arguments));
        for index in 0..count {
            self.argument(element(arguments, index, size_of::<Argument>())?, &prefix)?;
        }
        let (parts, count) = tree.slice(core::mem::offset_of!(ArgumentTree, parts));
        for index in 0..count {
            let part = Record::at(self.elf, element(parts, index, 8)?, 8)?;
            self.tree(part.u64(0), &prefix, depth + 1)?;
        }
        Ok(())
    }

    fn argument(&mut self, address: u64, prefix: &str) -> Result<(), ImageError> {
        self.spend()?;
        let argument = Record::at(self.elf, address, size_of::<Argument>())?;
        let name = argument.text(core::mem::offset_of!(Argument, name))?;
        let flags = argument.u32(core::mem::offset_of!(Argument, flags));
        self.arguments.push(AboutArgument {
            name: format!("{prefix}{name}"),
            value: argument.text(core::mem::offset_of!(Argument, value))?,
            default: argument.text(core::mem::offset_of!(Argument, default))?,
            help: argument.text(core::mem::offset_of!(Argument, help))?,
            required: flags & REQUIRED != 0,
            repeated: flags & REPEATED != 0,
        });
        Ok(())
    }

    fn spend(&mut self) -> Result<(), ImageError> {
        self.budget = self
            .budget
            .checked_sub(1)
            .ok_or(ImageError::About("it has more arguments than any program"))?;
        Ok(())
    }
}

fn element(start: u64, index: u64, size: usize) -> Result<u64, ImageError> {
    index
        .checked_mul(size as u64)
        .and_then(|offset| start.checked_add(offset))
        .ok_or(ImageError::About("an address leads out of the file"))
}
