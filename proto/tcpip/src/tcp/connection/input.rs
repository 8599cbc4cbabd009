// SPDX-License-Identifier: ISC
//! Arriving segments, in the order of checks that RFC 9293 section 3.10.7 gives, with RFC 7323 section
//! 5 (PAWS) and RFC 5961 (blind attacks). SYN-SENT is in `handshake.rs`.

use super::{
    Connection, State,
    types::{Env, TimeWait, Verdict},
};
use crate::{
    error::Error,
    ip::Ecn,
    link::Payload,
    tcp::{
        options::Range,
        segment::{Flags, Segment},
        seq::Seq,
    },
};

impl Connection {
    /// Takes a segment with its payload. `segment_size` is that of each packet, where the device put
    /// several together.
    pub(crate) fn receive(
        &mut self,
        env: &mut Env<'_>,
        segment: &Segment,
        payload: Payload<'_>,
        ecn: Ecn,
        segment_size: Option<u16>,
    ) -> Verdict {
        env.counters.segments_in += 1;
        self.pending = true;
        match self.state {
            State::Closed => segment
                .refuse(payload.len())
                .map_or(Verdict::Nothing, Verdict::Reply),
            State::SynSent => self.receive_syn_sent(env, segment, payload.len()),
            _ => {
                if let Some(verdict) = self.check(env, segment, payload.len()) {
                    return verdict;
                }
                self.congestion_marked(segment, ecn, payload.len());
                let empty = payload.len() == 0 && !segment.flags.has(Flags::FIN);
                self.acknowledge(env, segment, empty);
                let verdict = self.take_text(env, segment, payload, segment_size);
                if verdict != Verdict::Nothing {
                    return verdict;
                }
                self.advance_state(env)
            }
        }
    }

    /// First to fifth check; a verdict if the segment goes no further.
    fn check(&mut self, env: &mut Env<'_>, segment: &Segment, len: usize) -> Option<Verdict> {
        let (flags, nxt) = (segment.flags, self.window.nxt);
        let reset = flags.has(Flags::RST);
        // RFC 7323, section 3.2 and 5.3.
        if self.stamps.on && !reset {
            match segment.options.timestamps {
                Some((value, _)) if self.stamps.is_old(value, env.now) => {
                    env.counters.outside += 1;
                    self.answer_outside(env, len == 0);
                    return Some(Verdict::Nothing);
                }
                Some(_) => {}
                None => return Some(Verdict::Nothing),
            }
        }
        if !self.acceptable(segment, len) {
            if !reset {
                self.outside(env, segment, len);
            }
            return Some(Verdict::Nothing);
        }
        if reset {
            return Some(self.receive_reset(env, segment));
        }
        if flags.has(Flags::SYN) {
            // RFC 5961, section 4.2.
            self.challenge(env);
            return Some(Verdict::Nothing);
        }
        if !flags.has(Flags::ACK) {
            return Some(Verdict::Nothing);
        }
        self.heard = env.now;
        self.unanswered = 0;
        if let Some((value, echo)) = segment.options.timestamps.filter(|_| self.stamps.on) {
            self.stamps.note(value, segment.seq, env.now);
            if len > 0
                && segment.seq == nxt
                && let Some(age) = self.stamps.age(echo, env.now)
            {
                self.window.measured(age);
            }
        }
        self.check_ack(env, segment)
    }

    /// The fifth check: the acknowledgement field.
    fn check_ack(&mut self, env: &mut Env<'_>, segment: &Segment) -> Option<Verdict> {
        let ack = segment.ack;
        if self.state == State::SynReceived {
            if !ack.after(self.una) || ack.after(self.nxt) {
                return Some(segment.refuse(0).map_or(Verdict::Nothing, Verdict::Reply));
            }
            self.handshake_done(env, segment);
        }
        // RFC 5961, section 5.2.
        let oldest = self.una.back(self.largest_window);
        if ack.after(self.nxt) || ack.before(oldest) {
            self.challenge(env);
            return Some(Verdict::Nothing);
        }
        None
    }

    /// The first check (RFC 9293, section 3.4, table 6). What begins right at the right edge is
    /// accepted too: a peer that has filled the window sends its acknowledgements from there.
    fn acceptable(&self, segment: &Segment, len: usize) -> bool {
        let (nxt, edge) = (self.window.nxt, self.window.edge.max(self.window.nxt));
        let end = segment.seq + segment.sequence_len(len);
        if end == segment.seq {
            return !segment.seq.before(nxt) && !segment.seq.after(edge);
        }
        segment.seq == nxt || end.after(nxt) && segment.seq.before(edge)
    }

    /// Answers what is outside of the window.
    fn outside(&mut self, env: &mut Env<'_>, segment: &Segment, len: usize) {
        let end = segment.seq + segment.sequence_len(len);
        if end.after(segment.seq) && !end.after(self.window.nxt) {
            env.counters.duplicates += 1;
            if self.sack && len > 0 {
                let end = segment.seq + len as u32;
                self.note_duplicate(Range {
                    start: segment.seq,
                    end,
                });
            }
        } else {
            env.counters.outside += 1;
        }
        self.answer_outside(env, end == segment.seq);
    }

    /// RFC 2883: to be reported with the next acknowledgement.
    fn note_duplicate(&mut self, range: Range) {
        self.arrivals_mut().duplicate = Some(range);
    }

    /// RFC 5961, section 3.2: exactly the next sequence number, or a challenge.
    fn receive_reset(&mut self, env: &mut Env<'_>, segment: &Segment) -> Verdict {
        if segment.seq != self.window.nxt {
            self.challenge(env);
            return Verdict::Nothing;
        }
        env.counters.resets_in += 1;
        let refused = self.state == State::SynReceived;
        let error = if refused {
            Error::ConnectionRefused
        } else {
            Error::ConnectionReset
        };
        self.fail(env, error);
        Verdict::Closed
    }

