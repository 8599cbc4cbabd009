// SPDX-License-Identifier: ISC
//! A network device as driver and engine use it: [`Link`], [`Received`] and [`Shelf`] over a [`Net`].

use alloc::{rc::Rc, vec::Vec};
use core::{
    cell::RefCell,
    task::{Context, Poll, Waker},
};

use fata_device::{Frame, Net, NetError, NetInfo, net::Offload};

use crate::{
    link::{Link, Received, Shelf, Slot},
    packet::ETHERNET,
};

/// Received frames that are kept at most, even if the device could do without more: what a reader
/// has not taken up by then it will not take up soon.
const KEPT: usize = 16;
/// Shortest frame that is worth keeping. Copying less costs no more than the bookkeeping, and a
/// buffer holds little for its size.
const WORTH_KEEPING: usize = 4096;
/// Shortest payload that is worth being handed to the device beside its headers.
const WORTH_GATHERING: usize = 256;

/// A device, the frame at hand for it, and the frames of it that are kept.
pub(crate) struct Port<N: Net> {
    pub(crate) net: N,
    info: NetInfo,
    /// Reserved for a plain packet; see [`take`](Self::take).
    spare: Option<N::Frame>,
    /// Length of a frame that holds a packet as long as the MTU.
    pub(crate) longest: usize,
    kept: Rc<Kept<N::Frame>>,
    /// Who is woken when there is something to receive, or a buffer to send from.
    driver: Waker,
    /// Whether something was sent since the last flush.
    sent: bool,
    /// Whether sending had to wait for a buffer in this round.
    starved: bool,
}

impl<N: Net> Port<N> {
    pub(crate) fn new(net: N) -> Self {
        let info = net.info();
        let limit = usize::from(info.keep).min(KEPT);
        Self {
            net,
            info,
            spare: None,
            longest: ETHERNET + usize::from(info.mtu),
            kept: Rc::new(Kept {
                limit,
                frames: RefCell::default(),
            }),
            driver: Waker::noop().clone(),
            sent: false,
            starved: false,
        }
    }

    /// Where kept frames are.
    pub(crate) fn kept(&self) -> Rc<Kept<N::Frame>> {
        Rc::clone(&self.kept)
    }

    /// Begins a round of the driver, whom `waker` wakes. Says whether the last round lacked a
    /// buffer.
    pub(crate) fn begin(&mut self, waker: &Waker) -> bool {
        self.driver.clone_from(waker);
        core::mem::take(&mut self.starved)
    }

    /// The next received frame. A device that failed has none any more.
    pub(crate) fn receive(&mut self) -> Option<N::Frame> {
        let mut cx = Context::from_waker(&self.driver);
        match self.net.poll_receive(&mut cx) {
            Poll::Ready(frame) => frame.ok(),
            Poll::Pending => None,
        }
    }

    fn reserve(&mut self, len: usize) -> Option<N::Frame> {
        let mut cx = Context::from_waker(&self.driver);
        match self.net.poll_reserve(&mut cx, len) {
            Poll::Ready(frame) => frame.ok(),
            Poll::Pending => {
                self.starved = true;
                None
            }
        }
    }

    /// A frame to write into, as long as the longest plain one. `None` when the device has none
    /// now: the driver is woken when it has.
    pub(crate) fn take(&mut self) -> Option<N::Frame> {
        match self.spare.take() {
            Some(spare) => Some(spare),
            None => self.reserve(self.longest),
        }
    }

    /// Gives back a frame that was taken and not used.
    pub(crate) fn put_back(&mut self, frame: N::Frame) {
        self.spare = Some(frame);
    }

    /// Sends the first `len` bytes of a frame that was taken. A device that refuses it loses it.
    pub(crate) fn send_taken(&mut self, mut frame: N::Frame, len: usize) {
        frame.set_len(len);
        self.sent |= self.net.send(frame).is_ok();
    }

    /// Sends what was queued since the last call.
    pub(crate) fn flush(&mut self) {
        if core::mem::take(&mut self.sent) {
            self.net.flush();
        }
    }

