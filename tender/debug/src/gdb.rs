// SPDX-License-Identifier: ISC
//! A server for gdb: `target remote :1234`.
//!
//! [`Listener`] is opened while the tender may still open things; [`Listener::accept`] waits for the
//! debugger, before the guest's first instruction; [`serve`] does what it asks until it goes or the
//! guest ends. The protocol is the `gdbstub` crate's; `target` is a [`Debuggee`] as that crate wants
//! to see it, with the breakpoints.
//!
//! Read first: GDB manual, "Remote Serial Protocol".

mod layout;
mod target;

use std::{
    io::{self, Read, Write},
    net::{Ipv4Addr, Shutdown, TcpListener, TcpStream},
    os::fd::{AsFd, AsRawFd},
    path::{Path, PathBuf},
};

use fata_tender::{
    Error,
    seccomp::{
        Condition::{self, AtMost, Equal},
        Rule,
    },
};
use gdbstub::{
    common::Signal,
    conn,
    stub::{
        DisconnectReason, GdbStub, GdbStubError, state_machine::GdbStubStateMachine as Machine,
    },
};

use crate::{Debuggee, Event, Stop};
use target::Target;

/// Names the file with the symbols of the image, where whoever starts the tender knows it.
pub const SYMBOLS: &str = "FATA_SYMBOLS";
/// Where `cargo fata build` keeps such files, in the workspace.
const KEPT: &str = "target/fata/symbols";

/// A port at which gdb can call, on this machine's loopback only: who is let in reads and writes
/// everything of the guest.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    port: u16,
}

/// How a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The guest is gone, in that way.
    Ended(Stop),
    /// The debugger is gone. The guest is stopped, without breakpoints.
    Detached,
    /// The debugger wants the guest to be gone too.
    Kill,
}

impl Listener {
    /// Opens the port.
    ///
    /// # Errors
    ///
    /// Another process has it.
    pub fn open(port: u16) -> Result<Self, Error> {
        let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(|error| {
            let message = format!("cannot wait for gdb on port {port}: {error}");
            let other = match port {
                u16::MAX => port - 1,
                _ => port + 1,
            };
            match error.kind() {
                io::ErrorKind::AddrInUse => Error::new(message).hint(format!(
                    "another guest may wait there: give another port, as in `--gdb-port={other}`"
                )),
                _ => Error::new(message)
                    .hint("give a port from 1024 to 65535, as in `--gdb-port=1234`"),
            }
        })?;
        Ok(Self { socket, port })
    }

    #[cfg(test)]
    pub(crate) fn port(&self) -> u16 {
        let address = self.socket.local_addr();
        address.map_or(self.port, |address| address.port())
    }

    /// What to type to look into `image`, for standard error.
    pub fn invitation(&self, image: &Path) -> String {
        let file = symbols(image);
        let file = file.display();
        let port = self.port;
        format!("the guest waits for gdb: gdb {file} -ex 'target remote :{port}'")
    }

    /// Waits until gdb calls.
    ///
    /// # Errors
    ///
    /// As it is with sockets.
    pub fn accept(self) -> io::Result<TcpStream> {
        let (connection, _) = self.socket.accept()?;
        connection.set_nodelay(true)?;
        Ok(connection)
    }
}

/// Does what the debugger asks, until one of the two is gone. The guest is stopped. `watches`: the
/// processor stops at its debug registers; if not, nothing can be watched.
///
/// # Errors
///
/// The guest is out of reach. A connection that breaks is a debugger that is gone.
pub fn serve<D: Debuggee>(
    connection: &TcpStream,
    debuggee: &mut D,
    watches: bool,
) -> io::Result<Outcome> {
    let mut target = Target::new(debuggee, watches);
    let reason = converse(connection, &mut target);
    // To close it is the owner's.
    let _ = connection.shutdown(Shutdown::Both);
    match reason {
        Ok(DisconnectReason::Kill) => Ok(Outcome::Kill),
        Err(Broken::Guest(error)) => Err(error),
        Ok(_) | Err(Broken::Connection) => target.leave(),
    }
}

/// What broke.
enum Broken {
    /// The guest is out of reach.
    Guest(io::Error),
    /// The debugger is gone, or is none.
    Connection,
}

impl From<GdbStubError<io::Error, io::Error>> for Broken {
    fn from(error: GdbStubError<io::Error, io::Error>) -> Self {
        match error.into_target_error() {
            Some(error) => Self::Guest(error),
            None => Self::Connection,
        }
    }
}

