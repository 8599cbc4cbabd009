// SPDX-License-Identifier: ISC
//! Start on a virtual CPU: to the first line of hello, and to the exit of one that prints a line.
//!
//! It is measured in the nested machine (`tests/nested`), whose clock counts instructions there: one
//! takes a nanosecond, and a wait takes none. What a tender computes, and its kernel for it, is
//! then the time that it had the processor for, and the same in every run. From start to end it
//! takes longer, by what it waits for in the kernel.

use std::{
    fmt::Write as _,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Instant,
};

use anyhow::{Context, Result, bail};
use fata_nested::{Bed, Payload};
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

use crate::{
    bench::{
        images,
        lab::processor_time,
        table::{Row, median},
    },
    process,
};

const RUNS: usize = 11;
const GREETING: &str = "Hello_Solo5";
const PROMISED: &str = "ratio <= 1.0";
/// What the measuring program prints before its figures.
const MARK: &str = "start ";

/// When a start is over.
#[derive(Clone, Copy, PartialEq)]
enum Until {
    /// The image then sleeps, so that the tender has done no more than that.
    Line,
    Exit,
}

/// A tender and an image, by their names in the nested machine.
struct Start {
    tender: &'static str,
    image: &'static str,
    until: Until,
}

const fn start(tender: &'static str, image: &'static str, until: Until) -> Start {
    Start {
        tender,
        image,
        until,
    }
}

/// What is compared: ours, and the peer.
const PAIRS: [(&str, Start, Start); 3] = [
    (
        "start to the first line of hello, hvt",
        start("fata-hvt", "lines.hvt", Until::Line),
        start("solo5-hvt", "lines.hvt", Until::Line),
    ),
    (
        "start to exit of a unikernel that prints a line, hvt, the same image",
        start("fata-hvt", "hello.hvt", Until::Exit),
        start("solo5-hvt", "hello.hvt", Until::Exit),
    ),
    (
        "start to exit of a unikernel that prints a line, hvt, each tender's own",
        start("fata-hvt", "hello.hvt", Until::Exit),
        start("solo5-hvt", "test_hello.hvt", Until::Exit),
    ),
];

/// Thousands of instructions of the processor, and microseconds from start to end.
#[derive(Clone, Copy)]
struct Figures {
    computed: f64,
    passed: f64,
}

pub(in crate::bench) fn measure() -> Result<Vec<Row>> {
    let files = files()?;
    let has = |start: &Start| {
        let has = |name| files.iter().any(|(file, _)| *file == name);
        has(start.tender) && has(start.image)
    };
    let work = images::target().join("nested");
    let mut bed = Bed::find(&work)?;
    bed.counts = true;
    let mut payload = Payload::new()?;
    payload.put(&std::env::current_exe()?, Path::new("/bench"))?;
    for (name, file) in &files {
        payload.put(file, &Path::new("/").join(name))?;
    }
    let starts = PAIRS.iter().flat_map(|(_, ours, peer)| [ours, peer]);
    let starts: Vec<&Start> = starts.filter(|start| has(start)).collect();
    payload.job(&job(&starts));
    let mut said = Vec::new();
    bed.run(&mut payload, &work.join("start"), |line| {
        match line.strip_prefix(MARK) {
            Some(figures) => said.push(figures.to_owned()),
            None => eprintln!("  nested: {line}"),
        }
    })?;
    let figures = |wanted: &Start| {
        let at = starts.iter().position(|start| std::ptr::eq(*start, wanted));
        at.map(|at| said.get(at).and_then(|said| read(said)))
    };
    let mut rows = Vec::new();
    for (what, ours, peer) in &PAIRS {
        let unmeasured = "the nested machine measured nothing";
        let ours = figures(ours).flatten().context(unmeasured)?;
        match figures(peer) {
            Some(peer) => rows.extend(against(what, ours, peer.context(unmeasured)?)),
            None => rows.push(Row::new(
                what,
                format!("{:.0} thousand instructions", ours.computed),
                "no build of Solo5 named by FATA_SOLO5_HVT and FATA_SOLO5_TESTS",
            )),
        }
    }
    Ok(rows)
}

