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
    io,
    marker::PhantomData,
    net::{Ipv4Addr, TcpListener, TcpStream},
    os::fd::AsFd,
    path::{Path, PathBuf},
};

use fata_tender::Error;
use gdbstub::{
    common::Signal,
    conn::ConnectionExt,
    stub::{
        DisconnectReason, GdbStub, SingleThreadStopReason,
        run_blocking::{BlockingEventLoop, Event as StubEvent, WaitForStopReasonError},
    },
};

use crate::{Debuggee, Event};
use target::Target;

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
    /// The guest is gone.
    Ended,
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

/// Does what the debugger asks, until one of the two is gone. The guest is stopped.
///
/// # Errors
///
/// The guest is out of reach. A connection that breaks is a debugger that is gone.
pub fn serve<D: Debuggee>(connection: TcpStream, debuggee: &mut D) -> io::Result<Outcome> {
    let mut target = Target::new(debuggee);
    let result = GdbStub::new(connection).run_blocking::<Loop<'_, D>>(&mut target);
    let outcome = match result {
        Ok(DisconnectReason::Kill) => Outcome::Kill,
        Ok(DisconnectReason::Disconnect) => Outcome::Detached,
        Ok(DisconnectReason::TargetExited(_) | DisconnectReason::TargetTerminated(_)) => {
            Outcome::Ended
        }
        Err(error) if error.is_target_error() => {
            let error = error.into_target_error();
            return Err(error.unwrap_or_else(|| io::ErrorKind::Other.into()));
        }
        // The connection is broken, or not one with gdb.
        Err(_) => Outcome::Detached,
    };
    if outcome == Outcome::Detached {
        return target.leave();
    }
    Ok(outcome)
}

/// What to type to look into a core file that was written, for standard error.
pub fn core_invitation(image: &Path, core: &Path) -> String {
    let file = symbols(image);
    let (file, core) = (file.display(), core.display());
    format!("the guest failed; look into it with: gdb {file} {core}")
}

/// The file for gdb beside `image`: with its symbols where there is one, as `IMAGE.debug`.
fn symbols(image: &Path) -> PathBuf {
    let mut symbols = image.as_os_str().to_owned();
    symbols.push(".debug");
    let symbols = PathBuf::from(symbols);
    if symbols.exists() {
        symbols
    } else {
        image.to_owned()
    }
}

/// How the server waits.
struct Loop<'a, D>(PhantomData<&'a D>);

type Reason = SingleThreadStopReason<u64>;

impl<'a, D: Debuggee> BlockingEventLoop for Loop<'a, D> {
    type Target = Target<'a, D>;
    type Connection = TcpStream;
    type StopReason = Reason;

    fn wait_for_stop_reason(
        target: &mut Self::Target,
        connection: &mut TcpStream,
    ) -> Result<StubEvent<Reason>, WaitForStopReasonError<io::Error, io::Error>> {
        let event = target.debuggee.wait(connection.as_fd());
        match event.map_err(WaitForStopReasonError::Target)? {
            Event::Readable => match ConnectionExt::read(connection) {
                Ok(byte) => Ok(StubEvent::IncomingData(byte)),
                Err(error) => Err(WaitForStopReasonError::Connection(error)),
            },
            Event::Stopped(stop) => match target.reason(stop) {
                Ok(reason) => Ok(StubEvent::TargetStopped(reason)),
                Err(error) => Err(WaitForStopReasonError::Target(error)),
            },
        }
    }

    fn on_interrupt(target: &mut Self::Target) -> io::Result<Option<Reason>> {
        target.interrupt().map(Some)
    }
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
