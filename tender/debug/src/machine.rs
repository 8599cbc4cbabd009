// SPDX-License-Identifier: ISC
//! A virtual CPU with its memory, run by the calling thread, as something to look into.
//!
//! It stops whenever the host takes over, so it is looked into between two turns; a timer sees to it
//! that these come while a debugger waits. A guest that failed stays as it was until the debugger
//! lets it go: its registers are then those of the trap frame that it halted with, if it did, as they
//! are in the core file.
//!
//! A breakpoint is `hlt`. Every processor leaves its guest there, whatever the hypervisor has set up,
//! and a guest has no other use for it. `int3` leaves it only where the hypervisor asks for that; an
//! emulated SVM, as in nested machines, does not even then.

use std::{io, ops::Range, os::fd::BorrowedFd};

use fata_tender::{
    elf::PAGE_SIZE,
    seccomp::{Condition::Equal, Rule},
};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::{
    Debuggee, Event, Registers, Stop,
    core_file::{Place, Region},
    watch::{self, Point, SLOTS},
};

/// Milliseconds after which a guest that runs or sleeps is interrupted, to see what gdb wants.
pub const PATIENCE: u32 = 100;

const HLT: u8 = 0xf4;
/// Status of a guest that gave up, or had to be stopped.
const ABORTED: u8 = 255;
const ABORT: u8 = 6;
const SEGMENTATION_FAULT: u8 = 11;

/// A virtual CPU with its memory.
pub trait Machine {
    /// Its registers, between two turns.
    ///
    /// # Errors
    ///
    /// The hypervisor refuses.
    fn registers(&self) -> io::Result<Registers>;

    /// Sets its registers, between two turns.
    ///
    /// # Errors
    ///
    /// The hypervisor refuses, or a value makes no sense.
    fn set_registers(&mut self, registers: &Registers) -> io::Result<()>;

    /// Ends turns at these points from here on, and after one instruction if it is to `step`.
    ///
    /// # Errors
    ///
    /// The hypervisor has no such means.
    fn debug(&mut self, step: bool, points: &[Option<Point>; SLOTS]) -> io::Result<()>;

    /// Where its page tables lead from `address`, if they do.
    fn translate(&self, address: u64) -> Option<u64>;

    /// Reads memory behind its page tables: all of `into`, or nothing.
    fn read(&self, place: u64, into: &mut [u8]) -> Option<()>;

    /// Writes memory behind its page tables, whatever the rights there: all of `bytes`, or nothing.
    fn write(&mut self, place: u64, bytes: &[u8]) -> Option<()>;

    /// All of its memory.
    fn regions(&self) -> Vec<Region>;

    /// Runs it until it wants something, and does that. While it is `attached` to a debugger, no turn
    /// sleeps for much longer than [`PATIENCE`], and a `hlt` ends a turn.
    fn turn(&mut self, attached: bool) -> Turn;
}

/// What a turn came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Nothing: the guest goes on.
    Again,
    /// What [`Machine::debug`] asked for, with the value of DR6.
    Debug(u64),
    /// The guest came to a `hlt`, and is behind it.
    Breakpoint,
    /// It has ended itself.
    Ended {
        /// With this status.
        status: u8,
        /// Address of what it keeps about why, or zero.
        cookie: u64,
    },
    /// It had to be stopped; why was said.
    Stopped,
}

/// A guest that can be looked into.
#[derive(Debug)]
pub struct Guest<M> {
    machine: M,
    core: Option<Place>,
    points: [Option<Point>; SLOTS],
    attached: bool,
    /// The machine was told what to stop at, which stays until it is told again.
    told: bool,
    /// How it ended, and its registers at that.
    end: Option<(Stop, Registers)>,
}

impl<M: Machine> Guest<M> {
    /// One that leaves a core file in `core` if it fails. From here on SIGALRM does nothing to this
    /// process but end a turn.
    pub fn new(machine: M, core: Option<Place>) -> Self {
        timer::take_signal();
        Self {
            machine,
            core,
            points: [None; SLOTS],
            attached: false,
            told: false,
            end: None,
        }
    }

    /// Lets it take its turn, and returns why it has stopped, if it has.
    fn turn(&mut self, attached: bool) -> io::Result<Option<Stop>> {
        Ok(match self.machine.turn(attached) {
            Turn::Again => None,
            Turn::Debug(status) => Some(watch::hit(status).map_or(Stop::Step, Stop::Watch)),
            Turn::Breakpoint => {
                let behind = self.machine.registers()?.rip;
                Some(Stop::Breakpoint(behind.wrapping_sub(1)))
            }
            Turn::Ended { status, cookie } => Some(self.ended(status, cookie)?),
            Turn::Stopped => {
                let registers = self.machine.registers()?;
                Some(self.failed(registers, SEGMENTATION_FAULT))
            }
        })
    }

    fn ended(&mut self, status: u8, cookie: u64) -> io::Result<Stop> {
        let mut registers = self.machine.registers()?;
        if status != ABORTED {
            self.end = Some((Stop::Exited(status), registers));
            return Ok(Stop::Exited(status));
        }
        let signal = match self.apply_trap_frame(cookie, &mut registers) {
            Some(()) => SEGMENTATION_FAULT,
            None => ABORT,
        };
        Ok(self.failed(registers, signal))
    }

    /// The registers at an exception, which a guest keeps around its cookie.
    fn apply_trap_frame(&self, cookie: u64, registers: &mut Registers) -> Option<()> {
        let mut frame = [0; Registers::TRAP_FRAME_SIZE];
        let start = cookie.checked_sub(Registers::TRAP_FRAME_COOKIE);
        let start = start.filter(|_| cookie != 0)?;
        self.machine.read(start, &mut frame)?;
        registers.apply_trap_frame(&frame);
        Some(())
    }

