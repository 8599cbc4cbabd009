// SPDX-License-Identifier: ISC
//! Sending: from a transport's packet to frames for the right station.
//!
//! Ethernet, IP and transport header are put together in one array on the stack, and the device
//! copies the payload from where it lies. Read first: RFC 1122 section 3.3, RFC 8200 section 3, and
//! virtio 1.2 section 5.1.6.2 for what is left to the device.

use crate::addr::Addr;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv6Addr};

use fata_device::net::{Checksum, Offload, SegmentKind, Segmentation};

use super::{Ecn, Ip, Outgoing, SendError, group::ethernet, neighbor::Known};
use crate::{
    checksum::Sum,
    link::Link,
    packet::{ETHERNET, IPV4, IPV6, ether, protocol, put},
};

/// Room for Ethernet, IPv6 and fragment header and the longest transport header, which is TCP's.
pub(super) const HEAD: usize = 128;
pub(super) const DONT_FRAGMENT: u16 = 0x4000;
/// Longest IP packet.
const LONGEST: usize = u16::MAX as usize;
/// Frames to ourselves that wait, and their bytes.
const MAX_LOOPBACK: usize = 256;
const MAX_LOOPBACK_BYTES: usize = 1 << 20;
/// For packets that may not leave the link, and for those of which it is checked that they did not.
pub(super) const ALL_HOPS: u8 = 255;

/// Who takes a packet.
#[derive(Clone, Copy)]
pub(super) enum Next {
    Station([u8; 6]),
    /// A neighbour that is being asked for.
    Unresolved(Addr),
    Ourselves,
}

/// Where a packet goes, and how long it may be.
#[derive(Clone, Copy)]
pub(super) struct Way {
    pub(super) next: Next,
    pub(super) mtu: u16,
}

/// What an IP header says.
pub(super) struct Fields {
    pub(super) source: Addr,
    pub(super) destination: Addr,
    pub(super) protocol: u8,
    pub(super) traffic: u8,
    pub(super) hop_limit: u8,
    /// Identification, flags and fragment offset of IPv4.
    pub(super) ident: u16,
    pub(super) fragment: u16,
}

impl Fields {
    pub(super) fn of(packet: &Outgoing<'_>) -> Self {
        Self {
            source: packet.source,
            destination: packet.destination,
            protocol: packet.protocol,
            traffic: packet.ecn.bits(),
            hop_limit: packet.hop_limit,
            ident: 0,
            fragment: if packet.dont_fragment {
                DONT_FRAGMENT
            } else {
                0
            },
        }
    }

    /// Writes ether type and IP header for `len` bytes of payload behind room for the Ethernet
    /// addresses. Gives where the payload begins and the sum of the addresses, or nothing if they
    /// are of two families.
    #[inline]
    pub(super) fn emit(&self, head: &mut [u8; HEAD], len: usize) -> Option<(usize, Sum)> {
        let (ethernet, rest) = head.split_first_chunk_mut::<ETHERNET>()?;
        let [.., kind0, kind1] = ethernet;
        let addresses = Sum::default()
            .add_address(self.source)
            .add_address(self.destination);
        match (self.source.ip(), self.destination.ip()) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                [*kind0, *kind1] = ether::IPV4;
                *rest.first_chunk_mut()? = self.ipv4(source.octets(), destination.octets(), len);
                Some((ETHERNET + IPV4, addresses))
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                [*kind0, *kind1] = ether::IPV6;
                let (source, destination) = (source.octets(), destination.octets());
                let (first, rest) = rest.split_first_chunk_mut::<8>()?;
                let [len0, len1] = (len as u16).to_be_bytes();
                *first = [
                    0x60 | self.traffic >> 4,
                    self.traffic << 4,
                    0,
                    0,
                    len0,
                    len1,
                    self.protocol,
                    self.hop_limit,
                ];
                let (places, _) = rest.as_chunks_mut::<16>();
                *places.first_mut()? = source;
                *places.get_mut(1)? = destination;
                Some((ETHERNET + IPV6, addresses))
            }
            _ => None,
        }
    }

    #[inline]
    fn ipv4(&self, source: [u8; 4], destination: [u8; 4], len: usize) -> [u8; IPV4] {
        let [len0, len1] = ((IPV4 + len) as u16).to_be_bytes();
        let [ident0, ident1] = self.ident.to_be_bytes();
        let [fragment0, fragment1] = self.fragment.to_be_bytes();
        let [s0, s1, s2, s3] = source;
        let [d0, d1, d2, d3] = destination;
        let (traffic, hops, protocol) = (self.traffic, self.hop_limit, self.protocol);
        // Summed as numbers: what was just written in bytes is slow to read in words.
        let sum = Sum::default().add_word([0x45, traffic, len0, len1]);
        let sum = sum.add_word([ident0, ident1, fragment0, fragment1]);
        let sum = sum.add_word([hops, protocol, 0, 0]);
        let [sum0, sum1] = sum.add_word(source).add_word(destination).finish();
        [
            0x45, traffic, len0, len1, ident0, ident1, fragment0, fragment1, hops, protocol, sum0,
            sum1, s0, s1, s2, s3, d0, d1, d2, d3,
        ]
    }
}

