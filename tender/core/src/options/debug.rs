// SPDX-License-Identifier: ISC
//! The options for looking into a guest: the same for every tender, which carry them out with
//! `fata-tender-debug`. A program that is its own tender has none of them: it is debugged like any
//! other program.

use std::{ffi::OsStr, mem, path::PathBuf};

use super::{once, split_at_equals, without_value};
use crate::Error;

/// Where gdb is waited for when `--gdb-port` is not given, as Solo5's tender has it.
pub const DEFAULT_GDB_PORT: u16 = 1234;

/// How a guest is to be looked into.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Debug {
    /// `--gdb`.
    gdb: bool,
    /// `--gdb-port`.
    gdb_port: Option<u16>,
    /// `--dumpcore`: the folder for the core file of a guest that fails.
    pub core_folder: Option<PathBuf>,
    /// `--trace`: the file for what the guest did.
    pub trace: Option<PathBuf>,
}

impl Debug {
    /// Whether any of the options is given. If not, nothing of all this costs anything.
    pub fn is_wanted(&self) -> bool {
        *self != Self::default()
    }

    /// The port at which gdb is to be waited for, if it is. `--gdb-port` means `--gdb` too.
    pub fn gdb_port(&self) -> Option<u16> {
        let wanted = self.gdb || self.gdb_port.is_some();
        wanted.then(|| self.gdb_port.unwrap_or(DEFAULT_GDB_PORT))
    }

    /// Takes in one word of a command line. `false`: it is none of these options.
    pub(super) fn take(&mut self, word: &OsStr) -> Result<bool, Error> {
        let (key, value) = split_at_equals(word);
        let need = |example| value.ok_or_else(|| without_value(&key, example));
        let twice = match key.as_str() {
            "--gdb" if value.is_some() => {
                return Err(Error::new("`--gdb` has no value")
                    .hint("the port is given by `--gdb-port`, as in `--gdb-port=1234`"));
            }
            "--gdb" => mem::replace(&mut self.gdb, true),
            "--gdb-port" => {
                let port = parse_port(need("--gdb-port=1234")?)?;
                self.gdb_port.replace(port).is_some()
            }
            "--dumpcore" => {
                let folder = need("--dumpcore=/tmp")?;
                self.core_folder.replace(folder.into()).is_some()
            }
            "--trace" => {
                let file = need("--trace=trace.txt")?;
                self.trace.replace(file.into()).is_some()
            }
            _ => return Ok(false),
        };
        once(&key, twice)
    }
}

fn parse_port(value: &OsStr) -> Result<u16, Error> {
    let port = value.to_str().and_then(|text| text.parse().ok());
    port.filter(|&port| port != 0).ok_or_else(|| {
        Error::new(format!("not a port: `{}`", value.display()))
            .hint("give a number from 1 to 65535, as in `--gdb-port=1234`")
    })
}
