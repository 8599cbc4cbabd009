// SPDX-License-Identifier: ISC
//! Frames made up byte by byte, right or wrong: what no socket of the host would send.
//!
//! Read first: RFC 826, RFC 791, RFC 8200, RFC 792, RFC 4861, RFC 768, RFC 9293 section 3.1.

use std::net::{Ipv4Addr, Ipv6Addr};

/// An Ethernet address.
pub type Mac = [u8; 6];

/// Who gets a frame and who seems to send it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ends {
    /// Where it goes to.
    pub to: Mac,
    /// Where it says that it comes from.
    pub from: Mac,
}

/// Protocol numbers of IP.
pub mod protocol {
    /// RFC 792.
    pub const ICMP: u8 = 1;
    /// RFC 9293.
    pub const TCP: u8 = 6;
    /// RFC 768.
    pub const UDP: u8 = 17;
    /// RFC 4443.
    pub const ICMPV6: u8 = 58;
}

/// Bits of a TCP header.
pub mod flags {
    /// No more comes.
    pub const FIN: u8 = 1;
    /// A connection begins.
    pub const SYN: u8 = 2;
    /// A connection is broken.
    pub const RST: u8 = 4;
    /// The acknowledgement counts.
    pub const ACK: u8 = 16;
}

/// A TCP segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Address and port that it seems to come from.
    pub source: (Ipv4Addr, u16),
    /// Address and port that it is for.
    pub destination: (Ipv4Addr, u16),
    /// Number of its first byte.
    pub seq: u32,
    /// Number of the byte that is expected next.
    pub ack: u32,
    /// [`flags`].
    pub flags: u8,
    /// As in the header.
    pub window: u16,
    /// Largest segment that its sender takes, if it says so.
    pub mss: Option<u16>,
    /// What it carries.
    pub payload: Vec<u8>,
}

