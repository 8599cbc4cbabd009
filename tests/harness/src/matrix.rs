// SPDX-License-Identifier: ISC
//! Runs the rows on the columns, and prints what came out.

use std::collections::{BTreeSet, HashMap};

use anyhow::{Result, ensure};

use crate::{
    cases::{self, Case, Lab},
    images::{Images, scratch},
    outcome::{Check, Ending},
    platform::{Platform, Target},
};

/// Which part of the matrix to run.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Rows whose names begin with one of these; all if empty.
    pub rows: Vec<String>,
    /// Columns; all if empty.
    pub platforms: Vec<Platform>,
}

/// What came out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Cells that passed.
    pub passed: usize,
    /// Cells that failed; each was printed with how.
    pub failed: usize,
    /// Cells that were skipped: which, and why.
    pub skipped: Vec<String>,
}

/// Builds what is needed, runs it, and prints the matrix on stdout.
///
/// # Errors
///
/// If the tools that build and launch cannot be built, or no row has the name that was asked for.
/// A unikernel that fails is a cell that failed.
pub fn run(options: &Options) -> Result<Summary> {
    let rows: Vec<&Case> = cases::ALL
        .iter()
        .filter(|case| options.wants(case))
        .collect();
    ensure!(
        !rows.is_empty(),
        "no row is called {}",
        options.rows.join(" or ")
    );
    let mut columns = Platform::ALL.to_vec();
    columns.retain(|column| options.platforms.is_empty() || options.platforms.contains(column));
    let mut summary = Summary::default();
    columns.retain(|column| match column.missing() {
        Some(reason) => {
            summary.skipped.push(format!("all of {column}: {reason}"));
            false
        }
        None => true,
    });
    let images = build(&rows, &columns)?;
    let mut cells = HashMap::new();
    for case in &rows {
        for &column in &columns {
            let check = judge(case, column, &images)?;
            report(case, column, &check, &mut summary);
            cells.insert((case.name, column), check);
        }
    }
    print(&rows, &columns, &cells);
    Ok(summary)
}

impl Options {
    fn wants(&self, case: &Case) -> bool {
        self.rows.is_empty()
            || self
                .rows
                .iter()
                .any(|row| case.name.starts_with(row.as_str()))
    }
}

fn build(rows: &[&Case], columns: &[Platform]) -> Result<Images> {
    let unikernels: BTreeSet<&str> = rows.iter().map(|case| case.unikernel).collect();
    let unikernels: Vec<&str> = unikernels.into_iter().collect();
    let mut targets: Vec<Target> = columns.iter().map(|column| column.target()).collect();
    targets.dedup();
    println!("building {} unikernels", unikernels.len());
    Images::build(&unikernels, &targets)
}

fn judge(case: &Case, column: Platform, images: &Images) -> Result<Check> {
    let image = match images.get(case.unikernel, column.target()) {
        Ok(image) => image.to_owned(),
        Err(error) => return Ok(Err(Ending::Failed(error))),
    };
    let scratch = scratch(&format!("{}-{column}", case.name))?;
    let lab = Lab {
        platform: column,
        image,
        scratch,
    };
    Ok((case.check)(&lab))
}

fn report(case: &Case, column: Platform, check: &Check, summary: &mut Summary) {
    let name = case.name;
    match check {
        Ok(()) => summary.passed += 1,
        Err(Ending::Failed(how)) => {
            summary.failed += 1;
            println!("FAIL {name} on {column}: {how}");
        }
        Err(Ending::Skipped(reason)) => {
            summary
                .skipped
                .push(format!("{name} on {column}: {reason}"));
        }
        Err(Ending::DoesNotApply(_)) => {}
    }
}

type Cells = HashMap<(&'static str, Platform), Check>;

fn print(rows: &[&Case], columns: &[Platform], cells: &Cells) {
    let width = rows.iter().map(|case| case.name.len()).max().unwrap_or(0);
    let mut header = format!("\n{:width$}", "");
    for column in columns {
        header += &format!("  {column:9}");
    }
    println!("{}", header.trim_end());
    let mut notes = Vec::new();
    for case in rows {
        let mut line = format!("{:width$}", case.name);
        for &column in columns {
            let word = match &cells[&(case.name, column)] {
                Ok(()) => "pass",
                Err(Ending::Failed(_)) => "FAIL",
                Err(Ending::Skipped(_)) => "skip",
                Err(Ending::DoesNotApply(reason)) => {
                    notes.push(format!("  - {} on {column}: {reason}", case.name));
                    "-"
                }
            };
            line += &format!("  {word:9}");
        }
        println!("{}", line.trim_end());
    }
    if !notes.is_empty() {
        println!("does not apply:");
        notes.iter().for_each(|note| println!("{note}"));
    }
}
