// SPDX-License-Identifier: ISC
//! `cargo fata run`: builds and starts a unikernel, with devices from `Fata.toml` and flags.
//!
//! The tool is its own tender: it starts itself again in another [`role`], and that process becomes
//! the unikernel. This one only passes the console on, so that it can name the functions of a
//! backtrace, and ends with the unikernel's status.

use std::{
    ffi::OsString,
    fs,
    io::{Read, Write},
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{Command, ExitCode, ExitStatus, Stdio},
};

use anyhow::Context;
use clap::Args;
use fata_abi::note;
use rustix::process::Signal;

use crate::{
    build::{self, BuildFlags},
    config::Target,
    devices::{DeviceFlags, Devices},
    failure::failure,
    image::{Elf, lines, linked, platform_name},
    output::Output,
    project::{Project, Selection},
};

pub mod console;
pub mod given;
pub mod role;

/// Build the unikernel and start it; networks that are not given become user-mode networks
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    cargo fata run\n  \
    cargo fata run --net service=user,tcp:8080:80 -- --port=80\n  \
    cargo fata run --image dist/hello.spt")]
pub struct Run {
    #[command(flatten)]
    unikernel: Unikernel,
}

/// What is run, and what it is given.
#[derive(Args, Clone, Debug)]
pub struct Unikernel {
    /// Start this image instead of building one
    #[arg(long, value_name = "FILE", conflicts_with_all = ["package", "bin", "optimize", "debug"])]
    image: Option<PathBuf>,

    /// Boot arguments for the unikernel
    #[arg(last = true, value_name = "BOOT ARGUMENTS")]
    arguments: Vec<OsString>,

    #[command(flatten)]
    selection: Selection,

    #[command(flatten)]
    devices: DeviceFlags,

    #[command(flatten)]
    build: BuildFlags,
}

/// Something to start.
#[derive(Debug)]
pub struct Start {
    /// The command that becomes it.
    pub command: Command,
    /// Its symbols.
    pub linked: Linked,
}

/// Where the symbols of what runs are; looked for when they are wanted.
#[derive(Clone, Debug)]
pub enum Linked {
    /// Nowhere: a process reports with its own.
    Nowhere,
    /// In this file.
    In(PathBuf),
    /// Where those of this image are kept.
    Of(PathBuf),
}

impl Run {
    /// Builds and runs; the status is the unikernel's.
    pub fn run(self, output: Output) -> anyhow::Result<ExitCode> {
        self.unikernel.start(output)?.run(std::io::stdout(), output)
    }
}

impl Unikernel {
    /// Builds it, if need be, for a tender with its devices.
    pub fn start(&self, output: Output) -> anyhow::Result<Start> {
        let mut start = match &self.image {
            Some(image) => self.image(image, output)?,
            None => self.built(output)?,
        };
        start.command.args(&self.arguments);
        Ok(start)
    }

    fn image(&self, image: &Path, output: Output) -> anyhow::Result<Start> {
        let mut devices = Devices::default();
        devices.apply(&self.devices);
        let linked = Linked::Of(image.to_owned());
        sealed(image, self.build.target, linked, devices, output)
    }

    fn built(&self, output: Output) -> anyhow::Result<Start> {
        let project = Project::find(&self.selection)?;
        let target = self.build.target.unwrap_or_else(|| project.config.target());
        let mut devices = project.config.devices(&project.folder);
        devices.apply(&self.devices);
        let built = build::build(&project, &self.build, None, output)?;
        let start = match target {
            Target::Unix => plain(&built.file, &devices)?,
            Target::Spt | Target::Hvt => {
                let linked = Linked::In(built.symbols);
                sealed(&built.file, None, linked, devices, output)?
            }
        };
        if let Some(attempt) = &project.config.r#try {
            output.status("Try", attempt);
        }
        Ok(start)
    }
}

