// SPDX-License-Identifier: ISC
//! Receiving: what a segment is for, and what follows from it.
//!
//! A segment is for a connection, for a handshake under way ([`handshake`](super::handshake)), for a
//! connection that is over, or for none; then it may begin one. Read first: RFC 9293 section 3.10.7,
//! RFC 5927 on which ICMP errors to believe.

use crate::addr::Addr;

use super::{
    Tcp,
    connection::Env,
    hash::Tuple,
    largest_segment,
    segment::{Flags, Segment},
    seq::Seq,
    table::Place,
    time_wait::Answer,
};
use crate::{
    ip::{Arrived, IcmpError, IcmpErrorKind, Ip},
    link::{Payload, Shelf},
};

/// A segment and what is known of it.
pub(super) struct Incoming<'a, 'b> {
    pub(super) segment: Segment,
    pub(super) tuple: Tuple,
    pub(super) hash: u32,
    pub(super) payload: Payload<'a>,
    pub(super) arrived: &'b Arrived,
}

impl Tcp {
    /// Takes in a segment, which is all of `payload`. What follows is sent by
    /// [`poll`](Self::poll).
    pub(crate) fn receive(
        &mut self,
        ip: &mut Ip,
        shelf: &dyn Shelf,
        arrived: &Arrived,
        mut payload: Payload<'_>,
        now: u64,
    ) {
        let Some(segment) = Segment::parse(payload.bytes()) else {
            return;
        };
        payload.trim_front(usize::from(segment.header_len));
        let tuple = Tuple {
            local: arrived.destination,
            peer: arrived.source,
            local_port: segment.destination_port,
            peer_port: segment.source_port,
        };
        let hash = self.hash(&tuple);
        let incoming = Incoming {
            segment,
            tuple,
            hash,
            payload,
            arrived,
        };
        match self.find(hash, &tuple) {
            Some(Place::Connection(number)) => {
                self.confirm(ip, &incoming, now);
                self.deliver(number, incoming, shelf, now);
            }
            Some(Place::HalfOpen(number)) => {
                self.continue_handshake(number, incoming, ip, shelf, now)
            }
            Some(Place::TimeWait(number)) => self.visit_ended(number, incoming, ip, shelf, now),
            None => self.begin(incoming, None, ip, shelf, now),
        }
    }

    /// What the two ends belong to.
    pub(super) fn find(&self, hash: u32, tuple: &Tuple) -> Option<Place> {
        self.index.find(hash, |place| {
            let other = match place {
                Place::Connection(at) => self.connections.get(at).map(|entry| &entry.tuple),
                Place::HalfOpen(at) => self.half_open.get(at).map(|half_open| &half_open.tuple),
                Place::TimeWait(at) => self.time_wait.get(at).map(|ended| &ended.tuple),
            };
            other == Some(tuple)
        })
    }

    /// Tells the Internet layer that the peer answers (RFC 4861, section 7.3.1), not too often.
    fn confirm(&mut self, ip: &mut Ip, incoming: &Incoming<'_, '_>, now: u64) {
        let confirmed = (incoming.tuple.peer, now >> 30);
        if self.confirmed != Some(confirmed) && incoming.segment.flags.has(Flags::ACK) {
            self.confirmed = Some(confirmed);
            ip.confirm(incoming.tuple.peer, now);
        }
    }

    /// Gives a segment to its connection.
    pub(super) fn deliver(
        &mut self,
        number: u32,
        incoming: Incoming<'_, '_>,
        shelf: &dyn Shelf,
        now: u64,
    ) {
        let Some(entry) = self.connections.get_mut(number) else {
            return;
        };
        let mut env = Env {
            now,
            config: &entry.config,
            budget: &mut self.budget,
            counters: &mut self.counters,
            shelf,
        };
        let verdict = entry.connection.receive(
            &mut env,
            &incoming.segment,
            incoming.payload,
            incoming.arrived.ecn,
            incoming.arrived.segment_size,
        );
        self.settle(number, verdict, shelf, now);
    }