    fn send_copied(
        &mut self,
        headers: &[u8],
        payload: [&[u8]; 2],
        offload: Offload,
    ) -> Option<Result<(), NetError>> {
        let [first, second] = payload;
        let len = headers.len() + first.len() + second.len();
        let mut frame = if len <= self.longest {
            self.take()?
        } else {
            self.reserve(len)?
        };
        frame.set_len(len);
        let (head, rest) = frame.split_at_mut_checked(headers.len())?;
        let (one, two) = rest.split_at_mut_checked(first.len())?;
        head.copy_from_slice(headers);
        one.copy_from_slice(first);
        two.copy_from_slice(second);
        frame.set_offload(offload);
        Some(self.net.send(frame))
    }

    fn send_gathered(
        &mut self,
        headers: &[u8],
        payload: [&[u8]; 2],
        offload: Offload,
    ) -> Option<Result<(), NetError>> {
        let mut frame = self.take()?;
        frame.set_len(headers.len());
        frame.copy_from_slice(headers);
        frame.set_offload(offload);
        Some(self.net.send_gather(frame, payload))
    }
}

impl<N: Net> Link for Port<N> {
    fn info(&self) -> &NetInfo {
        &self.info
    }

    fn send(&mut self, headers: &[u8], payload: [&[u8]; 2], offload: Offload) -> bool {
        let gather =
            self.info.offload.gather && payload[0].len() + payload[1].len() >= WORTH_GATHERING;
        let sent = if gather {
            self.send_gathered(headers, payload, offload)
        } else {
            self.send_copied(headers, payload, offload)
        };
        // A frame that the device refuses is lost, as on a wire; asking again would not help.
        self.sent |= sent == Some(Ok(()));
        sent.is_some()
    }
}

/// A frame that the device lends, on its way through the engine.
pub(crate) struct Lent<'a, F> {
    frame: Option<F>,
    kept: &'a Kept<F>,
}

impl<'a, F: Frame> Lent<'a, F> {
    pub(crate) fn new(frame: F, kept: &'a Kept<F>) -> Self {
        let frame = Some(frame);
        Self { frame, kept }
    }
}

impl<F: Frame> Received for Lent<'_, F> {
    fn bytes(&self) -> &[u8] {
        self.frame.as_deref().unwrap_or(&[])
    }

    fn offload(&self) -> Offload {
        self.frame.as_ref().map(Frame::offload).unwrap_or_default()
    }

    fn keep(&mut self) -> Option<Slot> {
        if self.bytes().len() < WORTH_KEEPING {
            return None;
        }
        self.kept.put(&mut self.frame)
    }
}

/// Frames that connections hold until their bytes are read.
pub(crate) struct Kept<F> {
    frames: RefCell<Vec<Option<F>>>,
    /// Most of them at once.
    limit: usize,
}

impl<F> Kept<F> {
    /// Takes the frame out of `frame` if there is room.
    fn put(&self, frame: &mut Option<F>) -> Option<Slot> {
        let mut slots = self.frames.borrow_mut();
        let index = match slots.iter().position(Option::is_none) {
            Some(free) => free,
            None if slots.len() < self.limit => {
                slots.push(None);
                slots.len() - 1
            }
            None => return None,
        };
        *slots.get_mut(index)? = Some(frame.take()?);
        Some(Slot(index as u16))
    }
}

impl<F: Frame> Shelf for Kept<F> {
    fn with(&self, slot: &Slot, read: &mut dyn FnMut(&[u8])) {
        let slots = self.frames.borrow();
        let frame = slots.get(usize::from(slot.0)).and_then(Option::as_ref);
        read(frame.map_or(&[], |frame| &**frame));
    }

    fn release(&self, slot: Slot) {
        let mut slots = self.frames.borrow_mut();
        let frame = slots.get_mut(usize::from(slot.0)).and_then(Option::take);
        // The buffer goes back to the device, which may wake somebody.
        drop(slots);
        drop(frame);
    }
}
