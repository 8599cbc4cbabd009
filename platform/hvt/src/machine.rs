// SPDX-License-Identifier: ISC
//! All state of the platform: what Solo5's targets share, the clock, and where the stack ends.

use core::{cell::Cell, ops::Range};

use fata_abi::{
    BlockInfo, Error, Frame, Handle, HandleSet, NetInfo,
    block::{Completion, Request},
    hvt::BootInfo,
    manifest::MAX_ENTRIES,
    offer::{OFFER_RINGS, Offer},
};
use fata_platform_solo5::machine::{self, Boot};
use fata_platform_x86::{self as x86, Clock};

use crate::{
    block::Hypercalls,
    hypercall, net,
    ring::{self, Guest, Place, net::Frames},
};

/// How often, and how long in nanoseconds, the end of the image waits for the rings.
const PATIENCE: (usize, u64) = (200, 1_000_000);

/// The state of the platform, all zero at first.
pub(crate) struct Machine {
    pub(crate) shared: machine::Machine,
    pub(crate) clock: Clock,
    /// The network ring.
    frames: Frames,
    /// The ring of block devices.
    requests: Guest,
    /// What takes from either ring, once the program uses such a device: an image without one is not
    /// to contain it.
    collect: [Cell<Option<Collect>>; 2],
    /// End of the guard page below the stack; zero while there is none.
    stack: Cell<usize>,
}

