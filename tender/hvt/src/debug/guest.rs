// SPDX-License-Identifier: ISC
//! The virtual CPU with its memory, as something to look into.
//!
//! A guest that failed stays as it was until a debugger lets it go: its registers are then those of
//! the trap frame that it halted with, if it did, as they are in the core file.

use std::{
    io,
    os::fd::{AsRawFd, BorrowedFd},
    path::Path,
};

use fata_abi::hvt::{BlockTransfer, HYPERCALL_PORT, Halt, Hypercall, NetTransfer, Poll, Puts};
use fata_tender::elf::PAGE_SIZE;
use fata_tender_debug::{
    Debuggee, Event, Registers, Stop,
    core_file::{Region, State},
    gdb,
    trace::{self, Argument, Trace},
    watch::{self, Point, SLOTS},
};

use super::{PATIENCE, core::Core, signal_of};
use crate::{
    STOPPED,
    hypercall::{Host, Outcome},
    hypervisor::{Exit, Hypervisor},
    probe::{self, NoCpu},
};

/// Words below a cookie in an image of ours: 15 registers and the vector.
const FRAME_BELOW: u64 = 16;
/// Words from the cookie on: cr2, error, rip, cs, rflags, rsp, ss.
const FRAME_ABOVE: u64 = 7;

/// A guest that can be looked into.
pub(super) struct Guest<'a, 'b, H> {
    hypervisor: &'a mut H,
    host: &'a mut Host<'b>,
    core: Option<Core>,
    trace: Option<Trace>,
    image: &'a Path,
    points: [Option<Point>; SLOTS],
    attached: bool,
    /// Its end, and its registers at that.
    end: Option<(u8, Registers)>,
}

impl<'a, 'b, H: Hypervisor> Guest<'a, 'b, H> {
    pub(super) fn new(
        hypervisor: &'a mut H,
        host: &'a mut Host<'b>,
        core: Option<Core>,
        mut trace: Option<Trace>,
        image: &'a Path,
    ) -> Self {
        trace.iter_mut().for_each(Trace::begin);
        Self {
            hypervisor,
            host,
            core,
            trace,
            image,
            points: [None; SLOTS],
            attached: false,
            end: None,
        }
    }

    /// Its status, if it has ended.
    pub(super) fn status(&self) -> Option<u8> {
        self.end.map(|(status, _)| status)
    }

    /// Whether there is a debugger from now on.
    pub(super) fn attach(&mut self, attached: bool) {
        self.attached = attached;
    }

    /// Lets it run to its first instruction, behind those of the probe: one by one, which takes
    /// neither its memory nor a debug register.
    pub(super) fn pass_probe(&mut self) -> io::Result<()> {
        while self.end.is_none() && probe::contains(self.hypervisor.instruction()) {
            self.resume(true, None)?;
            self.advance()?;
        }
        Ok(())
    }

    /// Lets it run until it wants something, and does that. Returns why it has stopped, if it has.
    pub(super) fn advance(&mut self) -> io::Result<Option<Stop>> {
        match self.hypervisor.run() {
            Exit::Out { port, value } => {
                let outcome = self.call(port, value)?;
                match outcome {
                    Ok(Outcome::Continue) => Ok(None),
                    Ok(Outcome::Halted { status, cookie }) => self.halted(status as u8, cookie),
                    Err(fault) => self.stopped(&fault.to_string()),
                }
            }
            Exit::Interrupted => Ok(None),
            Exit::Debug { breakpoint, status } => Ok(Some(self.debugged(breakpoint, status))),
            Exit::Failed(failure) => {
                if probe::contains(self.hypervisor.instruction()) {
                    return Err(io::Error::other(NoCpu(failure).to_string()));
                }
                self.stopped(&failure.to_string())
            }
        }
    }

    fn debugged(&mut self, breakpoint: bool, status: u64) -> Stop {
        match watch::hit(status) {
            _ if breakpoint => Stop::Breakpoint(self.hypervisor.instruction()),
            Some(slot) => Stop::Watch(slot),
            None => Stop::Step,
        }
    }

    fn halted(&mut self, status: u8, cookie: u64) -> io::Result<Option<Stop>> {
        let mut registers = self.registers()?;
        if status != STOPPED {
            self.end = Some((status, registers));
            return Ok(Some(Stop::Exited(status)));
        }
        let signal = match self.trap_frame(cookie) {
            Some(frame) => {
                registers = frame;
                libc::SIGSEGV
            }
            None => libc::SIGABRT,
        };
        self.failed(registers, Stop::Signal(signal as u8))
    }

