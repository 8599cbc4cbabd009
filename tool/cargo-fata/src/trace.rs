// SPDX-License-Identifier: ISC
//! `cargo fata trace`: what a unikernel asked of its tender or of the host, and how long that took.
//!
//! The tender writes a line for each call; [`record`] reads them. They are printed by [`text`] with
//! [`summary`] below, or go to a file for [`chrome`]'s viewers.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, BufWriter, ErrorKind, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context;
use clap::Args;

use crate::{
    interrupt,
    output::{Output, display},
    run::Unikernel,
};

pub mod calls;
pub mod chrome;
pub mod record;
pub mod summary;
pub mod text;

use calls::Devices;
use record::Record;
use summary::Summary;

/// Run the unikernel and print what it asked of its host: every call, and what they add up to
#[derive(Debug, Args)]
#[command(
    after_help = "The unikernel's console goes to stderr, so that stdout is the trace alone. Ctrl-C ends \
        the unikernel,\nand what was traced until then is printed.\n\n\
        Examples:\n  \
        cargo fata trace\n  \
        cargo fata trace --summary -- --port=53\n  \
        cargo fata trace --chrome trace.json"
)]
pub struct Trace {
    /// Put the calls in this file, which Perfetto and `chrome://tracing` open, instead of printing
    /// them
    #[arg(long, value_name = "FILE")]
    chrome: Option<PathBuf>,

    /// Print only what the calls add up to
    #[arg(long)]
    summary: bool,

    #[command(flatten)]
    unikernel: Unikernel,
}

impl Trace {
    /// Runs the unikernel and prints its trace; the status is the unikernel's.
    pub fn run(self, output: Output) -> anyhow::Result<ExitCode> {
        // Whether it can be written is better known before than after.
        let chrome = match &self.chrome {
            Some(path) => Some(create(path)?),
            None => None,
        };
        let lines = tempfile::Builder::new().prefix("fata-trace-").tempfile();
        let lines = lines.context("cannot make a file for the trace")?;
        let mut option = std::ffi::OsString::from("--trace=");
        option.push(lines.path());
        let start = self.unikernel.start(&[option], output)?;
        let (name, devices) = (start.name.clone(), start.devices.clone());
        interrupt::leave_to_others()?;
        let code = start.run(io::stderr(), output)?;
        let printed = print(
            BufReader::new(lines.reopen().context("cannot read the trace")?),
            BufWriter::new(io::stdout().lock()),
            &devices,
            chrome.map(|file| chrome::Writer::new(BufWriter::new(file), &name)),
            !self.summary,
        );
        match printed {
            // Who reads stdout has seen enough.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {}
            other => other.context("cannot print the trace")?,
        }
        if let Some(path) = &self.chrome {
            let place = display(path);
            output.status(
                "Trace",
                format_args!("in {place}: open it with https://ui.perfetto.dev"),
            );
        }
        Ok(code)
    }
}

fn create(path: &Path) -> anyhow::Result<File> {
    File::create(path).with_context(|| format!("cannot write `{}`", path.display()))
}

/// Prints the calls in `lines`, where they are wanted and go to no file, and their sum.
pub fn print(
    lines: impl BufRead,
    mut to: impl Write,
    devices: &Devices,
    chrome: Option<io::Result<chrome::Writer<impl Write>>>,
    calls: bool,
) -> io::Result<()> {
    let mut chrome = chrome.transpose()?;
    let mut summary = Summary::default();
    let mut unread = 0u64;
    if calls && chrome.is_none() {
        text::heading(&mut to)?;
    }
    for line in lines.split(b'\n') {
        let line = line?;
        let line = String::from_utf8_lossy(&line);
        let Some(record) = Record::parse(&line) else {
            unread += u64::from(!line.trim().is_empty());
            continue;
        };
        summary.add(&record);
        match &mut chrome {
            Some(chrome) => chrome.add(&record, devices)?,
            None if calls => text::call(&mut to, &record, devices, summary.begin())?,
            None => {}
        }
    }
    if let Some(chrome) = chrome {
        chrome.finish()?;
    }
    if calls && !summary.is_empty() {
        writeln!(to)?;
    }
    summary.print(&mut to)?;
    if unread > 0 {
        writeln!(to, "lines of the trace that were not understood: {unread}")?;
    }
    to.flush()
}

#[cfg(test)]
mod tests;
