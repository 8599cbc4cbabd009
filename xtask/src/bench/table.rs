// SPDX-License-Identifier: ISC
//! The table that `cargo xtask bench` prints.

use std::cmp::Ordering;

/// A line of the table.
pub(super) struct Row {
    what: String,
    measured: String,
    peer: String,
    promised: String,
}

impl Row {
    /// A measurement without a peer.
    pub(super) fn new(what: &str, measured: impl ToString, promised: &str) -> Self {
        Self {
            what: what.to_owned(),
            measured: measured.to_string(),
            peer: String::new(),
            promised: promised.to_owned(),
        }
    }

    /// A measurement of the same kind as a peer's, and their ratio.
    pub(super) fn against(
        what: &str,
        unit: &str,
        ours: f64,
        peer: (&str, f64),
        promised: &str,
    ) -> Self {
        Self {
            what: what.to_owned(),
            measured: format!("{ours:.1} {unit}"),
            peer: format!(
                "{}: {:.1} {unit}, ratio {:.2}",
                peer.0,
                peer.1,
                ours / peer.1
            ),
            promised: promised.to_owned(),
        }
    }

    /// Says between which figures the measurements lay, ours and the peer's.
    pub(super) fn within(mut self, ours: [f64; 2], peer: [f64; 2]) -> Self {
        let [least, most] = ours;
        self.measured += &format!(" ({least:.1} to {most:.1})");
        let [least, most] = peer;
        self.peer += &format!(" ({least:.1} to {most:.1})");
        self
    }

    /// What could not be measured here, and why.
    pub(super) fn unmeasured(what: &str, why: &str) -> Self {
        Self {
            what: what.to_owned(),
            measured: format!("not measured: {why}"),
            peer: String::new(),
            promised: String::new(),
        }
    }

    fn cells(&self) -> [&str; 4] {
        [&self.what, &self.measured, &self.peer, &self.promised]
    }
}

/// The middle one of some figures, none of which is a NaN.
pub(super) fn median<T: PartialOrd + Copy>(figures: &mut [T]) -> T {
    figures.sort_by(|a, b| a.partial_cmp(b).unwrap_or(Ordering::Equal));
    figures[figures.len() / 2]
}

/// Prints the rows under a heading, as a Markdown table.
pub(super) fn print(rows: &[Row]) {
    let heading = ["what", "measured", "peer", "promised"];
    let widths: Vec<usize> = (0..heading.len())
        .map(|column| {
            rows.iter()
                .map(|row| row.cells()[column].chars().count())
                .chain([heading[column].len()])
                .max()
                .unwrap_or(0)
        })
        .collect();
    let line = |cells: [&str; 4]| {
        let padded: Vec<String> = cells
            .iter()
            .zip(&widths)
            .map(|(cell, &width)| format!(" {cell:<width$} "))
            .collect();
        println!("|{}|", padded.join("|"));
    };
    line(heading);
    let dashes: Vec<String> = widths.iter().map(|&width| "-".repeat(width)).collect();
    line([&dashes[0], &dashes[1], &dashes[2], &dashes[3]]);
    for row in rows {
        line(row.cells());
    }
}