impl Ip {
    /// Sends one packet. Success means that the device took it, or that it waits for a neighbour's
    /// answer; it may still get lost.
    pub(crate) fn send(
        &mut self,
        link: &mut dyn Link,
        packet: &Outgoing<'_>,
        now: u64,
    ) -> Result<(), SendError> {
        let way = self.way(packet.destination, now)?;
        let ip_len = if packet.destination.is_ipv4() {
            IPV4
        } else {
            IPV6
        };
        let [first, second] = packet.payload;
        let header_len = packet.header.len();
        let len = header_len + first.len() + second.len();
        let looped = matches!(way.next, Next::Ourselves);
        let segmentation = packet
            .segmentation
            .filter(|(_, size)| len > header_len + usize::from(*size) && !looped);
        let largest = match segmentation {
            Some((_, size)) => header_len + usize::from(size),
            None => len,
        };
        if ip_len + largest > usize::from(way.mtu) {
            if packet.dont_fragment || segmentation.is_some() {
                return Err(SendError::TooLong(way.mtu));
            }
            return self.send_pieces(link, way, packet, now);
        }
        let cuts = segmentation.is_none_or(|(kind, _)| self.segments(kind));
        if ip_len + len > LONGEST || !cuts {
            return Err(SendError::TooLong(way.mtu));
        }
        let mut fields = Fields::of(packet);
        if fields.fragment == 0 {
            fields.ident = self.idents.next();
        }
        let mut head = [0; HEAD];
        let (at, addresses) = fields.emit(&mut head, len).ok_or(SendError::NoRoute)?;
        let end = at + header_len;
        let place = head.get_mut(at..end);
        let place = place.ok_or(SendError::TooLong(way.mtu))?;
        place.copy_from_slice(packet.header);
        let mut offload = Offload::default();
        if let Some(offset) = packet.checksum_at.filter(|_| !looped) {
            let pseudo = pseudo(addresses, packet.protocol, len);
            let sum = if self.offload.checksum {
                offload.checksum = Checksum::Partial {
                    start: at as u16,
                    offset,
                };
                pseudo.fold().to_ne_bytes()
            } else {
                finish(
                    pseudo.add_pieces([packet.header, first, second]),
                    packet.protocol,
                )
            };
            set_checksum(place, offset, sum);
        }
        offload.segmentation = segmentation.map(|(kind, size)| Segmentation {
            kind,
            size,
            header_len: end as u16,
        });
        self.deliver(link, way.next, &mut head, end, packet.payload, offload, now)
    }

    /// Whether the device cuts that protocol.
    fn segments(&self, kind: SegmentKind) -> bool {
        match kind {
            SegmentKind::Tcp4 => self.offload.tcp4,
            SegmentKind::Tcp6 => self.offload.tcp6,
            SegmentKind::Udp => self.offload.udp,
        }
    }

