// SPDX-License-Identifier: ISC
//! What reaches which stream: results on stdout, talk on stderr, and how much of it.

use std::{fmt::Display, io::IsTerminal, path::Path};

use anstyle::{AnsiColor, Effects, Style};

use crate::failure;

/// How much the tool says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Errors and results.
    Quiet,
    /// Steps as well.
    Normal,
    /// The commands that the tool runs as well.
    Verbose,
}

/// Where the talk goes.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    level: Level,
}

/// The style of headings in help and listings.
pub const HEADING: Style = Style::new().effects(Effects::BOLD);
const STATUS: Style = AnsiColor::Green.on_default().effects(Effects::BOLD);
const ERROR: Style = AnsiColor::Red.on_default().effects(Effects::BOLD);
const WARNING: Style = AnsiColor::Yellow.on_default().effects(Effects::BOLD);
const HINT: Style = AnsiColor::Cyan.on_default().effects(Effects::BOLD);

impl Output {
    /// Talk as loud as `level`.
    pub fn new(level: Level) -> Self {
        Self { level }
    }

    /// How much is said.
    pub fn level(self) -> Level {
        self.level
    }

    /// Whether somebody watches: a progress bar makes sense.
    pub fn watched(self) -> bool {
        self.level == Level::Normal && std::io::stderr().is_terminal()
    }

    /// A step, in the manner of cargo: a verb in a column of its own.
    pub fn status(self, verb: &str, what: impl Display) {
        if self.level >= Level::Normal {
            anstream::eprintln!("{STATUS}{verb:>12}{STATUS:#} {what}");
        }
    }

    /// A detail for those who asked for more.
    pub fn detail(self, verb: &str, what: impl Display) {
        if self.level >= Level::Verbose {
            anstream::eprintln!("{STATUS}{verb:>12}{STATUS:#} {what}");
        }
    }

    /// Something that is not right and yet no failure.
    pub fn warning(self, what: impl Display) {
        anstream::eprintln!("{WARNING}warning{WARNING:#}: {what}");
    }

    /// Why the command failed, and what to do.
    pub fn error(self, error: &anyhow::Error) {
        anstream::eprintln!("{ERROR}error{ERROR:#}: {error}");
        for cause in error.chain().skip(1) {
            anstream::eprintln!("  caused by: {}", cause.to_string().trim_end());
        }
        if let Some(hint) = failure::hint(error) {
            anstream::eprintln!("\n{HINT}hint{HINT:#}: {hint}");
        }
    }
}

/// `path` as seen from the current directory, where that is shorter.
pub fn display(path: &Path) -> String {
    let here = std::env::current_dir().ok();
    let below = here.and_then(|here| path.strip_prefix(here).ok());
    below.unwrap_or(path).display().to_string()
}

/// A number of bytes for people: `84 B`, `21.3 KB`, `1.2 MB`.
pub fn bytes(count: u64) -> String {
    match count {
        0..1000 => format!("{count} B"),
        1000..1_000_000 => format!("{:.1} KB", count as f64 / 1e3),
        _ => format!("{:.1} MB", count as f64 / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_readable() {
        assert_eq!(bytes(999), "999 B");
        assert_eq!(bytes(21_340), "21.3 KB");
        assert_eq!(bytes(1_200_000), "1.2 MB");
    }

    #[test]
    fn paths_below_are_relative() {
        let here = std::env::current_dir().unwrap();
        assert_eq!(display(&here.join("dist/a.spt")), "dist/a.spt");
        assert_eq!(display(Path::new("/nowhere/a")), "/nowhere/a");
    }
}
