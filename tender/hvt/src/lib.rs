// SPDX-License-Identifier: ISC
//! The hvt tender: runs a unikernel on a virtual CPU of KVM.
//!
//! [`run`] attaches the devices of an image, puts it into memory of its own with page tables that
//! give each segment its rights, and runs it until it halts. Whatever it wants of the host it asks
//! for in one of eight hypercalls or in a ring.
//!
//! In order of running: [`boot`] (what lies where, and what the guest is told), [`memory`] (the one
//! way to what is the guest's), [`cpu`] (the state at the start), [`probe`] (is this a CPU at all),
//! [`hypervisor`] and its one implementation [`kvm`], [`hypercall`] with [`devices`] and
//! [`console`], [`ring`]; from [`filter`] on there is little that the process can do besides;
//! `debug`, if the guest is to be looked into. The ABI is Solo5's hvt, version 2, so images of
//! MirageOS run too; [`fata_abi::offer::Offer`] is what goes beyond it.

pub mod boot;
pub mod console;
pub mod cpu;
mod debug;
pub mod devices;
pub mod filter;
pub mod hypercall;
pub mod hypervisor;
pub mod kvm;
pub mod memory;
pub mod probe;
pub mod ring;

use std::{
    ffi::OsString,
    fmt::{self, Display},
    io::{Cursor, Write},
    num::NonZeroU64,
};

use fata_abi::{hvt::ABI_VERSION, note::Target};
use fata_tender::{
    Error, FAILURE, Guest, Never, Tender, attach::Attached, elf::Abi, options::Run, sandbox, system,
};
use fata_tender_debug::{Tools, machine::Turn};

use crate::{
    boot::Layout,
    console::Console,
    devices::Devices,
    filter::Thread,
    hypercall::{Fault, Host, Outcome},
    hypervisor::{Exit, Hypervisor},
    kvm::Kvm,
    memory::Memory,
    probe::NoCpu,
    ring::Server,
};

/// Exit status of a guest that had to be stopped, as of one that aborts.
const STOPPED: u8 = 255;

const TENDER: Tender = Tender {
    name: "fata-hvt",
    about: "Run a unikernel on a virtual CPU of KVM.",
    abi: Abi {
        target: Target::Hvt,
        version: ABI_VERSION,
    },
};

/// Runs the tender with the words that follow the program's name. It returns, with the exit status,
/// only if there is no guest to run: otherwise the process ends as the guest does.
///
/// The process must have one thread, as it may fork.
pub fn run(words: impl IntoIterator<Item = OsString>) -> u8 {
    TENDER.run(words, start)
}

/// Starts a guest and runs it to its end, which is that of the process.
fn start(run: &Run) -> Result<Never, Error> {
    sandbox::check_host()?;
    let tools = debug::open(run)?;
    let guest = TENDER.open(run)?;
    let image = &guest.image;
    let layout = Layout::new(image, guest.end)?;

    let mut memory = Memory::new(&layout.ranges())?;
    let mut kvm = Kvm::open()?;
    memory.choose_page_sizes(image.end, layout.end);
    memory
        .load(&guest.source, image)
        .map_err(|error| error.about(run.image.display()))?;
    boot::write(&memory, &layout, &guest, kvm.tsc_frequency()?)?;
    let end = memory.end();
    cpu::prepare(&mut memory, image, end, kvm.has_gigabyte_pages())?;
    let entry = probe::prepare(&memory, image.entry);
    if !tools.as_ref().is_some_and(Tools::wants_gdb) {
        memory.guard()?;
    }
    // It lasts as long as the process: the virtual machine and other threads have it.
    let memory: &'static Memory = Box::leak(Box::new(memory));
    kvm.map(memory)?;
    kvm.start(entry, layout.end - 8)?;
    let tools = tools.map(|tools| (tools, image.entry));
    become_guest(kvm, memory, &layout, guest, tools)
}