    /// RFC 3168, section 6.1.3: echoes marks until the peer says that it has reacted.
    fn congestion_marked(&mut self, segment: &Segment, ecn: Ecn, len: usize) {
        if !self.ecn {
            return;
        }
        if segment.flags.has(Flags::CWR) {
            self.echo_marks = false;
        }
        if ecn == Ecn::Congested && len > 0 {
            self.echo_marks = true;
            self.owed.now = true;
        }
    }

    /// The seventh and eighth check: text and FIN.
    fn take_text(
        &mut self,
        env: &mut Env<'_>,
        segment: &Segment,
        mut payload: Payload<'_>,
        segment_size: Option<u16>,
    ) -> Verdict {
        let mut len = payload.len();
        let mut fin = segment.flags.has(Flags::FIN);
        if len == 0 && !fin || self.peer_done() {
            return Verdict::Nothing;
        }
        let nxt = self.window.nxt;
        let mut seq = segment.seq;
        if seq.before(nxt) {
            let known = nxt.since(seq).min(len as u32);
            if self.sack && known > 0 {
                self.note_duplicate(Range {
                    start: seq,
                    end: seq + known,
                });
            }
            payload.trim_front(known as usize);
            seq = nxt;
            self.owed.now = true;
        }
        let room = self.window.edge.since(seq) as usize;
        if payload.len() > room {
            payload.truncate(room);
            fin = false;
            self.owed.now = true;
        }
        len = payload.len();
        if len > 0 {
            if self.orphan {
                // RFC 1122, section 4.2.2.13: nobody will read it.
                return self.abort(env).map_or(Verdict::Closed, Verdict::Reset);
            }
            self.take_payload(env, seq, payload, segment_size);
        }
        if fin {
            let at = seq + len as u32;
            self.fin_at = Some(at);
        }
        if self.fin_at == Some(self.window.nxt) {
            self.receive_fin(env);
        } else if fin && len == 0 {
            self.owed.at_once(!self.sack);
        }
        Verdict::Nothing
    }

    /// Puts payload that lies in the window where it belongs.
    fn take_payload(
        &mut self,
        env: &mut Env<'_>,
        seq: Seq,
        mut payload: Payload<'_>,
        segment_size: Option<u16>,
    ) {
        let len = payload.len() as u32;
        let nxt = self.window.nxt;
        if seq == nxt
            && self
                .arrivals
                .as_ref()
                .is_none_or(|arrivals| arrivals.assembly.is_empty())
        {
            let taken = self.queue.push(&mut payload, env.budget);
            self.window.nxt = nxt + taken;
            env.counters.bytes_in += u64::from(taken);
            if taken < len {
                env.counters.no_memory += 1;
                self.owed.now = true;
            }
            let segment = segment_size.unwrap_or(len.min(65_535) as u16);
            self.owed.arrived(taken, segment, env.now);
        } else {
            let arrivals = self.arrivals_mut();
            let added = arrivals.assembly.insert(seq, payload, env.budget);
            let range = Range {
                start: seq,
                end: seq + len,
            };
            if added == 0
                && arrivals
                    .assembly
                    .around(seq)
                    .is_some_and(|around| !range.end.after(around.end))
            {
                env.counters.duplicates += 1;
                arrivals.duplicate = Some(range);
            }
            if seq.after(nxt) {
                env.counters.out_of_order += 1;
            }
            self.drain(env);
            self.owed.at_once(!self.sack);
        }
        if self.window.nxt != nxt {
            self.wake_reader();
        }
    }

    /// Moves what is in order now to the queue.
    fn drain(&mut self, env: &mut Env<'_>) {
        let Some(arrivals) = &mut self.arrivals else {
            return;
        };
        while let Some(chunk) = arrivals.assembly.pop(self.window.nxt) {
            self.window.nxt = self.window.nxt + chunk.len();
            env.counters.bytes_in += u64::from(chunk.len());
            self.queue.push_chunk(chunk);
        }
    }

    /// The peer has sent all.
    fn receive_fin(&mut self, env: &mut Env<'_>) {
        self.window.nxt = self.window.nxt + 1;
        self.peer_closed = true;
        self.owed.now = true;
        if let Some(mut arrivals) = self.arrivals.take() {
            arrivals.assembly.clear(env.shelf, env.budget);
        }
        self.progress = env.now;
        self.state = match self.state {
            State::FinWait1 => State::Closing,
            State::FinWait2 => State::TimeWait,
            _ => State::CloseWait,
        };
        self.wake_reader();
    }

    /// What the acknowledgement of our FIN leads to.
    fn advance_state(&mut self, env: &mut Env<'_>) -> Verdict {
        let acknowledged = self.fin_sent && self.una == self.nxt;
        match self.state {
            State::FinWait1 if acknowledged => self.state = State::FinWait2,
            State::Closing if acknowledged => self.state = State::TimeWait,
            State::LastAck if acknowledged => {
                self.finish(env);
                return Verdict::Closed;
            }
            _ => {}
        }
        if self.state != State::TimeWait {
            return Verdict::Nothing;
        }
        let wait = TimeWait {
            snd_nxt: self.nxt,
            rcv_nxt: self.window.nxt,
            window: self
                .window
                .offer(self.queue.len(), u32::from(self.mss), env.budget),
            timestamps: self.stamps.state(),
            acknowledge: self.owed.now,
        };
        self.finish(env);
        Verdict::TimeWait(wait)
    }
}
