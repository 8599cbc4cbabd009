// SPDX-License-Identifier: ISC
//! Frames that arrive without their end.

use core::task::{Context, Poll};

use super::{Chance, Random};
use crate::net::{self, Frame, Net, NetError, NetInfo, Offload};

/// Cuts frames off somewhere behind their first byte. What such a frame says of checksum and
/// segments is no longer true, so it becomes a plain one.
pub struct Truncate<N> {
    net: N,
    chance: Chance,
    random: Random,
}

impl<N> Truncate<N> {
    /// Truncates frames of `net` by `chance`.
    pub const fn new(net: N, chance: Chance, seed: u64) -> Self {
        Self {
            net,
            chance,
            random: Random::new(seed),
        }
    }

    fn cut<F: Frame>(&mut self, mut frame: F) -> F {
        if frame.len() > 1 && self.random.happens(self.chance) {
            let len = self.random.within(1..=frame.len() as u64 - 1);
            frame.set_len(len as usize);
            frame.set_offload(Offload::default());
        }
        frame
    }
}

impl<N: Net> Net for Truncate<N> {
    type Frame = N::Frame;

    fn info(&self) -> NetInfo {
        self.net.info()
    }

    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Result<N::Frame, NetError>> {
        self.net.poll_receive(cx).map_ok(|frame| self.cut(frame))
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
        let frame = self.cut(frame);
        self.net.send(frame)
    }

    fn flush(&mut self) {
        self.net.flush();
    }
}
