// SPDX-License-Identifier: ISC
//! Runs cargo and finds what it made.
//!
//! Cargo speaks on two streams: messages for machines on stdout, which carry the compiler's
//! diagnostics and the finished files, and its own words on stderr. When somebody watches, the
//! words go to [`progress`]; otherwise they pass through.

use std::{
    collections::BTreeSet,
    io::BufReader,
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    thread,
};

use anyhow::{Context, anyhow};
use cargo_metadata::{Message, PackageId, diagnostic::DiagnosticLevel};
use indicatif::ProgressBar;

use super::{explain, progress};
use crate::{
    failure::Said,
    output::{Level, Output},
    project::Project,
};

/// Runs `command`, a `cargo build`, and returns the file of the project's binary.
pub fn compile(project: &Project, mut command: Command, output: Output) -> anyhow::Result<PathBuf> {
    // Cargo and the compiler write to pipes here, so they are told what stderr can show.
    let plain = anstream::AutoStream::choice(&std::io::stderr()) == anstream::ColorChoice::Never;
    let (messages, colour) = match plain {
        true => ("--message-format=json", "never"),
        false => ("--message-format=json-diagnostic-rendered-ansi", "always"),
    };
    command.arg(messages).env("CARGO_TERM_COLOR", colour);
    match output.level() {
        Level::Quiet => command.arg("--quiet"),
        Level::Normal => &mut command,
        Level::Verbose => command.arg("--verbose"),
    };
    output.detail("Running", describe(&command));
    let watched = output.watched();
    let words = if watched {
        Stdio::piped()
    } else {
        Stdio::inherit()
    };
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(words)
        .spawn()
        .context("cannot run `cargo build`")?;
    let bar = match watched {
        true => progress::bar(project),
        false => ProgressBar::hidden(),
    };
    let report = follow(&mut child, project, &bar, output);
    let status = child.wait().context("cannot wait for cargo")?;
    finish(&project.binary, report?, status)
}

/// Reads both streams of cargo to their end.
fn follow(
    child: &mut Child,
    project: &Project,
    bar: &ProgressBar,
    output: Output,
) -> anyhow::Result<Report> {
    let stdout = child.stdout.take().context("cargo has no stdout")?;
    let words = child.stderr.take().map(|stderr| {
        let bar = bar.clone();
        thread::spawn(move || progress::show_words(stderr, &bar))
    });
    let mut report = Report::default();
    let mut failed = None;
    for message in Message::parse_stream(BufReader::new(stdout)) {
        match message {
            Ok(message) => report.take(message, &project.binary, bar, output),
            Err(error) => failed = Some(error),
        }
    }
    if let Some(words) = words {
        let _ = words.join();
    }
    bar.finish_and_clear();
    match failed {
        Some(error) => Err(error).context("cannot read what cargo says"),
        None => Ok(report),
    }
}

fn finish(binary: &str, report: Report, status: ExitStatus) -> anyhow::Result<PathBuf> {
    if !status.success() {
        // Where there is nothing to explain, cargo has said all there is to say.
        let said = anyhow!(Said(status.code().map_or(1, |code| code as u8)));
        return Err(explain::explain(binary, &report.errors).unwrap_or(said));
    }
    let executable = report.executable;
    executable.ok_or_else(|| anyhow!("cargo made no binary `{binary}`"))
}

/// `command` as one line, for people.
pub fn describe(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words: Vec<_> = words.map(|word| word.to_string_lossy()).collect();
    words.join(" ")
}

/// What a build left.
#[derive(Debug, Default)]
struct Report {
    executable: Option<PathBuf>,
    errors: Vec<String>,
    done: BTreeSet<PackageId>,
}

impl Report {
    fn take(&mut self, message: Message, binary: &str, bar: &ProgressBar, output: Output) {
        match message {
            Message::CompilerMessage(message) => {
                let rendered = message.message.rendered.unwrap_or_default();
                // The linker's pages are put in a line of our own, unless they are wanted.
                if !explain::is_about_symbols(&rendered) || output.level() == Level::Verbose {
                    bar.suspend(|| anstream::eprint!("{rendered}"));
                }
                if matches!(message.message.level, DiagnosticLevel::Error) {
                    self.errors.push(rendered);
                }
            }
            Message::CompilerArtifact(artifact) => {
                if artifact.target.is_bin() && artifact.target.name == binary {
                    self.executable = artifact.executable.map(Into::into);
                }
                // A build script is not yet the package that it belongs to.
                if !artifact.target.is_custom_build() && self.done.insert(artifact.package_id) {
                    bar.set_position(self.done.len() as u64);
                }
            }
            _ => {}
        }
    }
}
