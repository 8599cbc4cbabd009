// SPDX-License-Identifier: ISC
//! The spt tender: runs a unikernel in a sandboxed Linux process.
//!
//! The image becomes this process. [`run`] maps it at the addresses it was linked for, attaches
//! its devices, gives up everything that the process can do besides, and jumps; what is left is the
//! image's memory, its descriptors, and about ten system calls whose arguments a filter checks. The
//! tender's own memory is gone by then: the guest cannot read what it knew.
//!
//! In order of running: `memory` (map and load), `boot` (what the guest is told),
//! [`fata_tender::sandbox`] (what the process gives up), `filter` (which system calls stay), `depart`
//! (unmap the tender, close the filter, jump). The ABI is Solo5's spt, version 2 (Solo5
//! `docs/architecture.md`, `include/spt_abi.h`), so images of MirageOS run too;
//! [`fata_abi::offer::Offer`] is what goes beyond it.

mod boot;
mod debug;
mod depart;
pub mod filter;
mod memory;

use std::{
    ffi::OsString,
    os::fd::{AsFd, AsRawFd, OwnedFd},
};

use fata_abi::{
    manifest::Properties,
    note::Target,
    spt::{ABI_VERSION, EPOLL_TIMER},
};
use fata_tender::{
    Error, Guest, Never, Tender,
    attach::Attached,
    elf::{Abi, Image},
    options::Run,
    sandbox::{self, Kept, STDOUT},
};
use fata_tender_debug::Tools;
use rustix::{
    event::epoll::{self, CreateFlags, EventData, EventFlags},
    time::{TimerfdClockId, TimerfdFlags},
};

use crate::memory::GuestMemory;

const TENDER: Tender = Tender {
    name: "fata-spt",
    about: "Run a unikernel in a sandboxed process.",
    abi: Abi {
        target: Target::Spt,
        version: ABI_VERSION,
    },
};

/// Runs the tender with the words that follow the program's name. It returns, with the exit status,
/// only if there is no guest to run: otherwise the process becomes the guest, and ends with its
/// status.
///
/// The process must have one thread. Another would find its code gone.
pub fn run(words: impl IntoIterator<Item = OsString>) -> u8 {
    TENDER.run(words, start)
}

fn start(run: &Run) -> Result<Never, Error> {
    sandbox::check_host()?;
    if let Some(tools) = Tools::open(TENDER.name, run)? {
        debug::split(tools)?;
    }
    let Guest {
        source,
        image,
        end,
        command_line,
        attached,
        has_child,
    } = TENDER.open(run)?;

    let mut memory = GuestMemory::map(end)?;
    memory
        .load(&source, &image)
        .map_err(|error| error.about(run.image.display()))?;
    drop(source);
    let waiting = Waiting::new(&attached, image.offer.is_some())?;
    let free = boot::write(&mut memory, &image, &waiting, &command_line)?;
    boot::offer(&mut memory, &image, &attached)?;
    memory.protect(&image)?;

    let filter = filter::compile(&filter_input(&image, &waiting, &attached, end));
    let kept = attached.iter().map(|device| device.descriptor.as_raw_fd());
    let kept = kept.chain([STDOUT, waiting.epoll.as_raw_fd(), waiting.timer.as_raw_fd()]);
    let departure = depart::prepare(&mut memory, &filter, image.entry, free)?;
    sandbox::enter(Kept {
        descriptors: kept.collect(),
        polled: 0,
        has_child,
    })?;
    depart::depart(departure)
}

/// What the guest waits with.
struct Waiting {
    epoll: OwnedFd,
    timer: OwnedFd,
}

impl Waiting {
    /// With `edge`, as `OFFER_EDGE` says; the timer is ready from its deadline to the next in any
    /// case, since the image sets it and never reads it.
    fn new(attached: &[Attached], edge: bool) -> Result<Self, Error> {
        let cannot = |error| Error::new(format!("cannot make an epoll set: {error}"));
        let epoll = epoll::create(CreateFlags::CLOEXEC).map_err(cannot)?;
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let timer =
            rustix::time::timerfd_create(TimerfdClockId::Monotonic, flags).map_err(cannot)?;
        let frames = match edge {
            true => EventFlags::IN | EventFlags::ET,
            false => EventFlags::IN,
        };
        let timer_entry = (timer.as_fd(), EPOLL_TIMER, EventFlags::IN);
        let nets = attached
            .iter()
            .filter(|d| matches!(d.properties, Properties::Net { .. }));
        let nets = nets.map(|device| (device.descriptor.as_fd(), device.index as u64, frames));
        for (descriptor, data, flags) in nets.chain([timer_entry]) {
            epoll::add(&epoll, descriptor, EventData::new_u64(data), flags).map_err(cannot)?;
        }
        Ok(Self { epoll, timer })
    }
}

fn filter_input(
    image: &Image,
    waiting: &Waiting,
    attached: &[Attached],
    memory_end: u64,
) -> filter::Input {
    filter::Input {
        epoll: waiting.epoll.as_raw_fd(),
        timer: waiting.timer.as_raw_fd(),
        devices: attached.iter().map(Attached::attachment).collect(),
        offered: image.offer.is_some(),
        gather: image.offer.is_some_and(|offer| offer.is_whole()),
        memory_end,
    }
}
