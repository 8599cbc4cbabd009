// SPDX-License-Identifier: ISC
//! A [`Debuggee`] as the `gdbstub` crate wants to see it, with its breakpoints.
//!
//! A breakpoint is [`Debuggee::BREAKPOINT`] in the guest's code. What was there before is kept here,
//! and is what gdb reads; gdb itself takes breakpoints out of the way before it lets the guest run
//! over them.

use std::{collections::BTreeMap, io};

use gdbstub::{
    common::Signal,
    stub::SingleThreadStopReason,
    target::{
        TargetError, TargetResult,
        ext::{
            base::{
                BaseOps,
                singlethread::{
                    SingleThreadBase, SingleThreadResume, SingleThreadResumeOps,
                    SingleThreadSingleStep, SingleThreadSingleStepOps,
                },
            },
            breakpoints::{
                Breakpoints, BreakpointsOps, HwBreakpoint, HwBreakpointOps, HwWatchpoint,
                HwWatchpointOps, SwBreakpoint, SwBreakpointOps, WatchKind,
            },
        },
    },
};
use gdbstub_arch::x86::{X86_64_SSE, reg::X86_64CoreRegs};

use super::{Outcome, layout, signal_from_gdb, signal_to_gdb};
use crate::{
    Debuggee, Stop,
    watch::{Kind, Point, SLOTS},
};

pub(super) struct Target<'a, D> {
    pub(super) debuggee: &'a mut D,
    /// What was at the addresses of breakpoints.
    breakpoints: BTreeMap<u64, u8>,
    points: [Option<Point>; SLOTS],
    watches: bool,
    runs: bool,
    end: Option<Stop>,
}

impl<'a, D: Debuggee> Target<'a, D> {
    pub(super) fn new(debuggee: &'a mut D, watches: bool) -> Self {
        Self {
            debuggee,
            breakpoints: BTreeMap::new(),
            points: [None; SLOTS],
            watches,
            runs: false,
            end: None,
        }
    }

    /// Takes away all breakpoints, the debugger being gone; stops the guest for that if need be.
    pub(super) fn leave(mut self) -> io::Result<Outcome> {
        if self.runs {
            self.interrupt()?;
        }
        if let Some(end) = self.end {
            return Ok(Outcome::Ended(end));
        }
        for (address, byte) in std::mem::take(&mut self.breakpoints) {
            self.debuggee.write(address, &[byte])?;
        }
        if self.points != [None; SLOTS] {
            self.debuggee.watch(&[None; SLOTS])?;
        }
        Ok(Outcome::Detached)
    }

    /// Stops the guest.
    pub(super) fn interrupt(&mut self) -> io::Result<SingleThreadStopReason<u64>> {
        let stop = self.debuggee.interrupt()?;
        self.reason(stop)
    }

    /// What gdb is told of a stop.
    pub(super) fn reason(&mut self, stop: Stop) -> io::Result<SingleThreadStopReason<u64>> {
        self.runs = false;
        self.end = Some(stop).filter(|stop| stop.is_end());
        Ok(match stop {
            Stop::Step => SingleThreadStopReason::DoneStep,
            Stop::Interrupt => SingleThreadStopReason::Signal(Signal::SIGINT),
            Stop::Signal(number) => SingleThreadStopReason::Signal(signal_to_gdb(number)),
            Stop::Exited(status) => SingleThreadStopReason::Exited(status),
            Stop::Killed(number) => SingleThreadStopReason::Terminated(signal_to_gdb(number)),
            Stop::Breakpoint(address) if self.breakpoints.contains_key(&address) => {
                let mut registers = self.debuggee.registers()?;
                // It never happened.
                registers.rip = address;
                self.debuggee.set_registers(&registers)?;
                SingleThreadStopReason::SwBreak(())
            }
            Stop::Breakpoint(_) => match self.debuggee.own_breakpoint()? {
                Stop::Breakpoint(_) => SingleThreadStopReason::Signal(Signal::SIGTRAP),
                stop => return self.reason(stop),
            },
            Stop::Watch(slot) => match self.points.get(slot).copied().flatten() {
                Some(point) => self.watched(point),
                None => SingleThreadStopReason::Signal(Signal::SIGTRAP),
            },
        })
    }

    fn watched(&self, point: Point) -> SingleThreadStopReason<u64> {
        let kind = match point.kind() {
            Kind::Execute => return SingleThreadStopReason::HwBreak(()),
            Kind::Write => WatchKind::Write,
            Kind::Access => WatchKind::ReadWrite,
        };
        SingleThreadStopReason::Watch {
            tid: (),
            kind,
            addr: point.address(),
        }
    }

    fn add_point(&mut self, point: Option<Point>) -> TargetResult<bool, Self> {
        let free = self.points.iter().position(Option::is_none);
        let free = free.filter(|_| self.watches);
        let (Some(slot), Some(point)) = (free, point) else {
            return Ok(false);
        };
        let mut points = self.points;
        points[slot] = Some(point);
        let set = self.debuggee.watch(&points).is_ok();
        if set {
            self.points = points;
        }
        Ok(set)
    }

    fn remove_point(&mut self, point: Option<Point>) -> TargetResult<bool, Self> {
        let found = self
            .points
            .iter()
            .position(|held| point.is_some() && *held == point);
        let Some(slot) = found else {
            return Ok(false);
        };
        self.points[slot] = None;
        self.debuggee
            .watch(&self.points)
            .map_err(TargetError::Fatal)?;
        Ok(true)
    }
}

