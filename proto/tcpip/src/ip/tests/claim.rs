// SPDX-License-Identifier: ISC
//! Our own addresses: how they are asked for, and what happens if another host has one.

use alloc::string::ToString;

use super::*;

/// RFC 5227, section 2.1.1 and 2.3; RFC 4862, section 5.4.2, after reports on the groups. Neighbours
/// of the machine that had the address before are told at once, for IPv6 once it is known to be free,
/// and before that who knows nobody (RFC 4861, section 7.2.6; RFC 4429, section 3.3; RFC 9131).
#[test]
fn addresses_are_asked_for_at_the_beginning() {
    let mut host = Host::with(info(OWN_MAC), config(2));
    host.pass(0);
    let sent = host.sent();
    let probe = arp(1, OWN_MAC, [0; 4], [0; 6], OWN4, [0xff; 6]);
    let announcement = arp(1, OWN_MAC, OWN4, [0; 6], OWN4, [0xff; 6]);
    assert!(sent.contains(&probe) && sent.contains(&announcement));
    let question = |address: Addr| {
        let group = super::super::group::solicited_node(address.as_v6().unwrap());
        let mut frame = solicitation(UNSPECIFIED6, group.into(), address);
        frame[6..12].copy_from_slice(&OWN_MAC);
        frame
    };
    assert!(sent.contains(&question(v6(OWN6))));
    assert!(sent.contains(&question(own_local())));
    let announcement6 = |address: Addr, flags: u8| {
        let mut frame = advertisement(OWN_MAC, address, v6("ff02::1"), flags);
        frame[6..12].copy_from_slice(&OWN_MAC);
        frame
    };
    let announcements6 = [v6(OWN6), own_local()].map(|address| announcement6(address, 0x20));
    for address in [v6(OWN6), own_local()] {
        assert!(sent.contains(&announcement6(address, 0)));
        assert!(!sent.contains(&announcement6(address, 0x20)));
    }
    for _ in 0..10 {
        host.pass(SECOND);
    }
    let sent = host.sent();
    let [of_own, of_local] = &announcements6;
    for frame in [&probe, &announcement, of_own, of_local] {
        assert_eq!(sent.iter().filter(|sent| *sent == frame).count(), 1);
    }
}

/// RFC 4862, section 5.4.4 and 5.4.3: whoever answers, or asks at the same time, has it.
#[test]
fn an_address_of_another_host_is_given_up() {
    let answered = advertisement(PEER_MAC, v6(OWN6), v6("ff02::1"), 0x20);
    let asked = solicitation(UNSPECIFIED6, v6("ff02::1:ff00:2"), v6(OWN6));
    for frame in [answered, asked] {
        let mut host = Host::with(info(OWN_MAC), config(2));
        host.pass(0);
        let before = host.ip.addresses_version();
        assert!(host.ip.has(v6(OWN6)));
        host.receive(&frame);
        assert!(!host.ip.has(v6(OWN6)) && host.ip.has(own_local()));
        assert_ne!(host.ip.addresses_version(), before);
        assert_eq!(host.ip.take_conflict().map(|it| it.address), Some(v6(OWN6)));
        assert_eq!(host.ip.take_conflict(), None);
    }
}

#[test]
fn an_address_that_is_ours_stays() {
    let mut host = Host::new();
    host.receive(&advertisement(PEER_MAC, v6(OWN6), v6("ff02::1"), 0x20));
    assert!(host.ip.has(v6(OWN6)) && host.sent().is_empty());
    // Who asks whether it is free is told that it is not.
    host.receive(&solicitation(UNSPECIFIED6, v6("ff02::1:ff00:2"), v6(OWN6)));
    let mut answer = advertisement(OWN_MAC, v6(OWN6), v6("ff02::1"), 0x20);
    answer[6..12].copy_from_slice(&OWN_MAC);
    assert_eq!(host.sent(), [answer]);
    host.receive(&arp(1, PEER_MAC, [0; 4], [0; 6], OWN4, [0xff; 6]));
    assert_eq!(
        host.sent(),
        [arp(2, OWN_MAC, OWN4, PEER_MAC, [0; 4], PEER_MAC)]
    );
}

/// RFC 5227, section 2.4 c: configured addresses are defended, and not in a storm.
#[test]
fn a_configured_address_is_defended() {
    let mut host = Host::new();
    let thief = arp(1, PEER_MAC, OWN4, [0; 6], OWN4, [0xff; 6]);
    let announcement = arp(1, OWN_MAC, OWN4, [0; 6], OWN4, [0xff; 6]);
    host.receive(&thief);
    host.receive(&thief);
    assert_eq!(host.sent(), core::slice::from_ref(&announcement));
    host.pass(11 * SECOND);
    host.receive(&thief);
    assert_eq!(host.sent(), [announcement]);
    assert!(host.ip.has(v4(OWN4)));
    let told = host.ip.take_conflict().unwrap().to_string();
    let expected = "10.0.0.2 is also used by another host, 02:00:00:00:00:09";
    assert_eq!(told, expected);
}

/// RFC 2131, section 4.4.1: a lease that another host uses is not taken.
#[test]
fn a_lease_is_given_back() {
    let config = Config {
        ipv6: Ipv6::Off,
        ..Config::default()
    };
    let mut host = Host::with(info(OWN_MAC), config);
    let lease = Some(("10.0.0.2/24".parse().unwrap(), None));
    host.ip.set_lease(lease, host.now);
    host.pass(0);
    assert_eq!(
        host.sent(),
        [arp(1, OWN_MAC, [0; 4], [0; 6], OWN4, [0xff; 6])]
    );
    host.receive(&arp(2, PEER_MAC, OWN4, OWN_MAC, [0; 4], OWN_MAC));
    assert!(!host.ip.has(v4(OWN4)));
    assert_eq!(host.ip.take_conflict().map(|it| it.address), Some(v4(OWN4)));
    // The server may give it once more.
    host.ip.set_lease(None, host.now);
    host.ip.set_lease(lease, host.now);
    assert!(host.ip.has(v4(OWN4)));
}
