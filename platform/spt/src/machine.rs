// SPDX-License-Identifier: ISC
//! What the tender said at the start, and all state of the platform, behind one value.

use core::{cell::Cell, ffi::CStr, ptr, slice, str};

use fata_abi::{
    Error, Frame, Handle, HandleSet, Memory, NetInfo,
    manifest::{ENTRY_SIZE, HEADER_SIZE, MAX_ENTRIES, Manifest, Properties},
    net::Capabilities,
    offer::{
        OFFER_EDGE, OFFER_FLUSH, OFFER_GATHER, OFFER_GUARD, OFFER_SEED, OFFER_TRANSFER, OFFER_VNET,
        Offer, large_buffers,
    },
    spt::BootInfo,
};

use crate::{
    block::{Blocks, Disk, Queue},
    net::Nic,
    pool::{Pool, Sizes},
    syscall,
    wait::Waiter,
};

const PAGE: usize = 4096;

/// The state of the platform. Everything is a [`Cell`], so nothing here is ever borrowed and no
/// order of calls can go wrong. All zero at first, which takes no room in the file.
pub(crate) struct Machine {
    pub(crate) command_line: Cell<Option<&'static str>>,
    pub(crate) memory: Cell<Memory>,
    pub(crate) seed: Seed,
    pub(crate) waiter: Waiter,
    pub(crate) pool: Pool,
    pub(crate) blocks: Blocks,
    features: Cell<u32>,
    offload: Cell<Offload>,
    /// Network devices that the program uses.
    opened: Cell<u64>,
    /// Those that could not receive because no buffer was free.
    starved: Cell<u64>,
    devices: [Cell<Device>; MAX_ENTRIES],
}

