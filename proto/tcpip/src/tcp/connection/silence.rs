// SPDX-License-Identifier: ISC
//! How long a silent peer is put up with: keep-alive probes (RFC 9293, section 3.8.4), and the end of
//! connections that no program holds any more (sections 3.6 and 3.10.7.4 leave FIN-WAIT-2 unbounded).

use super::{
    Connection, Keepalive, State,
    types::{Env, Verdict},
};

/// How long a connection without a program may go without progress, in nanoseconds.
const ORPHAN: u64 = 60_000_000_000;

impl Connection {
    /// When to look at the peer's silence again.
    pub(super) fn silence_deadline(&self) -> Option<u64> {
        if self.orphan {
            return Some(self.progress + ORPHAN);
        }
        let keepalive = self.watched()?;
        let probes = u64::from(self.unanswered) * u64::from(keepalive.interval.max(1));
        Some(self.heard + (u64::from(keepalive.idle) + probes) * 1_000_000)
    }

    /// Keep-alive applies while nothing else makes the peer speak.
    fn watched(&self) -> Option<&Keepalive> {
        let quiet = self.board.is_empty() && self.alarm == super::timers::Alarm::None;
        let keepalive = self.keepalive.as_deref()?;
        (quiet && !self.syn_outstanding()).then_some(keepalive)
    }

    /// Acts on the peer's silence if it has lasted too long.
    pub(super) fn check_silence(&mut self, env: &mut Env<'_>) -> Verdict {
        if self.silence_deadline().is_none_or(|at| at > env.now) {
            return Verdict::Nothing;
        }
        if self.orphan {
            // In FIN-WAIT-2 the peer has all and is not told.
            let told = self.state != State::FinWait2;
            let reset = self.abort(env).filter(|_| told);
            return reset.map_or(Verdict::Closed, Verdict::Reset);
        }
        let Some(probes) = self.watched().map(|keepalive| keepalive.probes) else {
            return Verdict::Nothing;
        };
        if self.unanswered >= probes {
            return self.time_out(env);
        }
        self.unanswered += 1;
        env.counters.keepalive_probes += 1;
        self.ping_due = true;
        self.pending = true;
        Verdict::Nothing
    }
}