fn converse<D: Debuggee>(
    connection: &TcpStream,
    target: &mut Target<'_, D>,
) -> Result<DisconnectReason, Broken> {
    let link = Link {
        stream: connection,
        unsent: Vec::new(),
    };
    let mut machine = GdbStub::new(link).run_state_machine(target)?;
    loop {
        machine = match machine {
            Machine::Idle(mut gdb) => {
                let byte = gdb.borrow_conn().read()?;
                gdb.incoming_data(target, byte)?
            }
            Machine::Running(mut gdb) => {
                gdb.borrow_conn().send()?;
                let connection = gdb.borrow_conn().stream.as_fd();
                let event = target.debuggee.wait(Some(connection));
                match event.map_err(Broken::Guest)? {
                    Event::Stopped(stop) => {
                        let reason = target.reason(stop).map_err(Broken::Guest)?;
                        gdb.report_stop(target, reason)?
                    }
                    Event::Readable => {
                        let byte = gdb.borrow_conn().read()?;
                        gdb.incoming_data(target, byte)?
                    }
                }
            }
            Machine::CtrlCInterrupt(gdb) => {
                let reason = target.interrupt().map_err(Broken::Guest)?;
                gdb.interrupt_handled(target, Some(reason))?
            }
            Machine::Disconnected(gdb) => return Ok(gdb.get_reason()),
        };
    }
}

/// The connection: what is said to gdb is sent when it is waited for.
struct Link<'a> {
    stream: &'a TcpStream,
    unsent: Vec<u8>,
}

impl Link<'_> {
    fn read(&mut self) -> Result<u8, Broken> {
        self.send()?;
        let mut byte = [0];
        let read = self.stream.read_exact(&mut byte);
        read.map_err(|_| Broken::Connection)?;
        Ok(byte[0])
    }

    fn send(&mut self) -> Result<(), Broken> {
        conn::Connection::flush(self).map_err(|_| Broken::Connection)
    }
}

impl conn::Connection for Link<'_> {
    type Error = io::Error;

    fn write(&mut self, byte: u8) -> io::Result<()> {
        self.unsent.push(byte);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        let sent = Write::write_all(&mut self.stream, &self.unsent);
        self.unsent.clear();
        sent
    }
}

/// What a sandboxed process may do to serve gdb over `connection`.
pub(crate) fn rules(connection: &TcpStream) -> [Rule; 4] {
    const WHY: &str = "talk to gdb";
    let socket = [Condition::descriptor(connection.as_raw_fd())];
    let rule = |call| Rule::new(call, &socket, WHY);
    [
        rule(libc::SYS_recvfrom),
        rule(libc::SYS_sendto),
        rule(libc::SYS_shutdown),
        Rule::new(
            libc::SYS_ppoll,
            &[AtMost(1, 1), Equal(3, 0)],
            "see whether gdb has said something",
        ),
    ]
}

/// What to type to look into a core file that was written, for standard error.
pub(crate) fn core_invitation(symbols: &Path, core: &Path) -> String {
    let (file, core) = (symbols.display(), core.display());
    format!("the guest failed; look into it with: gdb {file} {core}")
}

/// The file to give gdb for `image`, with its symbols if they are found: as [`SYMBOLS`] says, beside
/// the image, or where `cargo fata build` keeps them.
pub(crate) fn symbols(image: &Path) -> PathBuf {
    if let Some(file) = std::env::var_os(SYMBOLS) {
        return file.into();
    }
    let mut name = image.file_name().unwrap_or_default().to_owned();
    name.push(".debug");
    let whole = std::path::absolute(image).unwrap_or_default();
    let kept = whole.ancestors().skip(1);
    let kept = kept.map(|folder| folder.join(KEPT).join(&name));
    let mut places = std::iter::once(image.with_file_name(&name)).chain(kept);
    let found = places.find(|place| place.is_file());
    found.unwrap_or_else(|| image.to_owned())
}

/// Signals of Linux that have another number in gdb's protocol, which has one for all systems.
const SIGNALS: [(u8, Signal); 8] = [
    (7, Signal::SIGBUS),
    (10, Signal::SIGUSR1),
    (12, Signal::SIGUSR2),
    (17, Signal::SIGCHLD),
    (18, Signal::SIGCONT),
    (19, Signal::SIGSTOP),
    (20, Signal::SIGTSTP),
    (31, Signal::SIGSYS),
];

fn signal_to_gdb(number: u8) -> Signal {
    match SIGNALS.iter().find(|(linux, _)| *linux == number) {
        Some((_, signal)) => *signal,
        None if number <= 15 => Signal(number),
        None => Signal::UNKNOWN,
    }
}

fn signal_from_gdb(signal: Signal) -> Option<u8> {
    match SIGNALS.iter().find(|(_, gdb)| *gdb == signal) {
        Some((number, _)) => Some(*number),
        None => (1..=15).contains(&signal.0).then_some(signal.0),
    }
}

#[cfg(test)]
mod tests;
