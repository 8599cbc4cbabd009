// SPDX-License-Identifier: ISC
//! Tests of the whole layer: frames in, frames out. The link is a script that records.
//!
//! Frames of the peer are put together here byte by byte, with a checksum as RFC 1071 defines it, so
//! that nothing of what is tested checks itself.

mod claim;
mod error;
mod flow;
mod group;
mod hostile;
mod neighbor;
mod receive;
mod router;
mod send;

use crate::addr::Addr;
use alloc::{vec, vec::Vec};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use fata_device::{
    NetInfo,
    net::{Capabilities, Offload},
};

use super::{Arrived, Ecn, Input, Ip, Outgoing, SECOND, SendError};
use crate::{
    address::link_local,
    config::{Config, Ipv4, Ipv6},
    link::{Link, Received, Slot},
};

const OWN_MAC: [u8; 6] = [2, 0, 0, 0, 0, 2];
const PEER_MAC: [u8; 6] = [2, 0, 0, 0, 0, 9];
const OWN4: [u8; 4] = [10, 0, 0, 2];
const PEER4: [u8; 4] = [10, 0, 0, 9];
const ROUTER4: [u8; 4] = [10, 0, 0, 1];
const OWN6: &str = "fd00::2";
const PEER6: &str = "fd00::9";
/// Long after everything that is said at the beginning.
const LATER: u64 = 100 * SECOND;

/// A link that records what is sent.
struct Wire {
    info: NetInfo,
    frames: Vec<(Vec<u8>, Offload)>,
    full: bool,
}

impl Link for Wire {
    fn info(&self) -> &NetInfo {
        &self.info
    }

    fn send(&mut self, headers: &[u8], payload: [&[u8]; 2], offload: Offload) -> bool {
        if !self.full {
            let frame = [headers, payload[0], payload[1]].concat();
            self.frames.push((frame, offload));
        }
        !self.full
    }
}

/// A frame that the device lends.
struct Lent(Vec<u8>, Offload);

impl Received for Lent {
    fn bytes(&self) -> &[u8] {
        &self.0
    }

    fn offload(&self) -> Offload {
        self.1
    }

    fn keep(&mut self) -> Option<Slot> {
        None
    }
}

/// A host on a recorded link.
struct Host {
    ip: Ip,
    wire: Wire,
    now: u64,
}

fn info(mac: [u8; 6]) -> NetInfo {
    NetInfo {
        mac,
        keep: 0,
        mtu: 1500,
        max_frame: 1514,
        offload: Capabilities::default(),
    }
}

fn config(last: u8) -> Config {
    Config {
        ipv4: Ipv4::Static {
            prefix: alloc::format!("10.0.0.{last}/24").parse().unwrap(),
            gateway: Some(ROUTER4.into()),
        },
        ipv6: Ipv6::On {
            prefix: Some(alloc::format!("fd00::{last}/64").parse().unwrap()),
            gateway: None,
            router_advertisements: false,
        },
        ..Config::default()
    }
}

fn random() -> u64 {
    0x1234_5678_9abc_def1
}

impl Host {
    /// With both families at fixed addresses, and everything said that is said at the beginning.
    fn new() -> Self {
        let mut host = Self::with(info(OWN_MAC), config(2));
        while host.now < LATER {
            host.pass(SECOND);
        }
        host.wire.frames.clear();
        host
    }

    fn with(info: NetInfo, config: Config) -> Self {
        Self {
            ip: Ip::new(&info, &config, random, 0),
            wire: Wire {
                info,
                frames: Vec::new(),
                full: false,
            },
            now: 0,
        }
    }

    /// Lets time pass.
    fn pass(&mut self, time: u64) {
        self.now += time;
        self.ip.poll(&mut self.wire, self.now);
        assert!(self.ip.deadline().is_none_or(|at| at > self.now));
    }

    fn receive(&mut self, frame: &[u8]) -> Input {
        self.receive_with(frame, Offload::default())
    }

