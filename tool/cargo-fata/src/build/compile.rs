// SPDX-License-Identifier: ISC
//! Runs cargo, shows how far it is, and finds what it made.
//!
//! Cargo speaks on two streams: messages for machines on stdout, which carry the compiler's
//! diagnostics and the finished files, and its own words on stderr. When somebody watches, the
//! words become the text of a progress bar; otherwise they pass through.

use std::{
    collections::BTreeSet,
    io::{BufRead, BufReader, IsTerminal, Read},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use anyhow::{Context, anyhow};
use cargo_metadata::{CargoOpt, Message, MetadataCommand, PackageId};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::recipe::TRIPLE;
use crate::{
    failure::{Said, failure},
    output::{Level, Output},
    project::Project,
};

/// Runs `command`, a `cargo build`, and returns the file of the project's binary.
pub fn compile(project: &Project, mut command: Command, output: Output) -> anyhow::Result<PathBuf> {
    let colours = anstream::AutoStream::choice(&std::io::stderr()) != anstream::ColorChoice::Never
        && (std::io::stderr().is_terminal() || forced());
    command.arg(match colours {
        true => "--message-format=json-diagnostic-rendered-ansi",
        false => "--message-format=json",
    });
    match output.level() {
        Level::Quiet => command.arg("--quiet"),
        Level::Normal => &mut command,
        Level::Verbose => command.arg("--verbose"),
    };
    output.detail("Running", describe(&command));
    let watched = output.watched();
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(if watched {
            Stdio::piped()
        } else {
            Stdio::inherit()
        })
        .spawn()
        .context("cannot run `cargo build`")?;
    let bar = match watched {
        true => progress_bar(project),
        false => ProgressBar::hidden(),
    };
    follow(child, &project.binary, &bar)
}

fn forced() -> bool {
    anstream::ColorChoice::global() == anstream::ColorChoice::Always
}

/// `command` as one line, for people.
pub fn describe(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words: Vec<_> = words.map(|word| word.to_string_lossy()).collect();
    words.join(" ")
}

/// Reads both streams of cargo to their end.
fn follow(mut child: Child, binary: &str, bar: &ProgressBar) -> anyhow::Result<PathBuf> {
    let stdout = child.stdout.take().context("cargo has no stdout")?;
    let words = child.stderr.take().map(|stderr| {
        let bar = bar.clone();
        thread::spawn(move || show_words(stderr, &bar))
    });
    let report = read_messages(stdout, binary, bar);
    if let Some(words) = words {
        let _ = words.join();
    }
    bar.finish_and_clear();
    let status = child.wait().context("cannot wait for cargo")?;
    let report = report.context("cannot read what cargo says")?;
    if !status.success() {
        return Err(match explain(&report.errors) {
            Some(hint) => failure(format!("cannot build `{binary}`"), hint),
            // Cargo has said all there is to say.
            None => anyhow!(Said(status.code().map_or(1, |code| code as u8))),
        });
    }
    report
        .executable
        .ok_or_else(|| anyhow!("cargo made no binary `{binary}`"))
}

/// What a build left.
#[derive(Debug, Default)]
struct Report {
    executable: Option<PathBuf>,
    errors: Vec<String>,
}

fn read_messages(stdout: impl Read, binary: &str, bar: &ProgressBar) -> std::io::Result<Report> {
    let mut report = Report::default();
    let mut done: BTreeSet<PackageId> = BTreeSet::new();
    for message in Message::parse_stream(BufReader::new(stdout)) {
        match message? {
            Message::CompilerMessage(message) => {
                let rendered = message.message.rendered.unwrap_or_default();
                bar.suspend(|| anstream::eprint!("{rendered}"));
                if matches!(
                    message.message.level,
                    cargo_metadata::diagnostic::DiagnosticLevel::Error
                ) {
                    let code = message
                        .message
                        .code
                        .map(|code| code.code)
                        .unwrap_or_default();
                    report.errors.push(format!("{code} {rendered}"));
                }
            }
            Message::CompilerArtifact(artifact) => {
                if artifact.target.is_bin() && artifact.target.name == binary {
                    report.executable = artifact.executable.map(Into::into);
                }
                // A build script is not yet the package that it belongs to.
                if !artifact.target.is_custom_build() && done.insert(artifact.package_id) {
                    bar.set_position(done.len() as u64);
                }
            }
            _ => {}
        }
    }
    Ok(report)
}

/// Cargo's words: those that tell of progress go into the bar, all others are shown.
fn show_words(stderr: impl Read, bar: &ProgressBar) {
    for line in BufReader::new(stderr).lines().map_while(Result::ok) {
        match progress(&line) {
            Some(words) => bar.set_message(words),
            None => bar.suspend(|| anstream::eprintln!("{line}")),
        }
    }
}

/// The words of a line such as `   Compiling fata-abi v0.1.0 (/path)`, without the path.
fn progress(line: &str) -> Option<String> {
    let plain = anstream::adapter::strip_str(line).to_string();
    let padded = plain.starts_with(' ')
        || plain.starts_with("Downloading")
        || plain.starts_with("Downloaded");
    let words = plain.trim_start();
    let verb_end = words.find(' ')?;
    let ends_at_column_12 = plain.len() - words.len() + verb_end == 12;
    let verb = words.starts_with(|c: char| c.is_ascii_uppercase());
    (padded && ends_at_column_12 && verb)
        .then(|| words.split(" (").next().unwrap_or(words).to_owned())
}

fn progress_bar(project: &Project) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(10));
    bar.set_style(style("{spinner} {msg}"));
    bar.set_message("Building");
    bar.enable_steady_tick(Duration::from_millis(120));
    // How many packages there are takes cargo a moment; the build has begun meanwhile.
    let (counted, folder, name) = (bar.clone(), project.folder.clone(), project.name.clone());
    thread::spawn(move || {
        if let Some(packages) = count_packages(&folder, &name) {
            counted.set_length(packages);
            counted.set_style(style("{spinner} [{bar:24}] {pos}/{len} {wide_msg}"));
        }
    });
    bar
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ")
}