fn against(what: &str, ours: Figures, peer: Figures) -> [Row; 2] {
    let row = |what: &str, unit, ours, peer| {
        Row::against(what, unit, ours, ("solo5-hvt", peer), PROMISED)
    };
    let waits = format!("{what}, with what is waited for");
    [
        row(what, "thousand instructions", ours.computed, peer.computed),
        row(&waits, "us of the emulated clock", ours.passed, peer.passed),
    ]
}

/// What is brought, where it is there: tenders and images.
fn files() -> Result<Vec<(&'static str, PathBuf)>> {
    let build = ["build", "--quiet", "--release", "-p", "fata-hvt"];
    process::run("cargo", &build)?;
    let mut files = vec![
        ("fata-hvt", images::target().join("release/fata-hvt")),
        ("lines.hvt", images::sealed_for("hello", "hvt")?),
        ("hello.hvt", images::sealed_for("test-hello", "hvt")?),
    ];
    files.extend(images::solo5_tender("hvt").map(|tender| ("solo5-hvt", tender)));
    files.extend(images::solo5_hello("hvt").map(|hello| ("test_hello.hvt", hello)));
    Ok(files)
}

fn job(starts: &[&Start]) -> String {
    let mut job = String::new();
    for start in starts {
        let (until, argument) = match (start.until, start.image) {
            (Until::Line, _) => ("line", String::new()),
            (Until::Exit, "hello.hvt") => ("exit", format!("--hello={GREETING}")),
            (Until::Exit, _) => ("exit", GREETING.to_owned()),
        };
        let _ = writeln!(
            job,
            "/bench bench --inside start {until} /{} --mem=16 -- /{} {argument} || exit",
            start.tender, start.image,
        );
    }
    job
}

/// Prints the medians of what starts of `command` take: nanoseconds of the processor, and passed.
pub(in crate::bench) fn inside(until: &str, command: &[&str]) -> Result<()> {
    let until = match until {
        "line" => Until::Line,
        "exit" => Until::Exit,
        other => bail!("no such end: `{other}`"),
    };
    let (mut computed, mut passed) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        let (a, b) = once(until, command)?;
        computed.push(a);
        passed.push(b);
    }
    println!("{MARK}{} {}", median(&mut computed), median(&mut passed));
    Ok(())
}

fn once(until: Until, command: &[&str]) -> Result<(u64, u64)> {
    let (program, arguments) = command.split_first().context("no command")?;
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null());
    let start = Instant::now();
    let mut child = command.stdout(Stdio::piped()).spawn()?;
    let output = child.stdout.take().context("no output")?;
    let mut output = BufReader::new(output);
    output.read_line(&mut String::new())?;
    let id = Pid::from_child(&child);
    if until == Until::Exit {
        // What it has had is told of one that has ended only while nobody has asked how.
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        waitid(WaitId::Pid(id), options)?;
    }
    let passed = start.elapsed().as_nanos().try_into()?;
    let computed = processor_time(child.id())?;
    if until == Until::Line {
        child.kill()?;
        child.wait()?;
    } else if !child.wait()?.success() {
        bail!("{command:?} failed");
    }
    Ok((computed, passed))
}

fn read(said: &str) -> Option<Figures> {
    let (computed, passed) = said.split_once(' ')?;
    let thousands = |text: &str| Some(text.parse::<f64>().ok()? / 1e3);
    Some(Figures {
        computed: thousands(computed)?,
        passed: thousands(passed)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_start_is_in_the_job_once() {
        let starts: Vec<&Start> = PAIRS
            .iter()
            .flat_map(|(_, ours, peer)| [ours, peer])
            .collect();
        let job = job(&starts);
        assert_eq!(job.lines().count(), starts.len());
        for (line, start) in job.lines().zip(starts) {
            assert!(line.contains(&format!("/{} ", start.tender)), "{line}");
            assert!(line.contains(&format!("-- /{} ", start.image)), "{line}");
        }
    }

    #[test]
    fn figures_are_read() {
        let figures = read("3500000 12000000").unwrap();
        assert_eq!(figures.computed.to_bits(), 3500_f64.to_bits());
        assert_eq!(figures.passed.to_bits(), 12000_f64.to_bits());
        assert!(read("3500000").is_none());
    }
}
