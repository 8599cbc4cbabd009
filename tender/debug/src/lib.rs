// SPDX-License-Identifier: ISC
//! Looking into a guest: a server for gdb, core files, traces.
//!
//! A tender that is asked to (`fata_tender::options::Debug`) opens its [`Tools`] while it may, and
//! hands what it runs to [`Tools::run`] as a [`Debuggee`]; how a guest is stopped and how its
//! registers are had is the tender's to know, what gdb and its files want to see is known here. A
//! tender that is not asked uses none of this, which is why it is a crate of its own: neither tender
//! is larger to read for it.
//!
//! [`gdb`] serves a debugger, [`core_file`] writes what is left of a guest that failed, [`trace`]
//! writes what it asked of its host; [`Registers`] are those of all three. A guest on a virtual CPU
//! that the tender's own thread runs is a debuggee by [`machine`].

#![deny(unsafe_code)]

pub mod core_file;
pub mod gdb;
pub mod machine;
mod registers;
pub mod tools;
pub mod trace;
pub mod watch;

use std::{io, os::fd::BorrowedFd};

pub use registers::{FX_SIZE, Registers, USER_WORDS};
pub use tools::Tools;
use watch::{Point, SLOTS};

/// Something that runs and can be stopped and looked into: a process, a virtual CPU with its memory.
///
/// Except where said, it is stopped when its methods are called. An error of any of them ends the
/// session with the debugger.
pub trait Debuggee {
    /// The instruction, of one byte, that stops it in place of another.
    const BREAKPOINT: u8;

    /// There is a debugger from now on, or none any more. With one it is stopped also when it fails,
    /// before it is gone.
    fn attach(&mut self, attached: bool);

    /// Its registers.
    ///
    /// # Errors
    ///
    /// It is not there any more.
    fn registers(&mut self) -> io::Result<Registers>;

    /// Changes its registers.
    ///
    /// # Errors
    ///
    /// It is not there any more, or takes no such values.
    fn set_registers(&mut self, registers: &Registers) -> io::Result<()>;

    /// Reads its memory, and returns how many bytes there are.
    fn read(&mut self, address: u64, into: &mut [u8]) -> usize;

    /// Writes its memory, also where itself it may only read or execute.
    ///
    /// # Errors
    ///
    /// There is no such memory.
    fn write(&mut self, address: u64, bytes: &[u8]) -> io::Result<()>;

    /// Sets what the processor itself watches. It stays until set again.
    ///
    /// # Errors
    ///
    /// The processor, or what stands between, cannot.
    fn watch(&mut self, points: &[Option<Point>; SLOTS]) -> io::Result<()>;

    /// Lets it run on, one instruction or until something happens. `signal`: with the signal that
    /// it was stopped for, or another, if it is something that takes signals.
    ///
    /// # Errors
    ///
    /// It is not there any more.
    fn resume(&mut self, step: bool, signal: Option<u8>) -> io::Result<()>;

    /// While it runs: waits until it has stopped, or `connection` can be read.
    ///
    /// # Errors
    ///
    /// It cannot be waited for.
    fn wait(&mut self, connection: Option<BorrowedFd<'_>>) -> io::Result<Event>;

    /// While it runs: stops it, if it does not stop for a reason of its own first, and returns when
    /// it has stopped.
    ///
    /// # Errors
    ///
    /// It is not there any more.
    fn interrupt(&mut self) -> io::Result<Stop>;

    /// It has stopped at a breakpoint, and stands behind it, that is an instruction of its own: does
    /// what that does, and returns why it is stopped now.
    ///
    /// # Errors
    ///
    /// It is not there any more.
    fn own_breakpoint(&mut self) -> io::Result<Stop>;

    /// Ends it, whatever it does, and returns how it ended.
    ///
    /// # Errors
    ///
    /// The tender may not do so.
    fn kill(&mut self) -> io::Result<Stop>;
}

/// What came first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The guest has stopped.
    Stopped(Stop),
    /// There is something to read, or the debugger has gone.
    Readable,
}

/// Why a guest has stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// It has executed the one instruction that it was resumed for.
    Step,
    /// It came to a breakpoint at this address, and is behind it.
    Breakpoint(u64),
    /// The processor has seen something that it watches: the slot's number.
    Watch(usize),
    /// It was interrupted.
    Interrupt,
    /// It would get this signal, by Linux's number; or something happened to it that would be this
    /// signal in a process, as SIGSEGV for a fault.
    Signal(u8),
    /// It is gone, with this status.
    Exited(u8),
    /// It is gone, by this signal.
    Killed(u8),
}

impl Stop {
    /// Whether it is gone.
    pub fn is_end(self) -> bool {
        matches!(self, Self::Exited(_) | Self::Killed(_))
    }
}
