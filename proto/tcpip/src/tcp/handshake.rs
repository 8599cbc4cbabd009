// SPDX-License-Identifier: ISC
//! Handshakes that peers begin: SYN, SYN-ACK and the acknowledgement that makes a connection.
//!
//! Read first: RFC 9293 sections 3.5 and 3.10.7.2 to 3.10.7.4, RFC 4987, RFC 5961 section 4.

use alloc::rc::Rc;

use super::{
    ConnectionId, Tcp, configure,
    connection::{Connection, Env, Handshake, window},
    cookie::{self, Carried},
    demux::Incoming,
    hash::{Key, Tuple},
    isn, largest_segment,
    listener::ListenerId,
    options::{DEFAULT_MSS, Options},
    segment::{Flags, Segment},
    seq::Seq,
    syn_queue::HalfOpen,
    table::Place,
};
use crate::{config::TcpConfig, ip::Ip, link::Shelf};

impl Tcp {
    /// A SYN for a listener: begins a handshake, or answers with a cookie.
    pub(super) fn answer_syn(
        &mut self,
        id: ListenerId,
        incoming: &Incoming<'_, '_>,
        beyond: Option<Seq>,
        ip: &Ip,
        now: u64,
    ) {
        let Some(listener) = self.listeners.get(id) else {
            return;
        };
        if listener.is_full() {
            self.counters.refused += 1;
            return;
        }
        let config = Rc::clone(&listener.config);
        let handshake = offered(&incoming.segment);
        let iss = isn::initial(&self.key, &incoming.tuple, now);
        let mut half_open = HalfOpen {
            tuple: incoming.tuple,
            listener: id,
            iss: beyond.map_or(iss, |beyond| beyond.max(iss)),
            handshake,
            sent: now,
            repeated: false,
        };
        if self.half_open.is_full() {
            listener.cookie_sent = Some(now);
            let (tuple, irs) = (&half_open.tuple, handshake.irs);
            half_open.iss = cookie::make(&self.key, tuple, irs, handshake.peer_mss, now);
            let carried = Carried {
                window_scale: handshake.window_scale,
                sack: handshake.sack,
                ecn: handshake.ecn,
            };
            self.counters.cookies += 1;
            let offset = isn::timestamp_offset(&self.key, tuple);
            let stamp = cookie::timestamp(isn::clock(now), carried).wrapping_add(offset);
            if handshake.timestamp.is_none() {
                // Nothing can carry them.
                half_open.handshake = Handshake {
                    window_scale: None,
                    sack: false,
                    ecn: false,
                    ..handshake
                };
            }
            let answer = syn_ack(&half_open, &config, ip, stamp);
            return self.outbox.push(&incoming.tuple, &answer);
        }
        let stamp = stamp(&self.key, &half_open.tuple, now);
        let answer = syn_ack(&half_open, &config, ip, stamp);
        self.outbox.push(&incoming.tuple, &answer);
        let Some(number) = self.half_open.insert(half_open, now) else {
            return;
        };
        if !self.index.insert(incoming.hash, Place::HalfOpen(number)) {
            self.forget_half_open(number);
        }
    }

    /// Sends a SYN-ACK once more.
    pub(super) fn repeat_syn_ack(&mut self, number: u32, ip: &Ip, now: u64) {
        let Some(half_open) = self.half_open.get_mut(number) else {
            return;
        };
        half_open.repeated = true;
        if let Some(listener) = self.listeners.get(half_open.listener) {
            let stamp = stamp(&self.key, &half_open.tuple, now);
            let answer = syn_ack(half_open, &listener.config, ip, stamp);
            self.outbox.push(&half_open.tuple, &answer);
        }
    }

    /// A segment for a handshake under way (RFC 9293, section 3.10.7.4, SYN-RECEIVED).
    pub(super) fn continue_handshake(
        &mut self,
        number: u32,
        incoming: Incoming<'_, '_>,
        ip: &mut Ip,
        shelf: &dyn Shelf,
        now: u64,
    ) {
        let Some(half_open) = self.half_open.get(number) else {
            return;
        };
        let segment = &incoming.segment;
        let expected = half_open.handshake.irs + 1;
        if segment.flags.has(Flags::RST) {
            // RFC 5961, section 3.2: nothing but the very number ends it.
            if segment.seq == expected {
                self.forget_half_open(number);
            }
        } else if segment.flags.has(Flags::SYN) {
            let again = !segment.flags.has(Flags::ACK) && segment.seq == half_open.handshake.irs;
            if again || self.limiter.allows(now) {
                // A challenge looks the same (RFC 5961, section 4.2).
                self.repeat_syn_ack(number, ip, now);
            }
        } else if segment.flags.has(Flags::ACK) {
            let window = u32::from(u16::MAX);
            let inside = segment.seq.0.wrapping_sub(expected.0) < window;
            if segment.ack != half_open.iss + 1 {
                self.refuse(&incoming, now);
            } else if inside {
                self.complete(number, incoming, ip, shelf, now);
            }
        }
    }

    /// The handshake is done: makes the connection.
    fn complete(
        &mut self,
        number: u32,
        incoming: Incoming<'_, '_>,
        ip: &Ip,
        shelf: &dyn Shelf,
        now: u64,
    ) {
        let Some(half_open) = self.half_open.get(number) else {
            return;
        };
        let (listener, iss) = (half_open.listener, half_open.iss);
        let mut handshake = half_open.handshake;
        if !half_open.repeated {
            handshake.rtt = Some(now.saturating_sub(half_open.sent));
        }
        // Without room, the peer's acknowledgement counts as lost: the SYN-ACK is sent again.
        if let Some(id) = self.establish(listener, &incoming.tuple, iss, &handshake, ip, shelf, now)
        {
            self.forget_half_open(number);
            self.publish(id, listener, incoming, shelf, now);
        }
    }

