// SPDX-License-Identifier: ISC
//! Rings at work: a thread for each that the guest has devices for.

use std::{
    fmt,
    os::fd::{AsRawFd, RawFd},
    thread,
    time::Duration,
};

use fata_abi::{
    HandleSet,
    hvt::{
        KICK_PORT,
        ring::{BLOCK, BLOCK_RING_OFFSET, NET, Ring},
    },
    manifest::Attachment,
};
use fata_tender::{Error, FAILURE, boot::MAX_TRANSFER, system};

use super::{Bell, Host, Lie, Wake, block::Block, net::Net, serve};
use crate::{
    STOPPED,
    boot::Layout,
    devices::Devices,
    filter::{self, Thread},
    hypervisor::Hypervisor,
    memory::Memory,
};

/// What the thread of the virtual CPU has to do with rings.
#[derive(Clone, Copy, Debug)]
pub struct Rings {
    rings: [&'static Ring; 2],
    wake: &'static Wake,
}

/// The threads that serve rings, to be started when the process has given up its rights.
#[derive(Debug, Default)]
pub struct Threads(Vec<Server>);

/// A thread to be.
struct Server {
    thread: Thread<'static>,
    descriptors: [RawFd; 2],
    /// Serves a ring, and ends the process when the guest lies.
    work: Box<dyn FnOnce() + Send>,
}

impl Rings {
    /// The rings of a guest that has some, and their threads. A kick of a ring that it has no devices
    /// for stays a hypercall that there is not.
    ///
    /// # Errors
    ///
    /// The host refuses.
    pub fn new(
        hypervisor: &mut impl Hypervisor,
        memory: &'static Memory,
        devices: &'static Devices,
        layout: &Layout,
    ) -> Result<(Option<Self>, Threads), Error> {
        let mut threads = Threads::default();
        let Some(at) = layout.rings else {
            return Ok((None, threads));
        };
        let rings = [at, at + BLOCK_RING_OFFSET];
        let rings = rings.map(|at| memory.ring(at).expect("memory for rings"));
        let wake: &Wake = Box::leak(Box::default());
        let [net, block] = rings.map(|ring| Host::new(ring, wake));
        let cannot = |error| Error::new(format!("cannot set up a ring: {error}"));
        if devices.nets().next().is_some() {
            let mut bell = Bell::new().map_err(cannot)?;
            let served = Net::new(memory, devices, layout.offer, &mut bell);
            let mut served = served.map_err(cannot)?;
            hypervisor.kick(KICK_PORT, NET, bell.kick())?;
            let epoll = bell.epoll().as_raw_fd();
            threads.add(Thread::Net { epoll }, net, bell, move |host, set| {
                served.round(host, set)
            });
        }
        if layout.offer && devices.blocks().next().is_some() {
            let bell = Bell::new().map_err(cannot)?;
            let served = Block {
                memory,
                devices,
                max_transfer: MAX_TRANSFER,
            };
            hypervisor.kick(KICK_PORT, BLOCK, bell.kick())?;
            let epoll = bell.epoll().as_raw_fd();
            threads.add(Thread::Block { epoll }, block, bell, move |host, _| {
                served.round(host)
            });
        }
        Ok((Some(Self { rings, wake }), threads))
    }

    /// Sleeps until the guest has a commit to take, for `timeout` at most. May return before either.
    pub fn wait(&self, timeout: Duration) {
        self.wake.wait(&self.rings, timeout);
    }
}

impl Threads {
    fn add(
        &mut self,
        thread: Thread<'static>,
        host: Host<'static>,
        bell: Bell,
        round: impl FnMut(&mut Host<'static>, &mut HandleSet) -> Result<bool, Lie> + Send + 'static,
    ) {
        self.0.push(Server {
            thread,
            descriptors: [bell.epoll().as_raw_fd(), bell.kick().as_raw_fd()],
            work: Box::new(move || {
                let lie = serve(host, &bell, round);
                eprintln!("fata-hvt: the guest was stopped: {lie}");
                system::exit(STOPPED)
            }),
        });
    }

    /// The descriptors that they need besides those of devices.
    pub fn descriptors(&self) -> impl Iterator<Item = RawFd> {
        self.0.iter().flat_map(|server| server.descriptors)
    }

    /// Starts them for a guest with these devices, each behind its filter.
    ///
    /// # Errors
    ///
    /// The host refuses.
    pub fn start(self, devices: &[Attachment]) -> Result<(), Error> {
        for Server { thread, work, .. } in self.0 {
            let devices = devices.to_vec();
            let run = move || match filter::close(thread, &devices) {
                Ok(()) => work(),
                Err(error) => {
                    eprintln!("fata-hvt: {error}");
                    system::exit(FAILURE)
                }
            };
            let started = thread::Builder::new().spawn(run);
            started.map_err(|error| Error::new(format!("cannot start a thread: {error}")))?;
        }
        Ok(())
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.thread.fmt(f)
    }
}