/// How many packages the package `name` in `folder` is made of.
fn count_packages(folder: &Path, name: &str) -> Option<u64> {
    let metadata = MetadataCommand::new()
        .manifest_path(folder.join("Cargo.toml"))
        .features(CargoOpt::SomeFeatures(Vec::new()))
        .other_options(["--filter-platform".to_owned(), TRIPLE.to_owned()])
        .env("RUSTFLAGS", "--cfg fata_platform=\"spt\"")
        .exec()
        .ok()?;
    let root = metadata
        .workspace_packages()
        .into_iter()
        .find(|p| p.name.as_str() == name)?;
    let nodes = metadata.resolve.as_ref()?;
    let mut reached = BTreeSet::new();
    let mut open = vec![&root.id];
    while let Some(id) = open.pop() {
        if !reached.insert(id) {
            continue;
        }
        let node = nodes.nodes.iter().find(|node| node.id == *id)?;
        let used = |dependency: &&cargo_metadata::NodeDep| {
            let mut kinds = dependency.dep_kinds.iter();
            kinds.any(|kind| kind.kind != cargo_metadata::DependencyKind::Development)
        };
        open.extend(
            node.deps
                .iter()
                .filter(used)
                .map(|dependency| &dependency.pkg),
        );
    }
    Some(reached.len() as u64)
}

/// What errors that come from sealing, and not from the program's own text, ask for.
fn explain(errors: &[String]) -> Option<String> {
    let text = anstream::adapter::strip_str(&errors.join("\n")).to_string();
    if text.starts_with("E0152") && text.contains("panic_impl") {
        return Some(
            "a dependency uses the standard library, which a sealed image has not; `cargo tree` \
             shows who brings it, and many crates leave it out with `default-features = false`"
                .to_owned(),
        );
    }
    let (_, after) = text.split_once("undefined symbol: ")?;
    let symbol = after.lines().next()?.trim();
    let user = after
        .split_once("referenced by ")
        .and_then(|(_, after)| after.lines().next())
        .map(|user| format!(", asked for by `{}`,", user.trim()))
        .unwrap_or_default();
    Some(format!(
        "`{symbol}`{user} is in no part of the image: a dependency calls the C library; look for \
         its `no_std` mode, or for another crate"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_told_from_errors() {
        let line = "   Compiling fata-abi v0.1.0 (/somewhere/abi)";
        assert_eq!(progress(line).as_deref(), Some("Compiling fata-abi v0.1.0"));
        let coloured = "\x1b[1m\x1b[92m    Blocking\x1b[0m waiting for file lock";
        assert_eq!(
            progress(coloured).as_deref(),
            Some("Blocking waiting for file lock")
        );
        assert_eq!(progress("error: could not compile `dns`"), None);
        assert_eq!(progress("  caused by: this"), None);
        assert_eq!(progress(""), None);
    }

    #[test]
    fn undefined_symbols_are_explained() {
        let error = "rust-lld: error: undefined symbol: getaddrinfo\n\
                     >>> referenced by lib.rs:5\n>>> more";
        let hint = explain(&[error.to_owned()]).unwrap();
        assert!(
            hint.contains("`getaddrinfo`, asked for by `lib.rs:5`"),
            "{hint}"
        );
        assert_eq!(explain(&["E0308 mismatched types".to_owned()]), None);
        assert!(explain(&["E0152 duplicate lang item `panic_impl`".to_owned()]).is_some());
    }
}
