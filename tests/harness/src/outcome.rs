// SPDX-License-Identifier: ISC
//! How a unikernel ended, and whether that is what the row expects.

use std::{borrow::Cow, fmt, time::Duration};

/// Bytes of output shown with a failure, from its end.
const SHOWN: usize = 2000;

const SIGILL: i32 = 4;
const SIGABRT: i32 = 6;
const SIGSEGV: i32 = 11;
const SIGSYS: i32 = 31;

/// What a row comes to when it does not pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It is not as it should be.
    Failed(String),
    /// This machine lacks what it needs.
    Skipped(String),
    /// The fact is none on this platform.
    DoesNotApply(Cow<'static, str>),
}

/// What a row comes to.
pub type Check = Result<(), Ending>;

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// By itself, with this status.
    Exited(i32),
    /// By this signal.
    Killed(i32),
    /// It was ended, after this time.
    TooLate(Duration),
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited(code) => write!(f, "status {code}"),
            Self::Killed(SIGILL) => f.write_str("SIGILL"),
            Self::Killed(SIGABRT) => f.write_str("SIGABRT"),
            Self::Killed(SIGSEGV) => f.write_str("SIGSEGV"),
            Self::Killed(SIGSYS) => f.write_str("SIGSYS"),
            Self::Killed(signal) => write!(f, "signal {signal}"),
            Self::TooLate(limit) => write!(f, "no end within {limit:?}"),
        }
    }
}

/// A finished launch.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The command.
    pub line: String,
    /// How it ended.
    pub status: Status,
    /// All that it printed.
    pub output: String,
    /// How long it took.
    pub duration: Duration,
}

impl Outcome {
    /// It exits with 0 and has printed `SUCCESS` on a line.
    pub fn success(&self) -> Check {
        if self.status == Status::Exited(0) && self.output.lines().any(|line| line == "SUCCESS") {
            return Ok(());
        }
        self.fails("status 0 and `SUCCESS`")
    }

    /// It exits with `status`.
    pub fn exits(&self, status: i32) -> Check {
        if self.status == Status::Exited(status) {
            return Ok(());
        }
        self.fails(&format!("status {status}"))
    }

    /// It aborts, or panics: status 255.
    pub fn aborts(&self) -> Check {
        self.exits(255)
    }

    /// It touches memory that it may not, in that way. Programs print `REACHED` behind such a line.
    pub fn faults(&self) -> Check {
        if self.status == Status::Killed(SIGSEGV) && !self.output.contains("REACHED") {
            return Ok(());
        }
        self.fails("SIGSEGV")
    }

    /// It is killed for a system call.
    pub fn is_killed_by_filter(&self) -> Check {
        if self.status == Status::Killed(SIGSYS) && !self.output.contains("REACHED") {
            return Ok(());
        }
        self.fails("SIGSYS")
    }

    /// It prints `text`, among other things.
    pub fn says(&self, text: &str) -> Check {
        if self.output.contains(text) {
            return Ok(());
        }
        self.fails(&format!("`{text}` in its output"))
    }

    /// The failure that names what was expected and what came.
    pub fn fails<T>(&self, expected: &str) -> Result<T, Ending> {
        let from = self.output.len().saturating_sub(SHOWN);
        let from = (from..self.output.len()).find(|&at| self.output.is_char_boundary(at));
        let shown = &self.output[from.unwrap_or(0)..];
        Err(Ending::Failed(format!(
            "expected {expected}, got {}\n  ran {}\n  output:\n{}",
            self.status,
            self.line,
            shown
                .lines()
                .map(|line| format!("    {line}\n"))
                .collect::<String>()
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(status: Status, output: &str) -> Outcome {
        Outcome {
            line: "x".to_owned(),
            status,
            output: output.to_owned(),
            duration: Duration::ZERO,
        }
    }

    #[test]
    fn success_needs_the_word_and_the_status() {
        assert!(outcome(Status::Exited(0), "a\nSUCCESS\n").success().is_ok());
        assert!(
            outcome(Status::Exited(0), "no SUCCESS\n")
                .success()
                .is_err()
        );
        assert!(outcome(Status::Exited(1), "SUCCESS\n").success().is_err());
    }

    #[test]
    fn a_fault_that_was_survived_is_none() {
        assert!(outcome(Status::Killed(SIGSEGV), "").faults().is_ok());
        assert!(
            outcome(Status::Killed(SIGSEGV), "REACHED")
                .faults()
                .is_err()
        );
        assert!(outcome(Status::Exited(139), "").faults().is_err());
    }

    #[test]
    fn a_long_output_is_shown_from_its_end() {
        let output = format!("{}\nthe end", "ä".repeat(SHOWN));
        let failed = outcome(Status::Exited(1), &output).success();
        let Err(Ending::Failed(message)) = failed else {
            panic!("{failed:?}");
        };
        assert!(message.contains("the end") && message.len() < 2 * SHOWN);
    }
}
