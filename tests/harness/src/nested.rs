// SPDX-License-Identifier: ISC
//! Columns that need KVM, where the machine has none: all their rows in one boot of the nested
//! machine (`tests/nested`).
//!
//! The harness goes in itself, with images, tenders and the programs of rows, each under the name
//! that it has here, and judges there as it does here. It says each cell on a line ([`Cell`]).

use std::{env, fmt::Write as _, path::PathBuf, process::Command, time::Duration};

use anyhow::{Context, Result};
use fata_nested::{Bed, Payload, Stall};

use crate::{
    cases::{Case, Source},
    cell::Cell,
    images::{Images, scratch},
    outcome::Ending,
    pace,
    platform::{Platform, SOLO5_HVT, SOLO5_TESTS, Target, fata_hvt, solo5_hvt},
    workspace,
};

/// How much slower it is in there, for what rows wait for and for what they count.
const SLOWNESS: u32 = 5;
/// How long the machine may be on: so many seconds for each cell, of which most take one.
const CELL: Duration = Duration::from_secs(15);
const BOOT: Duration = Duration::from_secs(60);
/// How long it may say nothing. No row takes so long: the harness inside ends it before.
const SILENCE: Duration = Duration::from_secs(600);
/// Programs that rows use, beside those of busybox. A row without its own is skipped.
const PROGRAMS: [&str; 11] = [
    "bash", "curl", "dhclient", "dig", "dnsmasq", "ip", "iperf3", "nginx", "nsenter", "ping",
    "unshare",
];

/// Whether a virtual CPU can be had here without the nested machine: our tender starts an image.
pub(crate) fn native(images: &Images) -> bool {
    let Ok(hello) = images.get("hello", Target::Hvt) else {
        return false;
    };
    let launch = Platform::Hvt.launch(hello).option("--mem=4");
    launch.run().is_ok_and(|outcome| outcome.success().is_ok())
}

/// Runs `rows` on `columns` inside, and hands each cell to `enter`, when it is heard of.
///
/// Cells that are missing because the machine itself stalled run in another boot, once.
///
/// # Errors
///
/// Why there is no nested machine here; `enter` was not called then.
pub(crate) fn run(
    rows: &[&Case],
    columns: &[Platform],
    images: &Images,
    enter: &mut (impl FnMut(Cell) + Send),
) -> Result<()> {
    let bed = Bed::find(&workspace::target().join("nested"))?;
    let mut missing: Vec<_> = rows
        .iter()
        .flat_map(|&case| columns.iter().map(move |&column| (case, column)))
        .collect();
    let mut ended = boot(&bed, &mut missing, images, enter)?;
    if let Err(error) = &ended
        && error.is::<Stall>()
        && !missing.is_empty()
    {
        println!("{error}; what is left runs in another boot");
        ended = boot(&bed, &mut missing, images, enter).flatten();
    }
    let how = match ended {
        Ok(status) => format!("its harness ended with status {status}"),
        Err(error) => format!("{error:#}"),
    };
    for (number, (case, column)) in missing.into_iter().enumerate() {
        // The whole story with the first: it is the one that was running.
        let how = match number {
            0 => format!("the nested machine did not say how this ended: {how}"),
            _ => "the nested machine had ended before".to_owned(),
        };
        enter(Cell {
            row: case.name.to_owned(),
            column,
            check: Err(Ending::Failed(how)),
        });
    }
    Ok(())
}

/// Runs the cells `missing` in one boot; those that were heard of are not missing any more. Returns
/// the status of the harness inside, or how the machine ended before it.
///
/// # Errors
///
/// What could not be brought to the machine.
fn boot(
    bed: &Bed,
    missing: &mut Vec<(&Case, Platform)>,
    images: &Images,
    enter: &mut (impl FnMut(Cell) + Send),
) -> Result<Result<i32>> {
    let mut bed = bed.clone();
    bed.silence = SILENCE;
    bed.limit = BOOT + CELL * u32::try_from(missing.len()).unwrap_or(u32::MAX);
    let (mut rows, mut columns) = (Vec::<&Case>::new(), Vec::new());
    for &(case, column) in missing.iter() {
        if rows.last().is_none_or(|last| last.name != case.name) {
            rows.push(case);
        }
        if !columns.contains(&column) {
            columns.push(column);
        }
    }
    let mut payload = Payload::new()?;
    put(&mut payload, &rows, images)?;
    payload.job(&job(&rows, &columns));
    println!("running {} cells in the nested machine", missing.len());
    let ended = bed.run(&mut payload, &scratch("nested")?, |line| {
        let Some(cell) = Cell::read(line) else {
            return println!("  nested: {line}");
        };
        let is =
            |(case, column): &(&Case, Platform)| (case.name, *column) == (&cell.row, cell.column);
        // One that was heard of before the first boot stalled runs again beside another of its row.
        if let Some(at) = missing.iter().position(is) {
            missing.remove(at);
            enter(cell);
        }
    });
    Ok(ended.map(|report| {
        println!("it was on for {:.0} s", report.duration.as_secs_f32());
        report.status
    }))
}

fn put(payload: &mut Payload, rows: &[&Case], images: &Images) -> Result<()> {
    for case in rows {
        if let Source::Ours(unikernel) = case.source
            && let Ok(image) = images.get(unikernel, Target::Hvt)
        {
            payload.same(image)?;
        }
    }
    for program in [harness()?, fata_hvt()] {
        payload.same(&program)?;
    }
    if let Some(tender) = solo5_hvt() {
        payload.same(&tender)?;
    }
    let stock = rows.iter().filter_map(|case| case.stock(Target::Hvt));
    for image in stock.filter(|image| image.is_file()) {
        payload.same(&image)?;
    }
    for program in PROGRAMS {
        payload.program(program)?;
    }
    // What the web server of the examples serves, and nginx for comparison.
    payload.same(&workspace::root().join("examples/app/www/site"))
}

/// The harness as a program, also where it runs as a part of another.
fn harness() -> Result<PathBuf> {
    let mut cargo: Command = workspace::cargo();
    cargo.args(["build", "--quiet", "--package", "fata-test-harness"]);
    let status = cargo.status().context("cannot run cargo")?;
    anyhow::ensure!(status.success(), "the harness does not build");
    Ok(workspace::target().join("debug/fata-test-harness"))
}

fn job(rows: &[&Case], columns: &[Platform]) -> String {
    let mut script = format!("export {}={SLOWNESS}\n", pace::SLOWNESS);
    let mut variable = |name: &str, value: Option<std::ffi::OsString>| {
        if let Some(value) = value {
            let _ = writeln!(script, "export {name}='{}'", value.display());
        }
    };
    variable("CARGO_TARGET_DIR", Some(workspace::target().into()));
    variable(SOLO5_HVT, solo5_hvt().map(Into::into));
    variable(SOLO5_TESTS, env::var_os(SOLO5_TESTS));
    let harness = workspace::target().join("debug/fata-test-harness");
    let _ = write!(script, "exec '{}' --cells", harness.display());
    for column in columns {
        let _ = write!(script, " {column}");
    }
    for case in rows {
        let _ = write!(script, " ={}", case.name);
    }
    script
}
