// SPDX-License-Identifier: ISC
//! A link that carries so much and no more, and the queue before it.

use super::{Line, Schedule};
use crate::net::Net;

/// Lets frames through at a rate. Those that come faster wait in a queue, and are lost when it is
/// full (tail drop).
pub type Rate<N, C> = Line<N, C, Bottleneck>;

/// The schedule of [`Rate`].
pub struct Bottleneck {
    /// Bits a second, not zero.
    rate: u64,
    /// Bytes.
    queue: u64,
    /// When the last bit of all that was let in has left.
    idle_at: u64,
    lost: u64,
}

const SECOND: u128 = 1_000_000_000;

impl<N: Net, C> Rate<N, C> {
    /// Lets `rate` bits a second of `net` through in each direction, no less than one. At most
    /// `queue` bytes wait, the frame that is being sent counted by what is left of it; a frame that
    /// meets an idle link always passes.
    pub const fn new(net: N, clock: C, rate: u64, queue: u64) -> Self {
        let [received, sent] = [Bottleneck::new(rate, queue), Bottleneck::new(rate, queue)];
        Self::with(net, clock, received, sent)
    }
}

impl Bottleneck {
    const fn new(rate: u64, queue: u64) -> Self {
        let rate = if rate == 0 { 1 } else { rate };
        Self {
            rate,
            queue,
            idle_at: 0,
            lost: 0,
        }
    }
}

impl Schedule for Bottleneck {
    fn due(&mut self, now: u64, len: usize, _: u64) -> Option<u64> {
        let busy = u128::from(self.idle_at.saturating_sub(now));
        let rate = u128::from(self.rate);
        // Rounded up: a link that is busy has something waiting.
        let waiting = (busy * rate).div_ceil(8 * SECOND);
        if waiting > 0 && waiting + len as u128 > u128::from(self.queue) {
            self.lost += 1;
            return None;
        }
        let time = u64::try_from(len as u128 * 8 * SECOND / rate).unwrap_or(u64::MAX);
        self.idle_at = self.idle_at.max(now).saturating_add(time);
        Some(self.idle_at)
    }

    /// Frames that found the queue full.
    fn times(&self) -> u64 {
        self.lost
    }
}
