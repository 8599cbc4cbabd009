// SPDX-License-Identifier: ISC
//! What looks into one guest: opened while the tender may open things, used until the guest's end.

use std::{
    io,
    net::TcpStream,
    os::fd::{AsRawFd, RawFd},
    path::PathBuf,
};

use fata_tender::{
    Error,
    options::Run,
    seccomp::{
        Condition::{AtMost, Equal},
        Rule,
    },
};

use crate::{
    Debuggee, Event, Stop,
    core_file::Place,
    gdb::{self, Listener, Outcome},
    trace::Trace,
    watch::{Kind, Point, SLOTS},
};

/// SIGTRAP.
const TRAP: u8 = 5;
const READ_WRITE: u64 = 1 | 2;
const PRIVATE_ANONYMOUS: u64 = 0x22;

/// What was asked for.
#[derive(Debug)]
pub struct Tools {
    /// Name of the tender, before all that it says.
    tender: &'static str,
    image: PathBuf,
    listener: Option<Listener>,
    connection: Option<TcpStream>,
    /// The processor stops at its debug registers.
    watches: bool,
    /// Where the core file goes.
    pub core: Option<Place>,
    /// Where the guest's calls go.
    pub trace: Option<Trace>,
}

impl Tools {
    /// Opens what is asked for, if anything is.
    ///
    /// # Errors
    ///
    /// It cannot be had.
    pub fn open(tender: &'static str, run: &Run) -> Result<Option<Self>, Error> {
        let debug = &run.debug;
        if !debug.is_wanted() {
            return Ok(None);
        }
        let trace = debug.trace.as_deref();
        let folder = debug.core_folder.as_deref();
        Ok(Some(Self {
            tender,
            image: run.image.clone(),
            listener: debug.gdb_port().map(Listener::open).transpose()?,
            connection: None,
            watches: false,
            core: folder
                .map(|folder| Place::new(folder, tender, &run.image))
                .transpose()?,
            trace: trace.map(|path| Trace::create(path, tender)).transpose()?,
        }))
    }

    /// Whether there is to be a debugger, who may change the guest's code.
    pub fn wants_gdb(&self) -> bool {
        self.listener.is_some() || self.connection.is_some()
    }

    /// Waits for gdb, if it is to come.
    ///
    /// # Errors
    ///
    /// As it is with sockets.
    pub fn connect(&mut self) -> io::Result<()> {
        if let Some(listener) = self.listener.take() {
            let invitation = listener.invitation(&self.image);
            eprintln!("{}: {invitation}", self.tender);
            self.connection = Some(listener.accept()?);
        }
        Ok(())
    }

    /// What has to stay open.
    pub fn descriptors(&self) -> Vec<RawFd> {
        let mut kept = Vec::new();
        kept.extend(self.connection.as_ref().map(AsRawFd::as_raw_fd));
        kept.extend(self.trace.as_ref().map(AsRawFd::as_raw_fd));
        kept.extend(self.core.iter().flat_map(Place::descriptors));
        kept
    }

    /// What a sandboxed thread may do to look into a guest, besides what its debuggee takes.
    pub fn rules(&self) -> Vec<Rule> {
        let mut rules = memory_rules().to_vec();
        rules.extend(self.connection.iter().flat_map(gdb::rules));
        rules.extend(self.trace.iter().flat_map(Trace::rules));
        rules.extend(self.core.iter().flat_map(Place::rules));
        rules
    }

    /// Lets a guest that is stopped run to its first instruction, at `entry`, where nothing has
    /// changed then; or returns its end, if that came before. On the way it is found out whether the
    /// processor stops at its debug registers, which not every emulated one does.
    ///
    /// # Errors
    ///
    /// It came to something else before.
    pub fn reach<D: Debuggee>(&mut self, guest: &mut D, entry: u64) -> io::Result<Option<Stop>> {
        let lost = || io::Error::other("it did not come to its first instruction");
        let mut instruction = [0];
        if guest.read(entry, &mut instruction) != 1 {
            return Err(lost());
        }
        guest.write(entry, &[D::BREAKPOINT])?;
        guest.watch(&[Point::new(entry, 1, Kind::Execute), None, None, None])?;
        guest.attach(true);
        guest.resume(false, None)?;
        let stop = stopped(guest)?;
        guest.attach(false);
        match stop {
            Stop::Watch(_) => self.watches = true,
            Stop::Breakpoint(at) if at == entry => {
                eprintln!(
                    "{}: this CPU does not stop at its debug registers: gdb must watch step by \
                     step, by `set can-use-hw-watchpoints 0`",
                    self.tender
                );
            }
            end if end.is_end() => return Ok(Some(end)),
            _ => return Err(lost()),
        }
        guest.write(entry, &instruction)?;
        guest.watch(&[None; SLOTS])?;
        let mut registers = guest.registers()?;
        registers.rip = entry;
        guest.set_registers(&registers)?;
        Ok(None)
    }

    /// Runs the guest to its end, and returns what that was.
    ///
    /// # Errors
    ///
    /// The guest is out of reach.
    pub fn run(&mut self, guest: &mut impl Debuggee) -> io::Result<Stop> {
        if let Some(connection) = &self.connection {
            guest.attach(true);
            let outcome = gdb::serve(connection, guest, self.watches)?;
            guest.attach(false);
            match outcome {
                Outcome::Ended(end) => return Ok(end),
                Outcome::Kill => return guest.kill(),
                Outcome::Detached => {
                    eprintln!("{}: gdb has gone, the guest runs on", self.tender);
                }
            }
        }
        run_on(guest)
    }
}

/// Lets it run to its end, its signals passed on.
fn run_on(guest: &mut impl Debuggee) -> io::Result<Stop> {
    let mut signal = None;
    loop {
        guest.resume(false, signal)?;
        let mut stop = stopped(guest)?;
        if matches!(stop, Stop::Breakpoint(_)) {
            stop = guest.own_breakpoint()?;
        }
        signal = match stop {
            Stop::Exited(_) | Stop::Killed(_) => return Ok(stop),
            Stop::Signal(number) => Some(number),
            Stop::Breakpoint(_) | Stop::Watch(_) => Some(TRAP),
            Stop::Step | Stop::Interrupt => None,
        };
    }
}

fn stopped(guest: &mut impl Debuggee) -> io::Result<Stop> {
    match guest.wait(None)? {
        Event::Stopped(stop) => Ok(stop),
        Event::Readable => Err(io::ErrorKind::InvalidData.into()),
    }
}

/// What whoever asks for memory does, and gives back; nothing of it can be executed.
fn memory_rules() -> [Rule; 5] {
    const WHY: &str = "memory for what gdb asks, for lines of a trace and parts of a core file";
    let data = [AtMost(2, READ_WRITE), Equal(3, PRIVATE_ANONYMOUS)];
    [
        Rule::new(libc::SYS_brk, &[], WHY),
        Rule::new(libc::SYS_mmap, &data, WHY),
        Rule::new(libc::SYS_mremap, &[], WHY),
        Rule::new(libc::SYS_munmap, &[], WHY),
        Rule::new(libc::SYS_madvise, &[], WHY),
    ]
}

#[cfg(test)]
mod tests;
