// SPDX-License-Identifier: ISC
//! ICMP errors: those that we send, and those that we are told.

use super::*;
use crate::ip::{IcmpErrorKind, Unreachable};

const UDP_HEADER: [u8; 8] = [0, 53, 0x30, 0x39, 0, 8, 0, 0];

fn complain(host: &mut Host, frame: &[u8], what: Unreachable) {
    let arrived = transport(host.receive(frame));
    let now = host.now;
    host.ip
        .unreachable(&mut host.wire, frame, &arrived, what, now);
}

/// RFC 1122 section 3.2.2.1, RFC 4443 section 3.1.
#[test]
fn unreachable_ports_are_told() {
    let mut host = Host::new();
    host.meet_peer();
    for (kind, source, own) in [([3, 3], v4(PEER4), v4(OWN4)), ([1, 4], v6(PEER6), v6(OWN6))] {
        let question = udp(source, own, b"abc");
        complain(&mut host, &question, Unreachable::Port);
        let sent = host.sent();
        let [error] = &sent[..] else { panic!() };
        let protocol = if source.is_ipv4() { 1 } else { 58 };
        let mut message = vec![kind[0], kind[1], 0, 0, 0, 0, 0, 0];
        message.extend(&question[14..]);
        let message = sealed(own, source, protocol, 2, &message);
        assert_eq!(error[error.len() - message.len()..], message);
    }
    // What is quoted of a long packet is bounded (RFC 1812, section 4.3.2.3).
    let long = udp(v4(PEER4), v4(OWN4), &[1; 1400]);
    complain(&mut host, &long, Unreachable::Port);
    assert_eq!(host.sent()[0].len(), 14 + 576);
    let long = udp(v6(PEER6), v6(OWN6), &[1; 1400]);
    complain(&mut host, &long, Unreachable::Port);
    assert_eq!(host.sent()[0].len(), 14 + 1280);
}

/// RFC 4443, section 3.4: the pointer is at the number of the protocol.
#[test]
fn unknown_protocols_are_told() {
    let mut host = Host::new();
    host.meet_peer();
    let question = frame(v6(PEER6), v6(OWN6), 200, b"abcdefgh");
    complain(&mut host, &question, Unreachable::Protocol);
    assert_eq!(host.sent()[0][54..62][..2], [4, 1]);
    let mut behind = frame(
        v6(PEER6),
        v6(OWN6),
        60,
        &[200, 0, 1, 4, 0, 0, 0, 0, 1, 2, 3],
    );
    complain(&mut host, &behind, Unreachable::Protocol);
    let sent = host.sent();
    assert_eq!(
        (&sent[0][54..56], &sent[0][58..62]),
        (&[4, 1][..], &[0, 0, 0, 40][..])
    );
    // An option that asks for an answer (RFC 8200, section 4.2).
    behind[56] = 0x85;
    behind[57] = 4;
    assert!(is_nothing(&host.receive(&behind)));
    let sent = host.sent();
    assert_eq!(
        (&sent[0][54..56], &sent[0][58..62]),
        (&[4, 2][..], &[0, 0, 0, 42][..])
    );
    let question = frame(v4(PEER4), v4(OWN4), 200, b"abcdefgh");
    complain(&mut host, &question, Unreachable::Protocol);
    assert_eq!(host.sent()[0][34..36], [3, 2]);
}

/// RFC 1122 section 3.2.2, RFC 4443 section 2.4 e: never about an error, never about what many got.
#[test]
fn some_packets_get_no_error() {
    let mut host = Host::new();
    host.meet_peer();
    let mut broadcast = udp(v4(PEER4), v4([10, 0, 0, 255]), b"");
    broadcast[..6].fill(0xff);
    complain(&mut host, &broadcast, Unreachable::Port);
    host.ip.join(v6("ff02::fb"), host.now);
    let mut group = udp(v6(PEER6), v6("ff02::fb"), b"");
    group[0] |= 1;
    complain(&mut host, &group, Unreachable::Port);
    let error = icmp4(PEER4, OWN4, &[3, 3, 0, 0, 0, 0, 0, 0]);
    let arrived = Arrived {
        source: v4(PEER4),
        destination: v4(OWN4),
        protocol: 1,
        ecn: Ecn::NotCapable,
        payload: 34..42,
        segment_size: None,
    };
    let now = host.now;
    host.ip
        .unreachable(&mut host.wire, &error, &arrived, Unreachable::Protocol, now);
    assert!(host.sent().is_empty());
}

/// RFC 1812, section 4.3.2.8; RFC 4443, section 2.4 f.
#[test]
fn errors_are_few() {
    let mut host = Host::new();
    host.meet_peer();
    let question = udp(v4(PEER4), v4(OWN4), b"");
    for _ in 0..1000 {
        complain(&mut host, &question, Unreachable::Port);
    }
    let at_once = host.sent().len();
    assert!((10..=50).contains(&at_once), "{at_once}");
    for _ in 0..100 {
        host.now += SECOND / 100;
        complain(&mut host, &question, Unreachable::Port);
    }
    let later = host.sent().len();
    assert!((20..=110).contains(&later), "{later}");
}

