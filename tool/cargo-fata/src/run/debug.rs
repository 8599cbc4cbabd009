// SPDX-License-Identifier: ISC
//! Flags of `run` for a unikernel that one wants to look into: a debugger, and a core dump.
//!
//! Both are the tender's to make, and to say what to type then; it is told where the symbols are. Here
//! is looked for what would make it fail, before anything is built.

use std::{
    ffi::OsString,
    net::{Ipv4Addr, TcpListener},
    path::PathBuf,
};

use clap::{Args, ValueEnum};

use super::gdb;
use crate::failure::failure;

/// The port on which a tender waits unless it is told another.
const PORT: u16 = 1234;

/// Ways to look into a unikernel.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Debugging")]
pub struct DebugFlags {
    /// Stop before the first instruction and start gdb there; `--gdb=wait` leaves it to you to
    /// connect one
    #[arg(
        long,
        value_name = "WHO",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "here",
        hide_possible_values = true
    )]
    gdb: Option<Gdb>,

    /// Port for gdb [default: a free one; 1234 with `--gdb=wait`]
    #[arg(long, value_name = "PORT", requires = "gdb", value_parser = clap::value_parser!(u16).range(1..))]
    gdb_port: Option<u16>,

    /// Leave a core dump in this folder if the unikernel fails
    #[arg(long, value_name = "FOLDER")]
    dumpcore: Option<PathBuf>,
}

/// Which gdb is to connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Gdb {
    /// One that the tool starts.
    Here,
    /// One that somebody starts.
    Wait,
}

/// What was found to be possible of [`DebugFlags`].
#[derive(Debug)]
pub struct Debug {
    gdb: Option<(Gdb, u16)>,
    core_folder: Option<PathBuf>,
}

impl DebugFlags {
    /// Looks for what the flags need before anything is built: gdb, a port, the folder.
    pub fn prepare(&self) -> anyhow::Result<Debug> {
        if self.gdb == Some(Gdb::Here) {
            gdb::check_installed()?;
        }
        let gdb = match self.gdb {
            Some(who) => Some((who, self.port(who)?)),
            None => None,
        };
        if let Some(folder) = self.dumpcore.as_ref().filter(|folder| !folder.is_dir()) {
            return Err(failure(
                format!("no folder `{}` for a core dump", folder.display()),
                "make it first, or name another",
            ));
        }
        let core_folder = self.dumpcore.clone();
        Ok(Debug { gdb, core_folder })
    }

    fn port(&self, who: Gdb) -> anyhow::Result<u16> {
        let asked = match (self.gdb_port, who) {
            (Some(port), _) => port,
            (None, Gdb::Wait) => PORT,
            (None, Gdb::Here) => 0,
        };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, asked)).map_err(|error| {
            failure(
                format!("cannot wait for gdb on port {asked}: {error}"),
                "another unikernel may be waiting there; `--gdb-port` chooses another port",
            )
        })?;
        Ok(listener.local_addr()?.port())
    }
}

impl Debug {
    /// The options of a tender that say the same.
    pub fn options(&self) -> Vec<OsString> {
        let mut options = Vec::new();
        if let Some((_, port)) = self.gdb {
            options.push("--gdb".into());
            options.push(format!("--gdb-port={port}").into());
        }
        if let Some(folder) = &self.core_folder {
            let mut option = OsString::from("--dumpcore=");
            option.push(folder);
            options.push(option);
        }
        options
    }

    /// Whether there will be a debugger, for which more is to be recorded.
    pub fn looks_at_variables(&self) -> bool {
        self.gdb.is_some() || self.core_folder.is_some()
    }

    /// The port for a gdb that the tool is to start.
    pub fn port_of_gdb_here(&self) -> Option<u16> {
        let (who, port) = self.gdb?;
        (who == Gdb::Here).then_some(port)
    }
}
