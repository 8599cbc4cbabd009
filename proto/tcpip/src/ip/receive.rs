// SPDX-License-Identifier: ISC
//! Receiving: from a frame to what a transport is to see of it.
//!
//! Whatever cannot be right is dropped as early as possible, so that nothing above has to think of
//! it: frames of others, sources that no host has, packets for addresses that are not ours, wrong
//! checksums. Read first: RFC 1122 sections 3.2.1 and 3.3.6, RFC 8200 sections 3, 4 and 8.1.

use fata_device::net::{Checksum, Offload};

use super::{Arrived, Ecn, Input, Ip};
use crate::{
    address::is_host,
    checksum::Sum,
    config::{Ipv4, Ipv6},
    link::{Link, Received},
    packet::{self, ETHERNET, Flaw, Header, UDP, ether, protocol},
};

/// Port of a DHCP client.
const DHCP_CLIENT: [u8; 2] = [0, 68];

/// How a packet came.
#[derive(Clone, Copy)]
pub(super) struct How {
    /// From ourselves.
    pub(super) looped: bool,
    /// To all, or to a group, as the Ethernet header says.
    pub(super) to_many: bool,
    /// Its transport checksum is known to be right.
    pub(super) verified: bool,
    pub(super) segment_size: Option<u16>,
}

impl Ip {
    /// Takes in one frame. What it says in ARP, neighbour discovery, ICMP and the like is seen to
    /// here, with an answer where there has to be one.
    pub(crate) fn receive(
        &mut self,
        link: &mut dyn Link,
        frame: &mut dyn Received,
        now: u64,
    ) -> Input {
        let offload = frame.offload();
        self.input(link, frame.bytes(), offload, now)
    }

    /// Takes in a frame as bytes.
    pub(super) fn input(
        &mut self,
        link: &mut dyn Link,
        frame: &[u8],
        offload: Offload,
        now: u64,
    ) -> Input {
        let Some((ethernet, rest)) = frame.split_first_chunk::<ETHERNET>() else {
            self.counters.malformed += 1;
            return Input::Nothing;
        };
        let [to, from] = addresses(ethernet);
        let looped = [to, from] == self.token;
        let to_many = ethernet[0] & 1 != 0;
        let from_us = from == self.mac;
        let to_us = to == self.mac || to_many;
        if !looped && (from_us || !to_us) {
            self.counters.foreign += 1;
            return Input::Nothing;
        }
        let how = How {
            looped,
            to_many,
            verified: looped || offload.checksum != Checksum::Unverified,
            segment_size: offload.segmentation.map(|segmentation| segmentation.size),
        };
        let parsed = match [ethernet[12], ethernet[13]] {
            ether::IPV4 if self.ipv4 != Ipv4::Off || looped => packet::ipv4(frame),
            ether::IPV6 if self.ipv6 != Ipv6::Off || looped => packet::ipv6(frame),
            ether::ARP if self.ipv4 != Ipv4::Off => {
                self.arp_input(link, rest, !to_many, now);
                return Input::Nothing;
            }
            _ => {
                self.counters.foreign += 1;
                return Input::Nothing;
            }
        };
        match parsed {
            Ok(header) => self.packet(link, frame, &header, how, now),
            Err(flaw) => {
                self.counters.malformed += 1;
                self.flawed(link, frame, flaw, now);
                Input::Nothing
            }
        }
    }

    /// Takes in an IP packet of `frame`.
    fn packet(
        &mut self,
        link: &mut dyn Link,
        frame: &[u8],
        header: &Header,
        how: How,
        now: u64,
    ) -> Input {
        if !how.looped && !self.may_send(header) {
            self.counters.martian += 1;
            return Input::Nothing;
        }
        if !self.is_for_us(frame, header, how) {
            self.counters.not_ours += 1;
            return Input::Nothing;
        }
        if let Some(fragment) = header.fragment {
            let Some(whole) = self.reassembly.add(frame, header, fragment, now) else {
                return Input::Nothing;
            };
            return self.reassembled(link, whole, how, now);
        }
        match header.protocol {
            protocol::TCP | protocol::UDP => self.transport(frame, header, how),
            protocol::ICMP if header.source.is_ipv4() => self.icmp(link, frame, header, how, now),
            protocol::ICMPV6 if header.source.is_ipv6() => {
                self.icmpv6(link, frame, header, how, now)
            }
            protocol::IGMP if header.source.is_ipv4() => {
                self.igmp_input(frame.get(header.payload.clone()).unwrap_or(&[]), now);
                Input::Nothing
            }
            protocol::NONE => Input::Nothing,
            _ => Input::Transport(arrived(header, how)),
        }
    }

    #[inline(never)]
    fn reassembled(
        &mut self,
        link: &mut dyn Link,
        whole: alloc::vec::Vec<u8>,
        how: How,
        now: u64,
    ) -> Input {
        let how = How {
            verified: false,
            segment_size: None,
            ..how
        };
        let parsed = match whole.get(12..ETHERNET) {
            Some(kind) if *kind == ether::IPV4 => packet::ipv4(&whole),
            _ => packet::ipv6(&whole),
        };
        match parsed {
            Ok(header) if header.fragment.is_none() => {
                match self.packet(link, &whole, &header, how, now) {
                    Input::Transport(arrived) => Input::Reassembled(whole, arrived),
                    other => other,
                }
            }
            _ => {
                self.counters.malformed += 1;
                Input::Nothing
            }
        }
    }