    fn receive_with(&mut self, frame: &[u8], offload: Offload) -> Input {
        let mut frame = Lent(frame.to_vec(), offload);
        self.ip.receive(&mut self.wire, &mut frame, self.now)
    }

    fn send(&mut self, packet: &Outgoing<'_>) -> Result<(), SendError> {
        self.ip.send(&mut self.wire, packet, self.now)
    }

    /// What was sent since it was last asked for.
    fn sent(&mut self) -> Vec<Vec<u8>> {
        let frames = core::mem::take(&mut self.wire.frames);
        frames.into_iter().map(|(frame, _)| frame).collect()
    }

    /// Makes the peer known, as its answers would.
    fn meet_peer(&mut self) {
        self.ip
            .ping(&mut self.wire, v4(PEER4), 0, 0, 0, self.now)
            .unwrap();
        self.ip
            .ping(&mut self.wire, v6(PEER6), 0, 0, 0, self.now)
            .unwrap();
        self.receive(&arp(2, PEER_MAC, PEER4, OWN_MAC, OWN4, OWN_MAC));
        self.receive(&advertisement(PEER_MAC, v6(PEER6), v6(OWN6), 0x60));
        self.sent();
    }
}

fn v4(address: [u8; 4]) -> Addr {
    address.into()
}

fn v6(address: &str) -> Addr {
    Addr::v6(address.parse().unwrap())
}

fn own_local() -> Addr {
    link_local(OWN_MAC).into()
}

/// The definition in RFC 1071, word by word.
fn sum(pieces: &[&[u8]]) -> [u8; 2] {
    let bytes = pieces.concat();
    let mut sum = 0u32;
    for pair in bytes.chunks(2) {
        sum += u32::from(u16::from_be_bytes([
            pair[0],
            pair.get(1).copied().unwrap_or(0),
        ]));
        sum = (sum & 0xffff) + (sum >> 16);
    }
    (!(sum as u16)).to_be_bytes()
}

fn octets(address: Addr) -> Vec<u8> {
    match address.ip() {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    }
}

/// The pseudo header of both families, summed alike.
fn pseudo(source: Addr, destination: Addr, protocol: u8, len: usize) -> Vec<u8> {
    let mut bytes = octets(source);
    bytes.extend(octets(destination));
    bytes.extend([0, protocol]);
    bytes.extend((len as u16).to_be_bytes());
    bytes
}

/// A frame from the peer's Ethernet address with an IP packet.
fn frame(source: Addr, destination: Addr, protocol: u8, payload: &[u8]) -> Vec<u8> {
    frame_with(OWN_MAC, source, destination, protocol, 64, payload)
}

fn frame_with(
    to: [u8; 6],
    source: Addr,
    destination: Addr,
    protocol: u8,
    hop_limit: u8,
    payload: &[u8],
) -> Vec<u8> {
    let mut frame = [to, PEER_MAC].concat();
    let len = payload.len() as u16;
    let addresses = [octets(source), octets(destination)].concat();
    if source.is_ipv4() {
        frame.extend([8, 0]);
        let mut header = vec![0x45, 0];
        header.extend((20 + len).to_be_bytes());
        header.extend([0, 7, 0, 0, hop_limit, protocol, 0, 0]);
        header.extend(addresses);
        let sum = sum(&[&header]);
        header[10..12].copy_from_slice(&sum);
        frame.extend(header);
    } else {
        frame.extend([0x86, 0xdd, 0x60, 0, 0, 0]);
        frame.extend(len.to_be_bytes());
        frame.extend([protocol, hop_limit]);
        frame.extend(addresses);
    }
    frame.extend(payload);
    frame
}

/// Puts a checksum at `at` of a transport packet.
fn sealed(source: Addr, destination: Addr, protocol: u8, at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let head = match protocol {
        1 | 2 => Vec::new(),
        _ => pseudo(source, destination, protocol, bytes.len()),
    };
    let sum = sum(&[&head, &bytes]);
    bytes[at..at + 2].copy_from_slice(&sum);
    bytes
}

