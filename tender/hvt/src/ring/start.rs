// SPDX-License-Identifier: ISC
//! Rings at work: a thread for each that the guest has devices for.

use std::{
    os::fd::{AsFd, AsRawFd, RawFd},
    sync::atomic::Ordering::Release,
    thread,
};

use fata_abi::{
    HandleSet,
    hvt::{
        KICK_PORT,
        ring::{BLOCK, BLOCK_RING_OFFSET, NET},
    },
    manifest::Attachment,
};
use fata_tender::{Error, FAILURE, Never, system};
use fata_tender_debug::machine;

use super::{Bell, Host, Wake, block::Block, net::Net, serve};
use crate::{
    STOPPED,
    boot::Layout,
    devices::Devices,
    filter::{self, Thread},
    hypervisor::Hypervisor,
    memory::Memory,
    say,
};

/// A ring and all that its thread needs, which is to be started when the process has given up its
/// rights.
#[derive(Debug)]
pub struct Server {
    host: Host<'static>,
    bell: Bell,
    work: Work,
}

/// What is done with entries.
#[derive(Debug)]
enum Work {
    Net(Box<Net<'static>>),
    Block(Block<'static>),
}

/// How a guest that has rings sleeps, and what serves those that it has devices for. A kick of
/// another stays a hypercall that there is not.
///
/// # Errors
///
/// The host refuses.
pub fn open(
    hypervisor: &mut impl Hypervisor,
    memory: &'static Memory,
    devices: &'static Devices,
    layout: &Layout,
) -> Result<(Option<&'static Wake<'static>>, Vec<Server>), Error> {
    let Some(at) = layout.rings else {
        return Ok((None, Vec::new()));
    };
    let rings = [at, at + BLOCK_RING_OFFSET];
    let rings = rings.map(|at| memory.ring(at).expect("memory for rings"));
    let wake: &Wake<'_> = Box::leak(Box::new(Wake::new(rings)));
    let [net, block] = rings.map(|ring| Host::new(ring, wake));
    let mut servers = Vec::new();
    if !devices.nets.is_empty() {
        let bell = Bell::new().map_err(Error::cannot("set up a ring"))?;
        hypervisor.kick(KICK_PORT, NET, bell.kick.as_fd())?;
        let work = Net::new(memory, devices, layout.offer, &bell)
            .map_err(Error::cannot("set up a ring"))?;
        let (host, work) = (net, Work::Net(Box::new(work)));
        servers.push(Server { host, bell, work });
    }
    if layout.offer && !devices.blocks.is_empty() {
        let bell = Bell::new().map_err(Error::cannot("set up a ring"))?;
        hypervisor.kick(KICK_PORT, BLOCK, bell.kick.as_fd())?;
        let (host, work) = (block, Work::Block(Block { memory, devices }));
        servers.push(Server { host, bell, work });
    }
    Ok((Some(wake), servers))
}

impl Server {
    /// The descriptors that it needs besides those of devices.
    pub fn descriptors(&self) -> [RawFd; 2] {
        [self.bell.epoll.as_raw_fd(), self.bell.kick.as_raw_fd()]
    }

    /// Starts its thread behind its filter, for a guest with these devices that may be `looked_into`.
    ///
    /// # Errors
    ///
    /// The host refuses.
    pub fn start(self, devices: &[Attachment], looked_into: bool) -> Result<(), Error> {
        let devices = devices.to_vec();
        let started = thread::Builder::new().spawn(move || self.run(&devices, looked_into));
        started.map(drop).map_err(Error::cannot("start a thread"))
    }

    /// Serves the ring, and ends the process when the guest lies; or has the thread of the virtual
    /// CPU do so between two turns, which alone has what a debugger or a core file shows.
    fn run(mut self, devices: &[Attachment], looked_into: bool) -> Never {
        let epoll = self.bell.epoll.as_raw_fd();
        let thread = match self.work {
            Work::Net(_) => Thread::Net { epoll },
            Work::Block(_) => Thread::Block { epoll },
        };
        let mut rules = filter::rules(thread, devices);
        if looked_into {
            rules.extend(machine::rules());
        }
        if let Err(error) = filter::install(&rules) {
            eprintln!("fata-hvt: {error}");
            system::exit(FAILURE);
        }
        let wake = self.host.wake;
        let Err(lie) = serve(self.host, &self.bell, |host, readable| {
            match &mut self.work {
                Work::Net(net) => net.round(host, readable),
                Work::Block(block) => block.round(host),
            }
        });
        say(format_args!("the guest was stopped: {lie}"));
        if !looked_into {
            system::exit(STOPPED);
        }
        wake.lied.store(true, Release);
        machine::interrupt();
        let mut unheard = HandleSet::EMPTY;
        loop {
            self.bell.hear(&mut unheard, true);
        }
    }
}
