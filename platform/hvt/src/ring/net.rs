// SPDX-License-Identifier: ISC
//! Frames over the network ring.
//!
//! A frame to send stays in its buffer, which belongs to the host until it is done with the entry.
//! Where `OFFER_RINGS` is offered, so do buffers to receive into: each opened device lends some, the
//! host fills them while the guest runs or sleeps, and frames wait here, device by device, to be
//! taken. Under a tender without it, reading stays with hypercalls: an entry to read is answered at
//! once, with nothing in most cases, so a guest would wait for another thread to wake up where a
//! hypercall has its answer.
//!
//! Buffers for frames are few, so those for receiving are set aside ([`Frames::room`]): whatever is
//! sent or kept, a device can go on to receive, or answers would never come.

use core::{cell::Cell, mem};

use fata_abi::{
    Error, Frame, Handle,
    hvt::{
        OK,
        ring::{Answer, NET_READ, NET_WRITE, Request},
    },
    manifest::MAX_ENTRIES,
    net::vnet,
};
use fata_platform_solo5::{
    nic::Nic,
    pool::{BUFFERS, Pool},
};

use super::Guest;

/// Buffers that there can be, of both sizes.
const TOKENS: usize = 2 * BUFFERS;
/// Small buffers lent to receive into, by all devices together.
const SMALL: usize = BUFFERS / 2;
/// Large buffers lent while there are enough, in shares: a half of them makes two, a quarter is sent
/// from.
const MORE: u8 = 3;

/// The network ring, and what buffers are lent over it.
#[derive(Debug)]
pub(crate) struct Frames {
    pub(crate) ring: Guest,
    buffers: [Cell<Buffer>; TOKENS],
    devices: [Cell<Device>; MAX_ENTRIES],
    /// Devices that have received something.
    received: Cell<u64>,
    /// Buffers that are to be lent and are not, small and large.
    lacking: [Cell<usize>; 2],
}

/// What became of a buffer of the pool.
#[derive(Clone, Copy, Debug, Default)]
struct Buffer {
    state: State,
    /// Device that it was lent for.
    device: u8,
    /// Of one that is [`State::Filled`]: the next of that device, as in [`Device::first`].
    next: u8,
    /// And bytes in it.
    len: u32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// Not here: in the pool, or part of a frame.
    #[default]
    Absent,
    /// Lent to receive into.
    Empty,
    /// Received, and not taken.
    Filled,
    /// Lent to be sent.
    Sent,
}

/// What a device has lent. All zero for one that was not opened.
#[derive(Clone, Copy, Debug, Default)]
struct Device {
    /// Number of the first filled buffer plus one, or zero if there is none.
    first: u8,
    /// Likewise the last.
    last: u8,
    /// Buffers that it is to have lent.
    share: u8,
    /// Buffers lent that are empty.
    empty: u8,
    /// Those that are filled.
    filled: u8,
}

impl Device {
    /// Buffers lent whose frames were not taken.
    fn held(&self) -> u8 {
        self.empty + self.filled
    }
}

impl Frames {
    pub(crate) const fn new() -> Self {
        const NOTHING: Buffer = Buffer {
            state: State::Absent,
            device: 0,
            next: 0,
            len: 0,
        };
        const UNUSED: Device = Device {
            first: 0,
            last: 0,
            share: 0,
            empty: 0,
            filled: 0,
        };
        Self {
            ring: Guest::new(),
            buffers: [const { Cell::new(NOTHING) }; TOKENS],
            devices: [const { Cell::new(UNUSED) }; MAX_ENTRIES],
            received: Cell::new(0),
            lacking: [const { Cell::new(0) }; 2],
        }
    }

    /// Begins to receive on a device, one of `count`.
    pub(crate) fn open(&self, handle: Handle, nic: Nic, count: usize) {
        let large = nic.offload.receive_large;
        // A half of the large buffers may be kept by the program, a quarter receives, a quarter sends.
        let share = if large {
            usize::from(nic.keep) / 2
        } else {
            SMALL.checked_div(count).unwrap_or(0)
        };
        let mut device = self.devices[handle.index()].get();
        if device.share == 0 {
            device.share = share.clamp(1, SMALL) as u8;
            self.lack(large, device.share.into());
            self.devices[handle.index()].set(device);
        }
    }

