// SPDX-License-Identifier: ISC
//! Where packets go, what their headers say, and what is left to the device.

use fata_device::net::{Checksum, SegmentKind, Segmentation};

use super::*;

const UDP_HEADER: [u8; 8] = [0, 53, 0x30, 0x39, 0, 11, 0, 0];

/// The frame that a datagram with `abc` becomes.
fn expected(to: Addr, mac: [u8; 6]) -> Vec<u8> {
    let own = if to.is_ipv4() { v4(OWN4) } else { v6(OWN6) };
    let bytes = [&UDP_HEADER[..], b"abc"].concat();
    let mut frame = frame(own, to, 17, &sealed(own, to, 17, 6, &bytes));
    frame[..12].copy_from_slice(&[mac, OWN_MAC].concat());
    frame
}

/// Without the identification of IPv4, which nobody knows before, and the sum over it.
fn blurred(mut frame: Vec<u8>) -> Vec<u8> {
    if frame[12..14] == [8, 0] {
        assert_eq!(sum(&[&frame[14..34]]), [0, 0]);
        frame[18..20].fill(0);
        frame[24..26].fill(0);
    }
    frame
}

#[test]
fn headers_are_put_before_the_payload() {
    let mut host = Host::new();
    host.meet_peer();
    for to in [v4(PEER4), v6(PEER6)] {
        let mut packet = datagram(to, &UDP_HEADER, b"ab");
        // An odd piece first.
        packet.payload = [b"a", b"bc"];
        host.send(&packet).unwrap();
        let sent = host.sent();
        assert_eq!(blurred(sent[0].clone()), blurred(expected(to, PEER_MAC)));
        let mut packet = datagram(to, &UDP_HEADER, b"abc");
        (packet.ecn, packet.hop_limit, packet.dont_fragment) = (Ecn::Capable, 1, true);
        host.send(&packet).unwrap();
        let sent = host.sent();
        let (traffic, hops) = if to.is_ipv4() {
            assert_eq!(sent[0][18..22], [0, 0, 0x40, 0]);
            (sent[0][15], sent[0][22])
        } else {
            (sent[0][14] << 4 | sent[0][15] >> 4, sent[0][21])
        };
        assert_eq!((traffic, hops), (2, 1));
    }
}

/// RFC 826; RFC 1122, section 2.3.2.2: at least one packet waits for the answer.
#[test]
fn an_unknown_neighbour_is_asked_for() {
    let mut host = Host::new();
    for to in [v4(PEER4), v6(PEER6)] {
        host.send(&datagram(to, &UDP_HEADER, b"abc")).unwrap();
        host.send(&datagram(to, &UDP_HEADER, b"abc")).unwrap();
        let sent = host.sent();
        let (question, answer) = if to.is_ipv4() {
            let answer = arp(2, PEER_MAC, PEER4, OWN_MAC, OWN4, OWN_MAC);
            (asks(PEER4), answer)
        } else {
            let mut message = [135, 0, 0, 0, 0, 0, 0, 0].to_vec();
            message.extend(octets(to));
            message.extend([1, 1]);
            message.extend(OWN_MAC);
            let mut question = icmp6(v6(OWN6), v6("ff02::1:ff00:9"), 255, &message);
            question[6..12].copy_from_slice(&OWN_MAC);
            (question, advertisement(PEER_MAC, to, v6(OWN6), 0x60))
        };
        assert_eq!(sent, [question]);
        host.receive(&answer);
        let sent: Vec<_> = host.sent().into_iter().map(blurred).collect();
        assert_eq!(
            sent,
            [
                blurred(expected(to, PEER_MAC)),
                blurred(expected(to, PEER_MAC))
            ]
        );
        host.send(&datagram(to, &UDP_HEADER, b"abc")).unwrap();
        assert_eq!(host.sent().len(), 1);
    }
}