/// A manifest entry with what is behind it.
#[derive(Clone, Copy)]
#[repr(u8)]
enum Device {
    None,
    Net(Nic),
    Block(Disk),
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
            command_line: Cell::new(None),
            memory: Cell::new(Memory {
                start: 0,
                end: 0,
                stack_inside: false,
            }),
            seed: Seed::new(),
            waiter: Waiter::new(),
            pool: Pool::new(),
            blocks: Blocks::new(),
            features: Cell::new(0),
            offload: Cell::new(Offload::NONE),
            opened: Cell::new(0),
            starved: Cell::new(0),
            devices: [const { Cell::new(Device::None) }; MAX_ENTRIES],
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
        self.features.set(offer.features);
        self.offload.set(Offload::new(offer, info.mem_size));
        self.waiter.init(info.epoll_fd, info.timer_fd);
        if offer.features & OFFER_SEED != 0 {
            self.seed.init(&offer.seed);
        }
        // SAFETY: the first promise.
        let command_line = unsafe { command_line(info.command_line as usize) };
        self.command_line.set(Some(command_line));
        // SAFETY: likewise.
        let manifest = unsafe { manifest(info.manifest as usize) };
        let needs = self.attach(&manifest, offer);
        // SAFETY: the memory behind the image is free, and is given out here once: what comes before
        // `start` to queues and pool, the rest by `memory`.
        let start = unsafe { self.carve(image_end.next_multiple_of(PAGE), &needs) };
        self.memory.set(Memory {
            start,
            end: info.mem_size as usize,
            stack_inside: true,
        });
    }

    /// Fills the table of devices, and says what memory they need.
    fn attach(&self, manifest: &Manifest<&[u8]>, offer: &Offer) -> Needs {
        let mut needs = Needs {
            pool: None,
            queues: 0,
        };
        for index in 1..manifest.len() {
            let Some(attachment) = manifest.attachment(index) else {
                continue;
            };
            let fd = attachment.fd;
            self.devices[index].set(match attachment.properties {
                Properties::Net { mac, mtu } => {
                    let large = self.offload.get().buffers;
                    let pool = needs.pool.get_or_insert(Sizes { mtu, large });
                    pool.mtu = pool.mtu.max(mtu);
                    Device::Net(Nic::plain(fd, mac, mtu))
                }
                Properties::Block {
                    capacity,
                    block_size,
                } => {
                    needs.queues = index + 1;
                    Device::Block(Disk {
                        fd,
                        capacity,
                        block_size: block_size.into(),
                        max_transfer: max_transfer(block_size, offer),
                        flush: offer.features & OFFER_FLUSH != 0,
                    })
                }
            });
        }
        needs
    }

    /// Gives the memory from `start` on to what needs it, and returns where the rest begins.
    ///
    /// # Safety
    ///
    /// From `start`, page aligned, on lies zeroed memory that is given to nobody else up to what is
    /// returned.
    unsafe fn carve(&self, start: usize, needs: &Needs) -> usize {
        let mut at = start;
        if needs.queues != 0 {
            let queues: *const Queue = ptr::with_exposed_provenance(at);
            // SAFETY: 1. the caller's memory, a page being aligned for it, is zeroed, and all zero
            // is a `Queue`; 2. it is only shared from now on, for good.
            self.blocks
                .init(unsafe { slice::from_raw_parts(queues, needs.queues) });
            at += (needs.queues * size_of::<Queue>()).next_multiple_of(PAGE);
        }
        if let Some(sizes) = needs.pool {
            // SAFETY: the caller's memory, behind that of the queues; nothing is lent yet.
            unsafe {
                self.pool
                    .init(ptr::with_exposed_provenance_mut(at), sizes, give_back)
            };
            at += sizes.bytes().next_multiple_of(PAGE);
        }
        at
    }

    /// The network device at `handle`.
    pub(crate) fn net(&self, handle: Handle) -> Result<Nic, Error> {
        match self.devices[handle.index()].get() {
            Device::Net(nic) => Ok(nic),
            _ => Err(Error::Invalid),
        }
    }

    /// Does what [`Platform::net_open`](fata_abi::Platform::net_open) says.
    pub(crate) fn net_open(&self, handle: Handle) -> Result<NetInfo, Error> {
        let mut nic = self.net(handle)?;
        self.offload.get().apply(&mut nic, handle.index());
        self.devices[handle.index()].set(Device::Net(nic));
        self.opened.set(self.opened.get() | 1 << handle.index());
        Ok(nic.info())
    }

    /// Does what [`Platform::net_receive`](fata_abi::Platform::net_receive) says.
    pub(crate) fn net_receive(&self, handle: Handle) -> Result<Frame, Error> {
        let nic = self.net(handle)?;
        if !nic.can_receive(&self.pool) {
            self.starved.set(self.starved.get() | 1 << handle.index());
            return Err(Error::Again);
        }
        nic.receive(&self.pool)
    }

    /// Does what [`Platform::wait`](fata_abi::Platform::wait) says.
    ///
    /// Where devices are level-triggered (no [`OFFER_EDGE`]), one with something to read ends every
    /// wait. What came for a device that was never opened is nobody's, and is read here; with an
    /// opened one that the program leaves unread, or that is gone, such a tender lets nobody sleep:
    /// the filter of Solo5's allows no call by which the device could be left out.
    pub(crate) fn wait(&self, mut deadline: u64) -> HandleSet {
        let ready = self.blocks.finished().0 | self.fed();
        if ready != 0 {
            deadline = 0;
        }
        let awake = self.waiter.wait(deadline).0;
        if self.features.get() & OFFER_EDGE == 0 {
            self.discard(HandleSet(awake & !self.opened.get()));
        }
        HandleSet(ready | awake)
    }

    /// Network devices that wanted for a buffer and now have one: no edge tells of frames that had
    /// come before.
    fn fed(&self) -> u64 {
        let mut fed = HandleSet::EMPTY;
        for handle in HandleSet(self.starved.get()) {
            if self
                .net(handle)
                .is_ok_and(|nic| nic.can_receive(&self.pool))
            {
                fed.insert(handle);
            }
        }
        self.starved.set(self.starved.get() & !fed.0);
        fed.0
    }

    /// Reads and forgets what a network device in `set` has received.
    fn discard(&self, set: HandleSet) {
        for handle in set {
            if let Device::Net(nic) = self.devices[handle.index()].get() {
                nic.discard();
            }
        }
    }

    /// The block device at `handle`.
    pub(crate) fn block(&self, handle: Handle) -> Result<Disk, Error> {
        match self.devices[handle.index()].get() {
            Device::Block(disk) => Ok(disk),
            _ => Err(Error::Invalid),
        }
    }

    /// Does what [`Platform::guard`](fata_abi::Platform::guard) says.
    pub(crate) fn guard(&self, start: usize, len: usize) -> Result<(), Error> {
        let memory = self.memory.get();
        let inside =
            start >= memory.start && start.checked_add(len).is_some_and(|end| end <= memory.end);
        if !inside || !(start | len).is_multiple_of(PAGE) {
            return Err(Error::Invalid);
        }
        if self.features.get() & OFFER_GUARD == 0 {
            return Err(Error::Unspecified);
        }
        // SAFETY: the range is inside the memory that was given to the caller, who gives it up.
        unsafe { syscall::protect_none(start, len) }.map_or(Err(Error::Unspecified), |_| Ok(()))
    }
}

fn give_back(token: usize) {
    machine().pool.give_back(token);
}

