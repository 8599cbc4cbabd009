// SPDX-License-Identifier: ISC
//! What the tender said at the start, and all state that the platforms of Solo5's targets have in
//! common, behind one value.

use core::{cell::Cell, ptr, slice};

use fata_abi::{
    BlockInfo, Error, Frame, Handle, HandleSet, Memory, NetInfo,
    block::{Completion, Request},
    manifest::{MAX_ENTRIES, Manifest, Properties},
    offer::{OFFER_SEED, Offer},
};

use crate::{
    block::{self, Calls},
    boot,
    completions::{Completions, Queue},
    disk::Disk,
    nic::Nic,
    offload::Offload,
    pool::{Pool, Sizes},
    seed::Seed,
};

/// Bytes of a page.
pub const PAGE: usize = 4096;

/// The state of a platform. Everything is a [`Cell`], so nothing here is ever borrowed and no
/// order of calls can go wrong. All zero at first, which takes no room in the file.
#[derive(Debug)]
pub struct Machine {
    command_line: Cell<Option<&'static str>>,
    memory: Cell<Memory>,
    /// What [`Platform::entropy`](fata_abi::Platform::entropy) gives.
    pub seed: Seed,
    /// Buffers for frames.
    pub pool: Pool,
    /// Requests to block devices.
    pub completions: Completions,
    features: Cell<u32>,
    offload: Cell<Offload>,
    /// Network devices that the program uses.
    opened: Cell<u64>,
    /// Those that could not receive because no buffer was free.
    starved: Cell<u64>,
    devices: [Cell<Device>; MAX_ENTRIES],
}

/// A manifest entry with what is behind it.
#[derive(Clone, Copy, Debug)]
#[repr(u8)]
enum Device {
    None,
    Net(Nic),
    Block(Disk),
}

/// What a platform takes over from its tender.
#[derive(Clone, Copy, Debug)]
pub struct Boot<'a> {
    /// Address of the command line, NUL terminated.
    pub command_line: u64,
    /// Address of the manifest, attached.
    pub manifest: u64,
    /// First byte behind the image that is free, page aligned.
    pub free: usize,
    /// End of guest memory.
    pub memory_end: u64,
    /// What a tender of ours offers.
    pub offer: &'a Offer,
    /// Features without which the platform has no use for virtio-net headers.
    pub vnet_needs: u32,
    /// Called with the token of a frame that is dropped, to give it back to [`Machine::pool`].
    pub give_back: fn(usize),
}

