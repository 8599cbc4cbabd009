// SPDX-License-Identifier: ISC
//! `fata-soak`: the long form, or some of it.

#![forbid(unsafe_code)]

use std::{env, process::ExitCode, time::Duration};

use anyhow::{Context, Result, anyhow, bail};
use fata_soak::world::Soak;
use fata_test_harness::{images::Images, outcome::Ending, platform::Platform};

/// How long all of it may take.
const LIMIT: Duration = Duration::from_secs(3600);
/// Its memory in MB: enough for 100,000 connections.
const MEMORY: u32 = 512;

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
    let mut words: Vec<String> = env::args().skip(1).collect();
    let mut memory = MEMORY;
    if let Some(at) = words.iter().position(|word| word == "--mem") {
        let value = words.get(at + 1).context("`--mem` needs a number")?;
        memory = value.parse().context("`--mem` needs a number")?;
        words.drain(at..at + 2);
    }
    if !words.iter().any(|word| word == "--scale") {
        words.splice(0..0, ["--scale".to_owned(), "full".to_owned()]);
    }
    let platform = Platform::Spt;
    if let Some(reason) = platform.missing() {
        bail!("{reason}");
    }
    let images = Images::build(&["soak"], &[platform.target()])?;
    let image = images.get("soak", platform.target());
    let load = env::current_exe().context("no program")?;
    let soak = Soak {
        load: load.with_file_name("fata-soak-load"),
        platform,
        image: image.map_err(|error| anyhow!(error))?,
        memory,
        options: words.join(" "),
        limit: LIMIT,
    };
    match soak.run() {
        Ok(said) => {
            print!("{said}");
            Ok(())
        }
        Err(Ending::Skipped(reason)) => bail!("cannot be done here: {reason}"),
        Err(Ending::DoesNotApply(reason)) => bail!("{reason}"),
        Err(Ending::Failed(how)) => bail!("{how}"),
    }
}
