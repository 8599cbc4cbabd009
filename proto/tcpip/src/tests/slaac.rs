// SPDX-License-Identifier: ISC
//! Addresses from router advertisements.

use std::{time::Duration, vec, vec::Vec};

use fata_device::net::Offload;

use super::{
    responder::{put, take},
    world::{World, ip, wire},
};
use crate::{Config, Ipv4, Stack, checksum::Sum};

const SOLICITATION: u8 = 133;

fn waiting() -> (World, Stack, fata_device::memory::Nic) {
    let mut world = World::new();
    let (router, nic) = wire();
    let config = Config {
        ipv4: Ipv4::Off,
        ..Config::default()
    };
    let stack = world.add(nic, config);
    (world, stack, router)
}

/// An advertisement of fd01::/64 for `valid` seconds by a router that serves for `lifetime`.
pub(super) fn advertisement(lifetime: u16, valid: u32) -> Vec<u8> {
    let mut icmp = vec![134, 0, 0, 0, 64, 0];
    icmp.extend(lifetime.to_be_bytes());
    icmp.extend([0; 8]);
    // An option that is unknown, then the prefix.
    icmp.extend([99, 1, 0, 0, 0, 0, 0, 0]);
    icmp.extend([3, 4, 64, 0xc0]);
    icmp.extend(valid.to_be_bytes());
    icmp.extend(valid.to_be_bytes());
    icmp.extend([0; 4]);
    icmp.extend([0xfd, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    let mut frame = vec![0x33, 0x33, 0, 0, 0, 1, 2, 0, 0, 0, 0, 1, 0x86, 0xdd];
    frame.extend([0x60, 0, 0, 0, 0, icmp.len() as u8, 58, 255]);
    frame.extend([0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
    frame.extend([0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
    let sum = Sum::pseudo(58, icmp.len() as u16)
        .add(&frame[22..54])
        .add(&icmp)
        .finish();
    icmp[2..4].copy_from_slice(&sum);
    frame.extend(icmp);
    frame
}

#[test]
fn asks_and_takes_what_a_router_says() {
    let (mut world, stack, mut router) = waiting();
    world.pass(Duration::from_secs(1));
    let mut sent = std::iter::from_fn(|| take(&mut router));
    let asked = sent.find(|frame| frame[54] == SOLICITATION).unwrap();
    // From no address, as long as it may be another host's too, and so without the option that would
    // say where that is (RFC 4861, section 4.1).
    assert_eq!((asked.len(), &asked[22..38]), (62, &[0; 16][..]));
    let sum = Sum::pseudo(58, 8).add(&asked[22..54]).add(&asked[54..]);
    assert!(sum.is_valid());
    assert!(
        stack
            .addresses()
            .iter()
            .all(|own| own.address() == ip("fe80::ff:fe00:2"))
    );

    put(&mut router, &advertisement(1800, 7200), Offload::default());
    world.run(stack.wait_configured());
    assert!(
        stack
            .addresses()
            .iter()
            .any(|own| own.address() == ip("fd01::ff:fe00:2"))
    );
    let shared = stack.shared();
    assert!(
        shared.engine().ip.reaches(ip("2001:db8::1").into()),
        "through the router"
    );

    // An hour later neither lifetime of an hour ago is refreshed: the router's is over.
    world.pass(Duration::from_secs(3600));
    assert!(!shared.engine().ip.reaches(ip("2001:db8::1").into()));
    assert!(shared.engine().ip.has(ip("fd01::ff:fe00:2").into()));
    world.pass(Duration::from_secs(3700));
    assert!(
        !shared.engine().ip.has(ip("fd01::ff:fe00:2").into()),
        "and then the prefix's"
    );
}

#[test]
fn a_router_cannot_take_an_address_away_at_once() {
    let (mut world, stack, mut router) = waiting();
    put(
        &mut router,
        &advertisement(1800, 100_000),
        Offload::default(),
    );
    world.run(stack.wait_configured());
    put(&mut router, &advertisement(0, 0), Offload::default());
    world.pass(Duration::from_secs(3600));
    assert!(stack.shared().engine().ip.has(ip("fd01::ff:fe00:2").into()));
    world.pass(Duration::from_secs(3700));
    assert!(!stack.shared().engine().ip.has(ip("fd01::ff:fe00:2").into()));
}

#[test]
fn what_does_not_come_from_the_link_is_ignored() {
    let spoiled: [fn(&mut Vec<u8>); 4] = [
        |f| f[21] = 254,
        |f| f[22] = 0xfd,
        |f| f[60] ^= 1,
        |f| f[55] = 1,
    ];
    for spoil in spoiled {
        let (mut world, stack, mut router) = waiting();
        let mut frame = advertisement(1800, 7200);
        spoil(&mut frame);
        put(&mut router, &frame, Offload::default());
        world.pass(Duration::from_secs(1));
        assert_eq!(stack.addresses().len(), 1);
    }
}

#[test]
fn asks_three_times_and_no_more() {
    let (mut world, _stack, mut router) = waiting();
    world.pass(Duration::from_secs(60));
    let mut count = 0;
    while let Some(frame) = take(&mut router) {
        count += usize::from(frame[54] == SOLICITATION);
    }
    assert_eq!(count, 3);
}
