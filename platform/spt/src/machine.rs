// SPDX-License-Identifier: ISC
//! All state of the platform: what Solo5's targets share, and what waits.

use fata_abi::{
    Error, Frame, Handle, HandleSet,
    offer::{OFFER_EDGE, OFFER_GATHER, OFFER_GUARD, Offer},
    spt::BootInfo,
};
use fata_platform_solo5::machine::{self, Boot, PAGE};

use crate::{net, syscall, wait::Waiter};

/// The state of the platform, all zero at first.
pub(crate) struct Machine {
    pub(crate) shared: machine::Machine,
    waiter: Waiter,
}

/// [`Machine`] in a static.
struct OneThread(Machine);

// SAFETY: an spt image has one thread and no signal handlers, so nothing is ever used from two.
unsafe impl Sync for OneThread {}

static MACHINE: OneThread = OneThread(Machine::new());

/// The one machine of this image.
pub(crate) fn machine() -> &'static Machine {
    &MACHINE.0
}

impl Machine {
    const fn new() -> Self {
        Self {
            shared: machine::Machine::new(),
            waiter: Waiter::new(),
        }
    }

    /// Takes over what the tender prepared.
    ///
    /// # Safety
    ///
    /// 1. `info` is what a tender wrote: its addresses lead to a command line and a manifest, and
    ///    `image_end..mem_size` is zeroed writable memory, of which only the stack is in use.
    /// 2. Called once, before anything else here.
    pub(crate) unsafe fn init(&self, info: &BootInfo, offer: &Offer, image_end: usize) {
        self.waiter.init(info.epoll_fd, info.timer_fd);
        let boot = Boot {
            command_line: info.command_line,
            manifest: info.manifest,
            free: image_end.next_multiple_of(PAGE),
            memory_end: info.mem_size,
            offer,
            // A header is written as a part of its own.
            vnet_needs: OFFER_GATHER,
            give_back,
        };
        // SAFETY: both promises are passed on.
        unsafe { self.shared.init(&boot) };
    }

    /// Does what [`Platform::net_receive`](fata_abi::Platform::net_receive) says.
    pub(crate) fn net_receive(&self, handle: Handle) -> Result<Frame, Error> {
        let nic = self.shared.net(handle)?;
        if !self.shared.can_receive(handle, nic) {
            return Err(Error::Again);
        }
        net::receive(nic, &self.shared.pool)
    }

    /// Does what [`Platform::wait`](fata_abi::Platform::wait) says.
    ///
    /// Where devices are level-triggered (no [`OFFER_EDGE`]), one with something to read ends every
    /// wait. What came for a device that was never opened is nobody's, and is read here; with an
    /// opened one that the program leaves unread, or that is gone, such a tender lets nobody sleep:
    /// the filter of Solo5's allows no call by which the device could be left out.
    pub(crate) fn wait(&self, mut deadline: u64) -> HandleSet {
        let ready = self.shared.ready();
        if !ready.is_empty() {
            deadline = 0;
        }
        let awake = self.waiter.wait(deadline);
        if !self.shared.offers(OFFER_EDGE) {
            self.discard(HandleSet(awake.0 & !self.shared.opened().0));
        }
        HandleSet(ready.0 | awake.0)
    }

    /// Reads and forgets what a network device in `set` has received.
    fn discard(&self, set: HandleSet) {
        for handle in set {
            if let Ok(nic) = self.shared.net(handle) {
                net::discard(nic);
            }
        }
    }

    /// Does what [`Platform::guard`](fata_abi::Platform::guard) says.
    pub(crate) fn guard(&self, start: usize, len: usize) -> Result<(), Error> {
        if !self.shared.can_guard(start, len) {
            return Err(Error::Invalid);
        }
        if !self.shared.offers(OFFER_GUARD) {
            return Err(Error::Unspecified);
        }
        // SAFETY: the range is inside the memory that was given to the caller, who gives it up.
        unsafe { syscall::protect_none(start, len) }.map_or(Err(Error::Unspecified), |_| Ok(()))
    }
}

fn give_back(token: usize) {
    machine().shared.pool.give_back(token);
}

#[cfg(test)]
pub(crate) mod tests;
