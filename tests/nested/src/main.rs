// SPDX-License-Identifier: ISC
//! The bed by itself: `cargo run -p fata-nested -- FOLDER` runs `FOLDER/job.sh` in it.

#![forbid(unsafe_code)]

use std::{
    env,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use fata_nested::{Bed, Payload};

const USAGE: &str = "\
Usage: cargo run -p fata-nested -- [OPTIONS] FOLDER

Runs FOLDER/job.sh in Linux with KVM inside an emulator. FOLDER is /payload there, with the libraries
that its programs load. What the job says is printed as it comes; what it leaves in /out is brought back.

Options:
  --program NAME    a program of the path that the job uses, with its libraries (may be repeated;
                    ip, ping, bash, iperf3, curl, dig, strace, unshare and nsenter are there if they are here)
  --limit SECONDS   when to turn the machine off (300)
  --mem MB          its memory (1024)
  --cpus NUMBER     its CPUs (1)
  --count           its clock counts instructions, one a nanosecond, and not time
  --work FOLDER     for the files of the run, the results among them (target/nested/run)
";

/// What a job is likely to use.
const PROGRAMS: [&str; 9] = [
    "ip", "ping", "bash", "iperf3", "curl", "dig", "strace", "unshare", "nsenter",
];

struct Options {
    folder: PathBuf,
    programs: Vec<String>,
    limit: Option<Duration>,
    memory: Option<u32>,
    cpus: Option<u32>,
    counts: bool,
    work: PathBuf,
}

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<ExitCode> {
    let Some(options) = options()? else {
        print!("{USAGE}");
        return Ok(ExitCode::SUCCESS);
    };
    let job = options.folder.join("job.sh");
    ensure!(job.is_file(), "no job: {job:?}");
    let mut bed = Bed::find(&target().join("nested"))?;
    bed.limit = options.limit.unwrap_or(bed.limit);
    bed.memory = options.memory.unwrap_or(bed.memory);
    bed.cpus = options.cpus.unwrap_or(bed.cpus);
    bed.counts = options.counts;
    let mut payload = Payload::new()?;
    for program in PROGRAMS {
        payload.program(program)?;
    }
    for program in &options.programs {
        ensure!(payload.program(program)?, "`{program}` is not installed");
    }
    payload.put(&options.folder, Path::new("/payload"))?;
    payload.job("cd /payload && exec sh job.sh");
    let report = bed.run(&mut payload, &options.work, |line| println!("{line}"))?;
    eprintln!(
        "nested: status {} after {:.1} s; results in {}",
        report.status,
        report.duration.as_secs_f32(),
        report.results.display()
    );
    Ok(ExitCode::from(u8::try_from(report.status).unwrap_or(1)))
}

fn options() -> Result<Option<Options>> {
    let mut folder = None;
    let mut options = Options {
        folder: PathBuf::new(),
        programs: Vec::new(),
        limit: None,
        memory: None,
        cpus: None,
        counts: false,
        work: target().join("nested/run"),
    };
    let mut words = env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || {
            words
                .next()
                .with_context(|| format!("`{word}` needs a value"))
        };
        match word.as_str() {
            "--help" | "-h" => return Ok(None),
            "--program" => options.programs.push(value()?),
            "--limit" => options.limit = Some(Duration::from_secs(number(&value()?)?.into())),
            "--mem" => options.memory = Some(number(&value()?)?),
            "--cpus" => options.cpus = Some(number(&value()?)?),
            "--count" => options.counts = true,
            "--work" => options.work = value()?.into(),
            option if option.starts_with('-') => bail!("no such option: `{option}`\n\n{USAGE}"),
            _ if folder.is_none() => folder = Some(PathBuf::from(word)),
            other => bail!("one folder is enough: `{other}`"),
        }
    }
    options.folder = match folder {
        Some(folder) => folder,
        None => bail!("which folder?\n\n{USAGE}"),
    };
    Ok(Some(options))
}

fn number(text: &str) -> Result<u32> {
    text.parse()
        .with_context(|| format!("not a number: `{text}`"))
}

/// Cargo's target directory.
fn target() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = root.ancestors().nth(2).unwrap_or(root);
    root.join(env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()))
}
