// SPDX-License-Identifier: ISC
//! The process that becomes the guest, as something to look into.
//!
//! Its memory is read through a descriptor of `/proc/PID/mem`, opened while it may be: the guest's
//! process gives that up. What it is stopped for is told apart in [`Process::meaning`]; system calls
//! go to the trace there, and its end, which ptrace(2) reports while memory and registers are still
//! there, leads to the core file.

use std::{
    ffi::c_int,
    fs::File,
    io::{self, Read, Seek},
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::fs::FileExt,
    },
};

use fata_abi::{
    manifest::{ENTRY_SIZE, HEADER_SIZE, MAX_ENTRIES, Manifest},
    spt::{BOOT_INFO, BootInfo},
};
use fata_tender_debug::{
    Debuggee, Event, Registers, Stop,
    core_file::{Place, Region},
    trace::{self, Trace, calls},
    watch::{self, Point, SLOTS},
};
use rustix::event::{PollFd, PollFlags, poll};

use super::{
    open_proc,
    ptrace::{self, Call, SIGNAL_SIZE, Tracee},
};
use crate::depart;

/// Argument of seccomp(2) that closes the filter.
const SET_MODE_FILTER: u64 = 1;
const SYSCALL_STOP: c_int = libc::SIGTRAP | 0x80;
const INT3: u8 = 0xcc;
/// Status of a guest that gave up.
const ABORTED: c_int = 255;
const STATUS_REGISTER: usize = 6;
const CONTROL_REGISTER: usize = 7;
/// `si_code` of SIGTRAP: after an `int3`; after one instruction, which may have been a system call.
const AFTER_INT3: c_int = 0x80;
const AFTER_STEP: [c_int; 2] = [1, 2];
const AFTER_WATCH: c_int = 4;
/// Signals that say that a guest failed, rather than that somebody wanted it to end.
const FAILURES: [c_int; 7] = [
    libc::SIGILL,
    libc::SIGTRAP,
    libc::SIGABRT,
    libc::SIGBUS,
    libc::SIGFPE,
    libc::SIGSEGV,
    libc::SIGSYS,
];

/// The process of the guest.
pub(super) struct Process {
    tracee: Tracee,
    memory: File,
    maps: File,
    core: Option<Place>,
    trace: Option<Trace>,
    /// A system call that it is in: when it was made, number, arguments.
    call: Option<(u64, u64, [u64; 6])>,
    /// Its system calls are of interest.
    traced: bool,
    /// Descriptors of its devices, if so, and their names.
    devices: Vec<(u64, String)>,
    attached: bool,
    points: [Option<Point>; SLOTS],
    /// Set by [`take_signals`](Self::take_signals).
    signals: Option<OwnedFd>,
    end: Option<Stop>,
}

impl Process {
    /// Watches a child of this process from now on.
    pub(super) fn watch(child: i32, core: Option<Place>, trace: Option<Trace>) -> io::Result<Self> {
        let tracee = Tracee::seize(child)?;
        // Before it is told to begin, so that nothing that it does then is missed.
        tracee.interrupt()?;
        Ok(Self {
            tracee,
            memory: open_proc(child, "mem", true)?,
            maps: open_proc(child, "maps", false)?,
            core,
            trace,
            call: None,
            traced: false,
            devices: Vec::new(),
            attached: false,
            points: [None; SLOTS],
            signals: None,
            end: None,
        })
    }

    /// Lets the tender in it do its part, until its filter has closed; or returns its end.
    pub(super) fn reach_departure(&mut self) -> io::Result<Option<Stop>> {
        let mut signal = 0;
        let mut closing = false;
        loop {
            let status = self.tracee.wait(true)?.expect("it was waited for");
            if !libc::WIFSTOPPED(status) {
                return Ok(Some(self.ended(status)));
            }
            match libc::WSTOPSIG(status) {
                SYSCALL_STOP => match self.tracee.call()? {
                    Call::Entry(call, [mode, ..]) => {
                        closing = call == libc::SYS_seccomp as u64 && mode == SET_MODE_FILTER;
                    }
                    Call::Exit(0) if closing => break,
                    Call::Exit(_) | Call::None => {}
                },
                _ if status >> 16 != 0 => signal = 0,
                number => signal = number as u8,
            }
            self.tracee.resume(libc::PTRACE_SYSCALL, signal)?;
            signal = 0;
        }
        if let Some(trace) = &mut self.trace {
            trace.begin();
            self.traced = true;
            self.devices = self.devices()?;
        }
        Ok(None)
    }

    /// Descriptors and names of the devices, by the manifest that the tender has put into its memory.
    fn devices(&self) -> io::Result<Vec<(u64, String)>> {
        let at = BOOT_INFO + size_of::<BootInfo>() as u64;
        let mut entries = [0; 4];
        self.memory.read_exact_at(&mut entries, at + 4)?;
        let entries = (u32::from_le_bytes(entries) as usize).min(MAX_ENTRIES);
        let mut manifest = vec![0; HEADER_SIZE + entries * ENTRY_SIZE];
        self.memory.read_exact_at(&mut manifest, at)?;
        let manifest = Manifest::from_tender(manifest);
        let devices = manifest.devices().filter_map(|(index, device)| {
            let fd = manifest.attachment(index)?.fd;
            Some((fd as u64, device.name.to_owned()))
        });
        Ok(devices.collect())
    }

