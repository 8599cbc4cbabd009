// SPDX-License-Identifier: ISC
//! Frames of the scripted peer, 10.0.0.1, made and taken apart by hand: what the stack does is not
//! tested with its own tools.

use std::{string::String, vec, vec::Vec};

use super::parse::{ACK, Form, SYN};

pub(super) const PEER_MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];
pub(super) const STACK_MAC: [u8; 6] = [2, 0, 0, 0, 0, 2];
const PEER: [u8; 4] = [10, 0, 0, 1];
const STACK: [u8; 4] = [10, 0, 0, 2];
const PEER6: [u8; 16] = [0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
const STACK6: [u8; 16] = [0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2];

/// Which IP carries the segments.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    V4,
    V6,
}

/// A segment that the stack has sent.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    pub(super) at: u64,
    pub(super) ports: (u16, u16),
    pub(super) seq: u32,
    pub(super) ack: u32,
    pub(super) flags: u8,
    pub(super) window: u16,
    pub(super) ecn: u8,
    pub(super) dont_fragment: bool,
    pub(super) mss: Option<u16>,
    pub(super) scale: Option<u8>,
    pub(super) sack_permitted: bool,
    pub(super) stamps: Option<(u32, u32)>,
    pub(super) sack: Vec<(u32, u32)>,
    pub(super) payload: Vec<u8>,
}

/// A segment for the stack.
#[derive(Default)]
pub(super) struct Segment {
    pub(super) ports: (u16, u16),
    pub(super) seq: u32,
    pub(super) ack: u32,
    pub(super) flags: u8,
    pub(super) window: u16,
    pub(super) ecn: u8,
    /// The urgent pointer.
    pub(super) urgent: u16,
    pub(super) options: Vec<u8>,
    pub(super) payload: Vec<u8>,
}

fn word(bytes: &[u8]) -> u32 {
    u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}

fn half(bytes: &[u8]) -> u16 {
    u16::from_be_bytes([bytes[0], bytes[1]])
}

/// The Internet checksum, slowly.
fn sum(parts: &[&[u8]]) -> [u8; 2] {
    let mut total = 0u32;
    for part in parts {
        for pair in part.chunks(2) {
            total += u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0));
        }
    }
    while total > 0xffff {
        total = (total & 0xffff) + (total >> 16);
    }
    (!(total as u16)).to_be_bytes()
}

/// The answer to an ARP request for the peer.
pub(in crate::tests) fn arp_reply(frame: &[u8]) -> Option<Vec<u8>> {
    let asks = frame.get(12..14) == Some(&[8, 6])
        && frame.get(20..22) == Some(&[0, 1])
        && frame.get(38..42) == Some(&PEER);
    asks.then(|| {
        let mut reply = vec![];
        reply.extend(STACK_MAC);
        reply.extend(PEER_MAC);
        reply.extend([8, 6, 0, 1, 8, 0, 6, 4, 0, 2]);
        reply.extend(PEER_MAC);
        reply.extend(PEER);
        reply.extend(&frame[22..32]);
        reply
    })
}

/// The answer to a neighbour solicitation for the peer.
pub(super) fn neighbor_reply(frame: &[u8]) -> Option<Vec<u8>> {
    let asks = frame.get(12..14) == Some(&[0x86, 0xdd])
        && frame.get(54) == Some(&135)
        && frame.get(62..78) == Some(&PEER6);
    asks.then(|| {
        let mut icmp = vec![136, 0, 0, 0, 0x60, 0, 0, 0];
        icmp.extend(PEER6);
        icmp.extend([2, 1]);
        icmp.extend(PEER_MAC);
        let len = (icmp.len() as u16).to_be_bytes();
        let checksum = sum(&[&PEER6, &STACK6, &[0, 58], &len, &icmp]);
        icmp[2..4].copy_from_slice(&checksum);
        let mut reply = packet(Family::V6, 58, 0, &icmp);
        // From the link itself.
        reply[21] = 255;
        reply
    })
}

