// SPDX-License-Identifier: ISC
//! ICMP errors that we send: to whom, about what, and how many.
//!
//! Never about an error, a packet to many, a later fragment, or from a source that is no single
//! host; and no more than a bucket of tokens allows, of which sometimes more is taken, so that nobody
//! can count through it what others provoke. Read first: RFC 1122 section 3.2.2, RFC 1812 section
//! 4.3.2 for how much is quoted, RFC 4443 section 2.4.

use super::{Arrived, Ecn, Ip, Outgoing, SECOND, Unreachable, icmp::is_error};
use crate::{
    address::is_host,
    link::Link,
    packet::{self, ETHERNET, Header, ether, protocol},
};

/// Errors at once, and the time until there may be one more.
const BURST: u64 = 50;
const INTERVAL: u64 = SECOND / 100;
/// Bytes of the packet complained about that are quoted.
const QUOTE_V4: usize = 576 - 28;
const QUOTE_V6: usize = 1280 - 48;
const HOP_LIMIT: u8 = 64;

/// How many errors may be sent now.
pub(super) struct Bucket {
    /// When it is full: so much earlier than now as there are tokens.
    full_at: u64,
}

impl Bucket {
    pub(super) const fn new(now: u64) -> Self {
        Self { full_at: now }
    }

    /// Takes `count` tokens, if they are there.
    fn take(&mut self, count: u64, now: u64) -> bool {
        let full_at = self.full_at.max(now) + count * INTERVAL;
        let allowed = full_at <= now + BURST * INTERVAL;
        if allowed {
            self.full_at = full_at;
        }
        allowed
    }
}

/// What an error says.
#[derive(Clone, Copy)]
pub(super) struct Complaint {
    pub(super) kind: u8,
    pub(super) code: u8,
    /// What follows the checksum.
    pub(super) word: u32,
    /// Also about packets to many.
    pub(super) always: bool,
}

impl Complaint {
    const fn new(kind: u8, code: u8) -> Self {
        Self {
            kind,
            code,
            word: 0,
            always: false,
        }
    }
}

impl Ip {
    /// Answers a packet for which nobody was found: an ICMP error, if it may have one.
    pub(crate) fn unreachable(
        &mut self,
        link: &mut dyn Link,
        frame: &[u8],
        arrived: &Arrived,
        what: Unreachable,
        now: u64,
    ) {
        let header = if arrived.source.is_ipv4() {
            packet::ipv4(frame)
        } else {
            packet::ipv6(frame)
        };
        let Ok(header) = header else {
            return;
        };
        let complaint = match (what, arrived.source.is_ipv4()) {
            (Unreachable::Port, true) => Complaint::new(3, 3),
            (Unreachable::Protocol, true) => Complaint::new(3, 2),
            (Unreachable::Port, false) => Complaint::new(1, 4),
            (Unreachable::Protocol, false) => Complaint {
                word: (header.protocol_at - ETHERNET) as u32,
                ..Complaint::new(4, 1)
            },
        };
        self.complain(link, frame, &header, complaint, now);
    }

    /// Tells the sender of a frame that was waiting, which is ourselves, that nobody took it.
    pub(super) fn host_unreachable(&mut self, link: &mut dyn Link, frame: &[u8], now: u64) {
        self.complain_of(link, frame, Complaint::new(3, 1), Complaint::new(1, 3), now);
    }

    /// Tells the sender of a first fragment that the others did not come in time.
    pub(super) fn reassembly_timed_out(&mut self, link: &mut dyn Link, frame: &[u8], now: u64) {
        self.complain_of(
            link,
            frame,
            Complaint::new(11, 1),
            Complaint::new(3, 1),
            now,
        );
    }

    fn complain_of(
        &mut self,
        link: &mut dyn Link,
        frame: &[u8],
        v4: Complaint,
        v6: Complaint,
        now: u64,
    ) {
        let ipv4 = frame.get(12..ETHERNET) == Some(&ether::IPV4[..]);
        let (parsed, complaint) = if ipv4 {
            (packet::ipv4(frame), v4)
        } else {
            (packet::ipv6(frame), v6)
        };
        if let Ok(header) = parsed {
            self.complain(link, frame, &header, complaint, now);
        }
    }

    /// Sends an error about the packet in `frame`.
    pub(super) fn complain(
        &mut self,
        link: &mut dyn Link,
        frame: &[u8],
        header: &Header,
        complaint: Complaint,
        now: u64,
    ) {
        // A frame from ourselves has no Ethernet address yet, or one that is not of a group.
        let to_many = frame.first().is_none_or(|first| first & 1 != 0)
            || header.destination.is_multicast()
            || self.is_broadcast(header.destination);
        let looped = self.has(header.source);
        let later = header.fragment.is_some_and(|fragment| fragment.offset > 0);
        let nobody = !looped && !is_host(header.source) || self.is_broadcast(header.source);
        let refused = to_many && !complaint.always || later || nobody || is_error(frame, header);
        if refused || !self.errors.take(1 + (self.random)() % 3, now) {
            return;
        }
        let own = Some(header.destination).filter(|own| self.has(*own));
        let Some(source) = own.or_else(|| self.source_for(header.source)) else {
            return;
        };
        let (protocol, longest) = if source.is_ipv4() {
            (protocol::ICMP, QUOTE_V4)
        } else {
            (protocol::ICMPV6, QUOTE_V6)
        };
        let packet = frame.get(ETHERNET..header.payload.end).unwrap_or(&[]);
        let quote = packet.get(..longest).unwrap_or(packet);
        let mut message = [complaint.kind, complaint.code, 0, 0, 0, 0, 0, 0];
        message[4..].copy_from_slice(&complaint.word.to_be_bytes());
        let error = Outgoing {
            source,
            destination: header.source,
            protocol,
            ecn: Ecn::NotCapable,
            hop_limit: HOP_LIMIT,
            dont_fragment: false,
            header: &message,
            checksum_at: Some(2),
            payload: [quote, &[]],
            segmentation: None,
        };
        // Without a buffer it is lost, as it may be on its way.
        let _ = self.send(link, &error, now);
    }
}