impl<D: Debuggee> gdbstub::target::Target for Target<'_, D> {
    type Arch = X86_64_SSE;
    type Error = io::Error;

    fn base_ops(&mut self) -> BaseOps<'_, X86_64_SSE, io::Error> {
        BaseOps::SingleThread(self)
    }

    fn support_breakpoints(&mut self) -> Option<BreakpointsOps<'_, Self>> {
        Some(self)
    }
}

impl<D: Debuggee> SingleThreadBase for Target<'_, D> {
    fn read_registers(&mut self, into: &mut X86_64CoreRegs) -> TargetResult<(), Self> {
        *into = layout::to_gdb(&self.debuggee.registers().map_err(TargetError::Fatal)?);
        Ok(())
    }

    fn write_registers(&mut self, from: &X86_64CoreRegs) -> TargetResult<(), Self> {
        let mut registers = self.debuggee.registers().map_err(TargetError::Fatal)?;
        layout::from_gdb(from, &mut registers);
        let set = self.debuggee.set_registers(&registers);
        set.map_err(|_| TargetError::NonFatal)
    }

    fn read_addrs(&mut self, start: u64, data: &mut [u8]) -> TargetResult<usize, Self> {
        let len = self.debuggee.read(start, data).min(data.len());
        if len == 0 && !data.is_empty() {
            return Err(TargetError::NonFatal);
        }
        let end = start.saturating_add(len as u64);
        for (address, byte) in self.breakpoints.range(start..end) {
            data[(address - start) as usize] = *byte;
        }
        Ok(len)
    }

    fn write_addrs(&mut self, start: u64, data: &[u8]) -> TargetResult<(), Self> {
        let end = start.saturating_add(data.len() as u64);
        let mut bytes = data.to_vec();
        // Breakpoints stay; what is written is what will be there when they go.
        for (address, _) in self.breakpoints.range(start..end) {
            bytes[(address - start) as usize] = D::BREAKPOINT;
        }
        let written = self.debuggee.write(start, &bytes);
        written.map_err(|_| TargetError::NonFatal)?;
        for (address, byte) in self.breakpoints.range_mut(start..end) {
            *byte = data[(address - start) as usize];
        }
        Ok(())
    }

    fn support_resume(&mut self) -> Option<SingleThreadResumeOps<'_, Self>> {
        Some(self)
    }
}

impl<D: Debuggee> SingleThreadResume for Target<'_, D> {
    fn resume(&mut self, signal: Option<Signal>) -> io::Result<()> {
        self.runs = true;
        self.debuggee
            .resume(false, signal.and_then(signal_from_gdb))
    }

    fn support_single_step(&mut self) -> Option<SingleThreadSingleStepOps<'_, Self>> {
        Some(self)
    }
}

impl<D: Debuggee> SingleThreadSingleStep for Target<'_, D> {
    fn step(&mut self, signal: Option<Signal>) -> io::Result<()> {
        self.runs = true;
        self.debuggee.resume(true, signal.and_then(signal_from_gdb))
    }
}

impl<D: Debuggee> Breakpoints for Target<'_, D> {
    fn support_sw_breakpoint(&mut self) -> Option<SwBreakpointOps<'_, Self>> {
        Some(self)
    }

    fn support_hw_breakpoint(&mut self) -> Option<HwBreakpointOps<'_, Self>> {
        Some(self)
    }

    fn support_hw_watchpoint(&mut self) -> Option<HwWatchpointOps<'_, Self>> {
        Some(self)
    }
}

impl<D: Debuggee> SwBreakpoint for Target<'_, D> {
    fn add_sw_breakpoint(&mut self, address: u64, _kind: usize) -> TargetResult<bool, Self> {
        if self.breakpoints.contains_key(&address) {
            return Ok(true);
        }
        let mut byte = [0];
        if self.debuggee.read(address, &mut byte) != 1
            || self.debuggee.write(address, &[D::BREAKPOINT]).is_err()
        {
            return Ok(false);
        }
        self.breakpoints.insert(address, byte[0]);
        Ok(true)
    }

    fn remove_sw_breakpoint(&mut self, address: u64, _kind: usize) -> TargetResult<bool, Self> {
        let Some(byte) = self.breakpoints.remove(&address) else {
            return Ok(false);
        };
        self.debuggee
            .write(address, &[byte])
            .map_err(TargetError::Fatal)?;
        Ok(true)
    }
}

/// Where no debug register stops the guest, the other kind does as well.
impl<D: Debuggee> HwBreakpoint for Target<'_, D> {
    fn add_hw_breakpoint(&mut self, address: u64, kind: usize) -> TargetResult<bool, Self> {
        match self.watches {
            true => self.add_point(Point::new(address, 1, Kind::Execute)),
            false => self.add_sw_breakpoint(address, kind),
        }
    }

    fn remove_hw_breakpoint(&mut self, address: u64, kind: usize) -> TargetResult<bool, Self> {
        match self.watches {
            true => self.remove_point(Point::new(address, 1, Kind::Execute)),
            false => self.remove_sw_breakpoint(address, kind),
        }
    }
}

impl<D: Debuggee> HwWatchpoint for Target<'_, D> {
    fn add_hw_watchpoint(
        &mut self,
        at: u64,
        len: u64,
        kind: WatchKind,
    ) -> TargetResult<bool, Self> {
        self.add_point(Point::new(at, len, kind_of(kind)))
    }

    fn remove_hw_watchpoint(
        &mut self,
        at: u64,
        len: u64,
        kind: WatchKind,
    ) -> TargetResult<bool, Self> {
        self.remove_point(Point::new(at, len, kind_of(kind)))
    }
}

/// No processor of this kind watches for reading alone.
fn kind_of(kind: WatchKind) -> Kind {
    match kind {
        WatchKind::Write => Kind::Write,
        WatchKind::Read | WatchKind::ReadWrite => Kind::Access,
    }
}