type Collect = fn(&Machine);

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
            frames: Frames::new(),
            requests: Guest::new(),
            collect: [const { Cell::new(None) }; 2],
            stack: Cell::new(0),
        }
    }

    /// Takes over what the tender prepared.
    ///
    /// # Safety
    ///
    /// 1. `info` is what a tender wrote: its addresses lead to a command line and a manifest, and
    ///    `free..mem_size` is zeroed writable memory, of which only the stack is in use, and so is
    ///    that of `rings`, but for nothing else.
    /// 2. Called once, before anything else here.
    pub(crate) unsafe fn init(
        &self,
        info: &BootInfo,
        offer: &Offer,
        free: usize,
        rings: Option<Place>,
    ) {
        self.clock.start(info.cpu_cycle_freq);
        let boot = Boot {
            command_line: info.command_line,
            manifest: info.manifest,
            free,
            memory_end: info.mem_size,
            offer,
            // Hypercalls carry plain frames.
            vnet_needs: OFFER_RINGS,
            give_back,
        };
        // SAFETY: both promises are passed on.
        unsafe { self.shared.init(&boot) };
        if let Some(rings) = rings {
            // SAFETY: the first promise.
            let (net, block) = unsafe { rings.lines() };
            self.frames.ring.init(net);
            if let Some(block) = block {
                self.requests.init(block);
            }
        }
    }

    /// Whether receiving and blocks go over rings. Sending does wherever there is one.
    fn has_rings(&self) -> bool {
        self.requests.is_there()
    }

    /// Does what [`Platform::net_open`](fata_abi::Platform::net_open) says.
    pub(crate) fn net_open(&self, handle: Handle) -> Result<NetInfo, Error> {
        let info = self.shared.net_open(handle)?;
        if self.has_rings() {
            let devices = (1..MAX_ENTRIES).filter_map(Handle::new);
            let count = devices.filter(|handle| self.shared.net(*handle).is_ok());
            self.frames
                .open(handle, self.shared.net(handle)?, count.count());
        }
        self.collect[0].set(Some(|machine| {
            machine.frames.collect(&machine.shared.pool);
            machine.frames.ring.submit();
        }));
        Ok(info)
    }

    /// Does what [`Platform::net_receive`](fata_abi::Platform::net_receive) says.
    pub(crate) fn net_receive(&self, handle: Handle) -> Result<Frame, Error> {
        let nic = self.shared.net(handle)?;
        let pool = &self.shared.pool;
        if self.has_rings() {
            let received = self.frames.receive(handle, nic, pool);
            if received.is_err() && self.frames.is_deaf(handle) {
                self.shared.can_receive(handle, nic);
            }
            return received;
        }
        if !self.shared.can_receive(handle, nic) {
            return Err(Error::Again);
        }
        net::receive(handle, nic, pool)
    }

    /// Does what [`Platform::net_reserve`](fata_abi::Platform::net_reserve) says.
    pub(crate) fn net_reserve(&self, handle: Handle, len: usize) -> Result<Frame, Error> {
        let nic = self.shared.net(handle)?;
        let pool = &self.shared.pool;
        if self.frames.ring.is_there() {
            self.frames.reserve(nic, pool, len)
        } else {
            nic.reserve(pool, len)
        }
    }

    /// Does what [`Platform::net_send`](fata_abi::Platform::net_send) says.
    pub(crate) fn net_send(
        &self,
        handle: Handle,
        frame: Frame,
        tail: [&[u8]; 2],
    ) -> Result<(), Error> {
        let nic = self.shared.net(handle)?;
        if self.frames.ring.is_there() {
            self.frames
                .send(handle, nic, &self.shared.pool, frame, tail)
        } else {
            net::send(handle, nic, &frame, tail)
        }
    }

    /// Does what [`Platform::net_flush`](fata_abi::Platform::net_flush) says.
    pub(crate) fn net_flush(&self) {
        self.frames.ring.submit();
    }

    /// Does what [`Platform::block_open`](fata_abi::Platform::block_open) says.
    pub(crate) fn block_open(&self, handle: Handle) -> Result<BlockInfo, Error> {
        self.collect[1].set(Some(|machine| {
            ring::block::collect(&machine.requests, &machine.shared.completions);
        }));
        self.shared.block_open(handle)
    }

    /// Does what [`Platform::block_submit`](fata_abi::Platform::block_submit) says.
    ///
    /// # Safety
    ///
    /// As stated there.
    pub(crate) unsafe fn block_submit(
        &self,
        handle: Handle,
        request: Request,
    ) -> Result<(), Error> {
        if !self.has_rings() {
            // SAFETY: the caller's promise about the request is passed on.
            return unsafe { self.shared.block_submit::<Hypercalls>(handle, request) };
        }
        let disk = self.shared.block(handle)?;
        let completions = &self.shared.completions;
        // SAFETY: as above.
        unsafe { ring::block::submit(&self.requests, completions, handle, disk, request) }
    }

    /// Does what [`Platform::block_complete`](fata_abi::Platform::block_complete) says.
    pub(crate) fn block_complete(&self, handle: Handle) -> Result<Completion, Error> {
        ring::block::collect(&self.requests, &self.shared.completions);
        self.shared.block_complete(handle)
    }

    /// Devices that have something to take.
    fn ready(&self) -> HandleSet {
        for collect in self.collect.iter().filter_map(Cell::get) {
            collect(self);
        }
        HandleSet(self.shared.ready().0 | self.frames.received())
    }

    /// Ends the image, once the host has what was handed to it.
    pub(crate) fn exit(&self, status: u8) -> ! {
        let (often, long) = PATIENCE;
        for _ in 0..often {
            self.ready();
            if self.frames.ring.is_idle() && self.requests.is_idle() {
                break;
            }
            hypercall::poll(long);
        }
        hypercall::halt(status, 0)
    }

    /// Does what [`Platform::wait`](fata_abi::Platform::wait) says.
    ///
    /// Without rings, a device with something to read ends every wait of the hypercall. What came for
    /// a device that was never opened is nobody's, and is read here; with an opened one that the
    /// program leaves unread nobody sleeps.
    pub(crate) fn wait(&self, deadline: u64) -> HandleSet {
        let ready = self.ready();
        let opened = self.shared.opened();
        let mut timeout = 0;
        if ready.is_empty() {
            timeout = deadline.saturating_sub(self.clock.now());
        }
        if timeout == 0 && (opened.is_empty() || self.has_rings()) {
            // There is nothing that the tender could know.
            return ready;
        }
        // A tender may compute with signed numbers; in three centuries the wait is over too soon.
        let awake = hypercall::poll(timeout.min(i64::MAX as u64));
        if self.has_rings() {
            return self.ready();
        }
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