    /// Where packets for `destination` go.
    #[inline]
    fn way(&mut self, destination: Addr, now: u64) -> Result<Way, SendError> {
        match self.hops.get(destination, now) {
            Some((mac, mtu)) => Ok(Way {
                next: Next::Station(mac),
                mtu,
            }),
            None => self.find_way(destination, now),
        }
    }

    #[inline(never)]
    fn find_way(&mut self, destination: Addr, now: u64) -> Result<Way, SendError> {
        let mtu = self.mtu(destination);
        let next = if self.has(destination) {
            Next::Ourselves
        } else if destination.is_multicast() || self.is_broadcast(destination) {
            Next::Station(ethernet(destination))
        } else {
            let hop = self.addresses.next_hop(destination);
            let hop = hop.ok_or(SendError::NoRoute)?;
            match self.neighbors.resolve(hop, now) {
                Known::At(mac, until) => {
                    self.hops.set(destination, mac, mtu, until);
                    Next::Station(mac)
                }
                Known::Asked => Next::Unresolved(hop),
                Known::Full => return Err(SendError::NoRoute),
            }
        };
        Ok(Way { next, mtu })
    }

    /// Hands a frame on: `head` up to `end`, then the payload.
    #[expect(
        clippy::too_many_arguments,
        reason = "a frame in its parts, and who takes it"
    )]
    pub(super) fn deliver(
        &mut self,
        link: &mut dyn Link,
        next: Next,
        head: &mut [u8; HEAD],
        end: usize,
        payload: [&[u8]; 2],
        offload: Offload,
        now: u64,
    ) -> Result<(), SendError> {
        let addresses = match next {
            Next::Station(to) => [to, self.mac],
            Next::Unresolved(_) => [[0; 6], self.mac],
            Next::Ourselves => self.token,
        };
        if let Some(place) = head.as_chunks_mut().0.first_chunk_mut() {
            *place = addresses;
        }
        let headers = head.get(..end).unwrap_or(&[]);
        match next {
            Next::Station(_) if link.send(headers, payload, offload) => Ok(()),
            Next::Station(_) => Err(SendError::NoBuffer),
            Next::Ourselves => {
                self.loop_back(joined(headers, payload));
                Ok(())
            }
            Next::Unresolved(hop) => {
                self.neighbors.park(hop, joined(headers, payload), offload);
                self.poll_neighbors(link, now);
                Ok(())
            }
        }
    }

    fn loop_back(&mut self, frame: Vec<u8>) {
        let bytes: usize = self.loopback.iter().map(Vec::len).sum();
        if self.loopback.len() >= MAX_LOOPBACK || bytes + frame.len() > MAX_LOOPBACK_BYTES {
            self.counters.loopback_full += 1;
        } else {
            self.loopback.push(frame);
        }
    }

    /// Sends an ICMPv6 message of the link's own business to `station`, with the router alert option
    /// (RFC 2711) and hop limit 1 if it is for routers that listen to all groups.
    pub(super) fn send_local(
        &self,
        link: &mut dyn Link,
        station: [u8; 6],
        [source, destination]: [Ipv6Addr; 2],
        message: &mut [u8],
        router_alert: bool,
    ) {
        const ALERT: [u8; 8] = [protocol::ICMPV6, 0, 5, 2, 0, 0, 1, 0];
        let options = if router_alert { ALERT.len() } else { 0 };
        let fields = Fields {
            source: source.into(),
            destination: destination.into(),
            protocol: if router_alert {
                protocol::HOP_BY_HOP
            } else {
                protocol::ICMPV6
            },
            traffic: 0,
            hop_limit: if router_alert { 1 } else { ALL_HOPS },
            ident: 0,
            fragment: 0,
        };
        let mut head = [0; HEAD];
        let Some((at, addresses)) = fields.emit(&mut head, options + message.len()) else {
            return;
        };
        put(&mut head, 0, &station);
        put(&mut head, 6, &self.mac);
        put(&mut head, at, &ALERT);
        let sum = pseudo(addresses, protocol::ICMPV6, message.len()).add(message);
        set_checksum(message, 2, sum.finish());
        let headers = head.get(..at + options).unwrap_or(&[]);
        link.send(headers, [message, &[]], Offload::default());
    }

    /// Sends an echo request with `len` bytes.
    pub(crate) fn ping(
        &mut self,
        link: &mut dyn Link,
        destination: Addr,
        ident: u16,
        sequence: u16,
        len: usize,
        now: u64,
    ) -> Result<(), SendError> {
        let source = self.source_for(destination).ok_or(SendError::NoRoute)?;
        let payload: Vec<u8> = (0..len).map(|at| at as u8).collect();
        let (kind, protocol) = if destination.is_ipv4() {
            (8, protocol::ICMP)
        } else {
            (128, protocol::ICMPV6)
        };
        let mut header = [kind, 0, 0, 0, 0, 0, 0, 0];
        put(&mut header, 4, &ident.to_be_bytes());
        put(&mut header, 6, &sequence.to_be_bytes());
        let packet = Outgoing {
            source,
            destination,
            protocol,
            ecn: Ecn::NotCapable,
            hop_limit: 64,
            dont_fragment: false,
            header: &header,
            checksum_at: Some(2),
            payload: [&payload, &[]],
            segmentation: None,
        };
        self.send(link, &packet, now)
    }
}

