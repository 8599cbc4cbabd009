// SPDX-License-Identifier: ISC
//! Builds the unikernels, the tender, and the tool that seals images.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};

use crate::{
    platform::{Target, fata_hvt, fata_spt},
    workspace::{self, cargo},
};

/// The folder of sealed images, below that for files of the tests.
const IMAGES: &str = "images";

/// The built images, or why there is none.
#[derive(Debug, Default)]
pub struct Images {
    files: HashMap<(String, Target), Result<PathBuf, String>>,
}

impl Images {
    /// Builds `unikernels` for each of `targets`. A unikernel that does not build makes its rows
    /// fail, and no others.
    ///
    /// # Errors
    ///
    /// If the tools themselves cannot be built.
    pub fn build(unikernels: &[&str], targets: &[Target]) -> Result<Self> {
        let mut images = Self::default();
        for &target in targets {
            match target {
                Target::Unix => images.build_unix(unikernels)?,
                sealed => images.build_sealed(unikernels, sealed)?,
            }
        }
        Ok(images)
    }

    /// What was built before, and brought to a machine where nothing can be built.
    pub fn found(unikernels: &[&str], target: Target) -> Self {
        let mut images = Self::default();
        for unikernel in unikernels {
            let image = sealed(unikernel, target);
            let found = image.is_file().then_some(image);
            let found = found.ok_or_else(|| "did not build; cargo says above why".to_owned());
            let key = ((*unikernel).to_owned(), target);
            images.files.insert(key, found);
        }
        images
    }

    /// The image of a unikernel.
    ///
    /// # Errors
    ///
    /// What kept it from being built.
    pub fn get(&self, unikernel: &str, target: Target) -> Result<&Path, String> {
        match self.files.get(&(unikernel.to_owned(), target)) {
            Some(Ok(file)) => Ok(file),
            Some(Err(error)) => Err(error.clone()),
            None => Err(format!("`tests/unikernels/{unikernel}` was not built")),
        }
    }

    fn build_unix(&mut self, unikernels: &[&str]) -> Result<()> {
        let mut command = cargo();
        command.args(["build", "--quiet", "--keep-going"]);
        for unikernel in unikernels {
            let file = plain(unikernel);
            if file.exists() {
                // What is there afterwards was built now.
                fs::remove_file(&file).with_context(|| format!("cannot remove {file:?}"))?;
            }
            command.args(["--package", &package(unikernel)]);
        }
        command.status().context("cannot run cargo")?;
        for unikernel in unikernels {
            let file = plain(unikernel);
            let built = file.is_file().then_some(file);
            let built = built.ok_or_else(|| "does not build; cargo says above why".to_owned());
            self.files
                .insert(((*unikernel).to_owned(), Target::Unix), built);
        }
        Ok(())
    }

    fn build_sealed(&mut self, unikernels: &[&str], target: Target) -> Result<()> {
        let (package, tender) = match target {
            Target::Hvt => ("fata-hvt", fata_hvt()),
            _ => ("fata-spt", fata_spt()),
        };
        let mut command = cargo();
        command.args(["build", "--quiet", "--package", "cargo-fata"]);
        command.args(["--package", package]);
        let status = command.status().context("cannot run cargo")?;
        anyhow::ensure!(
            status.success(),
            "the tender or `cargo fata` does not build"
        );
        anyhow::ensure!(tender.is_file(), "the tender was not built: {tender:?}");
        scratch(IMAGES)?;
        for unikernel in unikernels {
            let image = sealed(unikernel, target);
            let built = seal(unikernel, target, &image)?.then_some(image);
            let built = built.ok_or_else(|| "does not build; cargo says above why".to_owned());
            self.files.insert(((*unikernel).to_owned(), target), built);
        }
        Ok(())
    }
}

/// Where the sealed image of a unikernel is.
fn sealed(unikernel: &str, target: Target) -> PathBuf {
    let name = format!("{unikernel}.{}", target.name());
    workspace::target().join("test").join(IMAGES).join(name)
}

/// Seals a unikernel into an image, as a user would.
fn seal(unikernel: &str, target: Target, image: &Path) -> Result<bool> {
    if image.exists() {
        // What is there afterwards was built now.
        fs::remove_file(image).with_context(|| format!("cannot remove {image:?}"))?;
    }
    let mut command = Command::new(workspace::target().join("debug/cargo-fata"));
    command.current_dir(workspace::root());
    command.args(["--quiet", "build", "--target", target.name()]);
    command.args(["--package", &package(unikernel), "--output"]);
    Ok(command
        .arg(image)
        .status()
        .context("cannot run `cargo fata`")?
        .success())
}

/// The package of a unikernel of the tests, or else of an example.
fn package(unikernel: &str) -> String {
    match workspace::root()
        .join("tests/unikernels")
        .join(unikernel)
        .is_dir()
    {
        true => format!("test-{unikernel}"),
        false => unikernel.to_owned(),
    }
}

fn plain(unikernel: &str) -> PathBuf {
    workspace::target().join("debug").join(package(unikernel))
}

/// A folder for files of the tests.
pub(crate) fn scratch(name: &str) -> Result<PathBuf> {
    let folder = workspace::target().join("test").join(name);
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {folder:?}"))?;
    Ok(folder)
}
