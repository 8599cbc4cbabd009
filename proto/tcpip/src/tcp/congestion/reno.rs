// SPDX-License-Identifier: ISC
//! Reno's congestion avoidance (RFC 5681, section 3.1): one segment more per round trip, half after a
//! loss.

use super::{Congestion, Round};

/// Bytes acknowledged since the window last grew.
#[derive(Default)]
pub(super) struct Reno {
    acked: u32,
}

impl Congestion for Reno {
    fn grow(&mut self, window: u32, acked: u32, round: &Round) -> u32 {
        self.acked += acked;
        if self.acked < window {
            return window;
        }
        self.acked -= window;
        window + round.mss
    }

    fn reduce(&mut self, window: u32, _mss: u32) -> u32 {
        self.acked = 0;
        window / 2
    }

    fn undo(&mut self) {
        self.acked = 0;
    }
}
