// SPDX-License-Identifier: ISC
//! `cargo fata run`: builds and starts a unikernel, with devices from `Fata.toml` and flags.
//!
//! The tool is its own tender: it starts itself again under the name [`TENDER`], and that process
//! becomes the unikernel. This one only passes the console on, so that it can name the functions
//! of a panic's backtrace, and ends with the unikernel's status.

use std::{
    ffi::OsString,
    fs,
    os::unix::process::{CommandExt, ExitStatusExt},
    path::{Path, PathBuf},
    process::{Child, Command, ExitCode, ExitStatus, Stdio},
};

use anyhow::Context;
use clap::Args;
use fata_abi::manifest::DeviceKind;
use rustix::process::{Signal, set_parent_process_death_signal};

use crate::{
    build::{self, BuildFlags},
    config::Target,
    devices::{DeviceFlags, Devices},
    failure::failure,
    image::{Elf, lines::Lines, symbols::Symbols},
    output::{Output, display},
    project::{Project, Selection},
};

pub mod console;

/// First word of a command line that makes the tool a tender.
pub const TENDER: &str = "__tender";

/// Build the unikernel and start it; networks that are not given become user-mode networks
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    cargo fata run\n  \
    cargo fata run --net service=user,tcp:8080:80 -- --port=80\n  \
    cargo fata run --image dist/hello.spt")]
pub struct Run {
    /// Start this image instead of building one
    #[arg(long, value_name = "FILE", conflicts_with_all = ["package", "bin", "target", "optimize", "debug"])]
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

/// First word of a command line that makes the tool an ordinary program.
pub const PROGRAM: &str = "__program";

/// Something to start.
struct Start {
    command: Command,
    symbols: Option<PathBuf>,
}

/// Becomes the tender that `args` are for.
pub fn become_tender(args: Vec<OsString>) -> ExitCode {
    end_with_parent();
    fata_spt::main(args)
}

/// Becomes the program that `args` begin with.
pub fn become_program(args: Vec<OsString>) -> ExitCode {
    end_with_parent();
    let mut args = args.into_iter();
    let program = args.next().unwrap_or_default();
    let error = Command::new(&program).args(args).exec();
    eprintln!("error: cannot start `{}`: {error}", program.display());
    ExitCode::FAILURE
}

/// A unikernel must not outlive the tool, however that ends. A failure means only that it may.
fn end_with_parent() {
    let _ = set_parent_process_death_signal(Some(Signal::KILL));
}

impl Run {
    /// Builds and runs; the status is the unikernel's.
    pub fn run(mut self, output: Output) -> anyhow::Result<ExitCode> {
        if let Some(image) = self.image.take() {
            let mut devices = Devices::default();
            devices.apply(&self.devices);
            return self.start(sealed(&image, None, devices, output)?, output);
        }
        let project = Project::find(&self.selection)?;
        let target = self.build.target.unwrap_or_else(|| project.config.target());
        let mut devices = project.config.devices(&project.folder);
        devices.apply(&self.devices);
        let built = build::build(&project, &self.build, None, output)?;
        let start = match target {
            Target::Unix => plain(&built.file, &devices)?,
            Target::Spt | Target::Hvt => sealed(&built.file, Some(built.symbols), devices, output)?,
        };
        if let Some(attempt) = &project.config.r#try {
            output.status("Try", attempt);
        }
        self.start(start, output)
    }

    fn start(&self, start: Start, output: Output) -> anyhow::Result<ExitCode> {
        let Start {
            mut command,
            symbols,
        } = start;
        command.args(&self.arguments);
        output.detail("Running", build::compile::describe(&command));
        let child = command.stdout(Stdio::piped()).spawn();
        let mut child = child.with_context(|| {
            format!("cannot start `{}`", display(command.get_program().as_ref()))
        })?;
        let passed = pass_on(&mut child, symbols.as_deref());
        let status = child.wait().context("cannot wait for the unikernel")?;
        passed?;
        Ok(ended(status, output))
    }
}

