// SPDX-License-Identifier: ISC
//! Weather that happens to a frame in the moment in which it passes.
//!
//! [`Filter`] is the device, [`Effect`] what it does to a frame. Loss, bursts, corruption and
//! truncation are effects; what takes time is a [`Line`](super::Line).

use core::task::{Context, Poll, ready};

use crate::net::{self, Frame, Net, NetError, NetInfo};

/// What happens to frames, one after the other, in one direction.
pub trait Effect {
    /// The frame as it goes on; `None` if it does not.
    fn pass<F: Frame>(&mut self, frame: F) -> Option<F>;

    /// To how many frames something has happened.
    fn times(&self) -> u64;
}

/// A device with an effect on what it receives, and another on what it sends.
pub struct Filter<N, E> {
    net: N,
    received: E,
    sent: E,
}

impl<N, E> Filter<N, E> {
    /// Puts effects before `net`.
    pub const fn with(net: N, received: E, sent: E) -> Self {
        Self {
            net,
            received,
            sent,
        }
    }

    /// The device below.
    pub const fn inner(&self) -> &N {
        &self.net
    }
}

impl<N, E: Effect> Filter<N, E> {
    /// To how many frames something has happened, in both directions.
    pub fn times(&self) -> u64 {
        self.received.times() + self.sent.times()
    }
}

impl<N: Net, E: Effect> Net for Filter<N, E> {
    type Frame = N::Frame;

    fn info(&self) -> NetInfo {
        net::without_gather(self.net.info())
    }

    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Result<N::Frame, NetError>> {
        loop {
            let frame = ready!(self.net.poll_receive(cx))?;
            if let Some(frame) = self.received.pass(frame) {
                return Poll::Ready(Ok(frame));
            }
        }
    }

    fn poll_reserve(
        &mut self,
        cx: &mut Context<'_>,
        len: usize,
    ) -> Poll<Result<N::Frame, NetError>> {
        self.net.poll_reserve(cx, len)
    }

    fn send(&mut self, frame: N::Frame) -> Result<(), NetError> {
        net::check(&self.net.info(), frame.len(), frame.offload())?;
        match self.sent.pass(frame) {
            Some(frame) => self.net.send(frame),
            None => Ok(()),
        }
    }

    fn flush(&mut self) {
        self.net.flush();
    }
}
