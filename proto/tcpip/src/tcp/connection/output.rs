// SPDX-License-Identifier: ISC
//! What to send next: the handshake, what was lost, probes, new data, and acknowledgements when no data
//! carries them.
//!
//! RFC 9293 sections 3.7.4 (Nagle, in Minshall's form: only one *small* segment may be outstanding),
//! 3.8.6.2.1 (silly windows) and 3.8.6.1 (zero windows); RFC 6675 section 5 and RFC 3042 (new data
//! while SACK reports arrive, which counting what is under way gives by itself).

use super::{
    Connection, State,
    pacing::Pacer,
    types::{Env, Kind, Limits, Transmit},
    window,
};
use crate::{
    ip::Ecn,
    tcp::{
        options::{Blocks, Options},
        segment::{Flags, Segment},
        seq::Seq,
    },
};

impl Connection {
    /// What to send next, if anything. Nothing changes until [`Self::sent`].
    pub(crate) fn next(&mut self, env: &mut Env<'_>, limits: Limits) -> Option<Transmit> {
        if !self.pending {
            return None;
        }
        let found = self.choose(env, limits);
        self.pending = found.is_some();
        found
    }

    fn choose(&mut self, env: &mut Env<'_>, limits: Limits) -> Option<Transmit> {
        self.pacer.waits = false;
        match self.state {
            State::Closed => return None,
            State::SynSent | State::SynReceived if self.syn_due => return Some(self.syn(env)),
            State::SynSent => return None,
            State::SynReceived => {}
            _ => {
                let data = self
                    .tail_probe(env)
                    .or_else(|| self.retransmission(env, limits))
                    .or_else(|| self.new_data(env, limits));
                if data.is_some() {
                    return data;
                }
            }
        }
        if self.owed.now || self.owed.copies > 0 {
            return Some(self.bare(env, self.nxt, Kind::Ack));
        }
        if self.ping_due || self.window_probe_due {
            return Some(self.bare(env, self.una.back(1), Kind::Ping));
        }
        None
    }

    /// The SYN, or its answer where both sides asked at once.
    fn syn(&self, env: &Env<'_>) -> Transmit {
        let answer = self.state == State::SynReceived;
        let mut flags = Flags::SYN;
        if answer {
            flags = flags.with(Flags::ACK);
        }
        // RFC 3168 section 6.1.1.1: without ECN once that has failed.
        if self.ecn && self.backoff < 2 {
            flags = flags.with(Flags::ECE);
            if !answer {
                flags = flags.with(Flags::CWR);
            }
        }
        let stamps = (self.stamps.value(env.now), self.stamps.recent);
        let scaled = !answer || self.window.scale > 0 || self.peer_scale > 0;
        let segment = Segment {
            source_port: self.local_port,
            destination_port: self.peer_port,
            seq: self.una,
            ack: self.window.nxt,
            flags,
            window: window::initial(env.config),
            options: Options {
                mss: Some(self.mss_limit),
                window_scale: scaled.then(|| window::scale_for(env.config)),
                timestamps: (!answer || self.stamps.on).then_some(stamps),
                sack_permitted: !answer || self.sack,
                sack: Blocks::default(),
            },
            header_len: 0,
        };
        Transmit {
            segment,
            len: 0,
            segment_size: None,
            ecn: Ecn::NotCapable,
            kind: Kind::Handshake,
        }
    }

    /// A header that begins at `seq`.
    fn header(&self, env: &Env<'_>, seq: Seq) -> Segment {
        let mut flags = Flags::ACK;
        if self.echo_marks {
            flags = flags.with(Flags::ECE);
        }
        let timestamps = self.stamps.pair(env.now);
        let mut sack = Blocks::default();
        if let Some(arrivals) = self.arrivals.as_ref().filter(|_| self.sack) {
            if let Some(duplicate) = arrivals.duplicate {
                sack.push(duplicate);
            }
            let room = if timestamps.is_some() { 3 } else { 4 };
            arrivals.assembly.report(&mut sack, room);
        }
        Segment {
            source_port: self.local_port,
            destination_port: self.peer_port,
            seq,
            ack: self.window.nxt,
            flags,
            window: self
                .window
                .offer(self.queue.len(), u32::from(self.mss), env.budget),
            options: Options {
                timestamps,
                sack,
                ..Options::default()
            },
            header_len: 0,
        }
    }

    /// A segment without payload.
    fn bare(&self, env: &Env<'_>, seq: Seq, kind: Kind) -> Transmit {
        let segment = self.header(env, seq);
        Transmit {
            segment,
            len: 0,
            segment_size: None,
            ecn: Ecn::NotCapable,
            kind,
        }
    }