/// What the tender offers for network devices beyond plain frames. A device learns of its part when
/// it is opened: an image without one is not to contain what works it out.
#[derive(Clone, Copy)]
struct Offload {
    gather: bool,
    /// Devices with a header before each frame, and of those the ones that cut datagrams and the ones
    /// that may hand in large frames.
    vnet: u64,
    udp: u64,
    large: u64,
    /// Large buffers, if any device has use for them.
    buffers: usize,
}

impl Offload {
    const NONE: Self = Self {
        gather: false,
        vnet: 0,
        udp: 0,
        large: 0,
        buffers: 0,
    };

    fn new(offer: &Offer, memory: u64) -> Self {
        // A header is written as a part of its own.
        const BOTH: u32 = OFFER_VNET | OFFER_GATHER;
        let vnet = if offer.features & BOTH == BOTH {
            offer.vnet
        } else {
            0
        };
        let large = vnet & offer.vnet_large;
        Self {
            gather: offer.features & OFFER_GATHER != 0,
            vnet,
            udp: vnet & offer.vnet_udp,
            large,
            buffers: if large == 0 { 0 } else { large_buffers(memory) },
        }
    }

    /// Tells the device at `index` of its part.
    fn apply(&self, nic: &mut Nic, index: usize) {
        let has = |set: u64| set >> index & 1 != 0;
        nic.vnet = has(self.vnet);
        nic.offload = Capabilities {
            checksum: nic.vnet,
            tcp4: nic.vnet,
            tcp6: nic.vnet,
            udp: has(self.udp),
            receive_large: has(self.large),
            gather: self.gather,
        };
        // Half of the buffers, shared fairly, are always there to receive into.
        if nic.offload.receive_large {
            nic.keep = (self.buffers / (2 * self.large.count_ones() as usize)) as u16;
        }
    }
}

/// What devices need of the guest's memory.
struct Needs {
    /// Buffers, if there is a network device.
    pool: Option<Sizes>,
    /// Number of queues of block devices.
    queues: usize,
}

/// Random bytes that are given out once and then forgotten.
pub(crate) struct Seed {
    bytes: [Cell<u8>; 64],
    left: Cell<usize>,
}

impl Seed {
    const fn new() -> Self {
        Self {
            bytes: [const { Cell::new(0) }; 64],
            left: Cell::new(0),
        }
    }

    fn init(&self, seed: &[u8; 64]) {
        for (cell, byte) in self.bytes.iter().zip(seed) {
            cell.set(*byte);
        }
        self.left.set(seed.len());
    }

    /// Fills the front of `into` with bytes not given before, and says how many.
    pub(crate) fn take(&self, into: &mut [u8]) -> usize {
        let left = self.bytes.iter().take(self.left.get()).rev();
        let mut given = 0;
        for (into, cell) in into.iter_mut().zip(left) {
            *into = cell.replace(0);
            given += 1;
        }
        self.left.set(self.left.get() - given);
        given
    }
}

/// The command line at `address`. What is no UTF-8 in it becomes question marks, on the spot.
///
/// # Safety
///
/// A NUL-terminated string is there, writable, and for this call alone.
unsafe fn command_line(address: usize) -> &'static str {
    let start: *mut u8 = ptr::with_exposed_provenance_mut(address);
    // SAFETY: the caller's promise.
    let len = unsafe { CStr::from_ptr(start.cast()) }.count_bytes();
    // SAFETY: as far as its NUL the string is there, and nobody else refers to it.
    let bytes: &'static mut [u8] = unsafe { slice::from_raw_parts_mut(start, len) };
    while let Err(error) = str::from_utf8(bytes) {
        bytes[error.valid_up_to()] = b'?';
    }
    str::from_utf8(bytes).unwrap_or_default()
}

/// The manifest at `address`.
///
/// # Safety
///
/// A manifest is there that nobody changes any more.
unsafe fn manifest(address: usize) -> Manifest<&'static [u8]> {
    let start: *const u8 = ptr::with_exposed_provenance(address);
    // SAFETY: the header is there, by the caller's promise.
    let header = unsafe { &*start.cast::<[u8; HEADER_SIZE]>() };
    let entries = u32::from_le_bytes([header[4], header[5], header[6], header[7]]);
    let entries = (entries as usize).clamp(1, MAX_ENTRIES);
    // SAFETY: so are as many entries as it states, of which there is at least the reserved one.
    Manifest::from_tender(unsafe {
        slice::from_raw_parts(start, HEADER_SIZE + entries * ENTRY_SIZE)
    })
}

fn max_transfer(block_size: u16, offer: &Offer) -> usize {
    let block_size = usize::from(block_size);
    let offered = offer.max_transfer as usize & !(block_size - 1);
    if offer.features & OFFER_TRANSFER != 0 && offered > block_size {
        offered
    } else {
        block_size
    }
}

#[cfg(test)]
mod tests;
