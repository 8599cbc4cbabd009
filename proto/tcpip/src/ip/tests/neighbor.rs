// SPDX-License-Identifier: ISC
//! ARP and neighbour discovery: who asks for us, and whom we believe.

use super::*;

const UDP_HEADER: [u8; 8] = [0, 53, 0x30, 0x39, 0, 8, 0, 0];

/// RFC 826: the question gives the answer's address; RFC 4861, section 7.2.4.
#[test]
fn questions_are_answered_and_noted() {
    let mut host = Host::new();
    host.receive(&arp(1, PEER_MAC, PEER4, [0; 6], OWN4, [0xff; 6]));
    let mut answer = arp(2, OWN_MAC, OWN4, PEER_MAC, PEER4, PEER_MAC);
    assert_eq!(host.sent(), [answer.clone()]);
    host.send(&datagram(v4(PEER4), &UDP_HEADER, b"")).unwrap();
    assert_eq!(host.sent()[0][..6], PEER_MAC);

    host.receive(&solicitation(v6(PEER6), v6("ff02::1:ff00:2"), v6(OWN6)));
    answer = advertisement(OWN_MAC, v6(OWN6), v6(PEER6), 0x60);
    answer[..12].copy_from_slice(&[PEER_MAC, OWN_MAC].concat());
    assert_eq!(host.sent(), [answer]);
    host.send(&datagram(v6(PEER6), &UDP_HEADER, b"")).unwrap();
    assert_eq!(host.sent()[0][..6], PEER_MAC);
}

#[test]
fn questions_for_others_are_not() {
    let mut host = Host::new();
    host.receive(&arp(1, PEER_MAC, PEER4, [0; 6], [10, 0, 0, 3], [0xff; 6]));
    host.receive(&solicitation(
        v6(PEER6),
        v6("ff02::1:ff00:3"),
        v6("fd00::3"),
    ));
    // From a network that is not ours; to a group of which it cannot be; over a router.
    host.receive(&arp(
        1,
        PEER_MAC,
        [192, 0, 2, 1],
        [0; 6],
        [10, 0, 0, 3],
        [0xff; 6],
    ));
    host.receive(&solicitation(v6("2001:db8::1"), v6(OWN6), v6(OWN6)));
    let mut routed = solicitation(v6(PEER6), v6(OWN6), v6(OWN6));
    routed[21] = 254;
    host.receive(&routed);
    let mut coded = [135, 1, 0, 0, 0, 0, 0, 0].to_vec();
    coded.extend(octets(v6(OWN6)));
    host.receive(&icmp6(v6(PEER6), v6(OWN6), 255, &coded));
    // An option of no length (RFC 4861, section 7.1.1).
    coded[1] = 0;
    coded.extend([1, 0, 0, 0, 0, 0, 0, 0]);
    host.receive(&icmp6(v6(PEER6), v6(OWN6), 255, &coded));
    assert!(host.sent().is_empty());
    assert_eq!(host.ip.neighbors.len(), 0);
}

/// What nobody asked for makes no entry.
#[test]
fn unasked_answers_are_ignored() {
    let mut host = Host::new();
    host.receive(&arp(2, PEER_MAC, PEER4, OWN_MAC, OWN4, OWN_MAC));
    host.receive(&advertisement(PEER_MAC, v6(PEER6), v6("ff02::1"), 0x20));
    host.receive(&advertisement(PEER_MAC, v6(PEER6), v6(OWN6), 0x60));
    assert_eq!(host.ip.neighbors.len(), 0);
}

/// RFC 4861, section 7.3: a peer that fell silent is asked itself, then all are, and then it is lost.
#[test]
fn a_silent_peer_is_noticed() {
    let mut host = Host::new();
    host.meet_peer();
    for to in [v4(PEER4), v6(PEER6)] {
        let packet = datagram(to, &UDP_HEADER, b"");
        host.pass(31 * SECOND);
        host.sent();
        host.send(&packet).unwrap();
        assert_eq!(host.sent().len(), 1);
        host.pass(5 * SECOND);
        let sent = host.sent();
        assert_eq!(sent.len(), 1);
        assert_eq!(sent[0][..6], PEER_MAC, "asked itself");
        for _ in 0..3 {
            host.pass(SECOND);
        }
        assert_eq!(host.sent().len(), 2);
        host.send(&packet).unwrap();
        assert_eq!(host.sent()[0][0] & 1, 1, "asked all");
        host.meet_peer();
    }
}

#[test]
fn a_peer_that_is_heard_is_not_asked() {
    let mut host = Host::new();
    host.meet_peer();
    let packet = datagram(v6(PEER6), &UDP_HEADER, b"");
    for _ in 0..200 {
        host.send(&packet).unwrap();
        host.ip.confirm(v6(PEER6), host.now);
        host.pass(SECOND);
    }
    let sent = host.sent();
    assert_eq!(sent.len(), 200);
    assert!(sent.iter().all(|frame| frame[20] == 17));
}

/// RFC 1122, section 2.3.2.2; RFC 4861, section 7.2.2: who sent it is told.
#[test]
fn nobody_answers() {
    let mut host = Host::new();
    for to in [v4(PEER4), v6(PEER6)] {
        host.send(&datagram(to, &UDP_HEADER, b"")).unwrap();
        for _ in 0..4 {
            host.pass(SECOND);
        }
        assert_eq!(host.sent().len(), 3);
        let told = host.ip.take_loopback().expect("an error to ourselves");
        let Input::Error(error) = host.receive(&told) else {
            panic!("no error")
        };
        assert_eq!(error.kind, super::super::IcmpErrorKind::HostUnreachable);
        assert_eq!((error.destination, error.protocol), (to, 17));
        assert_eq!(error.header[..4], UDP_HEADER[..4]);
    }
    assert_eq!(host.ip.counters().unresolved, 2);
}
