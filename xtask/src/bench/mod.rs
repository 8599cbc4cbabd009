// SPDX-License-Identifier: ISC
//! `cargo xtask bench`: what SPECIFICATION.md promises as a number, measured.
//!
//! A row is a measurement and, where there is a peer, the ratio to the peer measured in the same run:
//! machines differ and drift, ratios drift less. Nothing here asserts; tests do not measure time.
//! One file a subject; each is named on the command line by its file.

mod build;
mod bulk;
mod connections;
mod dns;
mod exits;
mod goodput;
mod http;
mod idle;
mod images;
mod inside;
mod lab;
mod latency;
mod lines;
mod memory;
mod nested;
mod query;
mod size;
mod start;
mod table;
mod tender;

use anyhow::{Result, bail};

use crate::prerequisites;
use table::Row;

/// A subject: its name, and how its rows are measured.
type Subject = (&'static str, fn() -> Result<Vec<Row>>);

const SUBJECTS: &[Subject] = &[
    ("size", size::measure),
    ("tender", tender::measure),
    ("memory", memory::measure),
    ("start", start::measure),
    ("dns", dns::measure),
    ("goodput", goodput::measure),
    ("bulk", bulk::measure),
    ("exits", exits::measure),
    ("latency", latency::measure),
    ("http", http::measure),
    ("connections", connections::measure),
    ("idle", idle::measure),
    ("rebuild", build::rebuild),
    ("clone", build::fresh_clone),
];

/// `clone` takes minutes and an empty cache, so it runs only when named.
const UNLESS_NAMED: &[&str] = &["clone"];

pub(crate) fn run(names: &[String]) -> Result<()> {
    let words: Vec<&str> = names.iter().map(String::as_str).collect();
    if let ["--inside", role @ ..] = words.as_slice() {
        return inside::run(role);
    }
    if words.contains(&"--list") || words.contains(&"--help") {
        for (name, _) in SUBJECTS {
            println!("{name}");
        }
        return Ok(());
    }
    if let Some(unknown) = names
        .iter()
        .find(|name| !SUBJECTS.iter().any(|(n, _)| n == name))
    {
        bail!("no such benchmark: `{unknown}` (`cargo xtask bench --list` names them)");
    }
    prerequisites::ensure(prerequisites::FOR_BENCHMARKS, true)?;
    let mut rows = Vec::new();
    for (name, measure) in SUBJECTS {
        let wanted = if names.is_empty() {
            !UNLESS_NAMED.contains(name)
        } else {
            names.iter().any(|n| n == name)
        };
        if !wanted {
            continue;
        }
        eprintln!("measuring {name} ...");
        match measure() {
            Ok(measured) => rows.extend(measured),
            Err(error) => rows.push(Row::unmeasured(name, &format!("{error:#}"))),
        }
    }
    table::print(&rows);
    Ok(())
}