#[test]
fn other_networks_are_behind_the_router() {
    let mut host = Host::new();
    let far = v4([192, 0, 2, 1]);
    host.send(&datagram(far, &UDP_HEADER, b"abc")).unwrap();
    assert_eq!(host.sent(), [asks(ROUTER4)]);
    host.receive(&arp(2, PEER_MAC, ROUTER4, OWN_MAC, OWN4, OWN_MAC));
    assert_eq!(
        blurred(host.sent().remove(0)),
        blurred(expected(far, PEER_MAC))
    );
    let far = v6("2001:db8::1");
    assert_eq!(
        host.send(&datagram(far, &UDP_HEADER, b"abc")),
        Err(SendError::NoRoute)
    );
    assert_eq!(host.ip.source_for(far), None);
    assert!(!host.ip.reaches(far) && host.ip.reaches(v4([192, 0, 2, 1])));
    assert_eq!(host.ip.source_for(v4([192, 0, 2, 1])), Some(v4(OWN4)));
}

/// RFC 1112 section 6.4, RFC 2464 section 7.
#[test]
fn groups_and_broadcasts_need_no_neighbour() {
    let mut host = Host::new();
    for (to, mac) in [
        (v4([224, 0, 0, 251]), [1, 0, 0x5e, 0, 0, 251]),
        (v4([255; 4]), [0xff; 6]),
        (v4([10, 0, 0, 255]), [0xff; 6]),
        (v6("ff02::fb"), [0x33, 0x33, 0, 0, 0, 0xfb]),
    ] {
        host.send(&datagram(to, &UDP_HEADER, b"abc")).unwrap();
        assert_eq!(blurred(host.sent().remove(0)), blurred(expected(to, mac)));
    }
}

/// Without an address, as a DHCP client is at first.
#[test]
fn a_host_without_address_can_broadcast() {
    let config = Config {
        ipv6: Ipv6::Off,
        ..Config::default()
    };
    let mut host = Host::with(info(OWN_MAC), config);
    let mut packet = datagram(v4([255; 4]), &UDP_HEADER, b"abc");
    packet.source = UNSPECIFIED4;
    host.send(&packet).unwrap();
    let sent = host.sent().remove(0);
    assert_eq!(sent[26..34], [0, 0, 0, 0, 255, 255, 255, 255]);
    // Answers come to all, or to the address that is about to be given.
    let mut offer = udp(v4(ROUTER4), v4([255; 4]), b"offer");
    offer[..6].fill(0xff);
    transport(host.receive(&offer));
    let mut offer = udp(v4(ROUTER4), v4([10, 0, 0, 7]), b"offer");
    assert!(is_nothing(&host.receive(&offer)));
    offer[37] = 68;
    offer[40..42].fill(0);
    transport(host.receive(&offer));
    let lease = ("10.0.0.7/24".parse().unwrap(), Some(ROUTER4.into()));
    host.ip.set_lease(Some(lease), host.now);
    assert_eq!(
        host.ip.source_for(v4([192, 0, 2, 1])),
        Some(v4([10, 0, 0, 7]))
    );
    host.ip.set_lease(None, host.now);
    assert_eq!(host.ip.source_for(v4([192, 0, 2, 1])), None);
}

#[test]
fn a_full_device_takes_nothing() {
    let mut host = Host::new();
    host.meet_peer();
    host.wire.full = true;
    let packet = datagram(v4(PEER4), &UDP_HEADER, b"abc");
    assert_eq!(host.send(&packet), Err(SendError::NoBuffer));
    host.wire.full = false;
    assert_eq!(host.send(&packet), Ok(()));
}