    /// Its first instruction, its filter having closed.
    pub(super) fn entry(&self) -> io::Result<u64> {
        let mut entry = [0; 8];
        self.memory
            .read_exact_at(&mut entry, depart::entry_slot())?;
        Ok(u64::from_le_bytes(entry))
    }

    /// From now on signals for this process are its to handle: nothing that was recorded is lost.
    pub(super) fn take_signals(&mut self) -> io::Result<()> {
        self.signals = Some(ptrace::signals()?);
        Ok(())
    }

    /// Waits until it has stopped.
    fn stopped(&mut self) -> io::Result<Stop> {
        match self.event(None)? {
            Event::Stopped(stop) => Ok(stop),
            Event::Readable => unreachable!("there is no connection"),
        }
    }

    fn event(&mut self, connection: Option<BorrowedFd<'_>>) -> io::Result<Event> {
        loop {
            let block = self.signals.is_none();
            if let Some(status) = self.tracee.wait(block)? {
                match self.meaning(status)? {
                    Some(stop) => return Ok(Event::Stopped(stop)),
                    None => continue,
                }
            }
            let Some(signals) = &self.signals else {
                continue;
            };
            let mut polled = vec![PollFd::new(signals, PollFlags::IN)];
            polled.extend(connection.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)));
            match poll(&mut polled, None) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            let [signalled, readable] = [0, 1].map(|at: usize| {
                polled
                    .get(at)
                    .is_some_and(|polled| !polled.revents().is_empty())
            });
            if signalled {
                self.take_signal()?;
            } else if readable {
                return Ok(Event::Readable);
            }
        }
    }

    /// Reads a signal for this process. All but those that tell of the guest end both.
    fn take_signal(&mut self) -> io::Result<()> {
        let mut info = [0; SIGNAL_SIZE];
        let signals = self.signals.as_ref().expect("one was seen");
        match rustix::io::read(signals.as_fd(), &mut info) {
            Ok(_) if info[0] == libc::SIGCHLD as u8 => Ok(()),
            Ok(_) => {
                // What it does now is part of what it did.
                self.returned(None);
                self.flush();
                let _ = self.tracee.kill();
                ptrace::die_of(info[0])
            }
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// What a status of `waitpid` says. `None`: it runs on, nobody need know.
    fn meaning(&mut self, status: c_int) -> io::Result<Option<Stop>> {
        if !libc::WIFSTOPPED(status) {
            return Ok(Some(self.ended(status)));
        }
        let signal = libc::WSTOPSIG(status);
        match status >> 16 {
            libc::PTRACE_EVENT_EXIT => return self.ending(),
            libc::PTRACE_EVENT_STOP if signal == libc::SIGTRAP => return Ok(Some(Stop::Interrupt)),
            // Stopped as a process of a shell is, until SIGCONT.
            libc::PTRACE_EVENT_STOP => self.tracee.resume(libc::PTRACE_LISTEN, 0)?,
            _ if signal == SYSCALL_STOP => {
                self.record()?;
                self.resume(false, None)?;
            }
            _ if signal == libc::SIGTRAP => return self.trap().map(Some),
            _ => return Ok(Some(Stop::Signal(signal as u8))),
        }
        Ok(None)
    }

    fn trap(&mut self) -> io::Result<Stop> {
        let code = self.tracee.signal_code()?;
        let watches = self.points != [None; SLOTS];
        if watches && (code == AFTER_WATCH || AFTER_STEP.contains(&code)) {
            let status = self.tracee.debug_status()?;
            self.tracee.set_debug_register(STATUS_REGISTER, 0)?;
            if let Some(slot) = watch::hit(status) {
                return Ok(Stop::Watch(slot));
            }
        }
        Ok(match code {
            AFTER_INT3 => Stop::Breakpoint(self.registers()?.rip.wrapping_sub(1)),
            _ if AFTER_STEP.contains(&code) => Stop::Step,
            _ => Stop::Signal(libc::SIGTRAP as u8),
        })
    }

    fn record(&mut self) -> io::Result<()> {
        match self.tracee.call()? {
            Call::Entry(call, arguments) => self.call = Some((trace::now(), call, arguments)),
            Call::Exit(result) => self.returned(Some(result)),
            Call::None => {}
        }
        Ok(())
    }

    /// The system call that it was in has returned, or never will.
    fn returned(&mut self, result: Option<i64>) {
        let (Some(trace), Some((start, call, arguments))) = (&mut self.trace, self.call.take())
        else {
            return;
        };
        let device = |fd| {
            let found = self.devices.iter().find(|(known, _)| *known == fd);
            found.map(|(_, name)| name.clone())
        };
        let (name, arguments) = calls::system_call(call, arguments, device);
        trace.event(start, &name, &arguments, result);
    }

    fn flush(&mut self) {
        if let Some(trace) = &mut self.trace {
            trace.flush();
        }
    }

    /// It is about to go, and all it had is still there.
    fn ending(&mut self) -> io::Result<Option<Stop>> {
        let status = self.tracee.exit_status()?;
        let signal = match libc::WIFEXITED(status) {
            true => (libc::WEXITSTATUS(status) == ABORTED).then_some(libc::SIGABRT),
            false => Some(libc::WTERMSIG(status)).filter(|signal| FAILURES.contains(signal)),
        };
        self.returned(None);
        if let (Some(signal), Some(core)) = (signal, self.core.take()) {
            let (registers, regions) = (self.registers()?, self.regions()?);
            core.leave(registers, signal as u8, &regions, |at, into| {
                self.read(at, into)
            });
        }
        if signal == Some(libc::SIGABRT) && self.attached {
            return Ok(Some(Stop::Signal(libc::SIGABRT as u8)));
        }
        self.tracee.resume(libc::PTRACE_CONT, 0)?;
        Ok(None)
    }

    fn ended(&mut self, status: c_int) -> Stop {
        self.returned(None);
        self.flush();
        let end = match libc::WIFEXITED(status) {
            true => Stop::Exited(libc::WEXITSTATUS(status) as u8),
            false => Stop::Killed(libc::WTERMSIG(status) as u8),
        };
        self.end = Some(end);
        end
    }

    /// The guest's memory, as the kernel lists it, which lists a few pages of its own too.
    fn regions(&mut self) -> io::Result<Vec<Region>> {
        let mut maps = String::new();
        self.maps.rewind()?;
        self.maps.read_to_string(&mut maps)?;
        let lines = maps.lines().filter(|line| !line.contains("[v"));
        Ok(lines.filter_map(region).collect())
    }
}

/// A line of `/proc/PID/maps`: `START-END rwxp ...`.
fn region(line: &str) -> Option<Region> {
    let (range, rest) = line.split_once(' ')?;
    let (start, end) = range.split_once('-')?;
    let rights = rest.bytes().zip([(b'r', 4), (b'w', 2), (b'x', 1)]);
    Some(Region {
        start: u64::from_str_radix(start, 16).ok()?,
        end: u64::from_str_radix(end, 16).ok()?,
        rights: rights
            .map(|(is, (may, bit))| if is == may { bit } else { 0 })
            .sum(),
    })
}

impl Debuggee for Process {
    const BREAKPOINT: u8 = INT3;

    fn attach(&mut self, attached: bool) {
        self.attached = attached;
    }

    fn registers(&mut self) -> io::Result<Registers> {
        Ok(Registers::from_user(
            &self.tracee.registers()?,
            self.tracee.fx()?,
        ))
    }

    fn set_registers(&mut self, registers: &Registers) -> io::Result<()> {
        let mut words = registers.to_user();
        let before = self.tracee.registers()?;
        if before[Registers::USER_RIP] == registers.rip {
            // A system call that was interrupted is made again.
            words[Registers::USER_CALL] = before[Registers::USER_CALL];
        }
        self.tracee.set_registers(words)?;
        self.tracee.set_fx(registers.fx)
    }

    fn read(&mut self, address: u64, into: &mut [u8]) -> usize {
        let mut done = 0;
        while done < into.len() {
            let at = address.saturating_add(done as u64);
            match self.memory.read_at(&mut into[done..], at) {
                Ok(0) | Err(_) => break,
                Ok(some) => done += some,
            }
        }
        done
    }

    fn write(&mut self, address: u64, bytes: &[u8]) -> io::Result<()> {
        self.memory.write_all_at(bytes, address)
    }

    fn watch(&mut self, points: &[Option<Point>; SLOTS]) -> io::Result<()> {
        // Off first: the kernel checks addresses and control against each other.
        self.tracee.set_debug_register(CONTROL_REGISTER, 0)?;
        for (slot, point) in points.iter().enumerate() {
            let address = point.map_or(0, |point| point.address());
            self.tracee.set_debug_register(slot, address)?;
        }
        let control = watch::control(points);
        self.tracee.set_debug_register(CONTROL_REGISTER, control)?;
        self.points = *points;
        Ok(())
    }

    fn resume(&mut self, step: bool, signal: Option<u8>) -> io::Result<()> {
        let request = match (step, self.traced) {
            (true, _) => libc::PTRACE_SINGLESTEP,
            (false, true) => libc::PTRACE_SYSCALL,
            (false, false) => libc::PTRACE_CONT,
        };
        self.tracee.resume(request, signal.unwrap_or(0))
    }

    fn wait(&mut self, connection: Option<BorrowedFd<'_>>) -> io::Result<Event> {
        self.event(connection)
    }

    fn interrupt(&mut self) -> io::Result<Stop> {
        self.tracee.interrupt()?;
        self.stopped()
    }

    fn own_breakpoint(&mut self) -> io::Result<Stop> {
        Ok(Stop::Signal(libc::SIGTRAP as u8))
    }

    fn kill(&mut self) -> io::Result<Stop> {
        self.tracee.kill()?;
        loop {
            match self.end {
                Some(end) => return Ok(end),
                None => self.stopped()?,
            };
        }
    }
}
