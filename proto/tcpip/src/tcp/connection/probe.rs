// SPDX-License-Identifier: ISC
//! The tail loss probe: when the last segments stay unacknowledged, the last one is sent again well
//! before the timeout, so that its acknowledgement tells what is missing (RFC 8985, section 7).

use super::{Connection, types::Env};
use crate::tcp::seq::Seq;

/// The peer may delay the acknowledgement of a lone segment by that much, in nanoseconds.
const DELAYED: u64 = 200_000_000;
/// Lower bound of the wait, for timers that are not exact.
const SHORTEST: u64 = 2_000_000;

impl Connection {
    /// How long to wait for the probe, if there may be one (section 7.2).
    pub(super) fn probe_timeout(&self) -> Option<u64> {
        let quiet = self.recovery.is_none() && self.board.sacked == 0 && self.probe_end.is_none();
        if !self.sack || !quiet || self.rtt.smoothed == 0 {
            return None;
        }
        let mut wait = (2 * self.rtt.smoothed_ns()).max(SHORTEST);
        if self.board.in_flight <= u32::from(self.mss) {
            wait += DELAYED;
        }
        Some(wait)
    }

    /// Section 7.4.2: whether the acknowledgement of a probe tells that it repaired a loss.
    pub(super) fn probe_acknowledged(
        &mut self,
        env: &mut Env<'_>,
        ack: Seq,
        duplicate: bool,
        dsack: bool,
    ) {
        let Some((end, again)) = self.probe_end else {
            return;
        };
        if ack.before(end) {
            return;
        }
        if !again || dsack {
            self.probe_end = None;
        } else if ack.after(end) {
            // Something later arrived, and no duplicate was reported: the probe was the first copy.
            self.probe_end = None;
            self.loss_found(env);
        } else if duplicate {
            self.probe_end = None;
        }
    }
}
