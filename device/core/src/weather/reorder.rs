// SPDX-License-Identifier: ISC
//! Frames that are overtaken.

use core::task::{Context, Poll};

use super::{Chance, Clock, Random, delay::Line};
use crate::net::{Net, NetError, NetInfo};

/// Holds some frames up, so that those behind them overtake; the others pass at once. What
/// [`Delay`](super::Delay) says of buffers and of when frames leave holds here too.
pub struct Reorder<N: Net, C> {
    line: Line<N, C>,
    chance: Chance,
    nanoseconds: u64,
    random: Random,
}

impl<N: Net, C: Clock> Reorder<N, C> {
    /// Holds frames of `net` up by `chance`, each for `nanoseconds`.
    pub const fn new(net: N, clock: C, chance: Chance, nanoseconds: u64, seed: u64) -> Self {
        Self {
            line: Line::new(net, clock),
            chance,
            nanoseconds,
            random: Random::new(seed),
        }
    }
}

impl<N: Net, C: Clock> Net for Reorder<N, C> {
    type Frame = N::Frame;

    fn info(&self) -> NetInfo {
        self.line.net.info()
    }

    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Result<N::Frame, NetError>> {
        let Self {
            line,
            chance,
            nanoseconds,
            random,
        } = self;
        line.poll_receive(cx, |_, now| due(random, *chance, *nanoseconds, now))
    }

    fn poll_reserve(
        &mut self,
        cx: &mut Context<'_>,
        len: usize,
    ) -> Poll<Result<N::Frame, NetError>> {
        self.line.drive();
        self.line.net.poll_reserve(cx, len)
    }

    fn send(&mut self, frame: N::Frame) -> Result<(), NetError> {
        let now = self.line.clock.now();
        let due = due(&mut self.random, self.chance, self.nanoseconds, now);
        self.line.send(frame, due)
    }

    fn flush(&mut self) {
        self.line.drive();
    }
}

fn due(random: &mut Random, chance: Chance, nanoseconds: u64, now: u64) -> u64 {
    if random.happens(chance) {
        now.saturating_add(nanoseconds)
    } else {
        now
    }
}
