// SPDX-License-Identifier: ISC
//! What of received frames reaches the transports, and how echoes are answered.

use fata_device::net::{Checksum, SegmentKind, Segmentation};

use super::*;

/// RFC 791, RFC 8200: addresses, ECN, hop limit, and where the payload lies.
#[test]
fn transports_get_their_packets() {
    let mut host = Host::new();
    for (source, own) in [(v4(PEER4), v4(OWN4)), (v6(PEER6), v6(OWN6))] {
        for (protocol, frame) in [
            (6, tcp(source, own, b"abc")),
            (17, udp(source, own, b"abc")),
        ] {
            let arrived = transport(host.receive(&frame));
            assert_eq!((arrived.source, arrived.destination), (source, own));
            assert_eq!(arrived.protocol, protocol);
            assert_eq!(arrived.ecn, Ecn::NotCapable);
            assert_eq!(arrived.payload.end, frame.len());
            assert_eq!(
                &frame[arrived.payload][..4],
                [0x30, 0x39, 0, if protocol == 6 { 80 } else { 53 }]
            );
        }
    }
    assert!(host.sent().is_empty());
}

/// RFC 3168, section 5.
#[test]
fn congestion_marks() {
    let mut host = Host::new();
    let mut frame = tcp(v6(PEER6), v6(OWN6), b"");
    for (bits, ecn) in [(1, Ecn::Capable1), (2, Ecn::Capable), (3, Ecn::Congested)] {
        frame[15] = bits << 4;
        assert_eq!(transport(host.receive(&frame)).ecn, ecn);
        assert_eq!(ecn.bits(), bits);
    }
}

/// RFC 894: a frame has at least 46 bytes; what pads it is not the packet's.
#[test]
fn padding_is_no_payload() {
    let mut host = Host::new();
    let mut frame = udp(v4(PEER4), v4(OWN4), b"x");
    let len = frame.len();
    frame.resize(60, 0xee);
    assert_eq!(transport(host.receive(&frame)).payload.end, len);
}

/// RFC 1122, section 3.2.1.2 and 4.1.3.4; RFC 8200, section 8.1.
#[test]
fn wrong_checksums_are_dropped() {
    let mut host = Host::new();
    for (source, own) in [(v4(PEER4), v4(OWN4)), (v6(PEER6), v6(OWN6))] {
        for mut frame in [tcp(source, own, b"abc"), udp(source, own, b"abc")] {
            *frame.last_mut().unwrap() ^= 1;
            assert!(is_nothing(&host.receive(&frame)));
            // The device may have looked already, or it comes from the same machine.
            for checksum in [
                Checksum::Verified,
                Checksum::Partial {
                    start: 34,
                    offset: 16,
                },
            ] {
                let offload = Offload {
                    checksum,
                    segmentation: None,
                };
                transport(host.receive_with(&frame, offload));
            }
        }
    }
    assert_eq!(host.ip.counters().checksum, 4);
    let mut without = udp(v4(PEER4), v4(OWN4), b"abc");
    without[40..42].fill(0);
    transport(host.receive(&without));
    let mut without = udp(v6(PEER6), v6(OWN6), b"abc");
    without[60..62].fill(0);
    assert!(is_nothing(&host.receive(&without)));
    let mut header = tcp(v4(PEER4), v4(OWN4), b"");
    header[22] ^= 1;
    assert!(is_nothing(&host.receive(&header)));
}

#[test]
fn large_frames_say_how_they_were_cut() {
    let mut host = Host::new();
    let offload = Offload {
        checksum: Checksum::Verified,
        segmentation: Some(Segmentation {
            kind: SegmentKind::Tcp4,
            size: 1448,
            header_len: 54,
        }),
    };
    let frame = tcp(v4(PEER4), v4(OWN4), &[7; 20000]);
    let arrived = transport(host.receive_with(&frame, offload));
    assert_eq!(arrived.segment_size, Some(1448));
    assert_eq!(arrived.payload.len(), 20020);
}

/// RFC 1122, sections 3.2.1.3 and 3.3.6; RFC 4291, section 2.5.
#[test]
fn strange_sources_and_destinations_are_dropped() {
    let mut host = Host::new();
    let own = v4(OWN4);
    let sources = [
        "127.0.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "10.0.0.255",
        "10.0.0.2",
        "0.0.0.0",
        "0.1.2.3",
        "240.0.0.1",
    ];
    for source in sources {
        let source = source.parse().unwrap();
        assert!(
            is_nothing(&host.receive(&udp(source, own, b""))),
            "{source:?}"
        );
    }
    assert_eq!(host.ip.counters().martian, sources.len() as u64);
    for source in ["::", "::1", "ff02::1", "fd00::2", "::ffff:10.0.0.9"] {
        assert!(
            is_nothing(&host.receive(&udp(v6(source), v6(OWN6), b""))),
            "{source:?}"
        );
    }
    for destination in ["10.0.0.3", "127.0.0.1", "192.0.2.1", "224.0.0.251"] {
        let frame = udp(v4(PEER4), destination.parse().unwrap(), b"");
        assert!(is_nothing(&host.receive(&frame)), "{destination}");
    }
    for destination in ["fd00::3", "::1", "ff02::fb", "ff02::1:ff00:3"] {
        let frame = udp(v6(PEER6), v6(destination), b"");
        assert!(is_nothing(&host.receive(&frame)), "{destination}");
    }
    // To us, but as a broadcast of the link; and another station's.
    let mut frame = udp(v4(PEER4), own, b"");
    frame[..6].fill(0xff);
    assert!(is_nothing(&host.receive(&frame)));
    frame[..6].copy_from_slice(&[2, 0, 0, 0, 0, 3]);
    assert!(is_nothing(&host.receive(&frame)));
    assert!(host.sent().is_empty());
}

