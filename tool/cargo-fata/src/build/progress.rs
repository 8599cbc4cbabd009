// SPDX-License-Identifier: ISC
//! Shows how far a build is, to somebody who watches.

use std::{
    collections::BTreeSet,
    io::{BufRead, BufReader, Read},
    path::Path,
    thread,
    time::Duration,
};

use cargo_metadata::{CargoOpt, MetadataCommand};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::recipe::TRIPLE;
use crate::project::Project;

/// Cargo's words: those that tell of progress go into the bar, all others are shown.
pub fn show_words(stderr: impl Read, bar: &ProgressBar) {
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

/// A bar for a build of `project`, at its beginning.
pub fn bar(project: &Project) -> ProgressBar {
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
}