    /// Nothing follows but a look at it.
    fn failed(&mut self, registers: Registers, signal: u8) -> Stop {
        self.end = Some((Stop::Exited(ABORTED), registers));
        if let Some(core) = self.core.take() {
            let machine = &self.machine;
            core.leave(registers, signal, &machine.regions(), |place, into| {
                machine.read(place, into).map_or(0, |()| into.len())
            });
        }
        match self.attached {
            true => Stop::Signal(signal),
            false => Stop::Exited(ABORTED),
        }
    }

    /// Goes from page to page of `len` bytes at `address`, until `each` finds nothing behind one;
    /// returns how many bytes there were.
    fn pages(
        &mut self,
        address: u64,
        len: usize,
        mut each: impl FnMut(&mut M, u64, Range<usize>) -> Option<()>,
    ) -> usize {
        let mut done = 0;
        while done < len {
            let at = address.wrapping_add(done as u64);
            let end = len.min(done + (PAGE_SIZE - at % PAGE_SIZE) as usize);
            let place = self.machine.translate(at);
            let found = place.and_then(|place| each(&mut self.machine, place, done..end));
            if found.is_none() {
                break;
            }
            done = end;
        }
        done
    }
}

impl<M: Machine> Debuggee for Guest<M> {
    const BREAKPOINT: u8 = HLT;

    fn attach(&mut self, attached: bool) {
        self.attached = attached;
        timer::every(if attached { PATIENCE } else { 0 });
    }

    fn registers(&mut self) -> io::Result<Registers> {
        match self.end {
            Some((_, registers)) => Ok(registers),
            None => self.machine.registers(),
        }
    }

    fn set_registers(&mut self, registers: &Registers) -> io::Result<()> {
        self.machine.set_registers(registers)
    }

    fn read(&mut self, address: u64, into: &mut [u8]) -> usize {
        self.pages(address, into.len(), |machine, place, range| {
            machine.read(place, &mut into[range])
        })
    }

    fn write(&mut self, address: u64, bytes: &[u8]) -> io::Result<()> {
        let done = self.pages(address, bytes.len(), |machine, place, range| {
            machine.write(place, &bytes[range])
        });
        match done == bytes.len() {
            true => Ok(()),
            false => Err(io::ErrorKind::InvalidInput.into()),
        }
    }

    fn watch(&mut self, points: &[Option<Point>; SLOTS]) -> io::Result<()> {
        (self.points, self.told) = (*points, true);
        self.machine.debug(false, points)
    }

    fn resume(&mut self, step: bool, _: Option<u8>) -> io::Result<()> {
        // A guest that nobody debugs needs no host that can.
        if !step && !self.told {
            return Ok(());
        }
        self.told = true;
        self.machine.debug(step, &self.points)
    }

    fn wait(&mut self, connection: Option<BorrowedFd<'_>>) -> io::Result<Event> {
        loop {
            if let Some((end, _)) = self.end {
                return Ok(Event::Stopped(end));
            }
            if connection.is_some_and(readable) {
                return Ok(Event::Readable);
            }
            if let Some(stop) = self.turn(self.attached)? {
                return Ok(Event::Stopped(stop));
            }
        }
    }

    fn interrupt(&mut self) -> io::Result<Stop> {
        // It runs only while it is waited for.
        Ok(Stop::Interrupt)
    }

    fn own_breakpoint(&mut self) -> io::Result<Stop> {
        let mut registers = self.machine.registers()?;
        registers.rip = registers.rip.wrapping_sub(1);
        self.machine.set_registers(&registers)?;
        loop {
            // As without a debugger. The timer may come before the guest does.
            if let Some(stop) = self.turn(false)? {
                return Ok(stop);
            }
        }
    }

    fn kill(&mut self) -> io::Result<Stop> {
        Ok(Stop::Exited(ABORTED))
    }
}

/// Whether something can be read there now.
fn readable(connection: BorrowedFd<'_>) -> bool {
    let mut polled = [PollFd::from_borrowed_fd(connection, PollFlags::IN)];
    // What a signal came in between of is looked for again soon.
    poll(&mut polled, Some(&Timespec::default())).is_ok_and(|ready| ready > 0)
}

/// Has the calling thread's process interrupted every [`PATIENCE`] milliseconds, for another thread to
/// end a turn of its guest. Which one gets the signal is not said: each must be allowed what [`rules`]
/// allow.
pub fn interrupt() {
    timer::every(PATIENCE);
}

/// What a thread may do for a guest of this kind, besides what its machine takes.
pub fn rules() -> [Rule; 2] {
    const WHY: &str = "interrupt a guest to see what gdb wants, or to end it";
    [
        Rule::new(libc::SYS_rt_sigreturn, &[], WHY),
        Rule::new(libc::SYS_setitimer, &[Equal(0, 0)], WHY),
    ]
}

/// Interrupts this process regularly.
mod timer {
    #![expect(unsafe_code, reason = "handlers of signals have no safe form")]

    /// Has the timer's signal end what this process waits in, and nothing else.
    pub(super) fn take_signal() {
        extern "C" fn nothing(_: libc::c_int) {}
        let handler: extern "C" fn(libc::c_int) = nothing;
        // SAFETY: the handler does nothing, so it may run between any two instructions.
        unsafe { libc::signal(libc::SIGALRM, handler as libc::sighandler_t) };
    }

    /// Has the signal come every so many milliseconds; zero: not any more.
    pub(super) fn every(milliseconds: u32) {
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
}

#[cfg(test)]
mod tests;
