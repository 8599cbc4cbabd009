// SPDX-License-Identifier: ISC
//! The hvt tender: runs a unikernel on a virtual CPU of KVM.
//!
//! [`main`] attaches the devices of an image, puts it into memory of its own with page tables that
//! give each segment its rights, and runs it until it halts. Whatever it wants of the host it asks
//! for in one of eight hypercalls or in a ring.
//!
//! In order of running: [`boot`] (what lies where, and what the guest is told), [`memory`] (the one
//! way to what is the guest's), [`cpu`] (the state at the start), [`probe`] (is this a CPU at all),
//! [`hypervisor`] and its one implementation [`kvm`], [`hypercall`] with [`devices`] and
//! [`console`], [`ring`]. The ABI is Solo5's hvt, version 2, so images of MirageOS run too;
//! [`fata_abi::offer::Offer`] is what goes beyond it.

pub mod boot;
pub mod console;
pub mod cpu;
pub mod devices;
pub mod hypercall;
pub mod hypervisor;
pub mod kvm;
pub mod memory;
pub mod probe;
pub mod ring;

use std::{ffi::OsString, io::Write, mem::ManuallyDrop, num::NonZeroU64, process::ExitCode};

use fata_abi::{
    hvt::{ABI_VERSION, BOOT_INFO},
    note::Target,
};
use fata_tender::{
    Error, attach,
    elf::{self, Abi},
    options::{Command, DEFAULT_MEMORY, HELP, Run},
    sandbox,
};

use crate::{
    boot::Layout,
    console::Console,
    cpu::Start,
    devices::Devices,
    hypercall::{Host, Outcome},
    hypervisor::{Exit, Hypervisor},
    kvm::Kvm,
    memory::Memory,
    ring::Rings,
};

/// Exit status of a tender that could not start its guest, as Solo5's have it.
const FAILURE: u8 = 1;
/// Exit status of a guest that had to be stopped, as of one that aborts.
const STOPPED: u8 = 255;

/// Runs the tender with the words that follow the program's name, until the guest ends.
pub fn main(words: impl IntoIterator<Item = OsString>) -> ExitCode {
    ExitCode::from(run(words))
}

/// [`main`], with the exit status as a number.
pub fn run(words: impl IntoIterator<Item = OsString>) -> u8 {
    let result = match Command::parse(words) {
        Ok(Command::Help) => return print(&[USAGE, HELP].concat()),
        Ok(Command::Version) => return print(VERSION),
        Ok(Command::Run(run)) => start(&run),
        Err(error) => Err(error),
    };
    result.unwrap_or_else(|error| {
        eprintln!("fata-hvt: {error}");
        FAILURE
    })
}

const USAGE: &str = "\
Run a unikernel on a virtual CPU of KVM.

Usage: fata-hvt [OPTIONS] [--] IMAGE [ARGUMENTS]

Options:
";

const VERSION: &str = concat!("fata-hvt ", env!("CARGO_PKG_VERSION"), "\n");

fn print(text: &str) -> u8 {
    let mut stdout = std::io::stdout();
    match stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
    {
        Ok(()) => 0,
        Err(_) => FAILURE,
    }
}

/// Starts a guest, runs it to its end, and returns the exit status.
fn start(run: &Run) -> Result<u8, Error> {
    sandbox::check_host()?;
    let abi = Abi {
        target: Target::Hvt,
        version: ABI_VERSION,
    };
    let (source, mut image) = elf::open(&run.image, abi)?;
    let size = run.options.memory.unwrap_or(DEFAULT_MEMORY);
    image
        .check_fits(size)
        .map_err(|error| error.about(&run.image))?;
    let layout = Layout::new(&image, size)?;
    let command_line = fata_tender::boot::command_line(&run.arguments)?;
    let wants = fata_tender::boot::wants(&image, layout.end);
    let attached = attach::attach(&mut image.manifest, &run.options, wants)?;

    let mut memory = Memory::new(&layout.ranges())?;
    // What it holds is given back by the kernel, and part of it closed before that.
    let mut kvm = ManuallyDrop::new(Kvm::open()?);
    memory.choose_page_sizes(image.end, layout.end);
    memory
        .load(&source, &image)
        .map_err(|error| error.about(&run.image))?;
    drop(source);
    let frequency = kvm.tsc_frequency()?;
    boot::write(
        &memory,
        &layout,
        &image,
        &attached,
        &command_line,
        frequency,
    )?;
    cpu::prepare(
        &memory,
        &image,
        layout.hidden_end(),
        kvm.has_gigabyte_pages(),
    )?;
    let entry = probe::prepare(&memory, image.entry);
    memory.guard(&image)?;
    // It lasts as long as the process: the virtual machine and other threads have it.
    let memory: &'static Memory = Box::leak(Box::new(memory));
    kvm.map(memory)?;
    kvm.start(&Start {
        entry,
        stack: layout.end - 8,
        argument: BOOT_INFO,
    })?;
    let devices: &'static Devices = Box::leak(Box::new(Devices::new(attached)));
    let stdout = std::io::stdout();
    let mut host = Host {
        memory,
        devices,
        rings: Rings::start(&mut *kvm, memory, devices, &layout)?.filter(|_| layout.offer),
        console: Console::new(std::os::fd::AsFd::as_fd(&stdout)),
    };
    settle();
    run_guest(&mut *kvm, &mut host)
}

/// What this process changes about itself before the guest begins.
fn settle() {
    // A guest waits for as long as it says, rather than 50 microseconds more.
    let _ = rustix::thread::set_current_timer_slack(NonZeroU64::new(1));
    // JUSTIFICATION: the end of the console's reader is an error of a write, not of the guest.
    // SAFETY: ignoring a signal runs no code of this process.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_IGN) };
}

/// Runs the guest until it ends, and returns the exit status.
fn run_guest(hypervisor: &mut impl Hypervisor, host: &mut Host<'_>) -> Result<u8, Error> {
    loop {
        let why = match hypervisor.run() {
            Exit::Out { port, value } => match host.call(port, value) {
                Ok(Outcome::Continue) => continue,
                // As `exit` has it: the low byte.
                Ok(Outcome::Halted { status, .. }) => return Ok(status as u8),
                Err(fault) => fault.to_string(),
            },
            Exit::Interrupted | Exit::Debug { .. } => continue,
            Exit::Failed(failure) => {
                let rip = hypervisor.registers()?.rip;
                if probe::contains(rip) {
                    return Err(probe::failed(failure));
                }
                failure.to_string()
            }
        };
        let rip = hypervisor.registers()?.rip;
        eprintln!("fata-hvt: the guest was stopped at {rip:#x}: {why}");
        return Ok(STOPPED);
    }
}