/// ECN, whether it may not be cut up, and the segment, in a frame of the stack for the peer.
fn segment_of(frame: &[u8]) -> Option<(u8, bool, &[u8])> {
    let ip = frame.get(14..).filter(|ip| ip.len() >= 40)?;
    let (ecn, whole, addresses, tcp) = match &frame[12..14] {
        [8, 0] if ip[9] == 6 && ip[16..20] == PEER => {
            let right = sum(&[&ip[..20]]) == [0, 0];
            assert!(right, "the IP header's checksum is right");
            let tcp = &ip[20..usize::from(half(&ip[2..]))];
            (ip[1] & 3, ip[6] & 0x40 != 0, &ip[12..20], tcp)
        }
        [0x86, 0xdd] if ip[6] == 6 && ip[24..40] == PEER6 => {
            let tcp = &ip[40..40 + usize::from(half(&ip[4..]))];
            (ip[1] >> 4 & 3, true, &ip[8..40], tcp)
        }
        _ => return None,
    };
    let len = (tcp.len() as u16).to_be_bytes();
    let right = sum(&[addresses, &[0, 6], &len, tcp]) == [0, 0];
    assert!(right, "the checksum is right");
    Some((ecn, whole, tcp))
}

/// The TCP segment in a frame of the stack, if it is one for the peer.
pub(super) fn dissect(frame: &[u8], at: u64) -> Option<Sent> {
    let (ecn, dont_fragment, tcp) = segment_of(frame)?;
    let header = usize::from(tcp[12] >> 4) * 4;
    let mut sent = Sent {
        at,
        ports: (half(tcp), half(&tcp[2..])),
        seq: word(&tcp[4..]),
        ack: word(&tcp[8..]),
        flags: tcp[13],
        window: half(&tcp[14..]),
        ecn,
        dont_fragment,
        mss: None,
        scale: None,
        sack_permitted: false,
        stamps: None,
        sack: vec![],
        payload: tcp[header..].to_vec(),
    };
    let mut options = &tcp[20..header];
    while let [kind, rest @ ..] = options {
        if *kind <= 1 {
            options = rest;
            continue;
        }
        let (option, rest) = options.split_at(usize::from(rest[0]));
        match kind {
            2 => sent.mss = Some(half(&option[2..])),
            3 => sent.scale = Some(option[2]),
            4 => sent.sack_permitted = true,
            5 => {
                let blocks = option[2..].chunks(8);
                sent.sack = blocks
                    .map(|block| (word(block), word(&block[4..])))
                    .collect();
            }
            8 => sent.stamps = Some((word(&option[2..]), word(&option[6..]))),
            _ => {}
        }
        options = rest;
    }
    Some(sent)
}

fn packet(family: Family, protocol: u8, ecn: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![];
    frame.extend(STACK_MAC);
    frame.extend(PEER_MAC);
    if family == Family::V6 {
        frame.extend([0x86, 0xdd, 0x60, ecn << 4, 0, 0]);
        frame.extend((payload.len() as u16).to_be_bytes());
        frame.extend([protocol, 64]);
        frame.extend(PEER6);
        frame.extend(STACK6);
        frame.extend(payload);
        return frame;
    }
    frame.extend([8, 0]);
    let mut ip = vec![0x45, ecn];
    ip.extend((20 + payload.len() as u16).to_be_bytes());
    ip.extend([0, 0, 0x40, 0, 64, protocol, 0, 0]);
    ip.extend(PEER);
    ip.extend(STACK);
    let checksum = sum(&[&ip]);
    ip[10..12].copy_from_slice(&checksum);
    frame.extend(ip);
    frame.extend(payload);
    frame
}

impl Segment {
    /// The frame with it.
    pub(super) fn frame(&self, family: Family) -> Vec<u8> {
        let mut tcp = vec![];
        tcp.extend(self.ports.0.to_be_bytes());
        tcp.extend(self.ports.1.to_be_bytes());
        tcp.extend(self.seq.to_be_bytes());
        tcp.extend(self.ack.to_be_bytes());
        tcp.extend([(5 + self.options.len().div_ceil(4) as u8) << 4, self.flags]);
        tcp.extend(self.window.to_be_bytes());
        tcp.extend([0; 2]);
        tcp.extend(self.urgent.to_be_bytes());
        tcp.extend(&self.options);
        tcp.resize(20 + self.options.len().div_ceil(4) * 4, 0);
        tcp.extend(&self.payload);
        let len = (tcp.len() as u16).to_be_bytes();
        let checksum = match family {
            Family::V4 => sum(&[&PEER, &STACK, &[0, 6], &len, &tcp]),
            Family::V6 => sum(&[&PEER6, &STACK6, &[0, 6], &len, &tcp]),
        };
        tcp[16..18].copy_from_slice(&checksum);
        packet(family, 6, self.ecn, &tcp)
    }

