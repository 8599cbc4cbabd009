// SPDX-License-Identifier: ISC
//! Looking into a guest: the process beside it.
//!
//! A tender becomes its guest, and nothing of it is left that could serve a debugger. So, if asked
//! for gdb, a core file or a trace, it [`split`]s before anything else: the child becomes the guest
//! as ever, in the same sandbox, and this process watches it by ptrace(2) and ends as it ends. Its
//! own end, however it comes, is the guest's too (PTRACE_O_EXITKILL).
//!
//! `process` is the guest as a [`Debuggee`](fata_tender_debug::Debuggee), `ptrace` the system calls
//! under it.

mod process;
mod ptrace;

use std::{
    fs::File,
    io::{self, Read, Write},
    process::exit,
};

use fata_tender::{Error, FAILURE};
use fata_tender_debug::{Stop, Tools};

use process::Process;

/// Makes a second process, and returns in that: it is to become the guest. This one ends with it.
///
/// # Errors
///
/// What is asked for cannot be had; or, the guest having begun, it got out of reach.
pub(crate) fn split(mut tools: Tools) -> Result<(), Error> {
    let cannot = |error: io::Error| Error::new(format!("cannot watch the guest: {error}"));
    let (mut wait, mut go) = io::pipe().map_err(cannot)?;
    let Some(child) = ptrace::fork().map_err(cannot)? else {
        drop((tools, go));
        // Until it is watched. If that fails, this is killed, or hears that nobody is there.
        return match wait.read_exact(&mut [0]) {
            Ok(()) => Ok(()),
            Err(_) => exit(FAILURE.into()),
        };
    };
    drop(wait);
    let guest = Process::watch(child, tools.core.take(), tools.trace.take());
    let guest = guest.map_err(|error| {
        cannot(error).hint("`/proc` must be there, and ptrace(2) must not be forbidden")
    })?;
    go.write_all(&[0]).map_err(cannot)?;
    let end = supervise(guest, tools).map_err(cannot)?;
    end_as(end)
}

/// Watches the guest until its end.
fn supervise(mut guest: Process, mut tools: Tools) -> io::Result<Stop> {
    if let Some(end) = guest.reach_departure()? {
        return Ok(end);
    }
    if tools.wants_gdb() {
        let entry = guest.entry()?;
        if let Some(end) = tools.reach(&mut guest, entry)? {
            return Ok(end);
        }
        tools.connect()?;
    }
    guest.take_signals()?;
    tools.run(&mut guest)
}

/// Ends this process as the guest did.
fn end_as(end: Stop) -> ! {
    match end {
        Stop::Killed(signal) => ptrace::die_of(signal),
        Stop::Exited(status) => exit(status.into()),
        _ => unreachable!("a guest ends by exit or signal"),
    }
}

/// Opens a file of the child's folder in `/proc`.
fn open_proc(child: i32, name: &str, write: bool) -> io::Result<File> {
    let path = format!("/proc/{child}/{name}");
    File::options().read(true).write(write).open(path)
}
