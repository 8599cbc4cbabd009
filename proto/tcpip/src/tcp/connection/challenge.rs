// SPDX-License-Identifier: ISC
//! Answers to segments that are not acceptable: challenge acknowledgements (RFC 5961, sections 3 to
//! 5) and duplicates. Both are limited, so that two peers that disagree do not answer each other
//! for ever (section 7).

use super::{Connection, types::Env};

/// Nanoseconds between answers to segments without payload.
const INTERVAL: u64 = 100_000_000;

impl Connection {
    /// Answers an RST, SYN or acknowledgement that somebody else may have made up.
    pub(super) fn challenge(&mut self, env: &mut Env<'_>) {
        if self.may_answer(env.now) {
            env.counters.challenges += 1;
            self.owed.now = true;
        }
    }

    /// Answers a segment outside of the window. Those with payload are no answers themselves.
    pub(super) fn answer_outside(&mut self, env: &mut Env<'_>, empty: bool) {
        if !empty || self.may_answer(env.now) {
            self.owed.now = true;
        }
    }

    fn may_answer(&mut self, now: u64) -> bool {
        let may = now >= self.next_answer;
        if may {
            self.next_answer = now + INTERVAL;
        }
        may
    }
}
