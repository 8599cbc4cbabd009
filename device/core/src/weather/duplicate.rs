// SPDX-License-Identifier: ISC
//! Frames that arrive twice.

use core::task::{Context, Poll, Waker, ready};

use super::{Chance, Dice};
use crate::net::{self, Frame, Net, NetError, NetInfo};

/// Doubles frames; the second follows the first at once. A frame stays single when the device has
/// no buffer left for another.
pub struct Duplicate<N: Net> {
    net: N,
    received: Dice,
    sent: Dice,
    /// The second of a pair whose first was received last.
    second: Option<N::Frame>,
    /// Who waits for a buffer: asking for one here must not make the device forget.
    reserver: Waker,
}

impl<N: Net> Duplicate<N> {
    /// Doubles frames of `net` by `chance`.
    pub fn new(net: N, chance: Chance, seed: u64) -> Self {
        let [received, sent] = Dice::pair(chance, seed);
        Self {
            net,
            received,
            sent,
            second: None,
            reserver: Waker::noop().clone(),
        }
    }

    /// The device below.
    pub const fn inner(&self) -> &N {
        &self.net
    }

    /// How many frames were to be doubled, in both directions.
    pub const fn times(&self) -> u64 {
        self.received.times() + self.sent.times()
    }

    /// Another frame like `frame`.
    fn double(&mut self, frame: &N::Frame) -> Option<N::Frame> {
        let mut cx = Context::from_waker(&self.reserver);
        let Poll::Ready(Ok(mut copy)) = self.net.poll_reserve(&mut cx, frame.len()) else {
            return None;
        };
        copy.copy_from_slice(frame);
        copy.set_offload(frame.offload());
        Some(copy)
    }
}

impl<N: Net> Net for Duplicate<N> {
    type Frame = N::Frame;

    fn info(&self) -> NetInfo {
        net::without_gather(self.net.info())
    }

    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Result<N::Frame, NetError>> {
        if let Some(frame) = self.second.take() {
            return Poll::Ready(Ok(frame));
        }
        let frame = ready!(self.net.poll_receive(cx))?;
        if self.received.fall() {
            self.second = self.double(&frame);
        }
        Poll::Ready(Ok(frame))
    }

    fn poll_reserve(
        &mut self,
        cx: &mut Context<'_>,
        len: usize,
    ) -> Poll<Result<N::Frame, NetError>> {
        let poll = self.net.poll_reserve(cx, len);
        if poll.is_pending() {
            self.reserver.clone_from(cx.waker());
        }
        poll
    }

    fn send(&mut self, frame: N::Frame) -> Result<(), NetError> {
        let second = self.sent.fall().then(|| self.double(&frame)).flatten();
        self.net.send(frame)?;
        second.map_or(Ok(()), |frame| self.net.send(frame))
    }

    fn flush(&mut self) {
        self.net.flush();
    }
}
