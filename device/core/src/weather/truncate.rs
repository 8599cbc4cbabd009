// SPDX-License-Identifier: ISC
//! Frames that arrive without their end.

use super::{Chance, Dice, Effect, Filter};
use crate::net::{Frame, Offload};

/// Cuts frames off somewhere behind their first byte. What such a frame says of checksum and
/// segments is no longer true, so it becomes a plain one.
pub type Truncate<N> = Filter<N, Cut>;

/// The effect of [`Truncate`].
pub struct Cut(Dice);

impl<N> Truncate<N> {
    /// Truncates frames of `net` by `chance`.
    pub const fn new(net: N, chance: Chance, seed: u64) -> Self {
        let [received, sent] = Dice::pair(chance, seed);
        Self::with(net, Cut(received), Cut(sent))
    }
}

impl Effect for Cut {
    fn pass<F: Frame>(&mut self, mut frame: F) -> Option<F> {
        if frame.len() > 1 && self.0.fall() {
            let len = self.0.within(1..=frame.len() as u64 - 1);
            frame.set_len(len as usize);
            frame.set_offload(Offload::default());
        }
        Some(frame)
    }

    fn times(&self) -> u64 {
        self.0.times()
    }
}
