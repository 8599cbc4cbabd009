// SPDX-License-Identifier: ISC
//! `cargo fata build`: from a package to `dist/NAME.TARGET`, one sealed file.
//!
//! [`recipe`] says how rustc and its linker are to be called, [`compile`] calls cargo, [`explain`]
//! what goes wrong in sealing; the rest, which is here, turns the linked file into an image.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Instant,
};

use anyhow::Context;
use clap::Args;

use crate::{
    config::{Optimize, Target},
    image::{Elf, check, strip},
    output::{Output, bytes, display},
    project::{Project, Selection},
};

pub mod compile;
pub mod explain;
pub mod progress;
pub mod recipe;
pub mod toolchain;

/// Build the image: one file that holds program, drivers, protocols and configuration
#[derive(Debug, Args)]
pub struct Build {
    #[command(flatten)]
    selection: Selection,

    #[command(flatten)]
    flags: BuildFlags,

    /// Where to put the image [default: dist/NAME.TARGET in the workspace]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// How to build, for `build` and `run`.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Build")]
pub struct BuildFlags {
    /// Where the unikernel is to live [default: what `Fata.toml` says, else spt]
    #[arg(short, long)]
    pub target: Option<Target>,

    /// What the compiler aims at [default: what `Fata.toml` says, else size]
    #[arg(long, value_name = "AIM")]
    pub optimize: Option<Optimize>,

    /// Keep symbols and line numbers in the image, for a debugger
    #[arg(long)]
    pub debug: bool,

    /// Record variables too, for a debugger; not in the image.
    #[arg(skip)]
    pub variables: bool,

    /// Features of the package to activate
    #[arg(short = 'F', long, value_name = "FEATURES")]
    pub features: Vec<String>,

    /// Do not activate the package's default features
    #[arg(long)]
    pub no_default_features: bool,

    /// Refuse to change `Cargo.lock`
    #[arg(long)]
    pub locked: bool,

    /// Do without the network
    #[arg(long)]
    pub offline: bool,
}

/// What a build leaves.
#[derive(Debug)]
pub struct Built {
    /// The image, or the plain program.
    pub file: PathBuf,
    /// The same with its symbols.
    pub symbols: PathBuf,
}

impl Build {
    /// Builds.
    pub fn run(self, output: Output) -> anyhow::Result<()> {
        let project = Project::find(&self.selection)?;
        build(&project, &self.flags, self.output.as_deref(), output)?;
        Ok(())
    }
}

/// Builds `project` and says so.
pub fn build(
    project: &Project,
    flags: &BuildFlags,
    to: Option<&Path>,
    output: Output,
) -> anyhow::Result<Built> {
    let started = Instant::now();
    let target = flags.target.unwrap_or_else(|| project.config.target());
    let linked = match target {
        Target::Unix => compile::compile(project, recipe::unix(project, flags), output)?,
        Target::Spt | Target::Hvt => {
            toolchain::check(&project.folder)?;
            compile::compile(project, recipe::sealed(project, target, flags)?, output)?
        }
    };
    let name = format!("{}.{}", project.binary, target.name());
    let file = to.map_or_else(|| project.dist().join(&name), Path::to_owned);
    let built = match target {
        Target::Unix => {
            copy(&linked, &file)?;
            Built {
                symbols: linked,
                file,
            }
        }
        Target::Spt | Target::Hvt => seal(project, &linked, file, &name, flags.debug)?,
    };
    let size = fs::metadata(&built.file).map_or(0, |metadata| metadata.len());
    let (path, seconds) = (display(&built.file), started.elapsed().as_secs_f32());
    output.status(
        "Built",
        format_args!("{path} ({}) in {seconds:.1} s", bytes(size)),
    );
    Ok(built)
}

/// Makes the linked file an image, and keeps its symbols aside.
fn seal(
    project: &Project,
    linked: &Path,
    file: PathBuf,
    name: &str,
    debug: bool,
) -> anyhow::Result<Built> {
    let data = fs::read(linked).with_context(|| format!("cannot read `{}`", linked.display()))?;
    let elf = Elf::parse(&data).with_context(|| format!("cannot use `{}`", linked.display()))?;
    check::self_contained(&elf, name)?;
    let symbols = project.symbols().join(format!("{name}.debug"));
    write(&symbols, &data)?;
    match debug {
        true => write(&file, &data)?,
        false => write(&file, &strip::strip(&data)?)?,
    }
    Ok(Built { file, symbols })
}

/// Writes a file so that nobody ever sees half of it.
fn write(path: &Path, data: &[u8]) -> anyhow::Result<()> {
    let folder = path.parent().unwrap_or(Path::new(""));
    let draft = path.with_added_extension(format!("{}.tmp", std::process::id()));
    fs::create_dir_all(folder)
        .and_then(|()| fs::write(&draft, data))
        .and_then(|()| fs::rename(&draft, path))
        .with_context(|| format!("cannot write `{}`", path.display()))
}

fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    let folder = to.parent().unwrap_or(Path::new(""));
    // A program that runs cannot be written to; a new file in its place can be.
    let draft = to.with_added_extension(format!("{}.tmp", std::process::id()));
    fs::create_dir_all(folder)
        .and_then(|()| fs::copy(from, &draft))
        .and_then(|_| fs::rename(&draft, to))
        .with_context(|| format!("cannot write `{}`", to.display()))
}