    /// Devices that have received something.
    pub(crate) fn received(&self) -> u64 {
        self.received.get()
    }

    /// Takes back buffers that were sent, and what was received.
    pub(crate) fn collect(&self, pool: &Pool) {
        self.ring.retire(|operation, token| {
            let token = token as usize;
            if operation == NET_WRITE && self.leave(token, State::Sent).is_some() {
                pool.give_back(token);
            }
        });
        while let Some(commit) = self.ring.take() {
            self.fill(commit, pool);
        }
    }

    /// Does what [`Platform::net_receive`](fata_abi::Platform::net_receive) says.
    pub(crate) fn receive(&self, handle: Handle, nic: Nic, pool: &Pool) -> Result<Frame, Error> {
        loop {
            let token = self.pop(handle).or_else(|| {
                self.collect(pool);
                self.pop(handle)
            });
            let Some((token, len)) = token else {
                self.lend(handle, nic, pool);
                return Err(Error::Again);
            };
            let large = nic.offload.receive_large;
            // SAFETY: its frame was forgotten when it was lent, and the host, which has committed it,
            // is done with it.
            let frame = unsafe { pool.frame(token) };
            let frame = frame.and_then(|frame| filled(nic, frame, len));
            let frame = frame.map(|frame| if large { pool.fit(frame) } else { frame });
            self.lend(handle, nic, pool);
            if let Some(frame) = frame {
                return Ok(frame);
            }
        }
    }

    /// Whether the device has lent nothing, so that nothing will come.
    pub(crate) fn is_deaf(&self, handle: Handle) -> bool {
        let device = self.devices[handle.index()].get();
        device.empty == 0 && device.filled == 0
    }

    /// Does what [`Platform::net_reserve`](fata_abi::Platform::net_reserve) says, and waits a little
    /// for buffers that the host is about to be done with.
    pub(crate) fn reserve(&self, nic: Nic, pool: &Pool, len: usize) -> Result<Frame, Error> {
        let large = len > nic.info().longest_on_wire();
        let can = large && !pool.has_large() || self.room(large, pool, 0);
        let can = can
            || self.ring.wait_for(|| {
                self.collect(pool);
                self.room(large, pool, 0)
            });
        if can {
            nic.reserve(pool, len)
        } else {
            Err(Error::Again)
        }
    }

    /// Does what [`Platform::net_send`](fata_abi::Platform::net_send) says. Every frame of an image
    /// comes from its pool.
    pub(crate) fn send(
        &self,
        handle: Handle,
        nic: Nic,
        pool: &Pool,
        mut frame: Frame,
        tail: [&[u8]; 2],
    ) -> Result<(), Error> {
        if !nic.takes(&frame, tail) {
            return Err(Error::Invalid);
        }
        let header = vnet::encode(&frame.offload, &frame);
        if !nic.wrap(&mut frame, &header) {
            return Err(Error::Invalid);
        }
        let token = pool.token(&frame).ok_or(Error::Invalid)?;
        // One that finds no room is lost, as on a wire.
        if self.push(NET_WRITE, handle, &mut frame, token) {
            self.enter(token, State::Sent, handle);
            mem::forget(frame);
        }
        Ok(())
    }

    /// Whether a buffer may be taken to send, or to be lent beyond a share while `spare` of them stay.
    fn room(&self, large: bool, pool: &Pool, spare: u8) -> bool {
        pool.free(large) > self.lacking[usize::from(large)].get() + usize::from(spare)
    }

