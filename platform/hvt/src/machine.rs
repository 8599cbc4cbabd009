// SPDX-License-Identifier: ISC
//! All state of the platform: what Solo5's targets share, the clock, and where the stack ends.

use core::{cell::Cell, ops::Range};

use fata_abi::{Error, Frame, Handle, HandleSet, hvt::BootInfo, offer::Offer};
use fata_platform_solo5::machine::{self, Boot};
use fata_platform_x86::{self as x86, Clock};

use crate::{hypercall, net};

/// The state of the platform, all zero at first.
pub(crate) struct Machine {
    pub(crate) shared: machine::Machine,
    pub(crate) clock: Clock,
    /// End of the guard page below the stack; zero while there is none.
    stack: Cell<usize>,
}

/// [`Machine`] in a static.
struct OneThread(Machine);

// SAFETY: an hvt image has one thread and no interrupts, and what reports an exception, from which
// nothing returns, only reads.
unsafe impl Sync for OneThread {}

static MACHINE: OneThread = OneThread(Machine::new());

/// The one machine of this image.
pub(crate) fn machine() -> &'static Machine {
    &MACHINE.0
}

impl Machine {
    pub(crate) const fn new() -> Self {
        Self {
            shared: machine::Machine::new(),
            clock: Clock::new(),
            stack: Cell::new(0),
        }
    }

    /// Takes over what the tender prepared.
    ///
    /// # Safety
    ///
    /// 1. `info` is what a tender wrote: its addresses lead to a command line and a manifest, and
    ///    `free..mem_size` is zeroed writable memory, of which only the stack is in use.
    /// 2. Called once, before anything else here.
    pub(crate) unsafe fn init(&self, info: &BootInfo, offer: &Offer, free: usize) {
        self.clock.start(info.cpu_cycle_freq);
        let boot = Boot {
            command_line: info.command_line,
            manifest: info.manifest,
            free,
            memory_end: info.mem_size,
            offer,
            // Hypercalls carry plain frames.
            vnet_needs: u32::MAX,
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
        net::receive(handle, nic, &self.shared.pool)
    }

    /// Does what [`Platform::wait`](fata_abi::Platform::wait) says.
    ///
    /// A device with something to read ends every wait of the hypercall. What came for a device that
    /// was never opened is nobody's, and is read here; with an opened one that the program leaves
    /// unread nobody sleeps.
    pub(crate) fn wait(&self, deadline: u64) -> HandleSet {
        let ready = self.shared.ready();
        let opened = self.shared.opened();
        let mut timeout = 0;
        if ready.is_empty() {
            timeout = deadline.saturating_sub(self.clock.now());
        }
        if timeout == 0 && opened.is_empty() {
            // There is nothing that the tender could know.
            return ready;
        }
        // A tender may compute with signed numbers; in three centuries the wait is over too soon.
        let awake = hypercall::poll(timeout.min(i64::MAX as u64));
        for handle in HandleSet(awake & !opened.0) {
            net::discard(handle);
        }
        HandleSet(ready.0 | awake & opened.0)
    }

    /// Does what [`Platform::guard`](fata_abi::Platform::guard) says.
    pub(crate) fn guard(&self, start: usize, len: usize) -> Result<(), Error> {
        if !self.shared.can_guard(start, len) {
            return Err(Error::Invalid);
        }
        // SAFETY: the range is inside the memory that was given to the caller, who gives it up.
        unsafe { x86::unmap(start, len) }?;
        self.stack.set(start + len);
        Ok(())
    }

    /// Memory that the stack lies in, all of it readable: as far as a guard page, if there is one.
    pub(crate) fn stack(&self) -> Range<usize> {
        let memory = self.shared.memory();
        let start = match self.stack.get() {
            0 => memory.start,
            guarded => guarded,
        };
        start..memory.end
    }
}

fn give_back(token: usize) {
    machine().shared.pool.give_back(token);
}