    /// A segment with what lies between `seq` and `end`, which may include the FIN.
    fn text(&self, mut segment: Segment, end: Seq, size: u32, kind: Kind) -> Transmit {
        let last = self.una + self.send.len();
        let len = end.min(last).since(segment.seq);
        if end.after(last) {
            segment.flags = segment.flags.with(Flags::FIN);
        }
        if !end.before(last) && len > 0 {
            segment.flags = segment.flags.with(Flags::PSH);
        }
        let fresh = kind == Kind::New;
        if fresh && self.reduced && len > 0 {
            segment.flags = segment.flags.with(Flags::CWR);
        }
        // RFC 3168 section 6.1.5: what is sent again is not marked as capable.
        let ecn = if self.ecn && fresh && len > 0 {
            Ecn::Capable
        } else {
            Ecn::NotCapable
        };
        let segment_size = (len > size).then_some(size as u16);
        Transmit {
            segment,
            len,
            segment_size,
            ecn,
            kind,
        }
    }

    /// Payload of a segment whose header is `segment`.
    fn size(&self, segment: &Segment) -> u32 {
        u32::from(
            self.mss
                .saturating_sub(segment.options.sack.option_len())
                .max(1),
        )
    }

    /// The tail loss probe: new data if there is some, else the last segment once more (RFC 8985,
    /// section 7.3).
    fn tail_probe(&mut self, env: &Env<'_>) -> Option<Transmit> {
        if !self.probe_due {
            return None;
        }
        let segment = self.header(env, self.nxt);
        let size = self.size(&segment);
        let unsent = self.unsent();
        let room = self.window_room();
        if unsent > 0 && room >= size.min(unsent) {
            return Some(self.text(segment, self.nxt + size.min(unsent), size, Kind::New));
        }
        let (start, end) = self.board.tail()?;
        let start = start.max(end.back(size));
        let segment = Segment {
            seq: start,
            ..segment
        };
        Some(self.text(segment, end, size, Kind::Probe))
    }

    /// What counts as lost, as much as may be under way.
    fn retransmission(&mut self, env: &Env<'_>, limits: Limits) -> Option<Transmit> {
        let (start, lost) = self
            .board
            .first_lost()
            .map(|record| (record.start, record.len()))?;
        let segment = self.header(env, start);
        let size = self.size(&segment);
        let pipe = self.pipe();
        let room = self.control.window.saturating_sub(pipe);
        if pipe > 0 && room < size.min(lost) {
            return None;
        }
        if pipe > 0 && !self.pacer.ready(env.now) {
            return None;
        }
        let most = limits.offload.max(size).min(self.burst());
        let mut len = lost.min(room.max(size)).min(most);
        if len > size {
            len -= len % size;
        }
        Some(self.text(segment, start + len, size, Kind::Retransmit))
    }

    /// Payload or FIN for the first time.
    fn new_data(&mut self, env: &Env<'_>, limits: Limits) -> Option<Transmit> {
        let unsent = self.unsent();
        let fin = self.closing && !self.fin_sent;
        if unsent == 0 && !fin {
            return None;
        }
        let segment = self.header(env, self.nxt);
        let size = self.size(&segment);
        let room = self.window_room();
        if self.board.is_empty() {
            self.restart_after_idleness(env.now);
        }
        let under_way = self.control.window.saturating_sub(self.pipe());
        if under_way < size.min(unsent.max(1)) && !self.board.is_empty() {
            self.limited = true;
            return None;
        }
        let most = limits.offload.max(size).min(self.burst());
        let mut len = unsent.min(room).min(under_way.max(size)).min(most);
        if len > size {
            let tail = len % size;
            if tail > 0 && (len < unsent || self.holds_small()) {
                len -= tail;
            }
        } else if len < size && unsent > 0 && !self.may_send_small(len, unsent) {
            self.blocked(env.now, room);
            return None;
        }
        let with_fin = fin && len == unsent && room > len;
        if len == 0 && !with_fin {
            self.blocked(env.now, room);
            return None;
        }
        if !self.pacer.ready(env.now) {
            return None;
        }
        Some(self.text(
            segment,
            self.nxt + len + u32::from(with_fin),
            size,
            Kind::New,
        ))
    }

    /// Nagle: whether a small segment waits for the acknowledgement of another.
    fn holds_small(&self) -> bool {
        let outstanding = self.small_end.is_some_and(|end| end.after(self.una));
        outstanding && !self.nodelay && !self.closing
    }

    /// Whether to send `len` bytes, less than a segment, of `unsent`.
    fn may_send_small(&self, len: u32, unsent: u32) -> bool {
        if len == unsent {
            return !self.holds_small();
        }
        // The peer's window cuts it: only if that is a good part of its buffer, or after a wait.
        len > 0 && (len >= self.largest_window / 2 || self.window_probe_due)
    }

