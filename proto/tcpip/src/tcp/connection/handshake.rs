// SPDX-License-Identifier: ISC
//! The handshake of the side that asks (RFC 9293, section 3.10.7.3), simultaneous open included, and
//! what both sides agree on: RFC 7323 sections 2 and 3, RFC 2018 section 2, RFC 3168 section 6.1.1.

use super::{
    Connection, Handshake, State,
    types::{Env, Verdict},
};
use crate::{
    error::Error,
    tcp::{
        congestion::Control,
        options::DEFAULT_MSS,
        segment::{Flags, Segment},
    },
};

impl Connection {
    /// A segment in SYN-SENT.
    pub(super) fn receive_syn_sent(
        &mut self,
        env: &mut Env<'_>,
        segment: &Segment,
        len: usize,
    ) -> Verdict {
        let flags = segment.flags;
        let acks = flags.has(Flags::ACK);
        if acks && (!segment.ack.after(self.una) || segment.ack.after(self.nxt)) {
            return segment.refuse(len).map_or(Verdict::Nothing, Verdict::Reply);
        }
        if flags.has(Flags::RST) {
            // RFC 5961 section 3.2: only one that acknowledges the SYN is believed.
            if !acks {
                return Verdict::Nothing;
            }
            env.counters.resets_in += 1;
            self.fail(env, Error::ConnectionRefused);
            return Verdict::Closed;
        }
        if !flags.has(Flags::SYN) {
            return Verdict::Nothing;
        }
        let options = &segment.options;
        let asked = flags.with(Flags::CWR) == flags;
        let marked = flags.has(Flags::ECE) && (asked != acks);
        let handshake = Handshake {
            irs: segment.seq,
            peer_mss: options.mss.unwrap_or(DEFAULT_MSS),
            window_scale: options.window_scale,
            window: u32::from(segment.window),
            timestamp: options.timestamps.map(|(value, _)| value),
            sack: options.sack_permitted,
            ecn: self.ecn && marked,
            // Not known which of several SYNs was answered.
            rtt: (acks && self.backoff == 0).then(|| env.now.saturating_sub(self.base)),
        };
        self.agree(&handshake, env);
        // Payload is left for the peer to send again: it would be acknowledged before it was
        // established who sent it.
        self.owed.now = true;
        if acks {
            self.handshake_done(env, segment);
            self.rearm(env.now);
        } else {
            // Both have asked at once: the answer repeats our SYN.
            self.state = State::SynReceived;
            self.syn_due = true;
            self.backoff = 0;
        }
        Verdict::Nothing
    }

    /// Takes over what the handshake has agreed on.
    pub(super) fn agree(&mut self, handshake: &Handshake, env: &Env<'_>) {
        let offered = u32::from(super::window::initial(env.config));
        self.window.open(handshake.irs, offered);
        self.stamps.acknowledged = self.window.nxt;
        if let Some(value) = handshake.timestamp {
            self.stamps.agree(value, env.now);
        }
        if let Some(scale) = handshake.window_scale {
            self.peer_scale = scale;
            self.window.scale = super::window::scale_for(env.config);
        }
        self.sack = handshake.sack;
        self.ecn = handshake.ecn;
        self.mss = self.payload_for(self.mss_limit.min(handshake.peer_mss.max(64)));
        self.peer_window = handshake.window;
        self.largest_window = handshake.window;
        self.wl1 = handshake.irs;
        self.wl2 = self.una;
        if let Some(rtt) = handshake.rtt {
            self.rtt.measured(rtt, env.now);
        }
        self.control = Control::new(self.algorithm, u32::from(self.mss));
        self.heard = env.now;
        self.progress = env.now;
    }

    /// Our SYN was acknowledged.
    pub(super) fn handshake_done(&mut self, env: &mut Env<'_>, segment: &Segment) {
        if self.backoff > 0 {
            self.rtt.syn_repeated();
        }
        // RFC 5681 section 3.1: a lost SYN or its answer counts as congestion.
        if self.backoff > 1 {
            self.control.window = u32::from(self.mss);
        }
        self.una = self.una + 1;
        self.syn_due = false;
        self.backoff = 0;
        self.state = if self.closing {
            State::FinWait1
        } else {
            State::Established
        };
        self.base = env.now;
        self.progress = env.now;
        self.wl2 = segment.ack;
        self.alarm = super::timers::Alarm::None;
        self.wake_writer();
        self.wake_reader();
    }
}