fn icmp4(source: [u8; 4], destination: [u8; 4], message: &[u8]) -> Vec<u8> {
    let (source, destination) = (v4(source), v4(destination));
    frame(
        source,
        destination,
        1,
        &sealed(source, destination, 1, 2, message),
    )
}

fn icmp6(source: Addr, destination: Addr, hop_limit: u8, message: &[u8]) -> Vec<u8> {
    let to = if destination.is_multicast() {
        super::group::ethernet(destination)
    } else {
        OWN_MAC
    };
    let message = sealed(source, destination, 58, 2, message);
    frame_with(to, source, destination, 58, hop_limit, &message)
}

fn udp(source: Addr, destination: Addr, data: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x30, 0x39, 0, 53];
    bytes.extend((8 + data.len() as u16).to_be_bytes());
    bytes.extend([0, 0]);
    bytes.extend(data);
    frame(
        source,
        destination,
        17,
        &sealed(source, destination, 17, 6, &bytes),
    )
}

fn tcp(source: Addr, destination: Addr, data: &[u8]) -> Vec<u8> {
    let mut bytes = vec![
        0x30, 0x39, 0, 80, 0, 0, 0, 1, 0, 0, 0, 2, 0x50, 0x10, 1, 0, 0, 0, 0, 0,
    ];
    bytes.extend(data);
    frame(
        source,
        destination,
        6,
        &sealed(source, destination, 6, 16, &bytes),
    )
}

fn arp(
    operation: u8,
    sender_mac: [u8; 6],
    sender: [u8; 4],
    target_mac: [u8; 6],
    target: [u8; 4],
    to: [u8; 6],
) -> Vec<u8> {
    let mut frame = [to, sender_mac].concat();
    frame.extend([8, 6, 0, 1, 8, 0, 6, 4, 0, operation]);
    frame.extend(sender_mac);
    frame.extend(sender);
    frame.extend(target_mac);
    frame.extend(target);
    frame
}

fn asks(target: [u8; 4]) -> Vec<u8> {
    arp(1, OWN_MAC, OWN4, [0; 6], target, [0xff; 6])
}

/// A neighbour advertisement with its flags.
fn advertisement(mac: [u8; 6], target: Addr, to: Addr, flags: u8) -> Vec<u8> {
    let mut message = vec![136, 0, 0, 0, flags, 0, 0, 0];
    message.extend(octets(target));
    message.extend([2, 1]);
    message.extend(mac);
    icmp6(target, to, 255, &message)
}

/// A neighbour solicitation, with the sender's address unless it is one for duplicates.
fn solicitation(source: Addr, to: Addr, target: Addr) -> Vec<u8> {
    let mut message = vec![135, 0, 0, 0, 0, 0, 0, 0];
    message.extend(octets(target));
    if !source.is_unspecified() {
        message.extend([1, 1]);
        message.extend(PEER_MAC);
    }
    icmp6(source, to, 255, &message)
}

/// A datagram to be sent, with room for its checksum at the sixth byte.
fn datagram<'a>(to: Addr, header: &'a [u8], data: &'a [u8]) -> Outgoing<'a> {
    let source = match to.is_ipv4() {
        true if to.is_loopback() => to,
        true => v4(OWN4),
        false => v6(OWN6),
    };
    Outgoing {
        source,
        destination: to,
        protocol: 17,
        ecn: Ecn::NotCapable,
        hop_limit: 64,
        dont_fragment: false,
        header,
        checksum_at: Some(6),
        payload: [data, &[]],
        segmentation: None,
    }
}

fn transport(input: Input) -> Arrived {
    match input {
        Input::Transport(arrived) => arrived,
        Input::Nothing => panic!("nothing arrived"),
        _ => panic!("something else arrived"),
    }
}

fn is_nothing(input: &Input) -> bool {
    matches!(input, Input::Nothing)
}

const UNSPECIFIED4: Addr = Addr::v4(Ipv4Addr::UNSPECIFIED);
const UNSPECIFIED6: Addr = Addr::v6(Ipv6Addr::UNSPECIFIED);
