// SPDX-License-Identifier: ISC
//! How often a virtual CPU leaves the guest for a frame that it receives or sends, under load.
//!
//! KVM counts exits, the tap counts frames, iperf3 makes the load: more datagrams than the guest
//! takes, as the row shows by those that were lost, and TCP as fast as it goes. All of it runs in the
//! nested machine (`tests/nested`), whose processor is emulated: what is counted is real, what takes
//! time is not. Threads there get in each other's way more than on hardware, with two CPUs for the
//! sender, the tender's ring and the guest, so a guest sleeps more often.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use fata_nested::{Bed, Payload};

use super::{
    images::{sealed_for, target},
    table::Row,
};
use crate::process;

const JOB: &str = include_str!("exits.sh");
/// What crosses in a frame of the MTU, where TCP's are larger.
const PACKET: u64 = 1514;

/// A load: its name, the options of iperf3, and whether the guest receives most of it.
const LOADS: [(&str, &str, bool); 6] = [
    ("UDP of 1400 bytes", "-u -b 0 -l 1400", true),
    ("UDP of 64 bytes", "-u -b 0 -l 64", true),
    ("UDP of 1400 bytes", "-u -b 0 -l 1400 -R", false),
    ("UDP of 64 bytes", "-u -b 0 -l 64 -R", false),
    ("TCP", "", true),
    ("TCP", "-R", false),
];

/// What a load did, as the job says it.
struct Counts {
    exits: u64,
    /// Those of `out`: hypercalls and kicks. The others are interrupts of the host's.
    io: u64,
    frames: u64,
    bytes: u64,
    lost: u64,
}

pub(super) fn measure() -> Result<Vec<Row>> {
    let image = sealed_for("iperf3", "hvt")?;
    let build = ["build", "--quiet", "--release", "-p", "fata-hvt"];
    process::run("cargo", &build)?;
    let work = target().join("nested");
    let mut bed = Bed::find(&work)?;
    // Memory for the payload too, which the machine's first file system holds twice.
    bed.memory = bed.memory.max(1024);
    bed.cpus = 2;
    let mut payload = Payload::new()?;
    for program in ["ip", "iperf3", "ping"] {
        ensure!(payload.program(program)?, "`{program}` is not installed");
    }
    payload.put(&image, Path::new("/image"))?;
    payload.put(&target().join("release/fata-hvt"), Path::new("/tender"))?;
    payload.job(&job());
    let mut said = Vec::new();
    bed.run(
        &mut payload,
        &work.join("exits"),
        |line| match Counts::read(line) {
            Some(counts) => said.push(counts),
            None => eprintln!("  nested: {line}"),
        },
    )?;
    let rows = LOADS.iter().enumerate().map(|(index, &load)| {
        let (_, counts) = said
            .iter()
            .find(|(name, _)| *name == index)
            .with_context(|| format!("the nested machine measured nothing for {load:?}"))?;
        Ok(row(load, counts))
    });
    rows.collect()
}

fn job() -> String {
    let loads = LOADS.iter().enumerate();
    let loads = loads.map(|(index, (_, options, _))| format!("load {index} {options}\n"));
    let loads: String = loads.collect();
    format!("TENDER=/tender IMAGE=/image\n{JOB}{loads}kill -9 $!\n")
}

fn row((name, _, receives): (&str, &str, bool), counts: &Counts) -> Row {
    let way = if receives { "received" } else { "sent" };
    let per = |of: u64| counts.exits as f64 / of.max(1) as f64;
    let Counts {
        exits,
        io,
        frames,
        bytes,
        lost,
    } = counts;
    let mut measured = format!(
        "{:.3} ({exits} exits, {io} asked for; {frames} frames",
        per(*frames)
    );
    if *lost != 0 {
        measured += &format!(", {} % lost", 100 * lost / (lost + frames));
    }
    let packets = bytes.div_ceil(PACKET).max(*frames);
    if packets != *frames {
        measured = format!("{:.4}, or {measured}", per(packets));
    }
    Row::new(
        &format!("exits per packet {way}, {name}"),
        measured + ")",
        "< 0.1",
    )
}

impl Counts {
    /// Reads what the job says of a load: which, and all counts before and after.
    fn read(line: &str) -> Option<(usize, Self)> {
        let mut words = line.strip_prefix("exits ")?.split_ascii_whitespace();
        let load = words.next()?.parse().ok()?;
        let numbers: Option<Vec<u64>> = words.map(|word| word.parse().ok()).collect();
        let numbers = numbers?;
        let (before, after) = numbers.split_at_checked(numbers.len() / 2)?;
        let grown = after
            .iter()
            .zip(before)
            .map(|(after, before)| after.saturating_sub(*before));
        let [exits, io, to, from, to_bytes, from_bytes, lost] = *grown.collect::<Vec<u64>>() else {
            return None;
        };
        let counts = Self {
            exits,
            io,
            frames: to + from,
            bytes: to_bytes + from_bytes,
            lost,
        };
        Some((load, counts))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_what_has_been_added() {
        let line = "exits 2 10 5 100 20 3000 400 1 20 9 200 30 6000 500 8";
        let (load, counts) = Counts::read(line).unwrap();
        assert_eq!((load, counts.exits, counts.io), (2, 10, 4));
        assert_eq!((counts.frames, counts.bytes, counts.lost), (110, 3100, 7));
        assert!(Counts::read("exits 2 1 2 3").is_none());
        assert!(Counts::read("iperf3: error").is_none());
    }

    #[test]
    fn every_load_is_in_the_job() {
        let job = job();
        for (index, (_, options, _)) in LOADS.iter().enumerate() {
            assert!(job.contains(&format!("load {index} {options}\n")));
        }
    }
}
