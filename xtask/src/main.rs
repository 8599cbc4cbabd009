// SPDX-License-Identifier: ISC
//! The repository's own commands: `cargo xtask test`, `soak`, `bench`, `layers`, `fuzz`,
//! `ci`.
//!
//! One file a command. What a user of Fata needs is in `cargo fata`; here is what a developer and
//! the continuous integration of this repository need.

#![forbid(unsafe_code)]

mod bench;
mod ci;
mod fuzz;
mod layers;
mod prerequisites;
mod process;
mod test;

use std::process::ExitCode;

use anyhow::{Result, bail};

const USAGE: &str = "\
Usage: cargo xtask COMMAND

Commands:
  test [--no-install] [--no-skips]   run everything that this machine can run, and print the matrix
                                     (--no-skips: a skip is a failure, as in CI, but for want of Solo5)
  soak [SCENARIO...] [--mem MB]      the long form of `tests/soak`: a million connections, attacks
  bench [NAME...]                    print the table of measurements and ratios (--list names them)
  layers                             check which crate may depend on which
  fuzz [TARGET...] [--seconds N]     run the fuzz targets, each for N seconds (default 10)
  ci                                 what CI runs: format, clippy, layers, docs, test
";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some((command, rest)) = arguments.split_first() else {
        print!("{USAGE}");
        return Ok(());
    };
    match command.as_str() {
        "test" => test::run(&test::Options::parse(rest)?),
        "soak" => soak(rest),
        "bench" => bench::run(rest),
        "layers" => layers::run(),
        "fuzz" => fuzz::run(&fuzz::Options::parse(rest)?),
        "ci" => ci::run(),
        "help" | "--help" | "-h" => {
            print!("{USAGE}");
            Ok(())
        }
        other => bail!("no such command: `{other}`\n\n{USAGE}"),
    }
}

/// The program of `tests/soak`, optimised: the load shall not be what is measured.
fn soak(arguments: &[String]) -> Result<()> {
    let mut words = vec!["run", "--quiet", "--release", "-p", "fata-soak"];
    words.extend(["--bin", "fata-soak", "--"]);
    words.extend(arguments.iter().map(String::as_str));
    process::run(
        "cargo",
        &["build", "--quiet", "--release", "-p", "fata-soak"],
    )?;
    process::run("cargo", &words)
}
