// SPDX-License-Identifier: ISC
//! `cargo xtask test`: everything that this machine can run.
//!
//! Three parts, counted together: the tests of all crates (`cargo test`), the matrix of unikernels
//! by platform (`tests/harness`), and a short run of every fuzz target. A test that cannot run here
//! prints `SKIP name: reason`; nothing is left out silently.

use std::{process::Command, time::Duration};

use anyhow::{Result, bail};
use fata_test_harness::matrix;

use crate::{fuzz, prerequisites, process};

/// How `cargo xtask test` behaves.
pub(crate) struct Options {
    /// Install missing programs where that needs no question.
    pub(crate) install: bool,
    /// Count a skip as a failure, except where only a stock Solo5 is missing.
    pub(crate) no_skips: bool,
}

impl Options {
    pub(crate) fn parse(arguments: &[String]) -> Result<Self> {
        let mut options = Self {
            install: true,
            no_skips: false,
        };
        for argument in arguments {
            match argument.as_str() {
                "--no-install" => options.install = false,
                "--no-skips" => options.no_skips = true,
                other => bail!("`cargo xtask test` has no option `{other}`"),
            }
        }
        Ok(options)
    }
}

/// What happened, over all parts.
#[derive(Default)]
struct Tally {
    passed: usize,
    failed: usize,
    skipped: Vec<String>,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    prerequisites::ensure(prerequisites::FOR_TESTS, options.install)?;
    let mut tally = Tally::default();

    heading("tests of the crates");
    crate_tests(&mut tally)?;

    heading("unikernels by platform");
    let summary = matrix::run(&matrix::Options::default())?;
    tally.passed += summary.passed;
    tally.failed += summary.failed;
    tally.skipped.extend(summary.skipped);

    heading("fuzz targets, briefly");
    tally.passed += fuzz::run_all(Duration::from_secs(5))?;

    finish(&tally, options.no_skips)
}

fn crate_tests(tally: &mut Tally) -> Result<()> {
    let mut command = Command::new("cargo");
    command.args([
        "test",
        "--workspace",
        "--no-fail-fast",
        "--",
        "--show-output",
    ]);
    let succeeded = process::lines(&mut command, |line| {
        if let Some(skip) = line.strip_prefix("SKIP ") {
            tally.skipped.push(skip.to_owned());
        }
        if let Some((passed, failed)) = test_result(line) {
            tally.passed += passed;
            tally.failed += failed;
        }
        if worth_printing(line) {
            println!("{line}");
        }
    })?;
    if !succeeded && tally.failed == 0 {
        bail!("`cargo test` failed before its tests ran");
    }
    Ok(())
}

/// Whole output would bury the summary: failures, skips and results are kept.
fn worth_printing(line: &str) -> bool {
    !(line.is_empty()
        || line.starts_with("running 0 tests")
        || line.starts_with("test result: ok. 0 passed")
        || (line.starts_with("test ") && line.ends_with("... ok")))
}

/// Reads `test result: ok. 3 passed; 0 failed; ...`.
fn test_result(line: &str) -> Option<(usize, usize)> {
    let rest = line.strip_prefix("test result: ")?;
    let number = |unit: &str| {
        let before = rest.split_once(unit)?.0;
        before.rsplit(' ').next()?.parse().ok()
    };
    Some((number(" passed")?, number(" failed")?))
}

fn finish(tally: &Tally, no_skips: bool) -> Result<()> {
    println!();
    for skip in &tally.skipped {
        println!("skipped: {skip}");
    }
    let unwanted = tally
        .skipped
        .iter()
        .filter(|skip| !only_for_stock_solo5(skip))
        .count();
    let (failed, skipped) = if no_skips {
        (tally.failed + unwanted, tally.skipped.len() - unwanted)
    } else {
        (tally.failed, tally.skipped.len())
    };
    println!(
        "{} passed, {failed} failed, {skipped} skipped",
        tally.passed
    );
    if failed > 0 {
        bail!("{failed} tests failed");
    }
    Ok(())
}

/// Stock Solo5 is in no package: a machine that lacks it is complete all the same.
fn only_for_stock_solo5(skip: &str) -> bool {
    skip.contains("FATA_SOLO5_")
}

fn heading(text: &str) {
    println!("\n== {text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_of_cargo_test_are_read() {
        let line = "test result: FAILED. 12 passed; 3 failed; 1 ignored; 0 measured; 0 filtered";
        assert_eq!(test_result(line), Some((12, 3)));
        assert_eq!(test_result("test it ... ok"), None);
    }
}
