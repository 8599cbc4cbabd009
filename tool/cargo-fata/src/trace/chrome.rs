// SPDX-License-Identifier: ISC
//! Calls as a file for the viewers of Chrome's traces: one JSON array of complete events, times in
//! microseconds ("Trace Event Format", section "JSON Array Format").

use std::io::{self, Write};

use serde_json::{Map, Value, json};

use super::{
    calls::{self, Devices},
    record::Record,
};

/// A file being written.
#[derive(Debug)]
pub struct Writer<W> {
    to: W,
}

impl<W: Write> Writer<W> {
    /// Begins a file about the process `name`.
    pub fn new(mut to: W, name: &str) -> io::Result<Self> {
        let about = json!({
            "name": "process_name", "ph": "M", "pid": 1, "tid": 1, "args": { "name": name },
        });
        write!(to, "[\n{about}")?;
        Ok(Self { to })
    }

    /// Writes a call.
    pub fn add(&mut self, record: &Record<'_>, devices: &Devices) -> io::Result<()> {
        let mut details = Map::new();
        let arguments = calls::arguments(record, devices);
        details.insert("arguments".to_owned(), arguments.into());
        if let Some(result) = calls::result(record) {
            details.insert("result".to_owned(), result.into());
        }
        let event = json!({
            "name": record.name, "cat": "call", "ph": "X", "pid": 1, "tid": 1,
            "ts": micros(record.start), "dur": micros(record.duration), "args": details,
        });
        write!(self.to, ",\n{event}")
    }

    /// Ends the file.
    pub fn finish(mut self) -> io::Result<()> {
        writeln!(self.to, "\n]")?;
        self.to.flush()
    }
}

fn micros(nanoseconds: u64) -> Value {
    (nanoseconds as f64 / 1e3).into()
}