    /// Whether a packet's source is one that other hosts may send from (RFC 1122 section 3.2.1.3,
    /// RFC 4291 sections 2.5 and 2.7).
    fn may_send(&self, header: &Header) -> bool {
        if self.addresses.has(header.source) {
            // Another host may say that it has the address.
            return header.protocol == protocol::ICMPV6 && self.claims.is_tentative(header.source);
        }
        if !is_host(header.source) {
            // Who has no address yet asks for one, or whether it is free.
            let to = header.destination;
            let fits = header.source.is_ipv4() || header.protocol == protocol::ICMPV6;
            return header.source.is_unspecified()
                && (to.is_broadcast() || to.is_multicast() && fits);
        }
        let Some(v4) = header.source.as_v4() else {
            return true;
        };
        (1..240).contains(&v4.octets()[0]) && !self.addresses.is_broadcast(header.source)
    }

    /// Whether a packet is for this host.
    fn is_for_us(&self, frame: &[u8], header: &Header, how: How) -> bool {
        let destination = header.destination;
        if self.addresses.has(destination) {
            // To one of us, but told to all: not to be believed (RFC 1122, section 3.3.6).
            return !how.to_many || header.protocol == protocol::ICMPV6;
        }
        if header.protocol == protocol::TCP {
            return how.looped && destination.is_loopback();
        }
        if destination.is_multicast() {
            return self.groups.has(destination);
        }
        if self.is_broadcast(destination) {
            return true;
        }
        if destination.is_loopback() {
            return how.looped;
        }
        // A DHCP server may answer to the address that it is about to give (RFC 2131, 4.1).
        let port = header.payload.start + 2;
        self.ipv4 == Ipv4::Dhcp
            && destination.is_ipv4()
            && header.protocol == protocol::UDP
            && frame.get(port..port + 2) == Some(&DHCP_CLIENT[..])
    }

    /// A TCP or UDP packet with its checksum looked at.
    fn transport(&mut self, frame: &[u8], header: &Header, how: How) -> Input {
        let mut arrived = arrived(header, how);
        let mut bytes = frame.get(header.payload.clone()).unwrap_or(&[]);
        if header.protocol == protocol::UDP {
            let Some(datagram) = datagram(bytes) else {
                self.counters.malformed += 1;
                return Input::Nothing;
            };
            arrived.payload.end = arrived.payload.start + datagram.len();
            bytes = datagram;
        }
        let right = how.verified
            || match (header.protocol, bytes.get(6..8), header.source) {
                // None is allowed over IPv4 alone (RFC 768, RFC 8200 section 8.1).
                (protocol::UDP, Some([0, 0]), source) => source.is_ipv4(),
                _ => pseudo(header, bytes.len()).add(bytes).is_valid(),
            };
        if right {
            return Input::Transport(arrived);
        }
        self.counters.checksum += 1;
        Input::Nothing
    }

    /// Tells the sender of a flawed IPv6 packet (RFC 4443, section 3.4).
    #[inline(never)]
    fn flawed(&mut self, link: &mut dyn Link, frame: &[u8], flaw: Flaw, now: u64) {
        const PARAMETER_PROBLEM: u8 = 4;
        let Flaw::Parameter { code, at, always } = flaw else {
            return;
        };
        let Some(header) = packet::fixed_ipv6(frame) else {
            return;
        };
        let ours =
            self.addresses.has(header.destination) || always && self.groups.has(header.destination);
        if ours && self.may_send(&header) {
            let at = (at - ETHERNET) as u32;
            let what = super::icmp_error::Complaint {
                kind: PARAMETER_PROBLEM,
                code,
                word: at,
                always,
            };
            self.complain(link, frame, &header, what, now);
        }
    }
}

/// Receiver and sender in an Ethernet header.
fn addresses(header: &[u8; ETHERNET]) -> [[u8; 6]; 2] {
    let [a, b, c, d, e, f, g, h, i, j, k, l, ..] = *header;
    [[a, b, c, d, e, f], [g, h, i, j, k, l]]
}

/// The datagram in the payload of a packet, as long as it says it is.
fn datagram(bytes: &[u8]) -> Option<&[u8]> {
    let udp: &[u8; UDP] = bytes.first_chunk()?;
    let len = usize::from(u16::from_be_bytes([udp[4], udp[5]]));
    bytes.get(..len).filter(|_| len >= UDP)
}

/// The sum of the pseudo header of a received packet.
pub(super) fn pseudo(header: &Header, len: usize) -> Sum {
    let sum = Sum::pseudo(header.protocol, len as u16);
    sum.add_address(header.source)
        .add_address(header.destination)
}

/// What a transport is told of a packet.
pub(super) fn arrived(header: &Header, how: How) -> Arrived {
    Arrived {
        source: header.source,
        destination: header.destination,
        protocol: header.protocol,
        ecn: Ecn::from_bits(header.traffic),
        payload: header.payload.clone(),
        segment_size: how.segment_size,
    }
}
