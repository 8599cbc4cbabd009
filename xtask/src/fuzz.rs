// SPDX-License-Identifier: ISC
//! `cargo xtask fuzz`: the fuzz targets of `fuzz/`, on the stable toolchain.
//!
//! libFuzzer needs coverage counters from the compiler but no sanitizer, and those counters are to be
//! had on stable: the flags below are what `cargo fuzz run --sanitizer none` passes. Inputs that reach
//! new code are kept in `target/fuzz/corpus`, beside the seeds in `fuzz/corpus`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, Result, bail};

const TARGET: &str = "x86_64-unknown-linux-gnu";
const FLAGS: &str = "--cfg fuzzing -Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares \
    -Ccodegen-units=1 -Cdebug-assertions";

/// How `cargo xtask fuzz` behaves.
pub(crate) struct Options {
    targets: Vec<String>,
    seconds: u64,
}

impl Options {
    pub(crate) fn parse(arguments: &[String]) -> Result<Self> {
        let mut options = Self {
            targets: Vec::new(),
            seconds: 10,
        };
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--seconds" => {
                    let value = arguments.next().context("`--seconds` needs a number")?;
                    options.seconds = value
                        .parse()
                        .with_context(|| format!("not a number: `{value}`"))?;
                }
                option if option.starts_with('-') => {
                    bail!("`cargo xtask fuzz` has no option `{option}`")
                }
                target => options.targets.push(target.to_owned()),
            }
        }
        Ok(options)
    }
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let known = targets()?;
    if let Some(unknown) = options
        .targets
        .iter()
        .find(|target| !known.contains(target))
    {
        bail!(
            "no such fuzz target: `{unknown}`; there are {}",
            known.join(", ")
        );
    }
    let wanted = if options.targets.is_empty() {
        &known
    } else {
        &options.targets
    };
    run_targets(wanted, Duration::from_secs(options.seconds)).map(|_| ())
}

/// Runs every target for `time` and says how many there are.
pub(crate) fn run_all(time: Duration) -> Result<usize> {
    run_targets(&targets()?, time)
}

fn run_targets(targets: &[String], time: Duration) -> Result<usize> {
    build()?;
    for target in targets {
        fuzz(target, time)?;
    }
    Ok(targets.len())
}

fn targets() -> Result<Vec<String>> {
    let mut names = Vec::new();
    for file in fs::read_dir("fuzz/fuzz_targets").context("no fuzz targets")? {
        if let Some(stem) = file?.path().file_stem() {
            names.push(stem.to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}

fn build() -> Result<()> {
    let status = Command::new("cargo")
        .args([
            "build",
            "--quiet",
            "--release",
            "--manifest-path",
            "fuzz/Cargo.toml",
        ])
        .args(["--target", TARGET, "--target-dir", "target/fuzz"])
        .env("RUSTFLAGS", FLAGS)
        .status()
        .context("could not run cargo")?;
    if !status.success() {
        bail!("the fuzz targets do not build");
    }
    Ok(())
}

fn fuzz(target: &str, time: Duration) -> Result<()> {
    let found = PathBuf::from("target/fuzz/corpus").join(target);
    let artifacts = PathBuf::from("target/fuzz/artifacts").join(target);
    fs::create_dir_all(&found)?;
    fs::create_dir_all(&artifacts)?;
    let mut command = Command::new(
        Path::new("target/fuzz")
            .join(TARGET)
            .join("release")
            .join(target),
    );
    command
        .arg(&found)
        .arg(format!("-max_total_time={}", time.as_secs()))
        .arg(format!("-artifact_prefix={}/", artifacts.display()))
        .args(["-rss_limit_mb=2048", "-timeout=10"]);
    let seeds = Path::new("fuzz/corpus").join(target);
    if seeds.is_dir() {
        command.arg(seeds);
    }
    let output = command
        .output()
        .with_context(|| format!("could not run `{target}`"))?;
    let log = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        bail!(
            "`{target}` failed on an input kept in {}:\n{log}",
            artifacts.display()
        );
    }
    // `Done 12345 runs in 5 second(s)`
    let done = log
        .lines()
        .rev()
        .find(|line| line.starts_with("Done "))
        .unwrap_or("done");
    println!("fuzz {target}: {}", done.to_lowercase());
    Ok(())
}
