// SPDX-License-Identifier: ISC
//! Frames that never arrive.

use super::{Chance, Dice, Effect, Filter};
use crate::net::Frame;

/// Loses frames, each by itself.
pub type Loss<N> = Filter<N, Lose>;

/// The effect of [`Loss`].
pub struct Lose(Dice);

impl<N> Loss<N> {
    /// Loses frames of `net` by `chance`.
    pub const fn new(net: N, chance: Chance, seed: u64) -> Self {
        let [received, sent] = Dice::pair(chance, seed);
        Self::with(net, Lose(received), Lose(sent))
    }
}

impl Effect for Lose {
    fn pass<F: Frame>(&mut self, frame: F) -> Option<F> {
        (!self.0.fall()).then_some(frame)
    }

    fn times(&self) -> u64 {
        self.0.times()
    }
}
