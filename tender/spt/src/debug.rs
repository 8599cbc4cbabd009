// SPDX-License-Identifier: ISC
//! Looking into a guest: the process beside it.
//!
//! A tender becomes its guest, and nothing of it is left that could serve a debugger. So, if asked
//! for gdb, a core file or a trace, it [`split`]s before anything else: the child becomes the guest
//! as ever, in the same sandbox, and this process watches it by ptrace(2) and ends as it ends. Its
//! own end, however it comes, is the guest's too (PTRACE_O_EXITKILL).
//!
//! `process` is the guest as a [`Debuggee`](fata_tender_debug::Debuggee), `ptrace` the system calls
//! under it, `calls` the names of system calls in a trace.

mod calls;
mod process;
mod ptrace;

use std::{
    fs::File,
    io::{self, Read, Write},
    net::TcpStream,
    path::Path,
    process::exit,
};

use fata_tender::{Error, FAILURE, options::Run};
use fata_tender_debug::{
    Debuggee, Stop,
    core_file::CoreFolder,
    gdb::{self, Listener, Outcome},
    trace::Trace,
};

use process::Process;

/// What looks into the guest.
struct Tools {
    gdb: Option<Listener>,
    core_folder: Option<CoreFolder>,
    trace: Option<Trace>,
}

impl Tools {
    /// Opens what is asked for, before there is a guest that could be lost.
    fn open(run: &Run) -> Result<Self, Error> {
        let debug = &run.debug;
        let core_folder = debug.core_folder.as_deref();
        let trace = debug.trace.as_deref();
        Ok(Self {
            gdb: debug.gdb_port().map(Listener::open).transpose()?,
            core_folder: core_folder.map(CoreFolder::new).transpose()?,
            trace: trace.map(Trace::create).transpose()?,
        })
    }
}

/// Makes a second process, and returns in that: it is to become the guest. This one ends with it.
///
/// # Errors
///
/// What is asked for cannot be had; or, the guest having begun, it got out of reach.
pub(crate) fn split(run: &Run) -> Result<(), Error> {
    let tools = Tools::open(run)?;
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
    let Tools {
        gdb,
        core_folder,
        trace,
    } = tools;
    let guest = Process::watch(child, core_folder, trace, &run.image).map_err(|error| {
        cannot(error).hint("`/proc` must be there, and ptrace(2) must not be forbidden")
    })?;
    go.write_all(&[0]).map_err(cannot)?;
    let end = supervise(guest, gdb, &run.image).map_err(cannot)?;
    end_as(end)
}

/// Watches the guest until its end.
fn supervise(mut guest: Process, gdb: Option<Listener>, image: &Path) -> io::Result<Stop> {
    if let Some(end) = guest.reach_departure()? {
        return Ok(end);
    }
    let mut connection = None;
    if let Some(listener) = gdb {
        guest.reach_entry()?;
        eprintln!("fata-spt: {}", listener.invitation(image));
        connection = Some(listener.accept()?);
    }
    guest.take_signals()?;
    match connection {
        Some(connection) => debugged(guest, connection),
        None => run_on(guest),
    }
}

fn debugged(mut guest: Process, connection: TcpStream) -> io::Result<Stop> {
    guest.stop_at_abort(true);
    let outcome = gdb::serve(connection, &mut guest)?;
    guest.stop_at_abort(false);
    match outcome {
        Outcome::Ended => {}
        Outcome::Kill => guest.kill()?,
        Outcome::Detached => eprintln!("fata-spt: gdb has gone, the guest runs on"),
    }
    match guest.end() {
        Some(end) => Ok(end),
        None => run_on(guest),
    }
}

/// Lets it run, its signals passed on, to its end.
fn run_on(mut guest: Process) -> io::Result<Stop> {
    let mut signal = None;
    loop {
        guest.resume(false, signal)?;
        signal = match guest.stopped()? {
            end @ (Stop::Exited(_) | Stop::Killed(_)) => return Ok(end),
            Stop::Signal(number) => Some(number),
            Stop::Breakpoint(_) | Stop::Watch(_) => Some(libc::SIGTRAP as u8),
            Stop::Step | Stop::Interrupt => None,
        };
    }
}

/// Ends this process as the guest did.
fn end_as(end: Stop) -> ! {
    match end {
        Stop::Killed(signal) => ptrace::die_of(signal),
        Stop::Exited(status) => exit(status.into()),
        _ => unreachable!("a guest ends by exit or signal"),
    }
}

/// Writes the core file of a guest, and says so.
fn say_core(image: &Path, result: io::Result<std::path::PathBuf>) {
    match result {
        Ok(path) => eprintln!("fata-spt: {}", gdb::core_invitation(image, &path)),
        Err(error) => eprintln!("fata-spt: cannot write the core file: {error}"),
    }
}

/// Opens a file of the child's folder in `/proc`.
fn open_proc(child: i32, name: &str, write: bool) -> io::Result<File> {
    let path = format!("/proc/{child}/{name}");
    File::options().read(true).write(write).open(path)
}