    /// Makes a connection out of a completed handshake, if its listener has room.
    #[expect(
        clippy::too_many_arguments,
        reason = "two callers that have all of it at hand"
    )]
    fn establish(
        &mut self,
        listener: ListenerId,
        tuple: &Tuple,
        iss: Seq,
        handshake: &Handshake,
        ip: &Ip,
        shelf: &dyn Shelf,
        now: u64,
    ) -> Option<ConnectionId> {
        let listener = self.listeners.get(listener)?;
        if listener.is_full() || self.connections.len() >= self.most || self.budget.exhausted() {
            self.counters.refused += 1;
            return None;
        }
        let config = Rc::clone(&listener.config);
        let setup = self.setup(tuple, iss, &config, ip);
        let mut env = Env {
            now,
            config: &config,
            budget: &mut self.budget,
            counters: &mut self.counters,
            shelf,
        };
        let mut connection = Connection::accepted(setup, handshake, &mut env);
        configure(&mut connection, &env);
        self.add(connection, *tuple, config)
    }

    /// Lets a new connection be found and accepted, and see the segment that completed it.
    fn publish(
        &mut self,
        id: ConnectionId,
        listener: ListenerId,
        incoming: Incoming<'_, '_>,
        shelf: &dyn Shelf,
        now: u64,
    ) {
        if !self
            .index
            .insert(incoming.hash, Place::Connection(id.number))
        {
            return self.release(id, shelf, now);
        }
        if let Some(entry) = self.entry(id) {
            entry.indexed = true;
        }
        self.deliver(id.number, incoming, shelf, now);
        if let Some(listener) = self.listeners.get(listener) {
            listener.push(id);
        }
    }

    /// An acknowledgement out of nowhere for a listener: maybe it brings a cookie back.
    pub(super) fn try_cookie(
        &mut self,
        id: ListenerId,
        incoming: Incoming<'_, '_>,
        ip: &Ip,
        shelf: &dyn Shelf,
        now: u64,
    ) {
        let segment = &incoming.segment;
        let listener = self.listeners.get(id);
        let sent = listener.and_then(|listener| listener.cookie_sent);
        let expected = sent.is_some_and(|sent| now.saturating_sub(sent) < cookie::LIFETIME);
        let (irs, cookie) = (segment.seq.back(1), segment.ack.back(1));
        let mss = cookie::check(&self.key, &incoming.tuple, irs, cookie, now);
        let Some(peer_mss) = mss.filter(|_| expected) else {
            return self.refuse(&incoming, now);
        };
        let carried = segment.options.timestamps.map(|(_, echo)| {
            let offset = isn::timestamp_offset(&self.key, &incoming.tuple);
            cookie::carried(echo.wrapping_sub(offset))
        });
        let carried = carried.unwrap_or_default();
        let handshake = Handshake {
            irs,
            peer_mss,
            window_scale: carried.window_scale,
            window: u32::from(segment.window) << carried.window_scale.unwrap_or(0),
            timestamp: segment.options.timestamps.map(|(value, _)| value),
            sack: carried.sack,
            ecn: carried.ecn,
            rtt: None,
        };
        let tuple = incoming.tuple;
        if let Some(connection) = self.establish(id, &tuple, cookie, &handshake, ip, shelf, now) {
            self.publish(connection, id, incoming, shelf, now);
        }
    }
}

/// What a SYN offers, as far as this side takes it.
fn offered(syn: &Segment) -> Handshake {
    let options = &syn.options;
    Handshake {
        irs: syn.seq,
        peer_mss: options.mss.unwrap_or(DEFAULT_MSS),
        window_scale: options.window_scale,
        window: u32::from(syn.window),
        timestamp: options.timestamps.map(|(value, _)| value),
        sack: options.sack_permitted,
        // RFC 3168, section 6.1.1
        ecn: syn.flags.has(Flags::ECE) && syn.flags.has(Flags::CWR),
        rtt: None,
    }
}

/// The timestamp of a segment sent now.
fn stamp(key: &Key, tuple: &Tuple, now: u64) -> u32 {
    isn::clock(now).wrapping_add(isn::timestamp_offset(key, tuple))
}

/// The answer to a SYN: it takes every option that the SYN offered.
fn syn_ack(half_open: &HalfOpen, config: &TcpConfig, ip: &Ip, stamp: u32) -> Segment {
    let HalfOpen {
        tuple, handshake, ..
    } = half_open;
    let ecn = if handshake.ecn {
        Flags::ECE
    } else {
        Flags::default()
    };
    Segment {
        source_port: tuple.local_port,
        destination_port: tuple.peer_port,
        seq: half_open.iss,
        ack: handshake.irs + 1,
        flags: Flags::SYN.with(Flags::ACK).with(ecn),
        window: window::initial(config),
        options: Options {
            mss: Some(largest_segment(ip.mtu(tuple.peer), tuple.peer)),
            window_scale: handshake.window_scale.map(|_| window::scale_for(config)),
            timestamps: handshake.timestamp.map(|recent| (stamp, recent)),
            sack_permitted: handshake.sack,
            ..Options::default()
        },
        header_len: 0,
    }
}
