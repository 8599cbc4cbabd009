// SPDX-License-Identifier: ISC
//! What is wrong with a zone file, and where.

use alloc::{boxed::Box, string::String};
use core::fmt;

/// Why a zone file was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZoneError {
    /// The file.
    pub file: Box<str>,
    /// The line, from 1; 0 if no single one is at fault.
    pub line: u32,
    /// The column in bytes, from 1; 0 if the whole line is meant.
    pub column: u32,
    /// What is wrong, or what was expected.
    pub what: &'static str,
    /// What stands there instead, or the name it is about; empty at the end of a line.
    pub found: Box<str>,
}

impl ZoneError {
    pub(crate) fn new(
        file: &str,
        line: u32,
        column: u32,
        what: &'static str,
        found: String,
    ) -> Self {
        Self {
            file: file.into(),
            line,
            column,
            what,
            found: found.into_boxed_str(),
        }
    }
}

impl fmt::Display for ZoneError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
        }
        if self.column > 0 {
            write!(f, ":{}", self.column)?;
        }
        write!(f, ": {}", self.what)?;
        if !self.found.is_empty() {
            write!(f, ": `{}`", self.found)?;
        }
        Ok(())
    }
}

impl core::error::Error for ZoneError {}
