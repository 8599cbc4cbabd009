// SPDX-License-Identifier: ISC
//! Router discovery on the wire: solicitations, and what an advertisement changes.

use super::*;

fn configured_by_router() -> Host {
    let config = Config {
        ipv4: Ipv4::Off,
        ..Config::default()
    };
    Host::with(info(OWN_MAC), config)
}

fn router_advertisement(router: &str, lifetime: u16) -> Vec<u8> {
    let mut message = vec![134, 0, 0, 0, 64, 0];
    message.extend(lifetime.to_be_bytes());
    message.extend([0; 8]);
    message.extend([1, 1]);
    message.extend(PEER_MAC);
    message.extend([3, 4, 64, 0xc0, 0, 0, 14, 16, 0, 0, 14, 16, 0, 0, 0, 0]);
    message.extend(octets(v6("2001:db8::")));
    message.extend([5, 1, 0, 0, 0, 0, 5, 0xdc - 100]);
    message.extend([25, 3, 0, 0, 0, 0, 14, 16]);
    message.extend(octets(v6("2001:db8::53")));
    icmp6(v6(router), v6("ff02::1"), 255, &message)
}

/// RFC 4861, section 6.3.7: three times, and from the address only once it is surely ours.
#[test]
fn routers_are_asked() {
    let mut host = configured_by_router();
    let mut asked = Vec::new();
    for second in 0..20 {
        host.pass(if second == 0 { 0 } else { SECOND });
        for frame in host.sent() {
            if frame[20] == 58 && frame[54] == 133 {
                assert_eq!(frame[..6], [0x33, 0x33, 0, 0, 0, 2]);
                let source = if asked.is_empty() {
                    UNSPECIFIED6
                } else {
                    own_local()
                };
                assert_eq!(frame[22..38], octets(source));
                let mut message = vec![133, 0, 0, 0, 0, 0, 0, 0];
                if !asked.is_empty() {
                    message.extend([1, 1]);
                    message.extend(OWN_MAC);
                }
                assert_eq!(frame[54..], sealed(source, v6("ff02::2"), 58, 2, &message));
                asked.push(second);
            }
        }
    }
    assert_eq!(asked, [0, 4, 8]);
}

/// RFC 4861 section 6.3.4, RFC 4862 section 5.5, RFC 8106.
#[test]
fn an_advertisement_configures() {
    let mut host = configured_by_router();
    host.pass(0);
    host.sent();
    host.receive(&router_advertisement("fe80::1", 1800));
    let own = v6("2001:db8::ff:fe00:2");
    assert!(host.ip.has(own));
    assert_eq!(host.ip.dns_servers(), [v6("2001:db8::53").ip()]);
    let far = v6("2001:db8:ffff::1");
    assert_eq!(host.ip.source_for(far), Some(own));
    assert_eq!(host.ip.mtu(far), 1400);
    // The address is asked for, and the router's is known from its message.
    host.pass(0);
    assert!(
        host.sent()
            .iter()
            .any(|frame| frame[20] == 58 && frame[54] == 135)
    );
    let header = [0, 53, 0x30, 0x39, 0, 8, 0, 0];
    let mut packet = datagram(far, &header, b"");
    packet.source = own;
    host.send(&packet).unwrap();
    assert_eq!(host.sent()[0][..6], PEER_MAC);
    // All of it ends.
    host.pass(1801 * SECOND);
    assert!(host.ip.has(own) && !host.ip.reaches(far));
    host.pass(1800 * SECOND);
    assert!(!host.ip.has(own) && host.ip.dns_servers().is_empty());
}

/// RFC 4861, section 6.1.2.
#[test]
fn forged_advertisements_are_not_believed() {
    let mut host = configured_by_router();
    host.pass(0);
    let own = v6("2001:db8::ff:fe00:2");
    let mut routed = router_advertisement("fe80::1", 1800);
    routed[21] = 254;
    host.receive(&routed);
    host.receive(&router_advertisement("2001:db8::1", 1800));
    let mut damaged = router_advertisement("fe80::1", 1800);
    damaged[80] ^= 1;
    host.receive(&damaged);
    assert!(!host.ip.has(own));
    // Nor any at all where they are not asked for.
    let mut host = Host::new();
    host.receive(&router_advertisement("fe80::1", 1800));
    assert!(!host.ip.has(own));
}

/// RFC 4861, section 6.3.6: another router is taken while one is silent.
#[test]
fn a_silent_router_is_replaced() {
    let mut host = configured_by_router();
    host.pass(0);
    host.receive(&router_advertisement("fe80::1", 1800));
    host.receive(&router_advertisement("fe80::3", 1800));
    host.pass(5 * SECOND);
    host.sent();
    let far = v6("2001:db8:ffff::1");
    let header = [0, 53, 0x30, 0x39, 0, 8, 0, 0];
    let mut packet = datagram(far, &header, b"");
    packet.source = v6("2001:db8::ff:fe00:2");
    let first = |host: &Host| host.ip.addresses().gateways6.clone();
    let routers: Vec<Addr> = ["fe80::1", "fe80::3"]
        .map(|text| text.parse().unwrap())
        .into();
    assert_eq!(first(&host), routers);
    host.send(&packet).unwrap();
    for _ in 0..12 {
        host.pass(SECOND);
    }
    assert_eq!(first(&host), [routers[1], routers[0]]);
    host.receive(&router_advertisement("fe80::1", 1800));
    assert_eq!(first(&host), routers);
}
