// SPDX-License-Identifier: ISC
//! Traces: what a guest asked of its host, one line an event, for people and programs.
//!
//! ```text
//! START DURATION NAME ARGUMENT... = RESULT
//! ```
//!
//! START is when it asked, in nanoseconds since the guest began; DURATION is how long the host took.
//! Arguments are decimal, or hexadecimal if they are addresses, or names of devices; a RESULT is
//! decimal, that of Linux for a system call (less than zero: the number of an error), or `?` of what
//! never returned. Words are separated by single blanks.

pub mod calls;

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    os::fd::{AsRawFd, RawFd},
    path::Path,
};

use fata_tender::{
    Error,
    seccomp::{Condition, Rule},
};
use rustix::time::{ClockId, clock_gettime};

/// An argument of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Argument {
    /// A number, a length, a descriptor, a device.
    Number(u64),
    /// An address in the guest's memory.
    Address(u64),
    /// A device, by its name.
    Device(String),
}

/// A trace that is being written. One that cannot be written any more says so once, and ends.
#[derive(Debug)]
pub struct Trace {
    file: BufWriter<File>,
    tender: &'static str,
    begin: u64,
    broken: bool,
}

impl Trace {
    /// Makes the file, or empties it. `tender`: who writes it.
    ///
    /// # Errors
    ///
    /// It cannot be made.
    pub fn create(path: &Path, tender: &'static str) -> Result<Self, Error> {
        let file = File::create(path).map_err(|error| {
            let path = path.display();
            Error::new(format!("cannot write the trace to `{path}`: {error}"))
                .hint("give `--trace` a file in a folder that exists and that you may write to")
        })?;
        Ok(Self {
            file: BufWriter::with_capacity(64 << 10, file),
            tender,
            begin: now(),
            broken: false,
        })
    }

    /// The guest begins now.
    pub fn begin(&mut self) {
        self.begin = now();
    }

    /// Writes an event that began at `start`, by [`now`], and has ended now. `result`: if it
    /// returned.
    pub fn event(&mut self, start: u64, name: &str, arguments: &[Argument], result: Option<i64>) {
        let duration = now().saturating_sub(start);
        let start = start.saturating_sub(self.begin);
        let mut line = format!("{start} {duration} {name}");
        for argument in arguments {
            line += &match argument {
                Argument::Number(number) => format!(" {number}"),
                Argument::Address(address) => format!(" {address:#x}"),
                Argument::Device(name) => format!(" {name}"),
            };
        }
        line += &match result {
            Some(result) => format!(" = {result}\n"),
            None => " = ?\n".to_owned(),
        };
        self.attempt(|file| file.write_all(line.as_bytes()));
    }

    /// Hands to the system what is still in memory.
    pub fn flush(&mut self) {
        self.attempt(BufWriter::flush);
    }

    fn attempt(&mut self, write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>) {
        if self.broken {
            return;
        }
        if let Err(error) = write(&mut self.file) {
            eprintln!("{}: the trace ends here: {error}", self.tender);
            self.broken = true;
        }
    }

    /// What a sandboxed process may do to write it.
    pub(crate) fn rules(&self) -> [Rule; 1] {
        let file = Condition::descriptor(self.as_raw_fd());
        [Rule::new(libc::SYS_write, &[file], "write the trace")]
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
        let mut trace = Trace::create(&path, "fata-test").unwrap();
        trace.begin();
        let arguments = [Argument::Number(1), Argument::Address(0x1000)];
        trace.event(now(), "write", &arguments, Some(-11));
        trace.event(now(), "halt", &[], None);
        trace.flush();
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
        let error = Trace::create(Path::new("/no/such/trace"), "fata-test").unwrap_err();
        let message = error.to_string();
        assert!(message.contains("`/no/such/trace`") && message.contains("\nhint: "));
    }
}
