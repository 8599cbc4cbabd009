// SPDX-License-Identifier: ISC
//! Frames that take their time.

use core::ops::RangeInclusive;

use super::{Line, Random, Schedule};
use crate::net::Net;

/// Delays every frame.
pub type Delay<N, C> = Line<N, C, Latency>;

/// The schedule of [`Delay`].
pub struct Latency {
    nanoseconds: RangeInclusive<u64>,
    in_order: bool,
    random: Random,
}

impl<N: Net, C> Delay<N, C> {
    /// Delays each frame of `net` by a time out of `nanoseconds`. The order is kept: a frame that
    /// would overtake waits for the one before it.
    pub const fn new(net: N, clock: C, nanoseconds: RangeInclusive<u64>, seed: u64) -> Self {
        Self::ordered(net, clock, nanoseconds, true, seed)
    }

    /// As [`new`](Self::new), but a frame that is delayed less overtakes.
    pub const fn unordered(net: N, clock: C, nanoseconds: RangeInclusive<u64>, seed: u64) -> Self {
        Self::ordered(net, clock, nanoseconds, false, seed)
    }

    const fn ordered(
        net: N,
        clock: C,
        nanoseconds: RangeInclusive<u64>,
        in_order: bool,
        seed: u64,
    ) -> Self {
        let (least, most) = (*nanoseconds.start(), *nanoseconds.end());
        let [received, sent] = Random::pair(seed);
        let received = Latency {
            nanoseconds,
            in_order,
            random: received,
        };
        let sent = Latency {
            nanoseconds: least..=most,
            in_order,
            random: sent,
        };
        Self::with(net, clock, received, sent)
    }
}

impl Schedule for Latency {
    fn due(&mut self, now: u64, _: usize, last: u64) -> Option<u64> {
        let delay = self.random.within(self.nanoseconds.clone());
        let due = now.saturating_add(delay);
        Some(if self.in_order { due.max(last) } else { due })
    }
}