/// A sealed image under the tender in this program that it is for.
fn sealed(
    image: &Path,
    wanted: Option<Target>,
    linked: Linked,
    mut devices: Devices,
    output: Output,
) -> anyhow::Result<Start> {
    let data = fs::read(image).with_context(|| format!("cannot read `{}`", image.display()))?;
    let elf = Elf::parse(&data).with_context(|| format!("cannot run `{}`", image.display()))?;
    let target = target(&elf, image, wanted)?;
    let manifest = elf.manifest()?;
    given::attach_all(&manifest, &mut devices, output)?;
    let mut command = role::tender(target)?;
    command.args(devices.options());
    command.arg("--").arg(image);
    Ok(Start { command, linked })
}

/// The target that the image's note names, which is `wanted` if one is.
fn target(elf: &Elf<'_>, image: &Path, wanted: Option<Target>) -> anyhow::Result<Target> {
    let (number, _) = elf
        .abi()
        .with_context(|| format!("cannot run `{}`", image.display()))?;
    let (image, made_for) = (image.display(), platform_name(number));
    let target = match number {
        _ if number == note::Target::Spt as u32 => Target::Spt,
        _ if number == note::Target::Hvt as u32 => Target::Hvt,
        _ => {
            return Err(failure(
                format!("`{image}` is an image for {made_for}, which this tool cannot start"),
                "it starts images for spt and hvt",
            ));
        }
    };
    match wanted {
        Some(wanted) if wanted != target => Err(failure(
            format!(
                "`{image}` is an image for {made_for}, not for {}",
                wanted.name()
            ),
            "leave `--target` out: an image says itself what it is for",
        )),
        _ => Ok(target),
    }
}

/// An ordinary process, which is its own tender.
fn plain(program: &Path, devices: &Devices) -> anyhow::Result<Start> {
    let mut command = role::program()?;
    command.arg(program).args(devices.options()).arg("--");
    Ok(Start {
        command,
        linked: Linked::Nowhere,
    })
}

impl Start {
    /// Runs it to its end, its console on `console`.
    pub fn run(mut self, console: impl Write, output: Output) -> anyhow::Result<ExitCode> {
        output.detail("Running", build::compile::describe(&self.command));
        let child = self.command.stdout(Stdio::piped()).spawn();
        let mut child = child.context("cannot start the tender")?;
        let from = child
            .stdout
            .take()
            .context("the unikernel has no console")?;
        let passed = pass_on(from, console, &self.linked);
        let status = child.wait().context("cannot wait for the unikernel")?;
        passed?;
        Ok(ended(status, output))
    }
}

impl Linked {
    /// The file with the symbols, if there is one.
    pub fn find(&self) -> Option<PathBuf> {
        match self {
            Self::Nowhere => None,
            Self::In(file) => Some(file.clone()),
            Self::Of(image) => linked::find(image),
        }
    }
}

/// Passes the console on until the unikernel has ended.
pub fn pass_on(from: impl Read, to: impl Write, linked: &Linked) -> anyhow::Result<()> {
    let names = |addresses: &[u64]| {
        let file = linked.find().and_then(|path| fs::read(path).ok());
        lines::name(&file.unwrap_or_default(), addresses)
    };
    console::pass_on(from, to, names).context("cannot write to stdout")
}

/// The status for what became of the unikernel.
pub fn ended(status: ExitStatus, output: Output) -> ExitCode {
    if let Some(code) = status.code() {
        return ExitCode::from(code as u8);
    }
    let signal = status.signal().unwrap_or(0);
    let meaning = match Signal::from_named_raw(signal) {
        Some(Signal::SYS) => "it made a system call that its sandbox forbids (SIGSYS)",
        Some(Signal::SEGV) => "it touched memory that it has no right to (SIGSEGV)",
        Some(Signal::ILL) => "it met an instruction that does not exist (SIGILL)",
        Some(Signal::INT | Signal::TERM | Signal::HUP) => "",
        _ => "a signal",
    };
    match meaning {
        "" => {}
        "a signal" => output.warning(format_args!("the unikernel was ended by signal {signal}")),
        meaning => output.warning(format_args!("the unikernel was stopped: {meaning}")),
    }
    // As a shell says it.
    ExitCode::from(128u8.wrapping_add(signal as u8))
}
