// SPDX-License-Identifier: ISC
//! Segment size: what the path is known to carry (RFC 1191, RFC 8201), and smaller sizes where large
//! segments vanish without a word (black holes; RFC 4821 section 7.7, RFC 2923 section 2.1).

use super::{Connection, types::Env};
use crate::tcp::options::TIMESTAMPS_LEN;

/// Sizes to fall back to, with options: IPv6's least MTU less headers, and TCP's default.
const STEPS: [u16; 2] = [1220, 536];
/// Timeouts in a row after which full segments are suspected.
const SUSPICIOUS: u8 = 3;
/// No path is believed to carry less than this (RFC 9293 section 3.7.5 speaks of 536; IPv4's least
/// MTU would allow 28 bytes of payload, which only attackers report).
const LEAST: u16 = 488;

impl Connection {
    /// The path carries segments with at most `mss` bytes of payload and options. What was larger is
    /// sent again; that is no congestion.
    pub(crate) fn path_mss(&mut self, env: &mut Env<'_>, mss: u16) {
        self.lower_mss(env, mss.max(LEAST));
    }

    /// Payload of a full segment when segments may carry `mss` bytes of payload and options.
    pub(super) const fn payload_for(&self, mss: u16) -> u16 {
        if self.stamps.on {
            mss.saturating_sub(TIMESTAMPS_LEN)
        } else {
            mss
        }
    }

    fn lower_mss(&mut self, env: &Env<'_>, mss: u16) {
        let payload = self.payload_for(mss);
        if payload >= self.mss {
            return;
        }
        self.mss = payload;
        self.board.lose(&mut |record| record.segment > payload);
        self.pending = true;
        self.rearm(env.now);
    }

    /// A timeout: perhaps the path swallows full segments.
    pub(super) fn suspect_black_hole(&mut self, env: &mut Env<'_>) {
        let full = self
            .board
            .first()
            .is_some_and(|first| first.segment >= self.mss && first.len() >= u32::from(self.mss));
        if !full || self.backoff < SUSPICIOUS || self.backoff.is_multiple_of(2) {
            return;
        }
        let smaller = STEPS
            .into_iter()
            .find(|step| self.payload_for(*step) < self.mss);
        if let Some(smaller) = smaller {
            env.counters.black_holes += 1;
            self.lower_mss(env, smaller);
        }
    }
}