impl Machine {
    /// A machine that knows of nothing yet.
    #[expect(
        clippy::new_without_default,
        reason = "it is the content of a static, which nothing but a constant function makes"
    )]
    pub const fn new() -> Self {
        Self {
            command_line: Cell::new(None),
            memory: Cell::new(Memory {
                start: 0,
                end: 0,
                stack_inside: false,
            }),
            seed: Seed::new(),
            pool: Pool::new(),
            completions: Completions::new(),
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
    /// 1. `boot` is what a tender wrote: its addresses lead to a command line and a manifest, and
    ///    `free..memory_end` is zeroed writable memory, of which only the stack is in use.
    /// 2. Called once, before anything else here.
    #[inline(always)]
    pub unsafe fn init(&self, boot: &Boot<'_>) {
        let offer = boot.offer;
        self.features.set(offer.features);
        self.offload
            .set(Offload::new(offer, boot.vnet_needs, boot.memory_end));
        if offer.features & OFFER_SEED != 0 {
            self.seed.init(&offer.seed);
        }
        // SAFETY: the first promise.
        let command_line = unsafe { boot::command_line(boot.command_line as usize) };
        self.command_line.set(Some(command_line));
        // SAFETY: likewise.
        let manifest = unsafe { boot::manifest(boot.manifest as usize) };
        let needs = self.attach(&manifest, offer);
        // SAFETY: the memory behind the image is free, and is given out here once: what comes before
        // `start` to queues and pool, the rest by `memory`.
        let start =
            unsafe { self.carve(boot.free, boot.memory_end as usize, &needs, boot.give_back) };
        self.memory.set(Memory {
            start,
            end: boot.memory_end as usize,
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
                    Device::Block(Disk::new(fd, capacity, block_size, offer))
                }
            });
        }
        needs
    }

    /// Gives the memory from `start` on to what needs it, and returns where the rest begins: at
    /// `end`, where there is too little. Then nothing got any, and the program ends at the first
    /// allocation, which says so.
    ///
    /// # Safety
    ///
    /// From `start`, page aligned, to `end` lies zeroed memory that is given to nobody else up to what
    /// is returned.
    unsafe fn carve(&self, start: usize, end: usize, needs: &Needs, give_back: fn(usize)) -> usize {
        let frames = start + (needs.queues * size_of::<Queue>()).next_multiple_of(PAGE);
        let pool = needs.pool.map_or(0, Sizes::bytes);
        let rest = frames + pool.next_multiple_of(PAGE);
        if rest > end {
            return end;
        }
        if needs.queues != 0 {
            let queues: *const Queue = ptr::with_exposed_provenance(start);
            // SAFETY: 1. the caller's memory, a page being aligned for it, is zeroed, and all zero
            // is a `Queue`; 2. it is only shared from now on, for good.
            self.completions
                .init(unsafe { slice::from_raw_parts(queues, needs.queues) });
        }
        if let Some(sizes) = needs.pool {
            let buffers = ptr::with_exposed_provenance_mut(frames);
            // SAFETY: the caller's memory, behind that of the queues; nothing is lent yet.
            unsafe { self.pool.init(buffers, sizes, give_back) };
        }
        rest
    }

    /// Does what [`Platform::command_line`](fata_abi::Platform::command_line) says.
    pub fn command_line(&self) -> &'static str {
        self.command_line.get().unwrap_or_default()
    }

    /// Does what [`Platform::memory`](fata_abi::Platform::memory) says.
    pub fn memory(&self) -> Memory {
        self.memory.get()
    }

    /// Whether the tender offers `feature`.
    pub fn offers(&self, feature: u32) -> bool {
        self.features.get() & feature != 0
    }

    /// Whether `start..start + len` can be a guard: whole pages of free memory.
    pub fn can_guard(&self, start: usize, len: usize) -> bool {
        let memory = self.memory.get();
        let inside =
            start >= memory.start && start.checked_add(len).is_some_and(|end| end <= memory.end);
        inside && (start | len).is_multiple_of(PAGE)
    }

    /// The network device at `handle`.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] where there is none.
    pub fn net(&self, handle: Handle) -> Result<Nic, Error> {
        match self.devices[handle.index()].get() {
            Device::Net(nic) => Ok(nic),
            _ => Err(Error::Invalid),
        }
    }

    /// Does what [`Platform::net_open`](fata_abi::Platform::net_open) says.
    pub fn net_open(&self, handle: Handle) -> Result<NetInfo, Error> {
        let mut nic = self.net(handle)?;
        self.offload.get().apply(&mut nic, handle.index());
        self.devices[handle.index()].set(Device::Net(nic));
        self.opened.set(self.opened.get() | 1 << handle.index());
        Ok(nic.info())
    }

    /// Network devices that the program has opened.
    pub fn opened(&self) -> HandleSet {
        HandleSet(self.opened.get())
    }

    /// Whether there is a buffer to receive into on `nic`, which is the device `handle`. If not,
    /// [`ready`](Self::ready) will tell when there is.
    pub fn can_receive(&self, handle: Handle, nic: Nic) -> bool {
        let can = nic.can_receive(&self.pool);
        if !can {
            self.starved.set(self.starved.get() | 1 << handle.index());
        }
        can
    }

    /// Does what [`Platform::net_reserve`](fata_abi::Platform::net_reserve) says.
    pub fn net_reserve(&self, handle: Handle, len: usize) -> Result<Frame, Error> {
        self.net(handle)?.reserve(&self.pool, len)
    }

    /// Devices that have something to take without asking the tender: finished requests, and
    /// network devices that wanted for a buffer and now have one. No edge tells of frames that had
    /// come before.
    pub fn ready(&self) -> HandleSet {
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
        HandleSet(self.completions.finished().0 | fed.0)
    }

    /// The block device at `handle`.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] where there is none.
    pub fn block(&self, handle: Handle) -> Result<Disk, Error> {
        match self.devices[handle.index()].get() {
            Device::Block(disk) => Ok(disk),
            _ => Err(Error::Invalid),
        }
    }

    /// Does what [`Platform::block_open`](fata_abi::Platform::block_open) says.
    pub fn block_open(&self, handle: Handle) -> Result<BlockInfo, Error> {
        Ok(self.block(handle)?.info())
    }

    /// Does what [`Platform::block_submit`](fata_abi::Platform::block_submit) says, by calls that
    /// are synchronous.
    ///
    /// # Safety
    ///
    /// As stated there.
    pub unsafe fn block_submit<C: Calls>(
        &self,
        handle: Handle,
        request: Request,
    ) -> Result<(), Error> {
        let disk = self.block(handle)?;
        // SAFETY: the caller's promise about the request is passed on.
        unsafe { block::submit::<C>(&self.completions, handle, disk, request) }
    }

    /// Does what [`Platform::block_complete`](fata_abi::Platform::block_complete) says.
    pub fn block_complete(&self, handle: Handle) -> Result<Completion, Error> {
        self.completions.pop(handle)
    }
}

/// What devices need of the guest's memory.
struct Needs {
    /// Buffers, if there is a network device.
    pool: Option<Sizes>,
    /// Number of queues of block devices.
    queues: usize,
}

#[cfg(test)]
mod tests;
