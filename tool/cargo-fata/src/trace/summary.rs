// SPDX-License-Identifier: ISC
//! What the calls of a trace add up to.

use std::{
    collections::BTreeMap,
    io::{self, Write},
};

use super::{record::Record, text::time};

/// Name of the row for the time between calls.
const BETWEEN: &str = "(running)";

/// Sums by name of the call.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    calls: BTreeMap<String, Sum>,
    begin: Option<u64>,
    end: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    count: u64,
    total: u64,
}

impl Summary {
    /// Takes a call into account.
    pub fn add(&mut self, record: &Record<'_>) {
        let begin = self.begin.get_or_insert(record.start);
        *begin = record.start.min(*begin);
        self.end = self.end.max(record.end());
        if !self.calls.contains_key(record.name) {
            self.calls.insert(record.name.to_owned(), Sum::default());
        }
        if let Some(sum) = self.calls.get_mut(record.name) {
            sum.count += 1;
            sum.total = sum.total.saturating_add(record.duration);
        }
    }

    /// Whether there was no call.
    pub fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    /// When the first call began.
    pub fn begin(&self) -> u64 {
        self.begin.unwrap_or(0)
    }

    /// Prints a table, the longest total first.
    pub fn print(&self, to: &mut impl Write) -> io::Result<()> {
        if self.is_empty() {
            return writeln!(to, "no call was traced");
        }
        let whole = self.end.saturating_sub(self.begin());
        let share = |part: u64| 100.0 * part as f64 / whole.max(1) as f64;
        let width = self.calls.keys().map(|name| name.chars().count()).max();
        let width = width.unwrap_or(0).max(BETWEEN.len());
        let mut rows: Vec<(&String, &Sum)> = self.calls.iter().collect();
        rows.sort_by(|a, b| b.1.total.cmp(&a.1.total).then_with(|| a.0.cmp(b.0)));
        writeln!(
            to,
            "{:width$}  {:>9}  {:>9}  {:>9}  {:>7}",
            "call", "count", "total", "mean", "share"
        )?;
        let mut calls = Sum::default();
        for (name, sum) in rows {
            calls.count += sum.count;
            calls.total = calls.total.saturating_add(sum.total);
            writeln!(
                to,
                "{name:width$}  {:>9}  {:>9}  {:>9}  {:>5.1} %",
                sum.count,
                time(sum.total),
                time(sum.total / sum.count.max(1)),
                share(sum.total)
            )?;
        }
        let between = whole.saturating_sub(calls.total);
        writeln!(
            to,
            "{BETWEEN:width$}  {:>9}  {:>9}  {:>9}  {:>5.1} %",
            "",
            time(between),
            "",
            share(between)
        )?;
        writeln!(
            to,
            "{:width$}  {:>9}  {:>9}",
            "all",
            calls.count,
            time(whole)
        )
    }
}
