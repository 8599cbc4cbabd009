// SPDX-License-Identifier: ISC
//! Start on a virtual CPU: to the first line of hello, and to the exit of one that prints a line.
//!
//! It is measured in the nested machine (`tests/nested`), whose clock counts instructions there: one
//! takes a nanosecond, and a wait takes none. What a tender computes, and its kernel for it, is
//! then the time that it had the processor for, and the same in every run. From start to end it
//! takes longer, by what it waits for in the kernel.

use std::{
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Command, Stdio},
    time::Instant,
};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

use crate::bench::{
    images,
    lab::processor_time,
    nested::Roles,
    table::{Row, median},
};

const RUNS: usize = 11;
const PROMISED: &str = "ratio <= 1.0";

/// When a start is over: at the first line that the image prints, behind which it sleeps, or at its
/// exit. The word is that of the role.
const LINE: &str = "line";
const EXIT: &str = "exit";

/// A tender and an image with its argument, by their names in the nested machine.
struct Start {
    tender: &'static str,
    image: &'static str,
    argument: &'static str,
}

const fn start(tender: &'static str, image: &'static str, argument: &'static str) -> Start {
    Start {
        tender,
        image,
        argument,
    }
}

/// What is compared, from start to when: ours, and the peer.
const PAIRS: [(&str, &str, Start, Start); 3] = [
    (
        "start to the first line of hello, hvt",
        LINE,
        start("fata-hvt", "hello.hvt", ""),
        start("solo5-hvt", "hello.hvt", ""),
    ),
    (
        "start to exit of a unikernel that prints a line, hvt, the same image",
        EXIT,
        start("fata-hvt", "line.hvt", "--hello=Hello_Solo5"),
        start("solo5-hvt", "line.hvt", "--hello=Hello_Solo5"),
    ),
    (
        "start to exit of a unikernel that prints a line, hvt, each tender's own",
        EXIT,
        start("fata-hvt", "line.hvt", "--hello=Hello_Solo5"),
        start("solo5-hvt", "test_hello.hvt", "Hello_Solo5"),
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
    let mut roles = Roles::new()?.counting();
    roles.bring(&files)?;
    let there = |start: &Start| {
        let there = |name| files.iter().any(|(file, _)| *file == name);
        there(start.tender) && there(start.image)
    };
    for (_, until, ours, peer) in &PAIRS {
        for start in [ours, peer].into_iter().filter(|start| there(start)) {
            roles.play(&role(until, start));
        }
    }
    let said = roles.run("start")?;
    let mut said = said.iter().map(|said| read(said));
    let mut next = || said.next().flatten().context("figures are missing");
    let mut rows = Vec::new();
    for (what, _, _, peer) in &PAIRS {
        let ours = next()?;
        if there(peer) {
            rows.extend(against(what, ours, next()?));
        } else {
            let measured = format!("{:.0} thousand instructions", ours.computed);
            let why = "no build of Solo5 named by FATA_SOLO5_HVT and FATA_SOLO5_TESTS";
            rows.push(Row::new(what, measured, why));
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
    let mut files = vec![
        ("fata-hvt", images::tender_for("hvt")?),
        ("hello.hvt", images::sealed_for("hello", "hvt")?),
        ("line.hvt", images::sealed_for("test-hello", "hvt")?),
    ];
    files.extend(images::solo5_tender("hvt").map(|tender| ("solo5-hvt", tender)));
    files.extend(images::solo5_hello("hvt").map(|hello| ("test_hello.hvt", hello)));
    Ok(files)
}

fn role(until: &str, start: &Start) -> String {
    let Start {
        tender,
        image,
        argument,
    } = start;
    format!("start {until} /{tender} --mem=16 -- /{image} {argument}")
}

/// Prints the medians of what starts of `command` take: nanoseconds of the processor, and passed.
pub(in crate::bench) fn inside(until: &str, command: &[&str]) -> Result<()> {
    let (mut computed, mut passed) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        let (a, b) = once(until, command)?;
        computed.push(a);
        passed.push(b);
    }
    println!("{} {}", median(&mut computed), median(&mut passed));
    Ok(())
}

fn once(until: &str, command: &[&str]) -> Result<(u64, u64)> {
    let (program, arguments) = command.split_first().context("no command")?;
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null());
    let start = Instant::now();
    let mut child = command.stdout(Stdio::piped()).spawn()?;
    let output = child.stdout.take().context("no output")?;
    let mut output = BufReader::new(output);
    output.read_line(&mut String::new())?;
    if until == EXIT {
        // What it has had is told of one that has ended only while nobody has asked how.
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        waitid(WaitId::Pid(Pid::from_child(&child)), options)?;
    }
    let passed = start.elapsed().as_nanos().try_into()?;
    let computed = processor_time(child.id())?;
    if until == LINE {
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
    fn figures_are_read() {
        let figures = read("3500000 12000000").unwrap();
        assert_eq!(figures.computed.to_bits(), 3500_f64.to_bits());
        assert_eq!(figures.passed.to_bits(), 12000_f64.to_bits());
        assert!(read("3500000").is_none());
    }
}
