// SPDX-License-Identifier: ISC
//! RACK: what was sent well before something that has arrived is lost (RFC 8985, section 6). The tail
//! loss probe of section 7 is in `probe.rs`.

use super::{
    rtt::Rtt,
    scoreboard::{Delivery, Scoreboard},
};
use crate::tcp::seq::Seq;

/// Recoveries for which a larger reordering window is kept (section 6.2, step 4).
const PERSIST: u8 = 16;

/// What RACK knows.
#[derive(Default)]
pub(super) struct Rack {
    /// `RACK.xmit_ts`, `RACK.end_seq` and `RACK.rtt` in nanoseconds.
    sent: u64,
    end: Seq,
    rtt: u64,
    /// `RACK.fack`: the end of the furthest that arrived.
    furthest: Seq,
    /// Whether anything arrived at all.
    started: bool,
    reordered: bool,
    /// `RACK.reo_wnd_mult` less one, and for how many recoveries it stays.
    widened: u8,
    persist: u8,
    /// `RACK.dsack_round`: one widening per round trip.
    round: Option<Seq>,
}

impl Rack {
    /// Whether something beyond `end` has arrived.
    pub(super) const fn passed(&self, end: Seq) -> bool {
        self.started && end.before(self.furthest)
    }

    /// Steps 1 to 3: takes in what arrived, which ends at `furthest`.
    pub(super) fn update(&mut self, seen: &Delivery, furthest: Seq) {
        self.reordered |= seen.reordered;
        self.furthest = if self.started {
            self.furthest.max(furthest)
        } else {
            furthest
        };
        if let Some((sent, end)) = seen.latest {
            if !self.started || sent > self.sent || sent == self.sent && end.after(self.end) {
                self.sent = sent;
                self.end = end;
            }
            self.rtt = seen.now.saturating_sub(self.sent);
            self.started = true;
        }
    }

    /// Step 4: a DSACK says that a retransmission was needless.
    pub(super) fn duplicate_reported(&mut self, una: Seq, nxt: Seq) {
        if self.round.is_none_or(|round| !una.before(round)) {
            self.round = Some(nxt);
            self.widened = self.widened.saturating_add(1).min(15);
            self.persist = PERSIST;
        }
    }

    /// A recovery is over.
    pub(super) const fn recovered(&mut self) {
        self.persist = self.persist.saturating_sub(1);
        if self.persist == 0 {
            self.widened = 0;
        }
    }

    /// The reordering window in nanoseconds.
    pub(super) fn reordering(&self, rtt: &Rtt, eager: bool) -> u64 {
        if !self.reordered && eager && self.widened == 0 {
            return 0;
        }
        let window = (u64::from(self.widened) + 1) * rtt.minimum_ns() / 4;
        window.min(rtt.smoothed_ns())
    }

    /// Step 5: marks as lost what is; gives how many bytes, and when to look again.
    pub(super) fn detect(
        &self,
        board: &mut Scoreboard,
        reordering: u64,
        now: u64,
    ) -> (u32, Option<u64>) {
        let mut again = None;
        if !self.started {
            return (0, None);
        }
        let lost = board.lose(&mut |record| {
            let before =
                record.sent < self.sent || record.sent == self.sent && record.end.before(self.end);
            if !before {
                return false;
            }
            let due = record.sent + self.rtt + reordering;
            if due > now {
                again = again.max(Some(due));
            }
            due <= now
        });
        (lost, again)
    }

    /// Section 6.3: after a timeout, what was sent a round trip ago is lost, and the first record.
    pub(super) fn timed_out(&self, board: &mut Scoreboard, reordering: u64, now: u64) {
        let mut first = true;
        let age = self.rtt + reordering;
        board.lose(&mut |record| core::mem::take(&mut first) || record.sent + age <= now);
    }
}