#[test]
fn broadcasts_are_for_datagrams_only() {
    let mut host = Host::new();
    for destination in ["10.0.0.255", "255.255.255.255"] {
        let destination = destination.parse().unwrap();
        let mut frame = udp(v4(PEER4), destination, b"x");
        frame[..6].fill(0xff);
        assert_eq!(transport(host.receive(&frame)).destination, destination);
        let mut frame = tcp(v4(PEER4), destination, b"x");
        frame[..6].fill(0xff);
        assert!(is_nothing(&host.receive(&frame)));
    }
}

/// RFC 1122, section 3.2.2.6; RFC 4443, section 4.2.
#[test]
fn echoes_are_answered() {
    let mut host = Host::new();
    host.meet_peer();
    host.receive(&icmp4(PEER4, OWN4, &[8, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7]));
    let sent = host.sent();
    let [answer] = &sent[..] else { panic!() };
    assert_eq!(
        answer[..14],
        [PEER_MAC, OWN_MAC].concat()[..]
            .iter()
            .copied()
            .chain([8, 0])
            .collect::<Vec<_>>()[..]
    );
    assert_eq!(answer[14..18], [0x45, 0, 0, 31]);
    assert_eq!(sum(&[&answer[14..34]]), [0, 0]);
    assert_eq!(answer[26..34], [10, 0, 0, 2, 10, 0, 0, 9]);
    assert_eq!(
        answer[34..],
        sealed(
            v4(OWN4),
            v4(PEER4),
            1,
            2,
            &[0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7]
        )
    );

    for to in [OWN6, "ff02::1"] {
        host.receive(&icmp6(
            v6(PEER6),
            v6(to),
            64,
            &[128, 0, 0, 0, 1, 2, 3, 4, 5],
        ));
        let sent = host.sent();
        let [answer] = &sent[..] else { panic!() };
        let message = sealed(v6(OWN6), v6(PEER6), 58, 2, &[129, 0, 0, 0, 1, 2, 3, 4, 5]);
        let mut expected = frame(v6(OWN6), v6(PEER6), 58, &message);
        expected[..12].copy_from_slice(&[PEER_MAC, OWN_MAC].concat());
        assert_eq!(*answer, expected);
    }
    // Not to all at once.
    host.receive(&icmp4(PEER4, [10, 0, 0, 255], &[8, 0, 0, 0, 1, 2, 3, 4]));
    let mut damaged = icmp4(PEER4, OWN4, &[8, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7]);
    damaged[42] ^= 1;
    host.receive(&damaged);
    assert!(host.sent().is_empty());
}

#[test]
fn answers_to_pings_are_passed_on() {
    let mut host = Host::new();
    let Input::Echo(reply) = host.receive(&icmp4(PEER4, OWN4, &[0, 0, 0, 0, 1, 2, 3, 4])) else {
        panic!()
    };
    assert_eq!(
        (reply.source, reply.ident, reply.sequence),
        (v4(PEER4), 0x102, 0x304)
    );
    let message = [129, 0, 0, 0, 1, 2, 3, 4];
    let Input::Echo(reply) = host.receive(&icmp6(v6(PEER6), v6(OWN6), 64, &message)) else {
        panic!()
    };
    assert_eq!(
        (reply.source, reply.ident, reply.sequence),
        (v6(PEER6), 0x102, 0x304)
    );
}

/// RFC 791, section 3.1; RFC 8200, section 4.
#[test]
fn options_and_extension_headers_are_walked() {
    let mut host = Host::new();
    let plain = udp(v4(PEER4), v4(OWN4), b"x");
    let mut frame = plain[..34].to_vec();
    frame.extend([1, 1, 1, 0]);
    frame.extend(&plain[34..]);
    frame[14] = 0x46;
    frame[17] += 4;
    frame[24..26].fill(0);
    let header = sum(&[&frame[14..38]]);
    frame[24..26].copy_from_slice(&header);
    assert_eq!(transport(host.receive(&frame)).payload.start, 38);

    let plain = udp(v6(PEER6), v6(OWN6), b"x");
    // Hop-by-hop with padding and an option that may be skipped; a route that has ended.
    let extensions = [43, 0, 1, 0, 0x1e, 2, 0, 0, 17, 0, 4, 0, 0, 0, 0, 0];
    let with = |extensions: &[u8], first: u8| {
        let mut frame = plain[..54].to_vec();
        frame.extend(extensions);
        frame.extend(&plain[54..]);
        frame[19] += extensions.len() as u8;
        frame[20] = first;
        frame
    };
    let arrived = transport(host.receive(&with(&extensions, 0)));
    assert_eq!((arrived.protocol, arrived.payload.start), (17, 70));
    // One that asks to be dropped if unknown; a route that goes on; hop-by-hop not at first.
    assert!(is_nothing(
        &host.receive(&with(&[17, 0, 0x5e, 2, 0, 0, 1, 0], 0))
    ));
    assert!(host.sent().is_empty());
}