    /// A segment for a connection that is over.
    fn visit_ended(
        &mut self,
        number: u32,
        incoming: Incoming<'_, '_>,
        ip: &mut Ip,
        shelf: &dyn Shelf,
        now: u64,
    ) {
        let Some(ended) = self.time_wait.get(number) else {
            return;
        };
        let answer = ended.answer(&incoming.segment, incoming.payload.len());
        match answer {
            Answer::Nothing => {}
            Answer::Reopen => {
                let beyond = ended.beyond();
                if self
                    .listeners
                    .find(incoming.tuple.local, incoming.tuple.local_port)
                    .is_some()
                {
                    self.time_wait.remove(number);
                    self.index.remove(incoming.hash, Place::TimeWait(number));
                    self.begin(incoming, Some(beyond), ip, shelf, now);
                }
            }
            Answer::Acknowledge | Answer::Restart => {
                if self.limiter.allows(now) {
                    self.outbox
                        .push(&incoming.tuple, &ended.acknowledgement(now));
                }
                if answer == Answer::Restart
                    && let Some(mut ended) = self.time_wait.remove(number)
                {
                    self.index.remove(incoming.hash, Place::TimeWait(number));
                    ended.renew(&incoming.segment, now);
                    self.remember(incoming.hash, ended, now);
                }
            }
        }
    }

    /// A segment that belongs to nothing: it begins a connection, or is refused.
    pub(super) fn begin(
        &mut self,
        incoming: Incoming<'_, '_>,
        beyond: Option<Seq>,
        ip: &mut Ip,
        shelf: &dyn Shelf,
        now: u64,
    ) {
        // RFC 9293, section 3.9.2.3: neither end is a group.
        if !ip.has(incoming.tuple.local) || is_group(incoming.tuple.peer) {
            return;
        }
        let listener = self
            .listeners
            .find(incoming.tuple.local, incoming.tuple.local_port);
        let flags = incoming.segment.flags;
        let (syn, ack) = (flags.has(Flags::SYN), flags.has(Flags::ACK));
        match listener {
            Some(_) if flags.has(Flags::RST) => {}
            Some(id) if syn && !ack => self.answer_syn(id, &incoming, beyond, ip, now),
            Some(id) if ack && !syn => self.try_cookie(id, incoming, ip, shelf, now),
            _ => self.refuse(&incoming, now),
        }
    }

    /// Answers with a reset (RFC 9293, section 3.10.7.1), not too often.
    pub(super) fn refuse(&mut self, incoming: &Incoming<'_, '_>, now: u64) {
        if let Some(reset) = incoming.segment.refuse(incoming.payload.len())
            && self.limiter.allows(now)
        {
            self.counters.resets_out += 1;
            self.outbox.push(&incoming.tuple, &reset.into());
        }
    }

    /// An ICMP error about a segment that this stack sent, if it did.
    pub(crate) fn icmp(&mut self, ip: &mut Ip, shelf: &dyn Shelf, error: &IcmpError, now: u64) {
        let [s0, s1, d0, d1, sequence @ ..] = error.header;
        let tuple = Tuple {
            local: error.source,
            peer: error.destination,
            local_port: u16::from_be_bytes([s0, s1]),
            peer_port: u16::from_be_bytes([d0, d1]),
        };
        let Some(Place::Connection(number)) = self.find(self.hash(&tuple), &tuple) else {
            return;
        };
        let Some(entry) = self.connections.get_mut(number) else {
            return;
        };
        let mut env = Env {
            now,
            config: &entry.config,
            budget: &mut self.budget,
            counters: &mut self.counters,
            shelf,
        };
        let sequence = Seq(u32::from_be_bytes(sequence));
        let verdict = entry.connection.icmp(&mut env, error.kind, sequence);
        // RFC 5927, section 7: believed only when it quotes what is on its way.
        if let IcmpErrorKind::TooBig(mtu) = error.kind
            && entry.connection.is_outstanding(sequence)
        {
            ip.set_path_mtu(error.destination, mtu, now);
            let mss = largest_segment(ip.mtu(error.destination), error.destination);
            entry.connection.path_mss(&mut env, mss);
        }
        self.settle(number, verdict, shelf, now);
    }
}

/// Whether an address means several hosts, or none.
fn is_group(address: Addr) -> bool {
    address.is_multicast() || address.is_unspecified() || address.is_broadcast()
}
