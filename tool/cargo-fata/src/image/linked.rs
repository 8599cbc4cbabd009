// SPDX-License-Identifier: ISC
//! Finds the linked file that an image was made from: the same with symbols and line numbers, which
//! `build` keeps apart.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{Elf, symbols::Symbols};
use crate::project;

/// The linked file of the image at `image`, the image itself if it was not stripped; `None` where
/// neither is here.
pub fn find(image: &Path) -> Option<PathBuf> {
    let data = fs::read(image).ok()?;
    let elf = Elf::parse(&data).ok()?;
    if Symbols::read(&elf).is_ok_and(|symbols| !symbols.is_empty()) {
        return Some(image.to_owned());
    }
    let linked = kept(image)?;
    let data = fs::read(&linked).ok()?;
    Elf::parse(&data)
        .is_ok_and(|linked| same(&elf, &linked))
        .then_some(linked)
}

/// Where `build` keeps the linked file of an image: beside it, or for the workspace that it lies in,
/// or the one here.
pub fn kept(image: &Path) -> Option<PathBuf> {
    let image = fs::canonicalize(image).ok()?;
    let file = format!("{}.debug", image.file_name()?.to_str()?);
    let beside = image.with_file_name(&file);
    if beside.is_file() {
        return Some(beside);
    }
    let workspaces = [
        image.parent().map(Path::to_owned),
        std::env::current_dir().ok(),
    ];
    let places = workspaces.into_iter().flatten().filter_map(|folder| {
        let manifest = project::nearest_manifest(&folder).ok()?;
        let metadata = project::metadata(&manifest).ok()?;
        Some(project::symbols_in(metadata.target_directory.as_std_path()).join(&file))
    });
    places.into_iter().find(|place| place.is_file())
}

/// Whether what is loaded of both is the same, so that addresses mean the same.
pub fn same(image: &Elf<'_>, linked: &Elf<'_>) -> bool {
    let parts = |elf: &Elf<'_>| -> Vec<_> {
        let segments = elf.segments.iter();
        // The first segment may hold the ELF header, which stripping changes.
        let content = segments.map(|s| (s.address, s.content.get(64..).map(<[u8]>::to_vec)));
        content.collect()
    };
    parts(image) == parts(linked)
}
