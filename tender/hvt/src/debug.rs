// SPDX-License-Identifier: ISC
//! Looking into a guest: how it runs if gdb, a core file or a trace is asked for.
//!
//! [`Tools`] opens what that takes while the tender may; `guest` runs the guest in place of
//! `run_guest`, and shows it to `fata-tender-debug`. `core` keeps a place for the core file, which a
//! sandboxed process could not make.
//!
//! The thread of the virtual CPU has no filter of system calls then, for what it takes to serve a
//! debugger is much; all else of the sandbox, and the filters of other threads, are there.

mod core;
mod guest;

use std::{
    io,
    net::TcpStream,
    os::fd::{AsRawFd, RawFd},
    path::PathBuf,
};

use fata_tender::{Error, options::Run};
use fata_tender_debug::{
    Debuggee, Stop,
    core_file::CoreFolder,
    gdb::{self, Listener, Outcome},
    trace::Trace,
};

use self::core::Core;
use crate::{hypercall::Host, hypervisor::Hypervisor};
use guest::Guest;

/// Milliseconds after which a guest that runs or sleeps is interrupted, to see what gdb wants.
const PATIENCE: u32 = 100;

/// What looks into the guest.
pub(crate) struct Tools {
    listener: Option<Listener>,
    connection: Option<TcpStream>,
    core: Option<Core>,
    trace: Option<Trace>,
    image: PathBuf,
}

impl Tools {
    /// Opens what is asked for, if anything is.
    pub(crate) fn open(run: &Run) -> Result<Option<Self>, Error> {
        let debug = &run.debug;
        if !debug.is_wanted() {
            return Ok(None);
        }
        let gdb = debug.gdb_port().map(Listener::open).transpose()?;
        let trace = debug.trace.as_deref().map(Trace::create).transpose()?;
        let folder = debug.core_folder.as_deref();
        let folder = folder.map(CoreFolder::new).transpose()?;
        Ok(Some(Self {
            listener: gdb,
            connection: None,
            core: folder.as_ref().map(Core::reserve).transpose()?,
            trace,
            image: run.image.clone(),
        }))
    }

    /// Whether the guest's code will be changed, for breakpoints.
    pub(crate) fn writes_code(&self) -> bool {
        self.listener.is_some()
    }

    /// Waits for gdb, while there can still be a connection.
    pub(crate) fn ready(mut self) -> Result<Self, Error> {
        if let Some(listener) = self.listener.take() {
            eprintln!("fata-hvt: {}", listener.invitation(&self.image));
            self.connection = Some(listener.accept().map_err(cannot)?);
        }
        Ok(self)
    }

    /// What has to stay open.
    pub(crate) fn descriptors(&self) -> Vec<RawFd> {
        let mut kept = Vec::new();
        kept.extend(self.connection.as_ref().map(AsRawFd::as_raw_fd));
        kept.extend(self.trace.as_ref().map(AsRawFd::as_raw_fd));
        kept.extend(self.core.iter().flat_map(Core::descriptors));
        kept
    }

    /// Runs the guest to its end, and returns the exit status.
    pub(crate) fn run(
        self,
        hypervisor: &mut impl Hypervisor,
        host: &mut Host<'_>,
    ) -> Result<u8, Error> {
        let mut guest = Guest::new(hypervisor, host, self.core, self.trace, &self.image);
        if let Some(connection) = self.connection {
            guest.pass_probe().map_err(cannot)?;
            serve(connection, &mut guest).map_err(cannot)?;
        }
        loop {
            if let Some(status) = guest.status() {
                return Ok(status);
            }
            guest.advance().map_err(cannot)?;
        }
    }
}

fn cannot(error: io::Error) -> Error {
    Error::new(format!("cannot look into the guest: {error}"))
}

fn serve(connection: TcpStream, guest: &mut Guest<'_, '_, impl Hypervisor>) -> io::Result<()> {
    interrupt_every(PATIENCE);
    guest.attach(true);
    let outcome = gdb::serve(connection, guest)?;
    guest.attach(false);
    interrupt_every(0);
    match outcome {
        Outcome::Ended => {}
        Outcome::Kill => guest.kill()?,
        Outcome::Detached => {
            eprintln!("fata-hvt: gdb has gone, the guest runs on");
            guest.resume(false, None)?;
        }
    }
    Ok(())
}

/// Has this process interrupted regularly from now on, or not any more: that ends a run of the
/// guest, and nothing else.
fn interrupt_every(milliseconds: u32) {
    extern "C" fn nothing(_: libc::c_int) {}
    let handler: extern "C" fn(libc::c_int) = nothing;
    // SAFETY: the handler does nothing, so it may run between any two instructions.
    unsafe { libc::signal(libc::SIGALRM, handler as libc::sighandler_t) };
    let time = libc::timeval {
        tv_sec: 0,
        tv_usec: i64::from(milliseconds) * 1000,
    };
    let timer = libc::itimerval {
        it_interval: time,
        it_value: time,
    };
    // SAFETY: the call reads the times.
    unsafe { libc::setitimer(libc::ITIMER_REAL, &raw const timer, std::ptr::null_mut()) };
}

/// The signal that a failure would be in a process.
fn signal_of(stop: Stop) -> u8 {
    match stop {
        Stop::Signal(signal) => signal,
        _ => libc::SIGABRT as u8,
    }
}
