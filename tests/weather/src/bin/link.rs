// SPDX-License-Identifier: ISC
//! `fata-weather-link`: joins two taps by a link with weather.

#![forbid(unsafe_code)]

use std::{process::ExitCode, time::Duration};

use anyhow::{Context, Result, bail};
use fata_weather::{
    forecast::{self, Forecast},
    link::{self, Link},
};

const USAGE: &str = "\
Usage: fata-weather-link --a TAP --b TAP [OPTION]...

Forwards frames between two tap interfaces that exist and are up, until one is deleted, and then
prints on stderr what became of them. A TAP of another network namespace is named with that
namespace before it, as in /proc/123/ns/net:tap0.

Options, each for both directions, or with ab- or ba- in its name for one, as in --ab-loss:
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
    let mut weather = [Forecast::default(), Forecast::default()];
    let (mut a, mut b, mut limit) = (None, None, None);
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        if word == "--help" || word == "-h" {
            println!(
                "{USAGE}{}  --for SECONDS           end after this time",
                forecast::HELP
            );
            return Ok(());
        }
        let value = words.next();
        let value = value.with_context(|| format!("`{word}` needs a value (see `--help`)"))?;
        match word.as_str() {
            "--a" => a = Some(value),
            "--b" => b = Some(value),
            "--for" => {
                let seconds = value.parse();
                limit = Some(Duration::from_secs(
                    seconds.context("`--for` takes seconds")?,
                ));
            }
            option if Forecast::option(&mut weather, option, &value)? => {}
            other => bail!("no such option: `{other}` (see `--help`)"),
        }
    }
    let a = link::open(&a.context("`--a` names a tap")?)?;
    let b = link::open(&b.context("`--b` names a tap")?)?;
    let mut link = Link::new([a, b], &weather);
    println!("ready");
    let end = link.run(limit)?;
    for (direction, summary) in ["a-b", "b-a"].into_iter().zip(link.summaries()) {
        eprintln!("{direction}: {summary}");
    }
    eprintln!("end: {end:?}");
    Ok(())
}
