// SPDX-License-Identifier: ISC
//! Looking into a guest: the virtual CPU as `fata-tender-debug` wants to see it.
//!
//! If gdb, a core file or a trace is asked for, [`run`] runs the guest in place of `run_guest`, behind
//! a filter that allows what that takes and no more: [`Tools`] has opened what must be open.

use std::io;

use fata_abi::hvt::{HYPERCALL_PORT, Hypercall, Poll};
use fata_tender::{Error, FAILURE, Never, options::Run, seccomp::Rule, system};
use fata_tender_debug::{
    Registers, Stop, Tools,
    core_file::Region,
    machine::{self, Guest, Machine, PATIENCE, Turn},
    trace::{self, Trace, calls},
    watch::{Point, SLOTS},
};

use crate::{
    STOPPED, TENDER, answer, filter,
    hypercall::{Fault, Host, Outcome},
    hypervisor::{Exit, Failure, Hypervisor},
    ring::Wake,
};

/// Opens what is asked for, if anything is.
pub(crate) fn open(run: &Run) -> Result<Option<Tools>, Error> {
    let mut tools = Tools::open(TENDER.name, run)?;
    if let Some(core) = tools.as_mut().and_then(|tools| tools.core.as_mut()) {
        core.keep()?;
    }
    Ok(tools)
}

/// Closes the filter around this thread, which may do what `rules` say and what `tools` need, and
/// runs the guest to its end, which is that of the process. `rings` say if it lies; `entry` is the
/// image's first instruction.
pub(crate) fn run(
    mut tools: Tools,
    mut rules: Vec<Rule>,
    hypervisor: &mut impl Hypervisor,
    host: &mut Host<'_>,
    rings: Option<&Wake<'static>>,
    entry: u64,
) -> Result<Never, Error> {
    rules.extend(tools.rules());
    rules.extend(machine::rules());
    let cpu = Cpu {
        hypervisor,
        host,
        rings,
        called: false,
        trace: tools.trace.take(),
    };
    let mut guest = Guest::new(cpu, tools.core.take());
    filter::install(&rules)?;
    // From here on this process ends without giving anything back, which the filter forbids.
    let early = match tools.wants_gdb() {
        true => tools.reach(&mut guest, entry),
        false => Ok(None),
    };
    let end = early.and_then(|end| end.map_or_else(|| tools.run(&mut guest), Ok));
    match end {
        Ok(Stop::Exited(status)) => system::exit(status),
        Ok(_) => system::exit(STOPPED),
        Err(error) => {
            eprintln!("{}: cannot look into the guest: {error}", TENDER.name);
            system::exit(FAILURE)
        }
    }
}

/// The virtual CPU with what it calls.
struct Cpu<'a, 'b, H> {
    hypervisor: &'a mut H,
    host: &'a mut Host<'b>,
    rings: Option<&'a Wake<'static>>,
    /// It has made a hypercall.
    called: bool,
    trace: Option<Trace>,
}

impl<H: Hypervisor> Machine for Cpu<'_, '_, H> {
    fn registers(&self) -> io::Result<Registers> {
        self.hypervisor.registers().map_err(io::Error::other)
    }

    fn set_registers(&mut self, registers: &Registers) -> io::Result<()> {
        let set = self.hypervisor.set_registers(registers);
        set.map_err(io::Error::other)
    }

    fn debug(&mut self, step: bool, points: &[Option<Point>; SLOTS]) -> io::Result<()> {
        let set = self.hypervisor.debug(step, points);
        set.map_err(io::Error::other)
    }

    fn translate(&self, address: u64) -> Option<u64> {
        self.hypervisor.translate(address)
    }

    fn read(&self, place: u64, into: &mut [u8]) -> Option<()> {
        let bytes = self.host.memory.readable(place, into.len() as u64).ok()?;
        bytes.copy_to(into);
        Some(())
    }

    fn write(&mut self, place: u64, bytes: &[u8]) -> Option<()> {
        self.host.memory.put(place, bytes).ok()
    }

    fn regions(&self) -> Vec<Region> {
        let regions = self.host.memory.ranges().iter().map(|range| Region {
            start: range.start,
            end: range.end,
            // What the guest's page tables allow, they do not say by ranges.
            rights: 7,
        });
        regions.collect()
    }

    fn turn(&mut self, attached: bool) -> Turn {
        // Before a run and after it: the timer that ends one may have been stopped meanwhile.
        let lied = || self.rings.is_some_and(Wake::lied);
        let exit = match lied() {
            true => Exit::Interrupted,
            false => self.hypervisor.run(),
        };
        if lied() {
            return Turn::Stopped;
        }
        match exit {
            Exit::Failed(Failure::Halted) if attached => Turn::Breakpoint,
            exit => answer(exit, &mut self.called, self.hypervisor, |port, value| {
                call(self.host, self.trace.as_mut(), attached, port, value)
            }),
        }
    }
}

/// Does what a hypercall asks for, and records it.
fn call(
    host: &mut Host<'_>,
    trace: Option<&mut Trace>,
    attached: bool,
    port: u16,
    value: u32,
) -> Result<Outcome, Fault> {
    let (memory, at) = (host.memory, u64::from(value));
    let call = port.checked_sub(HYPERCALL_PORT).and_then(Hypercall::new);
    if attached
        && call == Some(Hypercall::Poll)
        && let Ok(mut poll) = memory.read::<Poll>(at)
    {
        // Lest gdb wait too. A guest is used to being woken for nothing.
        poll.timeout = poll.timeout.min(u64::from(PATIENCE) * 1_000_000);
        // If it is not to be written to, the call will say so.
        let _ = memory.write(at, poll);
    }
    let (Some(trace), Some(call)) = (trace, call) else {
        return host.call(port, value);
    };
    let word = |place: usize| {
        let mut word = [0; 8];
        let bytes = memory.readable(at + place as u64, 8).ok()?;
        bytes.copy_to(&mut word);
        Some(u64::from_le_bytes(word))
    };
    let start = trace::now();
    let (name, arguments) = calls::hypercall(call, word);
    let outcome = host.call(port, value);
    let returned = outcome == Ok(Outcome::Continue);
    let result = returned.then(|| calls::result(call, word));
    trace.event(start, name, &arguments, result);
    // At once: nobody could when a signal ends this process.
    trace.flush();
    outcome
}