fn joined(headers: &[u8], payload: [&[u8]; 2]) -> Vec<u8> {
    [headers, payload[0], payload[1]].concat()
}

/// The sum of the pseudo header, which ICMP and IGMP over IPv4 do without.
pub(super) fn pseudo(addresses: Sum, protocol: u8, len: usize) -> Sum {
    match protocol {
        protocol::ICMP | protocol::IGMP => Sum::default(),
        _ => addresses.add_sum(Sum::pseudo(protocol, len as u16)),
    }
}

/// The checksum field for a sum over everything.
pub(super) fn finish(sum: Sum, protocol: u8) -> [u8; 2] {
    match protocol {
        protocol::UDP => sum.finish_udp(),
        _ => sum.finish(),
    }
}

pub(super) fn set_checksum(header: &mut [u8], offset: u16, sum: [u8; 2]) {
    let place = header.get_mut(usize::from(offset)..);
    if let Some(field) = place.and_then(<[u8]>::first_chunk_mut) {
        *field = sum;
    }
}

impl Ecn {
    /// The two bits in the traffic class.
    pub(crate) const fn bits(self) -> u8 {
        match self {
            Self::NotCapable => 0,
            Self::Capable1 => 1,
            Self::Capable => 2,
            Self::Congested => 3,
        }
    }

    /// From the low two bits of the traffic class.
    pub(crate) const fn from_bits(traffic: u8) -> Self {
        match traffic & 3 {
            0 => Self::NotCapable,
            1 => Self::Capable1,
            2 => Self::Capable,
            _ => Self::Congested,
        }
    }
}

/// Identifications of IPv4 packets that may be cut on their way. Each of the 65536 comes once before
/// any comes again, in an order that others cannot know (RFC 6864 section 4.3, RFC 7739 section 2).
pub(super) struct Idents {
    state: u16,
    factor: u16,
    addend: u16,
}

impl Idents {
    pub(super) const fn new(random: u64) -> Self {
        Self {
            state: random as u16,
            // A congruential generator of full period: the factor is 1 modulo 4, the addend odd.
            factor: (random >> 16) as u16 & !3 | 1,
            addend: (random >> 32) as u16 | 1,
        }
    }

    pub(super) const fn next(&mut self) -> u16 {
        let next = self.state.wrapping_mul(self.factor);
        self.state = next.wrapping_add(self.addend);
        self.state
    }
}
