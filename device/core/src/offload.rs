// SPDX-License-Identifier: ISC
//! What a network card with offloads does, done in software over one that has none.
//!
//! [`Software`] completes checksums, cuts frames that stand for several, and gathers, so a stack that
//! relies on all that runs over any device, and in a simulator. What one large frame becomes is
//! [`segment`]'s to say; here is who waits for whose buffers.
//!
//! Cutting needs buffers of the device below, and sending never waits. What finds none is kept, and
//! what comes behind it too; it leaves when the device is polled, be it for receiving or reserving,
//! and nothing new is lent for sending before.

pub mod segment;

use alloc::{collections::VecDeque, rc::Rc, vec, vec::Vec};
use core::{
    cell::RefCell,
    ops::{Deref, DerefMut},
    task::{Context, Poll, Waker, ready},
};

use crate::net::{self, Capabilities, LONGEST_FRAME, Net, NetError, NetInfo, Offload};
use segment::{Parts, Plan};

/// Frames longer than those of the device below that are lent at a time.
const LARGE: usize = 16;

/// A device that does in software what its card does not.
pub struct Software<N: Net> {
    net: N,
    /// What has to leave before anything else.
    waiting: VecDeque<Waiting<N::Frame>>,
    large: Rc<RefCell<Lent>>,
    /// Who waits for a frame. It is also woken when what waits can go on.
    receiver: Option<Waker>,
    reserver: Option<Waker>,
}

enum Waiting<F> {
    /// As the device below takes it.
    Frame(F),
    /// Bytes of which frames are to be made.
    Bytes(Vec<u8>, Plan),
}

/// Large frames that are lent, and who waits for one.
#[derive(Default)]
struct Lent {
    /// `count <= LARGE`
    count: usize,
    waker: Option<Waker>,
}

impl<N: Net> Software<N> {
    /// Does for `net` what it does not.
    pub fn new(net: N) -> Self {
        Self {
            net,
            waiting: VecDeque::new(),
            large: Rc::default(),
            receiver: None,
            reserver: None,
        }
    }

    /// Sends what waits, as far as there are buffers. On `Pending` the waker of `cx` will know when
    /// there are more.
    fn poll_waiting(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while let Some(mut first) = self.waiting.pop_front() {
            if let Waiting::Bytes(bytes, plan) = &mut first
                && transmit(&mut self.net, cx, Parts([bytes, &[], &[]]), plan).is_pending()
            {
                self.waiting.push_front(first);
                return Poll::Pending;
            }
            if let Waiting::Frame(frame) = first {
                // A device that has failed says so to who asks it next.
                let _ = self.net.send(frame);
            }
            if self.waiting.is_empty() {
                self.net.flush();
                self.reserver.take().into_iter().for_each(Waker::wake);
            }
        }
        Poll::Ready(())
    }

    /// Sends the frames that `plan` makes of `parts`, or keeps what there are no buffers for.
    fn send_parts(&mut self, parts: Parts<'_>, mut plan: Plan) -> Result<(), NetError> {
        let waker = self.receiver.as_ref().unwrap_or(Waker::noop()).clone();
        let mut cx = Context::from_waker(&waker);
        if self.poll_waiting(&mut cx).is_ready()
            && let Poll::Ready(result) = transmit(&mut self.net, &mut cx, parts, &mut plan)
        {
            return result;
        }
        self.waiting
            .push_back(Waiting::Bytes(parts.0.concat(), plan));
        Ok(())
    }
}

fn transmit<N: Net>(
    net: &mut N,
    cx: &mut Context<'_>,
    parts: Parts<'_>,
    plan: &mut Plan,
) -> Poll<Result<(), NetError>> {
    while let Some(len) = plan.next_len() {
        let mut frame = ready!(net.poll_reserve(cx, len))?;
        plan.write_next(parts, &mut frame);
        net.send(frame)?;
    }
    Poll::Ready(Ok(()))
}

impl<N: Net> Net for Software<N> {
    type Frame = Frame<N::Frame>;

    fn info(&self) -> NetInfo {
        let below = self.net.info();
        NetInfo {
            max_frame: LONGEST_FRAME,
            offload: Capabilities {
                checksum: true,
                tcp4: true,
                tcp6: true,
                udp: true,
                gather: true,
                receive_large: below.offload.receive_large,
            },
            ..below
        }
    }

    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Result<Self::Frame, NetError>> {
        let _ = self.poll_waiting(cx);
        let poll = self.net.poll_receive(cx);
        if poll.is_pending() {
            self.receiver = Some(cx.waker().clone());
        }
        poll.map_ok(|frame| Frame {
            offload: net::Frame::offload(&frame),
            buffer: Buffer::Below(frame),
        })
    }

