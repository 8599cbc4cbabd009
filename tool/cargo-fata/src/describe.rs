// SPDX-License-Identifier: ISC
//! `cargo fata describe`: what an image is, what it needs, and what each crate in it costs.

use std::{fs, path::PathBuf};

use anyhow::Context;
use clap::Args;
use fata_abi::{manifest::DeviceKind, note};
use serde::Serialize;

use crate::{
    build::{self, BuildFlags},
    config,
    failure::failure,
    image::{About, Elf, ImageError, linked, platform_name, symbols::Symbols},
    output::Output,
    project::{Project, Selection},
};

pub mod print;

/// Show what is in an image: devices, boot arguments, platform, size by section and by crate
#[derive(Debug, Args)]
#[command(after_help = "Without IMAGE the unikernel of this package is built first.")]
pub struct Describe {
    /// The image; Solo5's are understood too
    #[arg(conflicts_with_all = ["package", "bin"])]
    image: Option<PathBuf>,

    /// Build it for this target [default: what `Fata.toml` says, else spt]
    #[arg(short, long, conflicts_with = "image")]
    target: Option<config::Target>,

    #[command(flatten)]
    selection: Selection,

    /// Print it for a program to read
    #[arg(long)]
    json: bool,
}

/// Everything that is known of an image. Its JSON form is what `--json` prints.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Description {
    /// The file.
    pub file: String,
    /// Bytes of the file.
    pub size: u64,
    /// Who made it.
    pub kind: Kind,
    /// Name of the tender or machine that it is for.
    pub platform: String,
    /// Version of the ABI between the two.
    pub abi_version: u32,
    /// What it says of itself, where it does.
    #[serde(flatten)]
    pub about: Option<About>,
    /// The devices that it must be given.
    pub devices: Vec<Device>,
    /// Bytes of memory that it takes before it has a heap.
    pub memory: u64,
    /// What is loaded.
    pub segments: Vec<Part>,
    /// The same by section.
    pub sections: Vec<Part>,
    /// The same by crate, where symbols were found.
    pub crates: Vec<Part>,
    /// ELF notes.
    pub notes: Vec<Part>,
}

/// Who made an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Fata.
    Fata,
    /// Another user of Solo5's ABI, such as MirageOS.
    Solo5,
}

/// A device of a manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Device {
    /// Its name.
    pub name: String,
    /// `net` or `block`.
    pub kind: &'static str,
}

/// A named part and its bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Part {
    /// Its name.
    pub name: String,
    /// Its bytes.
    pub size: u64,
}

impl Describe {
    /// Describes.
    pub fn run(self, output: Output) -> anyhow::Result<()> {
        let (image, symbols) = match self.image {
            Some(image) => {
                let symbols = linked::kept(&image);
                (image, symbols)
            }
            None => {
                let project = Project::find(&self.selection)?;
                let flags = BuildFlags {
                    target: Some(sealed(
                        self.target.unwrap_or_else(|| project.config.target()),
                    )),
                    ..BuildFlags::default()
                };
                let built = build::build(&project, &flags, None, output)?;
                (built.file, Some(built.symbols))
            }
        };
        let data = fs::read(&image).map_err(|error| {
            failure(
                format!("cannot read `{}`: {error}", image.display()),
                "`cargo fata build` makes an image and says where it is",
            )
        })?;
        let symbols = symbols.and_then(|path| fs::read(path).ok());
        let description = describe(&image.display().to_string(), &data, symbols.as_deref())
            .with_context(|| format!("cannot describe `{}`", image.display()))?;
        match self.json {
            true => anstream::println!("{}", serde_json::to_string_pretty(&description)?),
            false => print::print(&description),
        }
        Ok(())
    }
}

/// `target`, or the default in place of an ordinary process, which is no image.
fn sealed(target: config::Target) -> config::Target {
    match target {
        config::Target::Unix => config::Target::default(),
        sealed => sealed,
    }
}

/// Describes the image `data`, with the help of the linked file that it was made from.
///
/// # Errors
///
/// [`ImageError`] for what no tender would start.
pub fn describe(
    file: &str,
    data: &[u8],
    symbols: Option<&[u8]>,
) -> Result<Description, ImageError> {
    let elf = Elf::parse(data)?;
    let (target, abi_version) = elf.abi()?;
    let about = About::read(&elf)?;
    let manifest = elf.manifest()?;
    let devices = manifest.devices().map(|(_, device)| Device {
        name: device.name.to_owned(),
        kind: match device.kind {
            DeviceKind::Net => "net",
            DeviceKind::Block => "block",
        },
    });
    Ok(Description {
        file: file.to_owned(),
        size: data.len() as u64,
        kind: if about.is_some() {
            Kind::Fata
        } else {
            Kind::Solo5
        },
        platform: platform_name(target),
        abi_version,
        devices: devices.collect(),
        memory: elf.memory(),
        segments: segments(&elf),
        sections: sections(&elf),
        crates: crates(&elf, symbols),
        notes: notes(&elf),
        about,
    })
}

fn segments(elf: &Elf<'_>) -> Vec<Part> {
    let parts = elf.segments.iter().map(|segment| Part {
        name: format!("{:#x} {}", segment.address, segment.rights()),
        size: segment.memory,
    });
    parts.collect()
}

fn sections(elf: &Elf<'_>) -> Vec<Part> {
    let parts = elf.sections.iter().map(|section| Part {
        name: section.name.clone(),
        size: section.size,
    });
    parts.filter(|part| part.size > 0).collect()
}

fn notes(elf: &Elf<'_>) -> Vec<Part> {
    let parts = elf.notes.iter().map(|note| Part {
        name: format!(
            "{} {}",
            note.owner
                .strip_suffix(b"\0")
                .unwrap_or(note.owner)
                .escape_ascii(),
            match note.note_type {
                note::TYPE_ABI => "ABI".to_owned(),
                note::TYPE_MANIFEST => "manifest".to_owned(),
                note::TYPE_IMAGE => "image".to_owned(),
                note::TYPE_OFFER => "offer".to_owned(),
                other => format!("{other:#x}"),
            }
        ),
        size: note.descriptor.len() as u64,
    });
    parts.collect()
}

/// Sizes by crate, from the symbols of `linked` if the image was made from it.
fn crates(image: &Elf<'_>, linked: Option<&[u8]>) -> Vec<Part> {
    // An image that was not stripped knows for itself.
    let own = Symbols::read(image).unwrap_or_default();
    let symbols = match linked.map(Elf::parse) {
        Some(Ok(linked)) if own.is_empty() && linked::same(image, &linked) => {
            Symbols::read(&linked).ok()
        }
        _ => Some(own),
    };
    let sizes = symbols.unwrap_or_default().by_crate();
    let parts = sizes.into_iter().map(|(name, size)| Part { name, size });
    parts.collect()
}
