// SPDX-License-Identifier: ISC
//! Rings at work: a thread for each that the guest has devices for.

use std::{thread, time::Duration};

use fata_abi::{
    HandleSet,
    hvt::{
        KICK_PORT,
        ring::{BLOCK, BLOCK_RING_OFFSET, NET, Ring},
    },
};
use fata_tender::{Error, boot::MAX_TRANSFER};

use super::{Bell, Host, Lie, Wake, block::Block, net::Net, serve};
use crate::{STOPPED, boot::Layout, devices::Devices, hypervisor::Hypervisor, memory::Memory};

/// What the thread of the virtual CPU has to do with rings.
#[derive(Clone, Copy, Debug)]
pub struct Rings {
    rings: [&'static Ring; 2],
    wake: &'static Wake,
}

impl Rings {
    /// Starts the threads, if the guest has rings at all. A kick of a ring that it has no devices for
    /// stays a hypercall that there is not.
    ///
    /// # Errors
    ///
    /// The host refuses.
    pub fn start(
        hypervisor: &mut impl Hypervisor,
        memory: &'static Memory,
        devices: &'static Devices,
        layout: &Layout,
    ) -> Result<Option<Self>, Error> {
        let Some(at) = layout.rings else {
            return Ok(None);
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
            spawn(net, bell, move |host, set| served.round(host, set))?;
        }
        if layout.offer && devices.blocks().next().is_some() {
            let bell = Bell::new().map_err(cannot)?;
            let served = Block {
                memory,
                devices,
                max_transfer: MAX_TRANSFER,
            };
            hypervisor.kick(KICK_PORT, BLOCK, bell.kick())?;
            spawn(block, bell, move |host, _| served.round(host))?;
        }
        Ok(Some(Self { rings, wake }))
    }

    /// Sleeps until the guest has a commit to take, for `timeout` at most. May return before either.
    pub fn wait(&self, timeout: Duration) {
        self.wake.wait(&self.rings, timeout);
    }
}

/// Has a thread serve a ring. It ends the process when the guest lies.
fn spawn(
    host: Host<'static>,
    bell: Bell,
    round: impl FnMut(&mut Host<'static>, &mut HandleSet) -> Result<bool, Lie> + Send + 'static,
) -> Result<(), Error> {
    let work = move || {
        let lie = serve(host, &bell, round);
        eprintln!("fata-hvt: the guest was stopped: {lie}");
        // Without what `std::process::exit` does, which takes more system calls than there are.
        // SAFETY: no other thread has anything that must be put in order.
        unsafe { libc::_exit(STOPPED.into()) }
    };
    let thread = thread::Builder::new().spawn(work);
    thread
        .map(drop)
        .map_err(|error| Error::new(format!("cannot start a thread: {error}")))
}
