// SPDX-License-Identifier: ISC
//! Frames that never arrive.

use core::task::{Context, Poll, ready};

use super::{Chance, Random};
use crate::net::{self, Frame, Net, NetError, NetInfo};

/// Loses frames, each by itself.
pub struct Loss<N> {
    net: N,
    chance: Chance,
    random: Random,
}

impl<N> Loss<N> {
    /// Loses frames of `net` by `chance`.
    pub const fn new(net: N, chance: Chance, seed: u64) -> Self {
        Self {
            net,
            chance,
            random: Random::new(seed),
        }
    }
}

impl<N: Net> Net for Loss<N> {
    type Frame = N::Frame;

    fn info(&self) -> NetInfo {
        self.net.info()
    }

    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Result<N::Frame, NetError>> {
        loop {
            let frame = ready!(self.net.poll_receive(cx))?;
            if !self.random.happens(self.chance) {
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
        if self.random.happens(self.chance) {
            return net::check(&self.net.info(), frame.len(), frame.offload());
        }
        self.net.send(frame)
    }

    fn flush(&mut self) {
        self.net.flush();
    }
}
