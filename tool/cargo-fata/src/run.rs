// SPDX-License-Identifier: ISC
//! `cargo fata run`: builds and starts a unikernel, with devices from `Fata.toml` and flags.
//!
//! The tool is its own tender: it starts itself again in another [`role`], and that process becomes
//! the unikernel. This one only passes the console on, so that it can name the functions of a
//! backtrace, and ends with the unikernel's status. [`debug`] is what else there is to see of it.

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
use fata_abi::{manifest::DeviceKind, note};
use fata_tender_debug::gdb::SYMBOLS;
use rustix::process::Signal;

use crate::{
    build::{self, BuildFlags},
    config::Target,
    devices::{DeviceFlags, Devices},
    failure::failure,
    image::{Elf, lines, linked, platform_name},
    output::{Output, display},
    project::{Project, Selection},
};

pub mod console;
pub mod debug;
pub mod gdb;
pub mod given;
pub mod role;

/// Build the unikernel and start it; networks that are not given become user-mode networks
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    cargo fata run\n  \
    cargo fata run --net service=user,tcp:8080:80 -- --port=80\n  \
    cargo fata run --image dist/hello.spt\n  \
    cargo fata run --gdb")]
pub struct Run {
    #[command(flatten)]
    unikernel: Unikernel,

    #[command(flatten)]
    debug: debug::DebugFlags,
}

/// What is run, and what it is given; for `run` and `trace`.
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
    /// Name of its file.
    pub name: String,
    /// Its devices, by their place in the manifest.
    pub devices: Vec<(String, DeviceKind)>,
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
        let debug = self.debug.prepare()?;
        let mut unikernel = self.unikernel;
        unikernel.build.variables = debug.looks_at_variables();
        let mut start = unikernel.start(&debug.options(), output)?;
        if debug.looks_at_variables()
            && let Some(file) = start.linked.find()
        {
            start.command.env(SYMBOLS, display(&file));
        }
        match debug.port_of_gdb_here() {
            Some(port) => gdb::run(start, port, output),
            None => start.run(std::io::stdout(), output),
        }
    }
}

impl Unikernel {
    /// Builds it, if need be, for a tender with its devices and `options`.
    pub fn start(&self, options: &[OsString], output: Output) -> anyhow::Result<Start> {
        let mut start = match &self.image {
            Some(image) => self.image(image, options, output)?,
            None => self.built(options, output)?,
        };
        start.command.args(&self.arguments);
        Ok(start)
    }

    fn image(&self, image: &Path, options: &[OsString], output: Output) -> anyhow::Result<Start> {
        let mut devices = Devices::default();
        devices.apply(&self.devices);
        let linked = Linked::Of(image.to_owned());
        sealed(image, self.build.target, linked, devices, options, output)
    }

    fn built(&self, options: &[OsString], output: Output) -> anyhow::Result<Start> {
        let project = Project::find(&self.selection)?;
        let target = self.build.target.unwrap_or_else(|| project.config.target());
        let mut devices = project.config.devices(&project.folder);
        devices.apply(&self.devices);
        if target == Target::Unix && !options.is_empty() {
            return Err(failure(
                "a plain process is watched by the tools of the host, not by a tender",
                format!(
                    "use gdb or strace on `{}`, or choose a target with `-t`",
                    display(&project.dist().join(format!("{}.unix", project.binary)))
                ),
            ));
        }
        let built = build::build(&project, &self.build, None, output)?;
        let start = match target {
            Target::Unix => plain(&built.file, &devices)?,
            Target::Spt | Target::Hvt => {
                let linked = Linked::In(built.symbols);
                sealed(&built.file, None, linked, devices, options, output)?
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
    options: &[OsString],
    output: Output,
) -> anyhow::Result<Start> {
    let data = fs::read(image).with_context(|| format!("cannot read `{}`", image.display()))?;
    let elf = Elf::parse(&data).with_context(|| format!("cannot run `{}`", image.display()))?;
    let target = target(&elf, image, wanted)?;
    let manifest = elf.manifest()?;
    given::attach_all(&manifest, &mut devices, output)?;
    let mut command = role::tender(target)?;
    command.args(devices.options()).args(options);
    command.arg("--").arg(image);
    let devices = manifest.devices();
    let devices = devices.map(|(_, device)| (device.name.to_owned(), device.kind));
    Ok(Start {
        command,
        linked,
        name: file_name(image),
        devices: devices.collect(),
    })
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
        name: file_name(program),
        devices: Vec::new(),
    })
}

fn file_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
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