    /// The registers at an exception, which the guest keeps around its cookie.
    fn trap_frame(&mut self, cookie: u64) -> Option<Registers> {
        let mut bytes = [0; 8 * (FRAME_BELOW + FRAME_ABOVE) as usize];
        let start = cookie
            .checked_sub(8 * FRAME_BELOW)
            .filter(|_| cookie != 0)?;
        let buffer = self.host.memory.readable(start, bytes.len() as u64).ok()?;
        buffer.copy_to(&mut bytes);
        let words: Vec<u64> = bytes
            .as_chunks()
            .0
            .iter()
            .map(|word| u64::from_le_bytes(*word))
            .collect();
        let mut registers = self.registers().ok()?;
        registers.general[..7].copy_from_slice(&words[..7]);
        registers.general[8..].copy_from_slice(&words[7..15]);
        let above = &words[FRAME_BELOW as usize..];
        registers.rip = above[2];
        registers.segments[..2].copy_from_slice(&[above[3] as u16, above[6] as u16]);
        registers.rflags = above[4];
        registers.general[7] = above[5];
        Some(registers)
    }

    fn stopped(&mut self, why: &str) -> io::Result<Option<Stop>> {
        let registers = self.registers()?;
        let rip = registers.rip;
        eprintln!("fata-hvt: the guest was stopped at {rip:#x}: {why}");
        self.failed(registers, Stop::Signal(libc::SIGSEGV as u8))
    }

    /// Nothing follows but a look at it.
    fn failed(&mut self, registers: Registers, stop: Stop) -> io::Result<Option<Stop>> {
        self.end = Some((STOPPED, registers));
        if let Some(core) = self.core.take() {
            let state = State {
                registers,
                signal: signal_of(stop),
                pid: std::process::id(),
            };
            let memory = self.host.memory;
            let regions: Vec<_> = memory.regions().map(region).collect();
            let path = core.write(&state, &regions, |at, into| {
                copy(memory, at, into).unwrap_or(0)
            });
            match path {
                Ok(path) => eprintln!("fata-hvt: {}", gdb::core_invitation(self.image, &path)),
                Err(error) => eprintln!("fata-hvt: cannot write the core file: {error}"),
            }
        }
        Ok(Some(stop))
    }

    /// Does what a hypercall asks for, and records it.
    fn call(
        &mut self,
        port: u16,
        value: u32,
    ) -> io::Result<Result<Outcome, crate::hypercall::Fault>> {
        let at = value.into();
        let call = port.checked_sub(HYPERCALL_PORT).and_then(Hypercall::new);
        if let (true, Some(Hypercall::Poll)) = (self.attached, call) {
            self.sleep_lightly(at);
        }
        let start = trace::now();
        let asked = call.and_then(|call| self.arguments(call, at));
        let outcome = self.host.call(port, value);
        if let (Some(trace), Some(call)) = (&mut self.trace, call) {
            let result = match outcome {
                Ok(Outcome::Continue) => Some(result(self.host.memory, call, at)),
                _ => None,
            };
            let asked = asked.unwrap_or_default();
            trace.event(start, name(call), &asked, result)?;
            // At once: nobody could when a signal ends this process.
            trace.flush()?;
        }
        Ok(outcome)
    }

    /// Shortens a wait, lest gdb wait too. A guest is used to being woken for nothing.
    fn sleep_lightly(&self, at: u64) {
        let memory = self.host.memory;
        if let Ok(mut poll) = memory.read::<Poll>(at) {
            poll.timeout = poll.timeout.min(u64::from(PATIENCE) * 1_000_000);
            // If it is not to be written to, the call will say so.
            let _ = memory.write(at, poll);
        }
    }

    fn arguments(&self, call: Hypercall, at: u64) -> Option<Vec<Argument>> {
        use Argument::{Address, Number};
        self.trace.as_ref()?;
        let memory = self.host.memory;
        Some(match call {
            Hypercall::WallTime => Vec::new(),
            Hypercall::Puts => {
                let Puts { data, len } = memory.read(at).ok()?;
                vec![Address(data), Number(len)]
            }
            Hypercall::Poll => vec![Number(memory.read::<Poll>(at).ok()?.timeout)],
            Hypercall::BlockWrite | Hypercall::BlockRead => {
                let transfer: BlockTransfer = memory.read(at).ok()?;
                let (offset, data) = (transfer.offset, transfer.data);
                let place = [Number(transfer.handle), Number(offset), Address(data)];
                [&place[..], &[Number(transfer.len)]].concat()
            }
            Hypercall::NetWrite | Hypercall::NetRead => {
                let transfer: NetTransfer = memory.read(at).ok()?;
                let place = [Number(transfer.handle), Address(transfer.data)];
                [&place[..], &[Number(transfer.len)]].concat()
            }
            Hypercall::Halt => {
                let halt: Halt = memory.read(at).ok()?;
                vec![Number(halt.exit_status as u64), Address(halt.cookie)]
            }
        })
    }

