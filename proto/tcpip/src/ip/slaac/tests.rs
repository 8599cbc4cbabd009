// SPDX-License-Identifier: ISC

use alloc::{vec, vec::Vec};

use super::*;

const MAC: [u8; 6] = [2, 0, 0, 0, 0, 2];

fn router() -> Ipv6Addr {
    "fe80::1".parse().unwrap()
}

fn address(text: &str) -> Addr {
    text.parse().unwrap()
}

/// An advertisement of a router for `lifetime` seconds with options.
fn message(lifetime: u16, options: &[&[u8]]) -> Vec<u8> {
    let mut message = vec![134, 0, 0, 0, 64, 0];
    message.extend(lifetime.to_be_bytes());
    message.extend([0; 8]);
    message.extend(options.concat());
    message
}

fn prefix(network: &str, length: u8, flags: u8, valid: u32, preferred: u32) -> Vec<u8> {
    let network: Ipv6Addr = network.parse().unwrap();
    let mut option = vec![3, 4, length, flags];
    option.extend(valid.to_be_bytes());
    option.extend(preferred.to_be_bytes());
    option.extend([0; 4]);
    option.extend(network.octets());
    option
}

fn table(slaac: &Slaac, now: u64) -> AddressTable {
    let mut table = AddressTable::default();
    slaac.fill(&mut table, now);
    table
}

/// RFC 4862, section 5.5.3; RFC 4861, section 6.3.4: the two flags are two questions.
#[test]
fn on_link_and_autonomous_are_two_things() {
    let mut slaac = Slaac::new(MAC, 0);
    let options = [
        prefix("2001:db8:1::", 64, 0xc0, 3600, 1800),
        prefix("2001:db8:2::", 64, 0x40, 3600, 1800),
        prefix("2001:db8:3::", 64, 0x80, 3600, 1800),
        prefix("2001:db8:4::", 48, 0x80, 3600, 1800),
    ];
    let options: Vec<&[u8]> = options.iter().map(Vec::as_slice).collect();
    assert!(slaac.receive(router(), &message(1800, &options), 0));
    let table = table(&slaac, 0);
    let own = |network: &str| address(&alloc::format!("{network}::ff:fe00:2"));
    assert!(table.has(own("2001:db8:1")) && table.has(own("2001:db8:2")));
    assert!(!table.has(own("2001:db8:3")) && !table.has(own("2001:db8:4")));
    let direct = |text: &str| table.next_hop(address(text)) == Some(address(text));
    assert!(direct("2001:db8:1::9") && direct("2001:db8:3::9") && direct("2001:db8:4:5::9"));
    assert_eq!(
        table.next_hop(address("2001:db8:2::9")),
        Some(router().into())
    );
}

/// RFC 4862, sections 5.5.3 a to d: what is no prefix to make addresses from.
#[test]
fn useless_prefixes() {
    let mut slaac = Slaac::new(MAC, 0);
    for option in [
        prefix("fe80::", 64, 0xc0, 3600, 1800),
        prefix("ff02::", 64, 0xc0, 3600, 1800),
        prefix("2001:db8::", 64, 0x40, 1800, 3600),
        prefix("2001:db8::", 65, 0x40, 3600, 1800),
        prefix("2001:db8::", 129, 0xc0, 3600, 1800),
        prefix("2001:db8::", 64, 0, 3600, 1800),
        prefix("2001:db8::", 64, 0xc0, 0, 0),
        prefix("::", 0, 0x80, 3600, 1800),
    ] {
        slaac.receive(router(), &message(1800, &[&option]), 0);
        assert!(slaac.networks.is_empty(), "{option:?}");
    }
}

/// RFC 4862, section 5.5.3 e: an advertisement, maybe forged, does not end an address at once.
#[test]
fn lifetimes_shrink_to_two_hours() {
    let mut slaac = Slaac::new(MAC, 0);
    let long = prefix("2001:db8::", 64, 0xc0, 86400, 86400);
    slaac.receive(router(), &message(1800, &[&long]), 0);
    let short = prefix("2001:db8::", 64, 0xc0, 1, 0);
    slaac.receive(router(), &message(1800, &[&short]), SECOND);
    let own = address("2001:db8::ff:fe00:2");
    let after = table(&slaac, 2 * SECOND);
    assert!(after.has(own) && !after.deprecated.is_empty());
    assert!(!slaac.expire(SECOND));
    assert_eq!(slaac.deadline(), 2 * SECOND);
    // Its network ends, the router, the address.
    for end in [2 * SECOND, 1801 * SECOND] {
        assert!(slaac.expire(end));
        assert!(table(&slaac, end).has(own));
    }
    assert_eq!(slaac.deadline(), TWO_HOURS + SECOND);
    assert!(slaac.expire(TWO_HOURS + SECOND));
    assert!(slaac.networks.is_empty() && slaac.routers.is_empty());
    assert_eq!(slaac.deadline(), u64::MAX);
}

#[test]
fn lists_are_bounded() {
    let mut slaac = Slaac::new(MAC, 0);
    for number in 1..200u16 {
        let network = alloc::format!("2001:db8:{number:x}::");
        let option = prefix(&network, 64, 0xc0, 3600, 1800);
        let mut servers = vec![25, 3, 0, 0, 0, 0, 1, 0];
        servers.extend(Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, number).octets());
        let router = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, number);
        slaac.receive(router, &message(1800, &[&option, &servers]), 0);
    }
    assert_eq!(slaac.networks.len(), MAX_PREFIXES);
    assert_eq!(slaac.routers.len(), MAX_ROUTERS);
    assert_eq!(slaac.servers().count(), MAX_SERVERS);
}

/// RFC 4861, section 6.3.4: a lifetime of zero ends the router, not the rest.
#[test]
fn a_router_resigns() {
    let mut slaac = Slaac::new(MAC, 0);
    let option = prefix("2001:db8::", 64, 0xc0, 3600, 1800);
    slaac.receive(router(), &message(1800, &[&option]), 0);
    assert!(!slaac.solicits(SECOND));
    slaac.receive(router(), &message(0, &[]), SECOND);
    assert!(slaac.routers.is_empty() && !slaac.networks.is_empty());
    // One that never was one, and a message that is malformed.
    let other = "fe80::7".parse().unwrap();
    slaac.receive(other, &message(0, &[]), SECOND);
    assert!(slaac.routers.is_empty());
    assert!(!slaac.receive(other, &message(1800, &[&[1, 0]]), SECOND));
    assert!(!slaac.receive(other, &message(1800, &[])[..15], SECOND));
    assert!(slaac.routers.is_empty());
}
