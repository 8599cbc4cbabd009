// SPDX-License-Identifier: ISC
//! Frames of the guest taken apart, and frames for the guest put together.
//!
//! Layouts: Ethernet II, RFC 826 (ARP), RFC 791 (IPv4), RFC 768 (UDP), RFC 792 (echo).

use std::net::{Ipv4Addr, SocketAddrV4};

use smoltcp::{
    phy::ChecksumCapabilities,
    wire::{
        ArpOperation, ArpPacket, ArpRepr, EthernetAddress, EthernetFrame, EthernetProtocol,
        EthernetRepr, Icmpv4Message, Icmpv4Packet, IpProtocol, Ipv4Packet, Ipv4Repr, TcpPacket,
        UdpPacket,
    },
};

use crate::{
    MTU,
    policy::{DNS, GATEWAY, GUEST, ROUTER_MAC},
};

/// Bytes of an Ethernet header.
pub(crate) const ETHERNET: usize = 14;
/// Bytes before the payload of a datagram that we send.
pub(crate) const UDP_PAYLOAD: usize = ETHERNET + 20 + 8;
/// Bytes of a frame at most.
pub(crate) const MAX_FRAME: usize = ETHERNET + MTU;

/// A frame of the guest that means something here. Anything else is not in this type: frames for
/// others, fragments, broken headers and checksums, sources that are not the guest.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Incoming<'a> {
    /// A question for the hardware address of the router, and its answer.
    Arp(ArpRepr),
    /// An echo request to the router, from the IPv4 header on.
    Echo(&'a [u8]),
    /// A DHCP message.
    Dhcp(&'a [u8]),
    /// A datagram.
    Udp {
        source: u16,
        destination: SocketAddrV4,
        payload: &'a [u8],
    },
    /// A TCP segment, as an IPv4 packet.
    Tcp {
        source: u16,
        destination: SocketAddrV4,
        opens: bool,
        packet: &'a [u8],
    },
}

/// Reads a frame; with what it says comes the hardware address of its sender.
pub(crate) fn parse(frame: &[u8]) -> Option<(EthernetAddress, Incoming<'_>)> {
    let ethernet = EthernetFrame::new_checked(frame).ok()?;
    let (sender, to) = (ethernet.src_addr(), ethernet.dst_addr());
    if !sender.is_unicast() || (to != ROUTER_MAC && !to.is_broadcast()) {
        return None;
    }
    let incoming = match ethernet.ethertype() {
        EthernetProtocol::Arp => parse_arp(&frame[ETHERNET..])?,
        EthernetProtocol::Ipv4 => parse_ipv4(&frame[ETHERNET..])?,
        _ => return None,
    };
    Some((sender, incoming))
}

fn parse_arp(bytes: &[u8]) -> Option<Incoming<'_>> {
    let packet = ArpPacket::new_checked(bytes).ok()?;
    let ArpRepr::EthernetIpv4 {
        operation: ArpOperation::Request,
        source_hardware_addr,
        source_protocol_addr,
        target_protocol_addr,
        ..
    } = ArpRepr::parse(&packet).ok()?
    else {
        return None;
    };
    let asked = target_protocol_addr == GATEWAY || target_protocol_addr == DNS;
    asked.then_some(Incoming::Arp(ArpRepr::EthernetIpv4 {
        operation: ArpOperation::Reply,
        source_hardware_addr: ROUTER_MAC,
        source_protocol_addr: target_protocol_addr,
        target_hardware_addr: source_hardware_addr,
        target_protocol_addr: source_protocol_addr,
    }))
}

