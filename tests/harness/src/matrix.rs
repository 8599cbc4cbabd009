// SPDX-License-Identifier: ISC
//! Runs the rows on the columns, and prints what came out.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    env,
    path::Path,
};

use anyhow::{Result, ensure};

use crate::{
    cases::{self, Case, Lab, Source},
    cell::Cell,
    images::{Images, scratch},
    nested,
    outcome::{Check, Ending},
    platform::{Platform, SOLO5_TESTS, Target},
};

/// Which part of the matrix to run.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Rows whose names begin with one of these, or are what follows a `=`; all if empty.
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
    let mut rows = options.rows()?;
    let mut columns = options.columns();
    let mut summary = Summary::default();
    if env::var_os(SOLO5_TESTS).is_none() {
        rows.retain(|case| matches!(case.source, Source::Ours(_)));
        let reason = format!("`{SOLO5_TESTS}` names no folder with Solo5's test images");
        summary.skipped.push(format!("rows solo5-*: {reason}"));
    }
    columns.retain(|column| match column.missing() {
        Some(reason) => {
            summary.skipped.push(format!("all of {column}: {reason}"));
            false
        }
        None => true,
    });
    let images = build(&rows, &columns)?;
    let virtual_cpu = |column: &Platform| column.target() == Target::Hvt;
    let mut away: Vec<Platform> = columns.iter().copied().filter(virtual_cpu).collect();
    if !away.is_empty() && nested::native(&images) {
        away.clear();
    }
    let mut here = columns.clone();
    here.retain(|column| !away.contains(column));
    let mut cells = Cells::new();
    let mut enter = |cell: Cell| {
        report(&cell, &mut summary);
        cells.insert((cell.row, cell.column), cell.check);
    };
    each(&rows, &here, &images, &mut enter)?;
    if !away.is_empty()
        && let Err(error) = nested::run(&rows, &away, &images, &mut enter)
    {
        let reason = format!("no KVM here, and no nested machine: {error:#}");
        for column in &away {
            summary.skipped.push(format!("all of {column}: {reason}"));
        }
        columns.retain(|column| !away.contains(column));
    }
    print(&rows, &columns, &cells);
    Ok(summary)
}

/// Runs what was built elsewhere, and prints each cell on a line of its own, for the one who did.
///
/// # Errors
///
/// If no row has the name that was asked for, or no folder can be made.
pub fn run_inside(options: &Options) -> Result<()> {
    let rows = options.rows()?;
    let images = Images::found(&unikernels(&rows), Target::Hvt);
    each(&rows, &options.columns(), &images, &mut |cell: Cell| {
        println!("{}", cell.line());
    })
}

/// Fills the cells, row by row.
fn each(
    rows: &[&Case],
    columns: &[Platform],
    images: &Images,
    enter: &mut impl FnMut(Cell),
) -> Result<()> {
    for case in rows {
        for &column in columns {
            let check = judge(case, column, images)?;
            let row = case.name.to_owned();
            enter(Cell { row, column, check });
        }
    }
    Ok(())
}

impl Options {
    fn rows(&self) -> Result<Vec<&'static Case>> {
        let rows: Vec<_> = cases::ALL.iter().filter(|case| self.wants(case)).collect();
        let names = self.rows.join(" or ");
        ensure!(!rows.is_empty(), "no row is called {names}");
        Ok(rows)
    }

    fn columns(&self) -> Vec<Platform> {
        let mut columns = Platform::ALL.to_vec();
        columns.retain(|column| self.platforms.is_empty() || self.platforms.contains(column));
        columns
    }

    fn wants(&self, case: &Case) -> bool {
        let is = |row: &String| match row.strip_prefix('=') {
            Some(name) => case.name == name,
            None => case.name.starts_with(row.as_str()),
        };
        self.rows.is_empty() || self.rows.iter().any(is)
    }
}

fn build(rows: &[&Case], columns: &[Platform]) -> Result<Images> {
    let unikernels = unikernels(rows);
    let mut targets: Vec<Target> = columns.iter().map(|column| column.target()).collect();
    targets.dedup();
    println!("building {} unikernels", unikernels.len());
    Images::build(&unikernels, &targets)
}

fn unikernels(rows: &[&Case]) -> Vec<&'static str> {
    let ours = rows.iter().filter_map(|case| match case.source {
        Source::Ours(unikernel) => Some(unikernel),
        Source::Solo5(_) => None,
    });
    ours.collect::<BTreeSet<_>>().into_iter().collect()
}

fn judge(case: &Case, column: Platform, images: &Images) -> Result<Check> {
    let image = match case.source {
        Source::Ours(unikernel) => images
            .get(unikernel, column.target())
            .map(Path::to_owned)
            .map_err(Ending::Failed),
        Source::Solo5(_) => Ok(case.stock(column.target()).unwrap_or_default()),
    };
    let image = match image {
        Ok(image) => image,
        Err(ending) => return Ok(Err(ending)),
    };
    let scratch = scratch(&format!("{}-{column}", case.name))?;
    let lab = Lab {
        platform: column,
        image,
        scratch,
    };
    Ok((case.check)(&lab))
}

fn report(cell: &Cell, summary: &mut Summary) {
    let (name, column) = (&cell.row, cell.column);
    match &cell.check {
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

type Cells = HashMap<(String, Platform), Check>;

fn print(rows: &[&Case], columns: &[Platform], cells: &Cells) {
    let width = rows.iter().map(|case| case.name.len()).max().unwrap_or(0);
    let mut header = format!("\n{:width$}", "");
    for column in columns {
        header += &format!("  {column:9}");
    }
    println!("{}", header.trim_end());
    let mut notes = BTreeMap::<(&str, &str), Vec<&str>>::new();
    for case in rows {
        let mut line = format!("{:width$}", case.name);
        for &column in columns {
            let word = match &cells[&(case.name.to_owned(), column)] {
                Ok(()) => "pass",
                Err(Ending::Failed(_)) => "FAIL",
                Err(Ending::Skipped(_)) => "skip",
                Err(Ending::DoesNotApply(reason)) => {
                    let note = notes.entry((column.name(), reason)).or_default();
                    note.push(case.name);
                    "-"
                }
            };
            line += &format!("  {word:9}");
        }
        println!("{}", line.trim_end());
    }
    if !notes.is_empty() {
        println!("does not apply:");
        for ((column, reason), rows) in notes {
            println!("  - on {column}: {reason}: {}", rows.join(", "));
        }
    }
}