    fn poll_reserve(
        &mut self,
        cx: &mut Context<'_>,
        len: usize,
    ) -> Poll<Result<Self::Frame, NetError>> {
        let max = LONGEST_FRAME;
        if len > max {
            return Poll::Ready(Err(NetError::TooLong { len, max }));
        }
        if self.poll_waiting(cx).is_pending() {
            self.reserver = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let offload = Offload::default();
        if len > self.net.info().longest_on_wire() {
            let mut lent = self.large.borrow_mut();
            if lent.count == LARGE {
                lent.waker = Some(cx.waker().clone());
                return Poll::Pending;
            }
            lent.count += 1;
            let buffer = Buffer::Large(Large {
                bytes: vec![0; len],
                len,
                lent: Rc::clone(&self.large),
            });
            return Poll::Ready(Ok(Frame { buffer, offload }));
        }
        let poll = self.net.poll_reserve(cx, len);
        if poll.is_pending() {
            self.reserver = Some(cx.waker().clone());
        }
        poll.map_ok(|frame| Frame {
            buffer: Buffer::Below(frame),
            offload,
        })
    }

    fn send(&mut self, frame: Self::Frame) -> Result<(), NetError> {
        let offload = frame.offload;
        net::check(&self.info(), frame.len(), offload)?;
        match frame.buffer {
            // As most frames are: it can go as it is.
            Buffer::Below(mut below) if offload.segmentation.is_none() => {
                segment::complete(&mut below, offload.checksum).ok_or(NetError::Unsupported)?;
                net::Frame::set_offload(&mut below, Offload::default());
                if self.waiting.is_empty() {
                    return self.net.send(below);
                }
                self.waiting.push_back(Waiting::Frame(below));
                Ok(())
            }
            buffer => {
                let parts = Parts([&buffer, &[], &[]]);
                let plan = Plan::new(parts, offload, self.net.info().longest_on_wire());
                self.send_parts(parts, plan.ok_or(NetError::Unsupported)?)
            }
        }
    }

    fn send_gather(&mut self, frame: Self::Frame, tail: [&[u8]; 2]) -> Result<(), NetError> {
        net::check_gather(&self.info(), frame.len(), tail, frame.offload)?;
        let parts = Parts([&frame, tail[0], tail[1]]);
        let plan = Plan::new(parts, frame.offload, self.net.info().longest_on_wire());
        self.send_parts(parts, plan.ok_or(NetError::Unsupported)?)
    }

    fn flush(&mut self) {
        self.net.flush();
    }
}

/// A frame of [`Software`].
pub struct Frame<F> {
    buffer: Buffer<F>,
    offload: Offload,
}

enum Buffer<F> {
    /// Of the device below.
    Below(F),
    /// Longer than those are.
    Large(Large),
}

struct Large {
    bytes: Vec<u8>,
    /// `len <= bytes.len()`
    len: usize,
    lent: Rc<RefCell<Lent>>,
}

impl<F: net::Frame> net::Frame for Frame<F> {
    fn offload(&self) -> Offload {
        self.offload
    }

    fn set_offload(&mut self, offload: Offload) {
        self.offload = offload;
    }

    fn set_len(&mut self, len: usize) {
        match &mut self.buffer {
            Buffer::Below(frame) => frame.set_len(len),
            Buffer::Large(large) => {
                assert!(len <= large.bytes.len(), "frame longer than its buffer");
                large.len = len;
            }
        }
    }
}

impl<F: net::Frame> Deref for Buffer<F> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Below(frame) => frame,
            Self::Large(large) => &large.bytes[..large.len],
        }
    }
}

impl<F: net::Frame> Deref for Frame<F> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.buffer
    }
}

impl<F: net::Frame> DerefMut for Frame<F> {
    fn deref_mut(&mut self) -> &mut [u8] {
        match &mut self.buffer {
            Buffer::Below(frame) => frame,
            Buffer::Large(large) => &mut large.bytes[..large.len],
        }
    }
}

impl Drop for Large {
    fn drop(&mut self) {
        // A waker may run code that comes back here, so it is called when nothing is borrowed.
        let waker = {
            let mut lent = self.lent.borrow_mut();
            lent.count -= 1;
            lent.waker.take()
        };
        waker.into_iter().for_each(Waker::wake);
    }
}

#[cfg(test)]
mod tests;
