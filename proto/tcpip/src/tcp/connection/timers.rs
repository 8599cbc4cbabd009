// SPDX-License-Identifier: ISC
//! All timers of a connection, folded into one deadline.
//!
//! One alarm serves what is sent: the retransmission timeout (RFC 6298, section 5), the tail loss
//! probe and the reordering window (RFC 8985), or the zero-window probe (RFC 9293, section 3.8.6.1).
//! Beside it: delayed acknowledgement, pacing, and the silence of the peer (`silence.rs`).

use super::{
    Connection, State,
    types::{Env, Verdict},
};
use crate::{error::Error, time::earliest};

/// Retransmissions of a SYN (RFC 9293, section 3.8.3: R2 of a SYN is three minutes at least; each
/// program has its own, shorter patience).
const SYN_RETRIES: u8 = 6;
/// Timeouts in a row of anything else, which makes some 15 minutes (RFC 9293, section 3.8.3).
const RETRIES: u8 = 15;

/// What the alarm is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Alarm {
    #[default]
    None,
    Retransmit,
    Probe,
    Reorder,
    Persist,
}

impl Connection {
    /// When to call [`Self::expire`].
    pub(crate) fn deadline(&self) -> Option<u64> {
        if self.state == State::Closed {
            return None;
        }
        let alarm = (self.alarm != Alarm::None).then_some(self.alarm_at);
        let all = [
            alarm,
            self.owed.deadline,
            self.pacer.deadline(),
            self.silence_deadline(),
        ];
        earliest(&all)
    }

    /// Sets the alarm to what comes first.
    pub(super) fn rearm(&mut self, now: u64) {
        let timeout = self.base + self.rtt.timeout(self.backoff);
        self.alarm_at = timeout;
        self.alarm = Alarm::Retransmit;
        if self.syn_outstanding() {
            return;
        }
        if self.board.is_empty() {
            self.alarm = Alarm::None;
            return;
        }
        if let Some(at) = self.reorder_at {
            self.alarm_by(at, Alarm::Reorder);
        } else if let Some(wait) = self.probe_timeout() {
            self.alarm_by(self.base.max(self.last_sent) + wait, Alarm::Probe);
        }
        if self.user_timeout > 0 {
            let end = self.progress + u64::from(self.user_timeout) * 1_000_000;
            self.alarm_by(end.max(now), Alarm::Retransmit);
        }
    }

    fn alarm_by(&mut self, at: u64, alarm: Alarm) {
        if at < self.alarm_at {
            self.alarm_at = at;
            self.alarm = alarm;
        }
    }

    /// The peer's window holds back what is to be sent, and nothing is outstanding that would make
    /// the peer speak.
    pub(super) fn arm_persist(&mut self, now: u64) {
        if self.alarm == Alarm::None {
            self.alarm = Alarm::Persist;
            self.alarm_at = now + self.rtt.timeout(self.backoff);
        }
    }

    /// Does what is due now.
    pub(crate) fn expire(&mut self, env: &mut Env<'_>) -> Verdict {
        let now = env.now;
        if self.state == State::Closed {
            return Verdict::Nothing;
        }
        if self.owed.deadline.is_some_and(|at| at <= now) {
            self.owed.deadline = None;
            self.owed.now = true;
            self.pending = true;
        }
        if self.pacer.deadline().is_some_and(|at| at <= now) {
            self.pacer.waits = false;
            self.pending = true;
        }
        if self.alarm != Alarm::None && self.alarm_at <= now {
            self.pending = true;
            let alarm = core::mem::take(&mut self.alarm);
            if self.ring(env, alarm) {
                return self.time_out(env);
            }
        }
        self.check_silence(env)
    }

    /// The alarm went off; says whether the peer is given up.
    fn ring(&mut self, env: &mut Env<'_>, alarm: Alarm) -> bool {
        let now = env.now;
        match alarm {
            Alarm::None => {}
            Alarm::Retransmit => {
                if self.out_of_patience(now) {
                    return true;
                }
                self.backoff += 1;
                self.base = now;
                self.reorder_at = None;
                if self.syn_outstanding() {
                    self.syn_due = true;
                } else {
                    self.retransmission_timeout(env);
                    self.suspect_black_hole(env);
                }
                self.rearm(now);
            }
            Alarm::Probe => {
                self.probe_due = true;
                self.base = now;
                self.probe_end = Some((self.nxt, false));
                self.rearm(now);
            }
            Alarm::Reorder => {
                self.reorder_at = None;
                self.look_for_loss(env, false);
                self.rearm(now);
            }
            Alarm::Persist => {
                // A peer that answers may keep its window closed for ever; one that does not has
                // as long as for what was sent (RFC 9293, section 3.8.6.1; RFC 5482).
                if self.unanswered == 0 {
                    self.base = now;
                }
                let silent = now.saturating_sub(self.base);
                let impatient = self.user_timeout > 0 && silent >= self.patience();
                if self.unanswered >= RETRIES || impatient {
                    return true;
                }
                self.unanswered += 1;
                self.backoff = self.backoff.saturating_add(1).min(RETRIES);
                self.window_probe_due = true;
                self.arm_persist(now);
            }
        }
        false
    }

    /// Whether the last timeout was one too many (RFC 9293 section 3.8.3, RFC 5482).
    fn out_of_patience(&self, now: u64) -> bool {
        let retries = if self.syn_outstanding() {
            SYN_RETRIES
        } else {
            RETRIES
        };
        let waited = now.saturating_sub(self.progress);
        self.backoff >= retries || self.user_timeout > 0 && waited >= self.patience()
    }

    /// The user timeout in nanoseconds, if there is one.
    fn patience(&self) -> u64 {
        u64::from(self.user_timeout) * 1_000_000
    }

    /// The peer is silent: the connection is over.
    pub(super) fn time_out(&mut self, env: &mut Env<'_>) -> Verdict {
        env.counters.timed_out += 1;
        let error = self.soft_error.unwrap_or(Error::TimedOut);
        self.fail(env, error);
        Verdict::Closed
    }
}