fn parse_ipv4(bytes: &[u8]) -> Option<Incoming<'_>> {
    let packet = Ipv4Packet::new_checked(bytes).ok()?;
    let fragment = packet.more_frags() || packet.frag_offset() != 0;
    if packet.version() != 4 || fragment || !packet.verify_checksum() {
        return None;
    }
    let (source, to) = (packet.src_addr(), packet.dst_addr());
    let header = usize::from(packet.header_len());
    // Ethernet pads short packets; what follows the packet is not part of it.
    let bytes = &bytes[..usize::from(packet.total_len())];
    let payload = bytes.get(header..)?;
    match packet.next_header() {
        IpProtocol::Udp => parse_udp(source, to, payload),
        IpProtocol::Tcp if source == GUEST => {
            let tcp = TcpPacket::new_checked(payload).ok()?;
            Some(Incoming::Tcp {
                source: tcp.src_port(),
                destination: SocketAddrV4::new(to, tcp.dst_port()),
                opens: tcp.syn() && !tcp.ack() && !tcp.rst(),
                packet: bytes,
            })
        }
        IpProtocol::Icmp if source == GUEST && (to == GATEWAY || to == DNS) => {
            let icmp = Icmpv4Packet::new_checked(payload).ok()?;
            let echo = icmp.msg_type() == Icmpv4Message::EchoRequest && icmp.verify_checksum();
            echo.then_some(Incoming::Echo(bytes))
        }
        _ => None,
    }
}

fn parse_udp(source: Ipv4Addr, to: Ipv4Addr, bytes: &[u8]) -> Option<Incoming<'_>> {
    let udp = UdpPacket::new_checked(bytes).ok()?;
    if !udp.verify_checksum(&source.into(), &to.into()) {
        return None;
    }
    if udp.dst_port() == 67 {
        return Some(Incoming::Dhcp(udp.payload()));
    }
    (source == GUEST && udp.src_port() != 0).then_some(Incoming::Udp {
        source: udp.src_port(),
        destination: SocketAddrV4::new(to, udp.dst_port()),
        payload: udp.payload(),
    })
}

/// Writes the Ethernet header of a frame to the guest.
pub(crate) fn put_ethernet(frame: &mut [u8], to: EthernetAddress, ethertype: EthernetProtocol) {
    EthernetRepr {
        src_addr: ROUTER_MAC,
        dst_addr: to,
        ethertype,
    }
    .emit(&mut EthernetFrame::new_unchecked(frame));
}

/// Completes a datagram to the guest, whose payload lies at [`UDP_PAYLOAD`] and fills `frame`.
pub(crate) fn put_udp(frame: &mut [u8], to: EthernetAddress, from: SocketAddrV4, at: SocketAddrV4) {
    put_ethernet(frame, to, EthernetProtocol::Ipv4);
    let udp_length = frame.len() - ETHERNET - 20;
    let mut udp = UdpPacket::new_unchecked(&mut frame[ETHERNET + 20..]);
    udp.set_src_port(from.port());
    udp.set_dst_port(at.port());
    udp.set_len(udp_length as u16);
    udp.fill_checksum(&(*from.ip()).into(), &(*at.ip()).into());
    Ipv4Repr {
        src_addr: *from.ip(),
        dst_addr: *at.ip(),
        next_header: IpProtocol::Udp,
        payload_len: udp_length,
        hop_limit: 64,
    }
    .emit(
        &mut Ipv4Packet::new_unchecked(&mut frame[ETHERNET..]),
        &ChecksumCapabilities::default(),
    );
}

/// Puts an ARP answer into `frame` and says how long it is.
pub(crate) fn put_arp(frame: &mut [u8], to: EthernetAddress, answer: &ArpRepr) -> usize {
    put_ethernet(frame, to, EthernetProtocol::Arp);
    let length = ETHERNET + answer.buffer_len();
    answer.emit(&mut ArpPacket::new_unchecked(&mut frame[ETHERNET..length]));
    length
}

/// Puts the answer to an echo request into `frame` and says how long it is.
pub(crate) fn put_echo(frame: &mut [u8], to: EthernetAddress, request: &[u8]) -> usize {
    put_ethernet(frame, to, EthernetProtocol::Ipv4);
    let length = ETHERNET + request.len();
    let answer = &mut frame[ETHERNET..length];
    answer.copy_from_slice(request);
    let mut ip = Ipv4Packet::new_unchecked(answer);
    let (source, destination) = (ip.src_addr(), ip.dst_addr());
    ip.set_src_addr(destination);
    ip.set_dst_addr(source);
    ip.set_hop_limit(64);
    ip.fill_checksum();
    let mut icmp = Icmpv4Packet::new_unchecked(ip.payload_mut());
    icmp.set_msg_type(Icmpv4Message::EchoReply);
    icmp.fill_checksum();
    length
}
