// SPDX-License-Identifier: ISC
//! Traces: what a guest asked of its host, one line an event, for people and programs.
//!
//! ```text
//! START DURATION NAME ARGUMENT... = RESULT
//! ```
//!
//! START is when it asked, in nanoseconds since the guest began; DURATION is how long the host took.
//! Arguments are decimal, or hexadecimal if they are addresses; a RESULT is decimal, that of Linux
//! for a system call (less than zero: the number of an error), or `?` of what never returned. Words
//! are separated by single blanks.

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    os::fd::{AsRawFd, RawFd},
    path::Path,
};

use fata_tender::Error;
use rustix::time::{ClockId, clock_gettime};

/// An argument of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Argument {
    /// A number, a length, a descriptor, a device.
    Number(u64),
    /// An address in the guest's memory.
    Address(u64),
}

/// A trace that is being written.
#[derive(Debug)]
pub struct Trace {
    file: BufWriter<File>,
    begin: u64,
}

impl Trace {
    /// Makes the file, or empties it.
    ///
    /// # Errors
    ///
    /// It cannot be made.
    pub fn create(path: &Path) -> Result<Self, Error> {
        let file = File::create(path).map_err(|error| {
            let path = path.display();
            Error::new(format!("cannot write the trace to `{path}`: {error}"))
                .hint("give `--trace` a file in a folder that exists and that you may write to")
        })?;
        Ok(Self {
            file: BufWriter::with_capacity(64 << 10, file),
            begin: now(),
        })
    }

    /// The guest begins now.
    pub fn begin(&mut self) {
        self.begin = now();
    }

    /// Writes an event that began at `start`, by [`now`], and has ended now. `result`: if it
    /// returned.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub fn event(
        &mut self,
        start: u64,
        name: &str,
        arguments: &[Argument],
        result: Option<i64>,
    ) -> io::Result<()> {
        let duration = now().saturating_sub(start);
        let start = start.saturating_sub(self.begin);
        write!(self.file, "{start} {duration} {name}")?;
        for argument in arguments {
            match argument {
                Argument::Number(number) => write!(self.file, " {number}")?,
                Argument::Address(address) => write!(self.file, " {address:#x}")?,
            }
        }
        match result {
            Some(result) => writeln!(self.file, " = {result}"),
            None => writeln!(self.file, " = ?"),
        }
    }

    /// Hands to the system what is still in memory.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl AsRawFd for Trace {
    fn as_raw_fd(&self) -> RawFd {
        self.file.get_ref().as_raw_fd()
    }
}

/// Nanoseconds of a clock that only goes forward.
pub fn now() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_an_event() {
        let path = std::env::temp_dir().join(format!("fata-trace-{}", std::process::id()));
        let mut trace = Trace::create(&path).unwrap();
        trace.begin();
        let arguments = [Argument::Number(1), Argument::Address(0x1000)];
        trace.event(now(), "write", &arguments, Some(-11)).unwrap();
        trace.event(now(), "halt", &[], None).unwrap();
        trace.flush().unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split(' ').collect()).collect();
        assert_eq!(lines[0][2..], ["write", "1", "0x1000", "=", "-11"]);
        assert_eq!(lines[1][2..], ["halt", "=", "?"]);
        for line in lines {
            assert!(line[0].parse::<u64>().is_ok() && line[1].parse::<u64>().is_ok());
        }
    }

    #[test]
    fn a_folder_that_is_not_there() {
        let error = Trace::create(Path::new("/no/such/trace")).unwrap_err();
        let message = error.to_string();
        assert!(message.contains("`/no/such/trace`") && message.contains("\nhint: "));
    }
}
