// SPDX-License-Identifier: ISC
//! `fata-soak-load`: lets it happen to the unikernel `soak`, in the network namespace of a
//! [`Lab`].

#![forbid(unsafe_code)]

use std::{fs, process::ExitCode, time::Instant};

use anyhow::{Context, Result, bail};
use fata_soak::{
    lab::{Lab, Scale},
    scenarios,
};

const USAGE: &str = "\
Usage: fata-soak-load [--scale short|full|tight] [--seed N] [SCENARIO]...

Makes the scenarios happen, all if none is named, and judges. Ends the unikernel.
";

/// The tap on whose other side the load is a host.
const TAP: &str = "wire0";
/// So many files: more than a crowd has.
const FILES: u64 = 12_000;

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
    let (mut scale, mut seed, mut named) = (Scale::Short, 1, Vec::new());
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--help" | "-h" => {
                print!("{USAGE}");
                return Ok(());
            }
            "--scale" => {
                scale = match words.next().as_deref() {
                    Some("short") => Scale::Short,
                    Some("full") => Scale::Full,
                    Some("tight") => Scale::Tight,
                    _ => bail!("`--scale` is `short`, `full` or `tight`"),
                }
            }
            "--seed" => {
                let value = words.next().context("`--seed` needs a number")?;
                seed = value.parse().context("`--seed` needs a number")?;
            }
            name if scenarios::ALL.iter().any(|scenario| scenario.name == name) => {
                named.push(word);
            }
            other => bail!("no such scenario: `{other}`"),
        }
    }
    prepare()?;
    let mut lab = Lab::new(TAP, scale, seed)?;
    println!("in use in the beginning: {}", lab.base.get("used"));
    for scenario in scenarios::ALL {
        if named.is_empty() || named.iter().any(|name| name == scenario.name) {
            happen(&mut lab, scenario)?;
        }
    }
    let numbers = lab.settle()?;
    lab.answers()?;
    println!(
        "in use at the end: {}, {} of it for the next connections",
        numbers.get("used"),
        numbers.get("spare")
    );
    println!("most in use: {}", numbers.get("peak"));
    for name in [
        "served",
        "refused",
        "cookies",
        "challenges",
        "resets-out",
        "timed-out",
    ] {
        println!("{name}: {}", numbers.get(name));
    }
    lab.quit()
}

fn happen(lab: &mut Lab, scenario: &scenarios::Scenario) -> Result<()> {
    let name = scenario.name;
    let start = Instant::now();
    let happened = (scenario.run)(lab).with_context(|| format!("`{name}`"));
    let took = start.elapsed().as_secs_f64();
    let after = || format!("after `{name}`");
    let said = match lab.scale {
        // Whoever has too little memory may refuse anybody, as long as it lives.
        Scale::Tight => happened.unwrap_or_else(|error| format!("refused: {error:#}")),
        Scale::Short | Scale::Full => {
            let said = happened?;
            lab.answers().with_context(after)?;
            said
        }
    };
    // In the short form silent peers are waited for once, at the end.
    let numbers = match lab.scale {
        Scale::Full => lab.settle(),
        Scale::Short | Scale::Tight => lab.ask(),
    }
    .with_context(after)?;
    println!(
        "{name:<14} {took:>6.1} s, {} bytes in use: {said}",
        numbers.get("used")
    );
    Ok(())
}

/// Lets this process and its network have as much as a crowd takes. Where that is refused, the
/// crowd will say so.
fn prepare() -> Result<()> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let files = getrlimit(Resource::Nofile);
    let more = Rlimit {
        current: Some(FILES),
        maximum: Some(FILES.max(files.maximum.unwrap_or(FILES))),
    };
    let most = Rlimit {
        current: files.maximum,
        maximum: files.maximum,
    };
    if setrlimit(Resource::Nofile, more).is_err() {
        setrlimit(Resource::Nofile, most).context("cannot have more files")?;
    }
    for (name, value) in [
        ("ip_local_port_range", "1024 65535"),
        // Linux is not what is tested: it may forget at once.
        ("tcp_max_tw_buckets", "1000"),
        // The flood is our own.
        ("tcp_syn_retries", "3"),
    ] {
        let file = format!("/proc/sys/net/ipv4/{name}");
        fs::write(&file, value).with_context(|| format!("cannot write `{file}`"))?;
    }
    Ok(())
}