    /// Adds the options that `form` names for a segment that is sent when the peer's clock shows
    /// `stamp`, with `echo`; both may be given otherwise.
    pub(super) fn add_options(&mut self, form: &Form, stamps: Option<(u32, u32)>, ours: u32) {
        if let Some(mss) = form.number("mss") {
            self.options.extend([2, 4]);
            self.options.extend((mss as u16).to_be_bytes());
        }
        if form.has("sackok") {
            self.options.extend([4, 2]);
        }
        if let Some(scale) = form.number("ws") {
            self.options.extend([3, 3, scale as u8]);
        }
        let stamps = stamps.filter(|_| !form.has("nots"));
        if let Some((value, echo)) = stamps {
            let echo = if self.flags & ACK == 0 && self.flags & SYN != 0 {
                0
            } else {
                echo
            };
            self.options.extend([8, 10]);
            self.options.extend(value.to_be_bytes());
            self.options.extend(echo.to_be_bytes());
        }
        if let Some(ranges) = form.ranges("sack") {
            self.options.extend([5, 2 + 8 * ranges.len() as u8]);
            for (start, end) in ranges {
                self.options.extend(ours.wrapping_add(start).to_be_bytes());
                self.options.extend(ours.wrapping_add(end).to_be_bytes());
            }
        }
    }
}

/// A frame with a SYN from a port of the peer.
pub(in crate::tests) fn syn(port: u16, seq: u32) -> Vec<u8> {
    let segment = Segment {
        ports: (port, 80),
        seq,
        flags: SYN,
        window: 65_535,
        ..Segment::default()
    };
    segment.frame(Family::V4)
}

/// A frame with an ICMP error about a segment of the stack with these ports and number.
pub(super) fn icmp(family: Family, kind: &str, mtu: u16, ports: (u16, u16), seq: u32) -> Vec<u8> {
    let (kind, code) = match (kind, family) {
        ("net-unreachable", Family::V4) => (3, 0),
        ("host-unreachable", Family::V4) => (3, 1),
        ("port-unreachable", Family::V4) => (3, 3),
        ("too-big", Family::V4) => (3, 4),
        ("prohibited", Family::V4) => (3, 13),
        ("time-exceeded", Family::V4) => (11, 0),
        ("net-unreachable", Family::V6) => (1, 0),
        ("prohibited", Family::V6) => (1, 1),
        ("host-unreachable", Family::V6) => (1, 3),
        ("port-unreachable", Family::V6) => (1, 4),
        ("too-big", Family::V6) => (2, 0),
        ("time-exceeded", Family::V6) => (3, 0),
        (other, _) => panic!("no kind of ICMP error: {other}"),
    };
    let mut icmp = vec![kind, code, 0, 0, 0, 0];
    icmp.extend(mtu.to_be_bytes());
    if family == Family::V4 {
        icmp.extend([0x45, 0, 5, 220, 0, 0, 0x40, 0, 64, 6, 0, 0]);
        icmp.extend(STACK);
        icmp.extend(PEER);
    } else {
        icmp.extend([0x60, 0, 0, 0, 5, 180, 6, 64]);
        icmp.extend(STACK6);
        icmp.extend(PEER6);
    }
    icmp.extend(ports.0.to_be_bytes());
    icmp.extend(ports.1.to_be_bytes());
    icmp.extend(seq.to_be_bytes());
    let len = (icmp.len() as u16).to_be_bytes();
    let (protocol, checksum) = match family {
        Family::V4 => (1, sum(&[&icmp])),
        Family::V6 => (58, sum(&[&PEER6, &STACK6, &[0, 58], &len, &icmp])),
    };
    icmp[2..4].copy_from_slice(&checksum);
    packet(family, protocol, 0, &icmp)
}

/// Flags in words.
pub(super) fn name(flags: u8) -> String {
    let names = ["FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR"];
    let set = names
        .iter()
        .enumerate()
        .filter(|(bit, _)| flags >> bit & 1 != 0);
    set.map(|(_, name)| *name).collect::<Vec<_>>().join(" ")
}