    /// Nothing can be sent; if nothing will make the peer speak, a timer will.
    fn blocked(&mut self, now: u64, room: u32) {
        if self.board.is_empty() && !self.holds_small() {
            if room > 0 && self.window_probe_due {
                self.window_probe_due = false;
            }
            self.arm_persist(now);
        }
    }

    /// RFC 5681, section 4.1.
    fn restart_after_idleness(&mut self, now: u64) {
        let idle = now.saturating_sub(self.last_sent);
        let mss = u32::from(self.mss);
        let initial = crate::tcp::congestion::initial_window(mss);
        if self.last_sent > 0 && idle > self.rtt.timeout(0) && self.control.window > initial {
            self.control.restart(mss);
        }
    }

    fn burst(&self) -> u32 {
        Pacer::burst(self.control.window, self.rtt.smoothed, u32::from(self.mss))
    }

    /// Bytes written and not yet sent.
    pub(super) fn unsent(&self) -> u32 {
        (self.una + self.send.len()).since(self.nxt)
    }

    /// Bytes that the peer's window still allows.
    fn window_room(&self) -> u32 {
        (self.una + self.peer_window).since(self.nxt)
    }

    /// The payload of a transmission.
    pub(crate) fn payload(&self, transmit: &Transmit) -> [&[u8]; 2] {
        self.send
            .slices(transmit.segment.seq.since(self.una), transmit.len)
    }

    /// The transmission went out.
    pub(crate) fn sent(&mut self, env: &mut Env<'_>, transmit: &Transmit) {
        env.counters.segments_out += 1;
        let segment = &transmit.segment;
        let fin = segment.flags.has(Flags::FIN);
        let end = segment.seq + transmit.len + u32::from(fin);
        match transmit.kind {
            Kind::Handshake => {
                self.nxt = end + 1;
                self.syn_due = false;
                self.owed.now = false;
                self.base = env.now;
                self.rearm(env.now);
                return;
            }
            Kind::Ack => {}
            Kind::Ping => {
                env.counters.window_probes += u64::from(self.window_probe_due);
                self.ping_due = false;
                self.window_probe_due = false;
            }
            Kind::New => self.sent_new(env, transmit, end, fin),
            Kind::Retransmit | Kind::Probe => self.sent_again(env, transmit, end),
        }
        self.window.offered(segment.window);
        self.stamps.acknowledged = self.window.nxt;
        self.owed.sent(transmit.len > 0);
        if let Some(arrivals) = &mut self.arrivals {
            arrivals.duplicate = None;
            if arrivals.assembly.is_empty() {
                self.arrivals = None;
            }
        }
    }

    fn sent_new(&mut self, env: &mut Env<'_>, transmit: &Transmit, end: Seq, fin: bool) {
        let size = self.size(&transmit.segment);
        if self.board.is_empty() {
            self.base = env.now;
            self.progress = env.now;
            self.backoff = 0;
        }
        if !transmit.len.is_multiple_of(size) {
            self.small_end = Some(end);
        }
        env.counters.bytes_out += u64::from(transmit.len);
        self.board.push(self.nxt, end, env.now, size as u16);
        self.nxt = end;
        self.fin_sent |= fin;
        self.reduced &= !transmit.segment.flags.has(Flags::CWR);
        self.window_probe_due = false;
        if core::mem::take(&mut self.probe_due) {
            env.counters.probes += 1;
            self.probe_end = Some((end, false));
        }
        self.left(env.now, end.since(transmit.segment.seq));
    }

    fn sent_again(&mut self, env: &mut Env<'_>, transmit: &Transmit, end: Seq) {
        let size = self.size(&transmit.segment);
        self.board
            .repeat(transmit.segment.seq, end, env.now, size as u16);
        env.counters.retransmitted += 1;
        if transmit.kind == Kind::Probe {
            env.counters.probes += 1;
            self.probe_due = false;
            self.probe_end = Some((self.nxt, true));
        }
        let stamp = self.stamps.on.then(|| self.stamps.value(env.now));
        if let Some(recovery) = &mut self.recovery
            && recovery.out == 0
        {
            recovery.first = stamp;
        }
        self.left(env.now, end.since(transmit.segment.seq));
    }

    /// `len` bytes left now.
    fn left(&mut self, now: u64, len: u32) {
        if let Some(recovery) = &mut self.recovery {
            recovery.out = recovery.out.saturating_add(len);
        }
        // In recovery the window follows what is under way and may be next to nothing.
        let mut window = self.control.window;
        if self.recovery.is_some() {
            window = window.max(self.control.threshold);
        }
        let slow = self.control.slow_start();
        self.pacer.sent(len, window, self.rtt.smoothed, slow, now);
        self.last_sent = now;
        self.rearm(now);
    }
}
