// SPDX-License-Identifier: ISC
//! Frames that are overtaken.

use super::{Chance, Dice, Line, Schedule};
use crate::net::Net;

/// Holds some frames up, so that those behind them overtake; the others pass at once.
pub type Reorder<N, C> = Line<N, C, HoldUp>;

/// The schedule of [`Reorder`].
pub struct HoldUp {
    nanoseconds: u64,
    dice: Dice,
}

impl<N: Net, C> Reorder<N, C> {
    /// Holds frames of `net` up by `chance`, each for `nanoseconds`.
    pub const fn new(net: N, clock: C, chance: Chance, nanoseconds: u64, seed: u64) -> Self {
        let [received, sent] = Dice::pair(chance, seed);
        let received = HoldUp {
            nanoseconds,
            dice: received,
        };
        let sent = HoldUp {
            nanoseconds,
            dice: sent,
        };
        Self::with(net, clock, received, sent)
    }
}

impl Schedule for HoldUp {
    fn due(&mut self, now: u64, _: usize, _: u64) -> Option<u64> {
        let held_up = if self.dice.fall() {
            self.nanoseconds
        } else {
            0
        };
        Some(now.saturating_add(held_up))
    }

    fn times(&self) -> u64 {
        self.dice.times()
    }
}
