// SPDX-License-Identifier: ISC
//! How much of a tender there is to trust: its lines of code, and the system calls that it is left.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

use super::{lines, table::Row};

/// The sources of `fata-hvt` that are of this repository.
const SOURCES: [&str; 2] = ["tender/core/src", "tender/hvt/src"];
/// The test of `fata-hvt` that counts the calls in its rules, and how it says so.
const COUNTS: &str = "filter::tests::fewer_calls_than_solo5_allows_without_looking_at_arguments";
const SAID: &str = "all threads: ";

/// All of its lines are fewer.
const PROMISED: usize = 4_000;

pub(super) fn measure() -> Result<Vec<Row>> {
    let mut counts = Vec::new();
    for folder in SOURCES {
        let mut files = lines::below(Path::new(folder))?;
        files.sort();
        for (file, lines) in &files {
            eprintln!("{lines:5}  {}", file.display());
        }
        counts.push((folder, sum(&files)));
    }
    let all: usize = counts.iter().map(|(_, lines)| lines).sum();
    let each: Vec<String> = counts
        .iter()
        .map(|(folder, lines)| format!("{folder} {lines}"))
        .collect();
    Ok(vec![
        Row::new(
            "lines of code of the hvt tender",
            format!("{all} ({})", each.join(", ")),
            &format!("< {PROMISED}"),
        ),
        Row::new(
            "system calls that the filters of fata-hvt allow",
            calls()?,
            "<= 18, as solo5-hvt's",
        ),
    ])
}

fn sum(files: &[(PathBuf, usize)]) -> usize {
    files.iter().map(|(_, lines)| lines).sum()
}

/// All in all, with every kind of device.
fn calls() -> Result<String> {
    let mut cargo = Command::new("cargo");
    cargo.args(["test", "--quiet", "-p", "fata-hvt", "--lib", "--"]);
    let output = cargo.args(["--exact", "--nocapture", COUNTS]).output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        bail!("the test {COUNTS} of fata-hvt fails");
    }
    let line = said.lines().find_map(|line| line.strip_prefix(SAID));
    let (count, _) = line
        .and_then(|line| line.split_once(':'))
        .with_context(|| format!("the test {COUNTS} of fata-hvt does not say `{SAID}`"))?;
    Ok(count.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tender_is_as_small_as_promised() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let files = SOURCES.map(|folder| lines::below(&root.join(folder)).unwrap());
        let counts = files.map(|files| sum(&files));
        assert!(counts.iter().all(|&lines| lines > 0), "{counts:?}");
        assert!(counts.iter().sum::<usize>() < PROMISED, "{counts:?}");
    }
}
