// SPDX-License-Identifier: ISC
//! Recovery from loss: entered once per window, sends what PRR allows, and is taken back if it was
//! for nothing.
//!
//! RFC 6675 section 5 and RFC 6582 (the recovery point), RFC 6937 with the changes of RFC 9937 (PRR),
//! RFC 5681 section 3.1 and RFC 8985 section 6.3 (timeouts), RFC 3522 (Eifel: a timestamp tells that
//! the original had arrived).

use alloc::boxed::Box;

use super::{Connection, types::Env};
use crate::tcp::seq::Seq;

/// State of one recovery.
pub(super) struct Recovery {
    /// After a timeout: the window grows as in slow start. Otherwise PRR holds it.
    pub(super) timeout: bool,
    /// It is over once this is acknowledged.
    point: Seq,
    /// PRR: bytes that arrived, that were sent, and that were outstanding at the start.
    delivered: u32,
    pub(super) out: u32,
    flight: u32,
    /// Window and threshold from before.
    before: (u32, u32),
    /// TSval of the first retransmission, until an acknowledgement tells whether it was needed.
    pub(super) first: Option<u32>,
}

impl Connection {
    /// Begins a recovery unless there is one.
    fn begin_recovery(&mut self, timeout: bool) {
        let before = (self.control.window, self.control.threshold);
        self.control.congested(u32::from(self.mss));
        // RFC 3168, section 6.1.2: the peer hears of every reduction, and it is one per window.
        self.reduced = self.ecn;
        self.marked_until = self.nxt;
        self.recovery = Some(Box::new(Recovery {
            timeout,
            point: self.nxt,
            delivered: 0,
            out: 0,
            flight: self.nxt.since(self.una).max(1),
            before,
            first: None,
        }));
    }

    /// RACK or duplicate acknowledgements found a loss.
    pub(super) fn loss_found(&mut self, env: &mut Env<'_>) {
        if self.recovery.is_none() {
            env.counters.recoveries += 1;
            self.begin_recovery(false);
        }
    }

    /// The retransmission timer expired.
    pub(super) fn retransmission_timeout(&mut self, env: &mut Env<'_>) {
        env.counters.timeouts += 1;
        // RFC 2018, section 8: the peer may have dropped what it reported.
        if self
            .board
            .first()
            .is_some_and(|first| first.mark == super::scoreboard::Mark::Sacked)
        {
            self.board.renege();
        }
        let reordering = self.rack.reordering(&self.rtt, false);
        self.rack.timed_out(&mut self.board, reordering, env.now);
        match &mut self.recovery {
            Some(recovery) => {
                recovery.timeout = true;
                recovery.point = self.nxt;
            }
            None => self.begin_recovery(true),
        }
        self.duplicates = 0;
        self.probe_end = None;
        self.control.window = self.board.in_flight + u32::from(self.mss);
    }

    /// PRR: how much may be under way after `delivered` bytes arrived (RFC 6937, section 3). `safe`:
    /// the acknowledgement advanced and told of no further loss.
    fn reduce(&mut self, delivered: u32, safe: bool) {
        let mss = u32::from(self.mss);
        let (pipe, threshold) = (self.pipe(), self.control.threshold);
        let Some(recovery) = &mut self.recovery else {
            return;
        };
        recovery.delivered = recovery.delivered.saturating_add(delivered);
        let spare = recovery.delivered.saturating_sub(recovery.out);
        let mut count = if pipe > threshold {
            let share = u64::from(recovery.delivered) * u64::from(threshold);
            (share.div_ceil(u64::from(recovery.flight)) as u32).saturating_sub(recovery.out)
        } else {
            let limit = if safe {
                spare.max(delivered) + mss
            } else {
                spare
            };
            limit.min(threshold - pipe)
        };
        if recovery.out == 0 {
            // The first retransmission is never held back.
            count = count.max(mss);
        }
        self.control.window = pipe + count;
    }

    /// After an acknowledgement: goes on with a recovery, ends it, or grows the window.
    pub(super) fn steer(
        &mut self,
        env: &mut Env<'_>,
        delivered: u32,
        lost: u32,
        advanced: bool,
        used: bool,
    ) {
        let Some(recovery) = &self.recovery else {
            // Reports alone do not grow it (RFC 5681, section 3.2).
            if advanced && delivered > 0 && used {
                self.control.acknowledged(delivered, &self.round(env.now));
            }
            return;
        };
        if advanced && !self.una.before(recovery.point) {
            let timeout = recovery.timeout;
            self.recovery = None;
            self.duplicates = 0;
            self.rack.recovered();
            if !timeout {
                self.control.window = self.control.threshold;
            }
        } else if !recovery.timeout {
            self.reduce(delivered, advanced && lost == 0);
        } else if delivered > 0 {
            self.control.acknowledged(delivered, &self.round(env.now));
        }
    }

    /// Eifel (RFC 3522, section 3.2): the first acknowledgement that advances after a retransmission
    /// echoes something older than it, so the original had arrived.
    pub(super) fn detect_spurious(&mut self, env: &mut Env<'_>, echo: Option<u32>) {
        let Some(recovery) = &mut self.recovery else {
            return;
        };
        let (Some(first), Some(echo)) = (recovery.first.take(), echo) else {
            return;
        };
        if !Seq(echo).before(Seq(first)) {
            return;
        }
        let (window, threshold) = recovery.before;
        self.recovery = None;
        self.duplicates = 0;
        self.control.undo(window, threshold);
        self.board.restore();
        env.counters.spurious += 1;
    }

    /// RFC 6582 without SACK: three duplicates tell of a loss, and each partial acknowledgement of
    /// the next one.
    pub(super) fn newreno(&mut self, env: &mut Env<'_>, duplicate: bool, advanced: bool) -> u32 {
        let mss = u32::from(self.mss);
        if duplicate {
            self.duplicates = self.duplicates.saturating_add(1);
            if self.duplicates == 3 && self.recovery.is_none() {
                self.board.lose_first(mss);
                self.loss_found(env);
                return mss;
            }
        } else if advanced {
            let partial = self
                .recovery
                .as_ref()
                .is_some_and(|recovery| !recovery.timeout && self.una.before(recovery.point));
            self.duplicates = if partial {
                self.duplicates.saturating_sub(1)
            } else {
                0
            };
            if partial {
                self.board.lose_first(mss);
                return mss;
            }
        }
        0
    }

    /// Bytes under way. Without SACK each duplicate stands for a segment that has left.
    pub(super) fn pipe(&self) -> u32 {
        let left = u32::from(self.duplicates) * u32::from(self.mss);
        self.board.in_flight.saturating_sub(left)
    }

    /// What congestion control wants to know.
    fn round(&self, now: u64) -> crate::tcp::congestion::Round {
        crate::tcp::congestion::Round {
            now,
            rtt: self.rtt.smoothed,
            mss: u32::from(self.mss),
        }
    }
}