/// An error that quotes `packet`, which we sent.
fn about(packet: &[u8], kind: u8, code: u8, word: u32) -> Vec<u8> {
    let mut message = vec![kind, code, 0, 0];
    message.extend(word.to_be_bytes());
    message.extend(&packet[14..packet.len().min(14 + 500)]);
    if packet[12..14] == [8, 0] {
        icmp4(ROUTER4, OWN4, &message)
    } else {
        icmp6(v6("fd00::1"), v6(OWN6), 64, &message)
    }
}

fn error(input: Input) -> (IcmpErrorKind, Addr) {
    match input {
        Input::Error(error) => {
            assert_eq!(error.header[..4], UDP_HEADER[..4]);
            (error.kind, error.destination)
        }
        _ => panic!("no error"),
    }
}

/// RFC 1122 section 3.2.2.1, RFC 4443 section 3, RFC 5461.
#[test]
fn errors_reach_the_transports() {
    let mut host = Host::new();
    host.meet_peer();
    host.send(&datagram(v4(PEER4), &UDP_HEADER, b"")).unwrap();
    host.send(&datagram(v6(PEER6), &UDP_HEADER, b"")).unwrap();
    let sent = host.sent();
    use IcmpErrorKind::{HostUnreachable, PortUnreachable, Prohibited};
    for (kind, code, expected) in [
        (3, 0, HostUnreachable),
        (3, 1, HostUnreachable),
        (3, 3, PortUnreachable),
        (3, 13, Prohibited),
        (11, 0, HostUnreachable),
    ] {
        let told = error(host.receive(&about(&sent[0], kind, code, 0)));
        assert_eq!(told, (expected, v4(PEER4)));
    }
    for (kind, code, expected) in [
        (1, 0, HostUnreachable),
        (1, 1, Prohibited),
        (1, 4, PortUnreachable),
        (3, 0, HostUnreachable),
        (4, 1, PortUnreachable),
    ] {
        let told = error(host.receive(&about(&sent[1], kind, code, 0)));
        assert_eq!(told, (expected, v6(PEER6)));
    }
    // A redirect, and an error about what somebody else sent.
    assert!(is_nothing(&host.receive(&about(&sent[0], 5, 1, 0))));
    let theirs = udp(v4(PEER4), v4([10, 0, 0, 77]), b"");
    assert!(is_nothing(&host.receive(&about(&theirs, 3, 3, 0))));
}

/// RFC 1191 section 3, RFC 8201 section 4.
#[test]
fn paths_get_shorter_and_recover() {
    let mut host = Host::new();
    host.meet_peer();
    let data = [0; 1400];
    for (to, kind, code) in [(v4(PEER4), 3, 4), (v6(PEER6), 2, 0)] {
        let mut packet = datagram(to, &UDP_HEADER, &data);
        packet.dont_fragment = true;
        host.send(&packet).unwrap();
        let sent = host.sent().remove(0);
        // Longer than the packet was, and so forged.
        assert!(is_nothing(&host.receive(&about(&sent, kind, code, 1500))));
        let told = error(host.receive(&about(&sent, kind, code, 1300)));
        assert_eq!(told, (IcmpErrorKind::TooBig(1300), to));
        assert_eq!(host.ip.mtu(to), 1300);
        assert_eq!(host.send(&packet), Err(SendError::TooLong(1300)));
        // It cannot have been sent that long any more.
        assert!(is_nothing(&host.receive(&about(&sent, kind, code, 1290))));
        packet.dont_fragment = false;
        host.send(&packet).unwrap();
        assert_eq!(host.sent().len(), 2);
        host.pass(601 * SECOND);
        assert_eq!(host.ip.mtu(to), 1500);
        host.meet_peer();
    }
}

/// RFC 1191, section 5: routers that say nothing; and TCP looks for itself (RFC 5927, section 7.2).
#[test]
fn old_routers_and_tcp() {
    let mut host = Host::new();
    host.meet_peer();
    let data = [0; 1480];
    let mut packet = datagram(v4(PEER4), &UDP_HEADER, &data[8..]);
    host.send(&packet).unwrap();
    let sent = host.sent().remove(0);
    let told = error(host.receive(&about(&sent, 3, 4, 0)));
    assert_eq!(told, (IcmpErrorKind::TooBig(1492), v4(PEER4)));
    (packet.protocol, packet.destination) = (6, v4(ROUTER4));
    packet.payload = [b"", b""];
    host.send(&packet).unwrap();
    host.receive(&arp(2, PEER_MAC, ROUTER4, OWN_MAC, OWN4, OWN_MAC));
    packet.payload = [&data[28..], b""];
    host.sent();
    host.send(&packet).unwrap();
    let sent = host.sent().remove(0);
    let told = error(host.receive(&about(&sent, 3, 4, 1000)));
    assert_eq!(told, (IcmpErrorKind::TooBig(1000), v4(ROUTER4)));
    assert_eq!(host.ip.mtu(v4(ROUTER4)), 1500);
    host.ip.set_path_mtu(v4(ROUTER4), 1000, host.now);
    assert_eq!(host.ip.mtu(v4(ROUTER4)), 1000);
    host.ip.set_path_mtu(v4(ROUTER4), 100, host.now);
    assert_eq!(host.ip.mtu(v4(ROUTER4)), 552);
}
