// SPDX-License-Identifier: ISC
//! Frames that are lost many in a row.
//!
//! The model is Gilbert's and Elliott's: the link is in one of two states, and goes from one to the
//! other by chance with every frame (E. N. Gilbert, "Capacity of a burst-noise channel", 1960;
//! E. O. Elliott, "Estimates of error rates for codes on burst-noise channels", 1963). RFC 6534
//! describes bursts by it too.

use super::{Chance, Effect, Filter, Random};
use crate::net::Frame;

/// Loses frames in bursts.
pub type Burst<N> = Filter<N, GilbertElliott>;

/// How often the link is bad, for how long, and how bad it is then. In its good state it loses
/// nothing; compose with [`Loss`](super::Loss) where it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bursts {
    /// Chance, with each frame, that a good link becomes bad.
    pub begin: Chance,
    /// Chance, with each frame, that a bad link becomes good: 20 % makes bursts of five frames.
    pub end: Chance,
    /// Chance that a bad link loses a frame.
    pub lost: Chance,
}

/// The effect of [`Burst`].
pub struct GilbertElliott {
    bursts: Bursts,
    bad: bool,
    random: Random,
    lost: u64,
}

impl<N> Burst<N> {
    /// Loses frames of `net` in `bursts`.
    pub const fn new(net: N, bursts: Bursts, seed: u64) -> Self {
        let [received, sent] = Random::pair(seed);
        let received = GilbertElliott::new(bursts, received);
        Self::with(net, received, GilbertElliott::new(bursts, sent))
    }
}

impl GilbertElliott {
    const fn new(bursts: Bursts, random: Random) -> Self {
        Self {
            bursts,
            bad: false,
            random,
            lost: 0,
        }
    }
}

impl Effect for GilbertElliott {
    fn pass<F: Frame>(&mut self, frame: F) -> Option<F> {
        let changes = if self.bad {
            self.bursts.end
        } else {
            self.bursts.begin
        };
        self.bad ^= self.random.happens(changes);
        let lost = self.bad && self.random.happens(self.bursts.lost);
        self.lost += u64::from(lost);
        (!lost).then_some(frame)
    }

    fn times(&self) -> u64 {
        self.lost
    }
}
