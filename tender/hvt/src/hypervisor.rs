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

use crate::memory::Memory;

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

    /// Sets the state in which the CPU starts, that of [`cpu`](crate::cpu), with the address of the
    /// first instruction and the stack pointer.
    ///
    /// # Errors
    ///
    /// The host refuses.
    fn start(&mut self, entry: u64, stack: u64) -> Result<(), Error>;

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
    /// It read from a port, so many bytes.
    In(u16, usize),
    /// It wrote to a port otherwise than hypercalls do, so many bytes.
    Out(u16, usize),
    /// It read from an address, behind its page tables, that is not memory.
    Read(u64),
    /// It wrote to an address that is not memory, or that the host protects.
    Write(u64),
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
        let no_call = "which is no hypercall";
        let refused = "where that is not allowed";
        match *self {
            Self::In(port, len) => write!(f, "it read from port {port:#x}, {len} bytes, {no_call}"),
            Self::Out(port, len) => write!(f, "it wrote to port {port:#x}, {len} bytes, {no_call}"),
            Self::Read(address) => write!(f, "it read from address {address:#x}, {refused}"),
            Self::Write(address) => write!(f, "it wrote to address {address:#x}, {refused}"),
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