/// Gives up what the guest does not need, and runs it.
fn become_guest(
    mut hypervisor: impl Hypervisor,
    memory: &'static Memory,
    layout: &Layout,
    guest: Guest,
    mut tools: Option<(Tools, u64)>,
) -> Result<Never, Error> {
    drop(guest.source);
    let attachments: Vec<_> = guest.attached.iter().map(Attached::attachment).collect();
    let devices: &'static Devices = Box::leak(Box::new(Devices::new(guest.attached)));
    let (rings, servers) = ring::open(&mut hypervisor, memory, devices, layout)?;
    // The descriptor of the virtual machine is needed no more: the virtual CPU keeps it alive.
    let mut kept = hypervisor.descriptors();
    kept.extend(attachments.iter().map(|device| device.fd));
    kept.extend(servers.iter().flat_map(Server::descriptors));
    if let Some((tools, _)) = &mut tools {
        // While there can still be a connection.
        tools.connect().map_err(Error::cannot("wait for gdb"))?;
        kept.extend(tools.descriptors());
    }
    filter::enter(kept, guest.has_child || tools.is_some())?;
    settle();
    for server in servers {
        server.start(&attachments, tools.is_some())?;
    }
    let mut host = Host {
        memory,
        devices,
        rings: rings.filter(|_| layout.offer),
        console: Console::new(rustix::stdio::stdout()),
    };
    let thread = Thread::Cpu {
        descriptors: &hypervisor.descriptors(),
        requests: match tools {
            None => hypervisor.requests(),
            Some(_) => hypervisor.debug_requests(),
        },
    };
    if let Some((tools, entry)) = tools {
        let rules = filter::rules(thread, &attachments);
        return debug::run(tools, rules, &mut hypervisor, &mut host, rings, entry);
    }
    filter::close(thread, &attachments)?;
    system::exit(run_guest(&mut hypervisor, &mut host))
}

/// What this process changes about itself before the guest begins.
fn settle() {
    // A guest waits for as long as it says, rather than 50 microseconds more.
    let _ = rustix::thread::set_current_timer_slack(NonZeroU64::new(1));
    // JUSTIFICATION: the end of the console's reader is an error of a write, not of the guest.
    // SAFETY: ignoring a signal runs no code of this process.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_IGN) };
}

/// Runs the guest until it ends, and returns the exit status. Nothing here asks for memory, which the
/// filter does not allow.
fn run_guest(hypervisor: &mut impl Hypervisor, host: &mut Host<'_>) -> u8 {
    let mut called = false;
    loop {
        let exit = hypervisor.run();
        match answer(exit, &mut called, hypervisor, |port, value| {
            host.call(port, value)
        }) {
            Turn::Ended { status, .. } => return status,
            Turn::Stopped => return STOPPED,
            _ => {}
        }
    }
}

/// Does what a guest wants that has stopped, a hypercall by `call`; or says why it is stopped for good.
/// `called`: it has made one, so its CPU came to its code.
fn answer(
    exit: Exit,
    called: &mut bool,
    hypervisor: &impl Hypervisor,
    call: impl FnOnce(u16, u32) -> Result<Outcome, Fault>,
) -> Turn {
    match exit {
        Exit::Out { port, value } => match call(port, value) {
            Ok(Outcome::Continue) => {
                *called = true;
                Turn::Again
            }
            Ok(Outcome::Halted { status, cookie }) => {
                // As `exit` has it: the low byte.
                let status = status as u8;
                Turn::Ended { status, cookie }
            }
            Err(fault) => stopped(hypervisor, &fault),
        },
        Exit::Interrupted => Turn::Again,
        Exit::Debug(status) => Turn::Debug(status),
        Exit::Failed(failure) if !*called && probe::contains(hypervisor.instruction()) => {
            say(format_args!("{}", NoCpu(failure)));
            let (status, cookie) = (FAILURE, 0);
            Turn::Ended { status, cookie }
        }
        Exit::Failed(failure) => stopped(hypervisor, &failure),
    }
}

/// Says that a guest had to be stopped, where and why.
fn stopped(hypervisor: &impl Hypervisor, why: &dyn Display) -> Turn {
    let at = hypervisor.instruction();
    say(format_args!("the guest was stopped at {at:#x}: {why}"));
    Turn::Stopped
}

/// Says something on standard error. For a lock, such as `eprintln` takes, a thread would wait by a
/// call that its filter does not allow, where a guest has two threads stop it at once.
pub fn say(what: fmt::Arguments<'_>) {
    let mut line = Cursor::new([0; 1024]);
    let _ = writeln!(line, "fata-hvt: {what}");
    let len = line.position() as usize;
    let _ = rustix::io::write(rustix::stdio::stderr(), &line.get_ref()[..len]);
}

#[cfg(test)]
mod tests;