/// A sealed image under the tender in this program.
fn sealed(
    image: &Path,
    symbols: Option<PathBuf>,
    mut devices: Devices,
    output: Output,
) -> anyhow::Result<Start> {
    let data = fs::read(image).with_context(|| format!("cannot read `{}`", image.display()))?;
    let elf = Elf::parse(&data).with_context(|| format!("cannot run `{}`", image.display()))?;
    attach_all(&elf, &mut devices, output)?;
    let mut command = itself(TENDER)?;
    command.args(devices.options()).arg("--").arg(image);
    Ok(Start { command, symbols })
}

/// An ordinary process, which is its own tender.
fn plain(program: &Path, devices: &Devices) -> anyhow::Result<Start> {
    let mut command = itself(PROGRAM)?;
    command.arg(program).args(devices.options()).arg("--");
    Ok(Start {
        command,
        symbols: None,
    })
}

/// This program again, to become what `role` says.
fn itself(role: &str) -> anyhow::Result<Command> {
    let tool = std::env::current_exe().context("cannot tell where the tool is")?;
    let mut command = Command::new(tool);
    command.arg(role);
    Ok(command)
}

/// Gives a user-mode network to every network device without one, and names disks that lack a file.
fn attach_all(elf: &Elf<'_>, devices: &mut Devices, output: Output) -> anyhow::Result<()> {
    let manifest = elf.manifest()?;
    let named = |kind: DeviceKind| -> Vec<&str> {
        let devices = manifest
            .devices()
            .filter(move |(_, device)| device.kind == kind);
        devices.map(|(_, device)| device.name).collect()
    };
    let (nets, blocks) = (named(DeviceKind::Net), named(DeviceKind::Block));
    unknown(
        "net",
        devices.net.keys().chain(devices.net_mac.keys()),
        &nets,
    )?;
    unknown(
        "block",
        devices.block.keys().chain(devices.block_sector_size.keys()),
        &blocks,
    )?;
    for name in nets {
        if !devices.net.contains_key(name) {
            output.detail("Network", format_args!("`{name}` is a user-mode network"));
            devices.net.insert(name.to_owned(), "user".to_owned());
        }
    }
    for name in blocks {
        if !devices.block.contains_key(name) {
            return Err(failure(
                format!("no file is given for the disk `{name}`"),
                format!(
                    "make one with `truncate -s 16M disk.img` and add `--block {name}=disk.img`, \
                     or remember it with `cargo fata configure --block {name}=disk.img`"
                ),
            ));
        }
    }
    Ok(())
}

fn unknown<'a>(
    kind: &str,
    mut given: impl Iterator<Item = &'a String>,
    known: &[&str],
) -> anyhow::Result<()> {
    let Some(name) = given.find(|name| !known.contains(&name.as_str())) else {
        return Ok(());
    };
    let list = match known {
        [] => "it has none".to_owned(),
        some => format!("it has: `{}`", some.join("`, `")),
    };
    Err(failure(
        format!("the image has no {kind} device `{name}`; {list}"),
        format!("if `Fata.toml` says so, `cargo fata configure --unset {kind}.{name}` removes it"),
    ))
}

/// Passes the console on until the unikernel has ended.
fn pass_on(child: &mut Child, symbols: Option<&Path>) -> anyhow::Result<()> {
    let console = child
        .stdout
        .take()
        .context("the unikernel has no console")?;
    let names = |addresses: &[u64]| {
        let file = symbols.and_then(|path| fs::read(path).ok());
        let elf = file.as_deref().and_then(|file| Elf::parse(file).ok());
        let symbols = elf.as_ref().and_then(|elf| Symbols::read(elf).ok());
        let symbols = symbols.unwrap_or_default();
        let lines = elf.as_ref().and_then(Lines::read);
        // A return address is that of the instruction after the call.
        let calls = addresses.iter().map(|address| address.wrapping_sub(1));
        let place = |address| {
            let mut name = symbols.function(address)?;
            if let Some(line) = lines.as_ref().and_then(|lines| lines.at(address)) {
                name.push_str(&format!(" at {line}"));
            }
            Some(name)
        };
        calls.map(place).collect()
    };
    console::pass_on(console, std::io::stdout().lock(), names).context("cannot write to stdout")
}

/// The status for what became of the unikernel.
fn ended(status: ExitStatus, output: Output) -> ExitCode {
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
