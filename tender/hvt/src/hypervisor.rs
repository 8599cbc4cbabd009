// SPDX-License-Identifier: ISC
//! What a tender needs of a hypervisor: one virtual machine with one virtual CPU.
//!
//! Nothing here is KVM's. Another hypervisor (FreeBSD's or OpenBSD's vmm) is another file beside
//! [`kvm`](crate::kvm) that implements [`Hypervisor`].

use std::{
    fmt,
    os::fd::{BorrowedFd, RawFd},
};

use fata_tender::Error;
use fata_tender_debug::{
    Registers,
    watch::{Point, SLOTS},
};

use crate::{cpu::Start, memory::Memory};

/// A virtual machine with one virtual CPU, which is the calling thread's while it runs.
pub trait Hypervisor {
    /// Gives the guest its memory. Once, before anything else.
    ///
    /// # Errors
    ///
    /// The host refuses.
    fn map(&mut self, memory: &'static Memory) -> Result<(), Error>;

    /// Frequency of the guest's time-stamp counter in Hz.
    ///
    /// # Errors
    ///
    /// It is not constant, so a guest could not tell the time.
    fn tsc_frequency(&self) -> Result<u64, Error>;

    /// Whether the guest's page tables may have entries that map 1 GiB.
    fn has_gigabyte_pages(&self) -> bool;

    /// Sets the state in which the CPU starts.
    ///
    /// # Errors
    ///
    /// The host refuses.
    fn start(&mut self, start: &Start) -> Result<(), Error>;

    /// Has a 32-bit `out` of `value` to `port` write to `event` instead of ending
    /// [`run`](Self::run).
    ///
    /// # Errors
    ///
    /// The host refuses.
    fn kick(&mut self, port: u16, value: u32, event: BorrowedFd<'_>) -> Result<(), Error>;

    /// The descriptors that [`run`](Self::run) and what follows it here need.
    fn descriptors(&self) -> Vec<RawFd>;

    /// What [`run`](Self::run) and [`instruction`](Self::instruction) ask of them: numbers of
    /// `ioctl`s.
    fn requests(&self) -> &'static [u64];

    /// The same of [`registers`](Self::registers) and all that follows it, too.
    fn debug_requests(&self) -> &'static [u64];

    /// Runs the guest until it wants something, or cannot go on.
    fn run(&mut self) -> Exit;

    /// Address of the next instruction, between two runs; zero if it cannot be had.
    fn instruction(&self) -> u64;

    /// The registers, between two runs: for a debugger, as is all that follows.
    ///
    /// # Errors
    ///
    /// The host refuses.
    fn registers(&self) -> Result<Registers, Error>;

    /// Sets the registers, between two runs, but for the selectors of segments.
    ///
    /// # Errors
    ///
    /// The host refuses, or a value makes no sense.
    fn set_registers(&mut self, registers: &Registers) -> Result<(), Error>;

    /// Where the guest's page tables lead from `address`, if they do.
    fn translate(&self, address: u64) -> Option<u64>;

    /// Ends [`run`](Self::run) with [`Exit::Debug`] from here on at these points, and after one
    /// instruction if it is to `step`.
    ///
    /// # Errors
    ///
    /// The host has no such means.
    fn debug(&mut self, step: bool, points: &[Option<Point>; SLOTS]) -> Result<(), Error>;
}

/// Why a guest stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It wrote 32 bits to a port, and goes on behind that.
    Out {
        /// The port.
        port: u16,
        /// What it wrote.
        value: u32,
    },
    /// A signal came for this thread.
    Interrupted,
    /// Something that [`Hypervisor::debug`] asked for, with the value of DR6.
    Debug(u64),
    /// It cannot go on.
    Failed(Failure),
}

/// Why a guest cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// It used a port otherwise than hypercalls do.
    Port {
        /// The port.
        port: u16,
        /// It was an `in`.
        input: bool,
        /// Bytes it transferred.
        len: usize,
    },
    /// It reached for an address that is not memory, or wrote to memory that the host protects.
    Address {
        /// The address, behind its page tables.
        address: u64,
        /// It wrote.
        write: bool,
    },
    /// The same, of a hypervisor that does not tell the address.
    Fault,
    /// An exception that it has no handler for.
    TripleFault,
    /// It halted its CPU, which nothing would ever wake.
    Halted,
    /// The hypervisor could not run an instruction, or failed in another way, with this number.
    Internal(u32),
    /// The CPU refused its state, for this reason of the CPU's.
    Entry(u64),
    /// The hypervisor ended it with this number of an exit, or of an error below zero.
    Other(i64),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Port { port, input, len } => {
                let verb = if input { "read from" } else { "wrote to" };
                let what = "which is no hypercall";
                write!(f, "it {verb} port {port:#x}, {len} bytes, {what}")
            }
            Self::Address { address, write } => {
                let verb = if write { "wrote to" } else { "read from" };
                write!(
                    f,
                    "it {verb} address {address:#x}, where that is not allowed"
                )
            }
            Self::Fault => f.write_str("it used memory in a way that is not allowed"),
            Self::TripleFault => f.write_str("an exception that it does not handle"),
            Self::Halted => f.write_str("it halted its CPU, which nothing would wake"),
            // KVM_INTERNAL_ERROR_EMULATION
            Self::Internal(1) => f.write_str("the hypervisor cannot run one of its instructions"),
            Self::Internal(error) => write!(f, "the hypervisor failed: internal error {error}"),
            Self::Entry(reason) => write!(f, "the CPU refused to run it: reason {reason:#x}"),
            Self::Other(exit) if exit < 0 => write!(f, "the hypervisor failed: error {}", -exit),
            Self::Other(exit) => write!(f, "the hypervisor ended it: exit {exit}"),
        }
    }
}