/// The Internet checksum (RFC 1071).
pub fn checksum(parts: &[&[u8]]) -> u16 {
    let mut sum = 0_u32;
    for part in parts {
        for pair in part.chunks(2) {
            let low = pair.get(1).copied().unwrap_or(0);
            sum += u32::from(u16::from_be_bytes([pair[0], low]));
        }
    }
    while sum > 0xffff {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    !(sum as u16)
}

fn ethernet(ends: Ends, kind: u16) -> Vec<u8> {
    let mut frame = Vec::with_capacity(128);
    frame.extend(ends.to);
    frame.extend(ends.from);
    frame.extend(kind.to_be_bytes());
    frame
}

/// An ARP packet: 1 asks, 2 answers.
pub fn arp(
    ends: Ends,
    operation: u16,
    sender: (Mac, Ipv4Addr),
    target: (Mac, Ipv4Addr),
) -> Vec<u8> {
    let mut frame = ethernet(ends, 0x0806);
    frame.extend([0, 1, 8, 0, 6, 4]);
    frame.extend(operation.to_be_bytes());
    for (mac, address) in [sender, target] {
        frame.extend(mac);
        frame.extend(address.octets());
    }
    frame
}

/// A fragment of an IPv4 packet: which packet, where in it in bytes, whether more follows.
pub type Fragment = (u16, u16, bool);

/// An IPv4 packet with `payload` whole or as a fragment.
pub fn ipv4(
    ends: Ends,
    source: Ipv4Addr,
    destination: Ipv4Addr,
    protocol: u8,
    fragment: Fragment,
    payload: &[u8],
) -> Vec<u8> {
    let mut frame = ethernet(ends, 0x0800);
    let (id, offset, more) = fragment;
    let place = (offset / 8) | (u16::from(more) << 13);
    let mut header = vec![0x45, 0];
    header.extend((20 + payload.len() as u16).to_be_bytes());
    header.extend(id.to_be_bytes());
    header.extend(place.to_be_bytes());
    header.extend([64, protocol, 0, 0]);
    header.extend(source.octets());
    header.extend(destination.octets());
    let sum = checksum(&[&header]).to_be_bytes();
    header[10..12].copy_from_slice(&sum);
    frame.extend(header);
    frame.extend(payload);
    frame
}

/// An IPv6 packet. The checksum of ICMPv6 is filled in.
pub fn icmpv6(ends: Ends, source: Ipv6Addr, destination: Ipv6Addr, message: &[u8]) -> Vec<u8> {
    let mut frame = ethernet(ends, 0x86dd);
    let len = message.len() as u16;
    frame.extend([0x60, 0, 0, 0]);
    frame.extend(len.to_be_bytes());
    // What is said to neighbours says by its hop limit that no router has touched it.
    frame.extend([protocol::ICMPV6, 255]);
    frame.extend(source.octets());
    frame.extend(destination.octets());
    let pseudo = [0, 0, 0, 0, 0, 0, 0, protocol::ICMPV6];
    let len = u32::from(len).to_be_bytes();
    let sum = checksum(&[
        &source.octets(),
        &destination.octets(),
        &len,
        &pseudo[4..],
        message,
    ]);
    let mut message = message.to_vec();
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    frame.extend(message);
    frame
}

/// A UDP datagram.
pub fn udp(
    ends: Ends,
    source: (Ipv4Addr, u16),
    destination: (Ipv4Addr, u16),
    data: &[u8],
) -> Vec<u8> {
    let len = 8 + data.len() as u16;
    let mut packet = Vec::from(source.1.to_be_bytes());
    packet.extend(destination.1.to_be_bytes());
    packet.extend(len.to_be_bytes());
    packet.extend([0, 0]);
    packet.extend(data);
    let sum = transport(source.0, destination.0, protocol::UDP, &packet).to_be_bytes();
    packet[6..8].copy_from_slice(&sum);
    ipv4(
        ends,
        source.0,
        destination.0,
        protocol::UDP,
        (0, 0, false),
        &packet,
    )
}

/// An ICMP error that quotes the beginning of `packet`, which is one of IPv4.
pub fn icmp_error(
    ends: Ends,
    source: Ipv4Addr,
    destination: Ipv4Addr,
    (kind, code, rest): (u8, u8, u32),
    packet: &[u8],
) -> Vec<u8> {
    let mut message = vec![kind, code, 0, 0];
    message.extend(rest.to_be_bytes());
    message.extend(&packet[..packet.len().min(28)]);
    let sum = checksum(&[&message]).to_be_bytes();
    message[2..4].copy_from_slice(&sum);
    ipv4(
        ends,
        source,
        destination,
        protocol::ICMP,
        (0, 0, false),
        &message,
    )
}

fn transport(source: Ipv4Addr, destination: Ipv4Addr, protocol: u8, packet: &[u8]) -> u16 {
    let len = (packet.len() as u16).to_be_bytes();
    let pseudo = [0, protocol, len[0], len[1]];
    checksum(&[&source.octets(), &destination.octets(), &pseudo, packet])
}

impl Segment {
    /// The segment in a frame.
    pub fn frame(&self, ends: Ends) -> Vec<u8> {
        let mut packet = Vec::from(self.source.1.to_be_bytes());
        packet.extend(self.destination.1.to_be_bytes());
        packet.extend(self.seq.to_be_bytes());
        packet.extend(self.ack.to_be_bytes());
        packet.extend([if self.mss.is_some() { 0x60 } else { 0x50 }, self.flags]);
        packet.extend(self.window.to_be_bytes());
        packet.extend([0; 4]);
        if let Some(mss) = self.mss {
            packet.extend([2, 4]);
            packet.extend(mss.to_be_bytes());
        }
        packet.extend(&self.payload);
        let (source, destination) = (self.source.0, self.destination.0);
        let sum = transport(source, destination, protocol::TCP, &packet).to_be_bytes();
        packet[16..18].copy_from_slice(&sum);
        ipv4(
            ends,
            source,
            destination,
            protocol::TCP,
            (0, 0, false),
            &packet,
        )
    }

    /// The segment in a frame that an honest host sent; `None` if there is none.
    pub fn parse(frame: &[u8]) -> Option<Self> {
        let ip = frame.get(14..).filter(|_| frame[12..14] == [8, 0])?;
        let len = usize::from(u16::from_be_bytes(*ip.get(2..)?.first_chunk()?));
        let tcp = ip.get(usize::from(ip[0] & 15) * 4..len)?;
        if ip.get(9) != Some(&protocol::TCP) || tcp.len() < 20 {
            return None;
        }
        let address = |at: usize| Some(Ipv4Addr::from(*ip.get(at..)?.first_chunk::<4>()?));
        let short = |at: usize| u16::from_be_bytes([tcp[at], tcp[at + 1]]);
        let long = |at: usize| u32::from(short(at)) << 16 | u32::from(short(at + 2));
        Some(Self {
            source: (address(12)?, short(0)),
            destination: (address(16)?, short(2)),
            seq: long(4),
            ack: long(8),
            flags: tcp[13],
            window: short(14),
            mss: None,
            payload: tcp.get(usize::from(tcp[12] >> 4) * 4..)?.to_vec(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENDS: Ends = Ends {
        to: [2; 6],
        from: [4; 6],
    };

    #[test]
    fn a_segment_is_read_back_and_its_checksums_are_right() {
        let segment = Segment {
            source: (Ipv4Addr::new(10, 0, 0, 1), 1234),
            destination: (Ipv4Addr::new(10, 0, 0, 2), 7),
            seq: 0xfedc_ba98,
            ack: 77,
            flags: flags::ACK,
            window: 1000,
            mss: None,
            payload: b"odd".to_vec(),
        };
        let frame = segment.frame(ENDS);
        assert_eq!(Segment::parse(&frame), Some(segment.clone()));
        assert_eq!(checksum(&[&frame[14..34]]), 0);
        let (source, destination) = (segment.source.0, segment.destination.0);
        assert_eq!(
            transport(source, destination, protocol::TCP, &frame[34..]),
            0
        );
        let begin = Segment {
            mss: Some(1),
            ..segment
        };
        let parsed = Segment::parse(&begin.frame(ENDS)).unwrap();
        assert_eq!(parsed.payload, b"odd");
    }

    #[test]
    fn what_is_no_segment_is_none() {
        let ask = arp(
            ENDS,
            1,
            ([4; 6], [10, 0, 0, 1].into()),
            ([0; 6], [10, 0, 0, 2].into()),
        );
        assert_eq!(ask.len(), 42);
        assert_eq!(Segment::parse(&ask), None);
        let peer = ([10, 0, 0, 1].into(), 5);
        assert_eq!(Segment::parse(&udp(ENDS, peer, peer, b"x")), None);
        assert_eq!(Segment::parse(&ask[..14]), None);
    }
}