    /// Lends buffers, once half of what the device may have is used up: a host that sleeps is kicked
    /// for many of them, and as long as it has some it comes by itself.
    ///
    /// The device has its share for certain. Large ones it gets [`MORE`] times as many of, as long as
    /// the program keeps few: the host stops where they end, and each stop is a kick and a sleep.
    fn lend(&self, handle: Handle, nic: Nic, pool: &Pool) {
        let mut device = self.devices[handle.index()].get();
        let large = nic.offload.receive_large;
        let most = device.share * if large { MORE } else { 1 };
        // Those that are filled count: each that is taken would else be one more to lend.
        if device.held() > most / 2 {
            return;
        }
        while device.held() < most {
            let owed = device.held() < device.share;
            if !owed && !self.room(large, pool, device.share) {
                break;
            }
            let Some(mut frame) = pool.take_to_receive(large) else {
                break;
            };
            if !nic.vnet {
                // Room for a header, should the frame be sent on to a device that has them.
                frame.advance(vnet::HEADER);
            }
            let Some(token) = pool.token(&frame) else {
                break;
            };
            if !self.push(NET_READ, handle, &mut frame, token) {
                break;
            }
            self.enter(token, State::Empty, handle);
            mem::forget(frame);
            device.empty += 1;
            if owed {
                let lacking = &self.lacking[usize::from(large)];
                lacking.set(lacking.get() - 1);
            }
        }
        self.devices[handle.index()].set(device);
        self.ring.submit();
    }

    fn push(&self, operation: u32, handle: Handle, frame: &mut Frame, token: usize) -> bool {
        self.ring.push(&Request {
            operation,
            handle: handle.index() as u32,
            data: frame.as_mut_ptr().expose_provenance() as u64,
            len: frame.len() as u32,
            id: token as u32,
            offset: 0,
        })
    }

    /// Notes a buffer that the host is done with, at the end of what its device has received.
    fn fill(&self, commit: Answer, pool: &Pool) {
        let token = commit.id as usize;
        let Some(buffer) = self.leave(token, State::Empty) else {
            return;
        };
        let mut device = self.devices[usize::from(buffer.device)].get();
        device.empty -= 1;
        if commit.result == OK {
            device.filled += 1;
            let this = token as u8 + 1;
            self.buffers[token].set(Buffer {
                state: State::Filled,
                next: 0,
                len: commit.len,
                ..buffer
            });
            match usize::from(device.last).checked_sub(1) {
                None => device.first = this,
                Some(last) => {
                    let last = &self.buffers[last];
                    let next = this;
                    last.set(Buffer { next, ..last.get() });
                }
            }
            device.last = this;
            self.received.set(self.received.get() | 1 << buffer.device);
        } else {
            // The host will not have it, nor would it another.
            device.share = device.share.saturating_sub(1);
            pool.give_back(token);
        }
        self.devices[usize::from(buffer.device)].set(device);
    }

    /// Takes the buffer that a device has received first, with the length of what is in it.
    fn pop(&self, handle: Handle) -> Option<(usize, usize)> {
        let mut device = self.devices[handle.index()].get();
        let token = usize::from(device.first).checked_sub(1)?;
        let buffer = self.leave(token, State::Filled)?;
        device.first = buffer.next;
        device.filled -= 1;
        if device.held() < device.share {
            self.lack(token >= BUFFERS, 1);
        }
        if device.first == 0 {
            device.last = 0;
            self.received
                .set(self.received.get() & !(1 << handle.index()));
        }
        self.devices[handle.index()].set(device);
        Some((token, buffer.len as usize))
    }

    fn enter(&self, token: usize, state: State, handle: Handle) {
        let device = handle.index() as u8;
        self.buffers[token].set(Buffer {
            state,
            device,
            ..Buffer::default()
        });
    }

    /// Takes a buffer out, if there is one and this is its state.
    fn leave(&self, token: usize, state: State) -> Option<Buffer> {
        let buffer = self.buffers.get(token)?;
        if buffer.get().state != state {
            return None;
        }
        Some(buffer.take())
    }

    fn lack(&self, large: bool, count: usize) {
        let lacking = &self.lacking[usize::from(large)];
        lacking.set(lacking.get() + count);
    }
}

/// The frame of `len` bytes in a buffer that was received, or nothing if that is none.
fn filled(nic: Nic, mut frame: Frame, len: usize) -> Option<Frame> {
    if !nic.vnet {
        frame.advance(vnet::HEADER);
    }
    // If it filled the buffer, its end may be missing: not a frame of this link.
    if len == 0 || len >= frame.capacity() {
        return None;
    }
    frame.set_len(len);
    nic.unwrap(frame)
}

#[cfg(test)]
mod tests;
