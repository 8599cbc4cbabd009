// SPDX-License-Identifier: ISC
//! What came out of one row on one column, as a line: how the harness in the nested machine tells
//! the one outside.

use std::borrow::Cow;

use crate::{
    outcome::{Check, Ending},
    platform::Platform,
};

/// What such a line begins with; others are of no concern.
const MARK: &str = "cell";

/// A cell of the matrix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell {
    /// The name of the row.
    pub row: String,
    /// The column.
    pub column: Platform,
    /// What came out.
    pub check: Check,
}

impl Cell {
    /// Writes it on a line: fields between tabs, the last with its own tabs and line ends escaped.
    pub fn line(&self) -> String {
        let (word, text) = match &self.check {
            Ok(()) => ("pass", ""),
            Err(Ending::Failed(how)) => ("fail", how.as_str()),
            Err(Ending::Skipped(reason)) => ("skip", reason.as_str()),
            Err(Ending::DoesNotApply(reason)) => ("none", reason.as_ref()),
        };
        let (row, column) = (&self.row, self.column.name());
        format!("{MARK}\t{row}\t{column}\t{word}\t{}", escape(text))
    }

    /// Reads such a line.
    pub fn read(line: &str) -> Option<Self> {
        let mut fields = line.split('\t');
        if fields.next() != Some(MARK) {
            return None;
        }
        let row = fields.next()?.to_owned();
        let column = Platform::named(fields.next()?)?;
        let word = fields.next()?;
        let text = unescape(fields.next()?);
        let check = match word {
            "pass" => Ok(()),
            "fail" => Err(Ending::Failed(text)),
            "skip" => Err(Ending::Skipped(text)),
            "none" => Err(Ending::DoesNotApply(Cow::Owned(text))),
            _ => return None,
        };
        Some(Self { row, column, check })
    }
}

fn escape(text: &str) -> String {
    let text = text.replace('\\', "\\\\").replace('\n', "\\n");
    text.replace('\t', "\\t").replace('\r', "\\r")
}

fn unescape(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        plain.push(match character {
            '\\' => match characters.next() {
                Some('n') => '\n',
                Some('t') => '\t',
                Some('r') => '\r',
                other => other.unwrap_or('\\'),
            },
            other => other,
        });
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_as_it_was_written() {
        let checks = [
            Ok(()),
            Err(Ending::Failed("got \\n\n  a\ttab\r\n".into())),
            Err(Ending::Skipped("nothing there".into())),
            Err(Ending::DoesNotApply("it has none".into())),
        ];
        for check in checks {
            let cell = Cell {
                row: "hello".into(),
                column: Platform::Hvt,
                check,
            };
            let line = cell.line();
            assert!(!line.contains('\n'), "{line:?}");
            assert_eq!(Cell::read(&line), Some(cell));
        }
    }

    #[test]
    fn other_lines_are_none() {
        for line in ["", "cell", "cell\thello\thvt", "cell\thello\tmoon\tpass\t"] {
            assert_eq!(Cell::read(line), None, "{line:?}");
        }
    }
}