    /// Goes through the page tables, a page at a time; ends where they do.
    fn pages(
        &self,
        address: u64,
        len: usize,
        mut each: impl FnMut(&H, u64, std::ops::Range<usize>) -> bool,
    ) -> usize {
        let mut done = 0;
        while done < len {
            let Some(at) = address.checked_add(done as u64) else {
                break;
            };
            let in_page = (PAGE_SIZE - at % PAGE_SIZE) as usize;
            let end = len.min(done + in_page);
            let Some(place) = self.hypervisor.translate(at) else {
                break;
            };
            if !each(self.hypervisor, place, done..end) {
                break;
            }
            done = end;
        }
        done
    }
}

fn copy(memory: &crate::memory::Memory, at: u64, into: &mut [u8]) -> Option<usize> {
    let buffer = memory.readable(at, into.len() as u64).ok()?;
    buffer.copy_to(into);
    Some(into.len())
}

fn region(region: crate::memory::Region) -> Region {
    Region {
        start: region.guest,
        end: region.guest + region.len,
        // What the guest's page tables allow, they do not say by ranges.
        rights: 7,
    }
}

/// Solo5's names.
fn name(call: Hypercall) -> &'static str {
    match call {
        Hypercall::WallTime => "walltime",
        Hypercall::Puts => "puts",
        Hypercall::Poll => "poll",
        Hypercall::BlockWrite => "blkwrite",
        Hypercall::BlockRead => "blkread",
        Hypercall::NetWrite => "netwrite",
        Hypercall::NetRead => "netread",
        Hypercall::Halt => "halt",
    }
}

fn result(memory: &crate::memory::Memory, call: Hypercall, at: u64) -> i64 {
    let result = match call {
        Hypercall::Poll => memory.read::<Poll>(at).map(|poll| i64::from(poll.result)),
        Hypercall::BlockWrite | Hypercall::BlockRead => memory
            .read::<BlockTransfer>(at)
            .map(|transfer| i64::from(transfer.result)),
        Hypercall::NetWrite | Hypercall::NetRead => memory
            .read::<NetTransfer>(at)
            .map(|transfer| i64::from(transfer.result)),
        Hypercall::WallTime | Hypercall::Puts | Hypercall::Halt => Ok(0),
    };
    result.unwrap_or(0)
}

impl<H: Hypervisor> Debuggee for Guest<'_, '_, H> {
    fn registers(&mut self) -> io::Result<Registers> {
        if let Some((_, registers)) = self.end {
            return Ok(registers);
        }
        self.hypervisor.registers().map_err(io::Error::other)
    }

    fn set_registers(&mut self, registers: &Registers) -> io::Result<()> {
        let set = self.hypervisor.set_registers(registers);
        set.map_err(io::Error::other)
    }

    fn read(&mut self, address: u64, into: &mut [u8]) -> usize {
        let memory = self.host.memory;
        self.pages(address, into.len(), |_, place, range| {
            copy(memory, place, &mut into[range]).is_some()
        })
    }

    fn write(&mut self, address: u64, bytes: &[u8]) -> io::Result<()> {
        let memory = self.host.memory;
        let done = self.pages(address, bytes.len(), |_, place, range| {
            memory.put(place, &bytes[range]).is_ok()
        });
        match done == bytes.len() {
            true => Ok(()),
            false => Err(io::ErrorKind::InvalidInput.into()),
        }
    }

    fn watch(&mut self, points: &[Option<Point>; SLOTS]) -> io::Result<()> {
        self.points = *points;
        let set = self.hypervisor.debug(false, points);
        set.map_err(io::Error::other)
    }

    fn resume(&mut self, step: bool, _: Option<u8>) -> io::Result<()> {
        let set = self.hypervisor.debug(step, &self.points);
        set.map_err(io::Error::other)
    }

    fn wait(&mut self, connection: BorrowedFd<'_>) -> io::Result<Event> {
        loop {
            if let Some((status, _)) = self.end {
                return Ok(Event::Stopped(Stop::Exited(status)));
            }
            if readable(connection) {
                return Ok(Event::Readable);
            }
            if let Some(stop) = self.advance()? {
                return Ok(Event::Stopped(stop));
            }
        }
    }

    fn interrupt(&mut self) -> io::Result<Stop> {
        // It runs only while it is waited for.
        Ok(Stop::Interrupt)
    }

    fn kill(&mut self) -> io::Result<()> {
        let registers = self.registers()?;
        self.end.get_or_insert((STOPPED, registers));
        Ok(())
    }
}

/// Whether something can be read there now.
fn readable(connection: BorrowedFd<'_>) -> bool {
    let mut polled = libc::pollfd {
        fd: connection.as_raw_fd(),
        events: libc::POLLIN,
        revents: 0,
    };
    // SAFETY: the call reads and writes the one entry.
    unsafe { libc::poll(&raw mut polled, 1, 0) > 0 }
}