/// Virtio 1.2, section 5.1.6.2: the sum of the pseudo header is there, and the rest is the device's.
#[test]
fn checksums_and_cutting_are_left_to_the_device() {
    let mut host = Host::new();
    host.meet_peer();
    host.ip.offload = Capabilities {
        checksum: true,
        tcp4: true,
        ..Capabilities::default()
    };
    for to in [v4(PEER4), v6(PEER6)] {
        host.send(&datagram(to, &UDP_HEADER, b"abc")).unwrap();
        let (frame, offload) = host.wire.frames.remove(0);
        let start = if to.is_ipv4() { 34 } else { 54 };
        assert_eq!(offload.checksum, Checksum::Partial { start, offset: 6 });
        let partial = &frame[usize::from(start) + 6..][..2];
        let own = if to.is_ipv4() { v4(OWN4) } else { v6(OWN6) };
        let [high, low] = sum(&[&pseudo(own, to, 17, 11)]);
        assert_eq!(partial, [!high, !low]);
    }
    let header = [
        0, 80, 0, 81, 0, 0, 0, 1, 0, 0, 0, 2, 0x50, 0x18, 1, 0, 0, 0, 0, 0,
    ];
    let data = [5; 40000];
    let mut packet = datagram(v4(PEER4), &header, &data);
    (packet.protocol, packet.checksum_at, packet.dont_fragment) = (6, Some(16), true);
    packet.segmentation = Some((SegmentKind::Tcp4, 1460));
    host.send(&packet).unwrap();
    let (frame, offload) = host.wire.frames.remove(0);
    assert_eq!(frame.len(), 54 + 40000);
    assert_eq!(frame[16..18], 40040u16.to_be_bytes());
    let cut = Segmentation {
        kind: SegmentKind::Tcp4,
        size: 1460,
        header_len: 54,
    };
    assert_eq!(offload.segmentation, Some(cut));
    packet.segmentation = Some((SegmentKind::Tcp4, 1461));
    assert_eq!(host.send(&packet), Err(SendError::TooLong(1500)));
    packet.segmentation = Some((SegmentKind::Tcp6, 1460));
    assert_eq!(host.send(&packet), Err(SendError::TooLong(1500)));
    packet.segmentation = None;
    assert_eq!(host.send(&packet), Err(SendError::TooLong(1500)));
    // What fits is not cut.
    packet.payload = [&data[..1460], &[]];
    packet.segmentation = Some((SegmentKind::Tcp4, 1460));
    host.send(&packet).unwrap();
    assert_eq!(host.wire.frames.remove(0).1.segmentation, None);
}

/// RFC 1122, section 3.2.1.3 g: what is for us never leaves.
#[test]
fn what_is_for_ourselves_comes_back() {
    let mut host = Host::new();
    let data = [9; 30000];
    for to in [v4(OWN4), v6(OWN6), v4([127, 0, 0, 1]), v6("::1")] {
        let mut header = UDP_HEADER;
        header[4..6].copy_from_slice(&30008u16.to_be_bytes());
        let mut packet = datagram(to, &header, &data);
        packet.source = host.ip.source_for(to).unwrap();
        host.send(&packet).unwrap();
        let looped = host.ip.take_loopback().unwrap();
        let arrived = transport(host.receive(&looped));
        assert_eq!((arrived.source, arrived.destination), (to, to));
        assert_eq!(looped[arrived.payload][8..], data);
        // Nobody else can say that it is from us.
        let mut forged = looped;
        forged[..6].copy_from_slice(&OWN_MAC);
        assert!(is_nothing(&host.receive(&forged)));
    }
    assert!(host.sent().is_empty() && host.ip.take_loopback().is_none());
    host.ip
        .ping(&mut host.wire, v6("::1"), 5, 6, 7, host.now)
        .unwrap();
    let question = host.ip.take_loopback().unwrap();
    assert!(is_nothing(&host.receive(&question)));
    let answer = host.ip.take_loopback().unwrap();
    assert!(matches!(host.receive(&answer), Input::Echo(_)));
    for _ in 0..10_000 {
        host.send(&datagram(v4(OWN4), &UDP_HEADER, &data)).unwrap();
    }
    assert!(host.ip.counters().loopback_full > 9_900);
}

#[test]
fn families_do_not_mix() {
    let mut host = Host::new();
    host.meet_peer();
    let mut packet = datagram(v4(PEER4), &UDP_HEADER, b"abc");
    packet.source = v6(OWN6);
    assert_eq!(host.send(&packet), Err(SendError::NoRoute));
    let long = [0; 100];
    let packet = datagram(v4(PEER4), &long, b"");
    assert_eq!(host.send(&packet), Err(SendError::TooLong(1500)));
}
