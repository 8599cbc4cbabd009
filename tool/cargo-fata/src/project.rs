// SPDX-License-Identifier: ISC
//! Which package and binary a command is about, and whether it is a unikernel at all.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, anyhow};
use cargo_metadata::{Metadata, MetadataCommand, Package};
use clap::Args;

use crate::{config::Config, failure::failure};

/// The crate that makes a program a unikernel.
const FACADE: &str = "fata";

/// Which package and binary is meant.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Package")]
pub struct Selection {
    /// The package, in a workspace of several
    #[arg(short, long, value_name = "NAME")]
    pub package: Option<String>,

    /// The binary, in a package of several
    #[arg(long, value_name = "NAME")]
    pub bin: Option<String>,
}

/// A unikernel's package.
#[derive(Debug)]
pub struct Project {
    /// Name of the package.
    pub name: String,
    /// Name of the binary, which becomes that of the image.
    pub binary: String,
    /// Folder of its `Cargo.toml`.
    pub folder: PathBuf,
    /// Folder of the workspace.
    pub workspace: PathBuf,
    /// Cargo's target directory.
    pub target_directory: PathBuf,
    /// What its `Fata.toml` says.
    pub config: Config,
}

/// The cargo that called, or the one on the path.
pub fn cargo() -> Command {
    Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

impl Project {
    /// Finds what `selection` means in the current folder, and reads its `Fata.toml`.
    pub fn find(selection: &Selection) -> anyhow::Result<Self> {
        let mut project = Self::locate(selection)?;
        project.config = Config::read(&project.folder)?;
        Ok(project)
    }

    /// Finds what `selection` means in the current folder, whatever its `Fata.toml` says.
    pub fn locate(selection: &Selection) -> anyhow::Result<Self> {
        let here = env::current_dir().context("cannot tell the current folder")?;
        let manifest = nearest_manifest(&here)?;
        let metadata = metadata(&manifest)?;
        let package = match &selection.package {
            Some(name) => named(&metadata, name)?,
            None => implied(&metadata, &manifest)?,
        };
        if !depends_on_fata(package) {
            return Err(failure(
                format!(
                    "`{}` is not a unikernel: it does not depend on `fata`",
                    package.name
                ),
                format!(
                    "add `fata` to the dependencies in `{}`, or start anew with `cargo fata new NAME`",
                    package.manifest_path
                ),
            ));
        }
        let folder = package
            .manifest_path
            .parent()
            .ok_or_else(|| anyhow!("`{}` has no folder", package.manifest_path))?;
        Ok(Self {
            name: package.name.to_string(),
            binary: binary(package, selection.bin.as_deref())?,
            folder: folder.into(),
            workspace: metadata.workspace_root.clone().into(),
            target_directory: metadata.target_directory.clone().into(),
            config: Config::default(),
        })
    }

    /// Where everything that the tool makes on the way is kept.
    pub fn work(&self) -> PathBuf {
        self.target_directory.join("fata")
    }

    /// Where the symbols of images are kept.
    pub fn symbols(&self) -> PathBuf {
        symbols_in(&self.target_directory)
    }

    /// Where finished images are put.
    pub fn dist(&self) -> PathBuf {
        self.workspace.join("dist")
    }
}

/// Where below cargo's target directory the symbols of images are kept.
pub fn symbols_in(target_directory: &Path) -> PathBuf {
    target_directory.join("fata/symbols")
}

/// The `Cargo.toml` in `here` or the nearest folder above it.
pub fn nearest_manifest(here: &Path) -> anyhow::Result<PathBuf> {
    here.ancestors()
        .map(|folder| folder.join("Cargo.toml"))
        .find(|manifest| manifest.is_file())
        .ok_or_else(|| {
            failure(
                format!("no `Cargo.toml` in `{}` or above it", here.display()),
                "go to the folder of a unikernel, or make one with `cargo fata new NAME`",
            )
        })
}

/// What cargo knows of the workspace of `manifest`, without its dependencies.
pub fn metadata(manifest: &Path) -> anyhow::Result<Metadata> {
    let mut command = MetadataCommand::new();
    command.manifest_path(manifest).no_deps();
    command.exec().map_err(|error| match error {
        cargo_metadata::Error::CargoMetadata { stderr } => {
            anyhow!("{}", stderr.trim().trim_start_matches("error: "))
        }
        other => anyhow!(other).context("cannot run `cargo metadata`"),
    })
}

fn depends_on_fata(package: &Package) -> bool {
    let mut dependencies = package.dependencies.iter();
    dependencies.any(|dependency| dependency.name == FACADE)
}

fn is_unikernel(package: &Package) -> bool {
    depends_on_fata(package) && package.targets.iter().any(|target| target.is_bin())
}

fn named<'a>(metadata: &'a Metadata, name: &str) -> anyhow::Result<&'a Package> {
    let packages = metadata.workspace_packages();
    packages
        .into_iter()
        .find(|package| package.name.as_str() == name)
        .ok_or_else(|| {
            failure(
                format!("no package `{name}` in this workspace"),
                format!("its unikernels are {}", unikernels(metadata)),
            )
        })
}

fn implied<'a>(metadata: &'a Metadata, manifest: &Path) -> anyhow::Result<&'a Package> {
    let packages = metadata.workspace_packages();
    let canonical = |path: &Path| fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let here = canonical(manifest);
    if let Some(package) = packages
        .iter()
        .find(|package| canonical(package.manifest_path.as_std_path()) == here)
    {
        return Ok(package);
    }
    let mut candidates = packages.iter().filter(|package| is_unikernel(package));
    match (candidates.next(), candidates.next()) {
        (Some(only), None) => Ok(only),
        (None, _) => Err(failure(
            "this workspace has no unikernel",
            "add a package with `cargo fata new NAME`",
        )),
        _ => Err(failure(
            "this workspace has several unikernels",
            format!("choose one with `-p`: {}", unikernels(metadata)),
        )),
    }
}

fn unikernels(metadata: &Metadata) -> String {
    let mut names: Vec<String> = metadata
        .workspace_packages()
        .into_iter()
        .filter(|package| is_unikernel(package))
        .map(|package| format!("`{}`", package.name))
        .collect();
    names.sort();
    match names.len() {
        0 => "none".to_owned(),
        1..=12 => names.join(", "),
        more => format!("{} and {} more", names[..12].join(", "), more - 12),
    }
}

fn binary(package: &Package, wanted: Option<&str>) -> anyhow::Result<String> {
    let names: Vec<&str> = package
        .targets
        .iter()
        .filter(|target| target.is_bin())
        .map(|target| target.name.as_str())
        .collect();
    let listed = || {
        names
            .iter()
            .map(|n| format!("`{n}`"))
            .collect::<Vec<_>>()
            .join(", ")
    };
    match (wanted.or(package.default_run.as_deref()), names.as_slice()) {
        (Some(name), _) if names.contains(&name) => Ok(name.to_owned()),
        (Some(name), _) => Err(failure(
            format!("`{}` has no binary `{name}`", package.name),
            format!("its binaries are: {}", listed()),
        )),
        (None, [only]) => Ok((*only).to_owned()),
        (None, []) => Err(failure(
            format!("`{}` has no binary", package.name),
            "a unikernel is a binary crate: put its `#[fata::main]` into `src/main.rs`",
        )),
        (None, _) => Err(failure(
            format!("`{}` has several binaries", package.name),
            format!("choose one with `--bin`: {}", listed()),
        )),
    }
}
