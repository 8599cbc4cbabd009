// SPDX-License-Identifier: ISC
//! Raw sockets and pings.

use std::{net::IpAddr, time::Duration, vec};

use super::world::{both, ip, pair};
use crate::{Error, EthernetSocket, IpSocket};

/// RFC 3692, section 2.1: for experiments.
const EXPERIMENT: u8 = 253;

#[test]
fn ip_packets_of_any_protocol() {
    let (mut world, a, b) = pair();
    let (here, there) = (IpSocket::new(&a, EXPERIMENT), IpSocket::new(&b, EXPERIMENT));
    for (from, to) in [("10.0.0.1", "10.0.0.2"), ("fd00::1", "fd00::2")] {
        let mut buffer = [0; 32];
        let (len, peer) = world.run(async {
            here.send_to(b"anything", ip(to)).await.unwrap();
            there.recv_from(&mut buffer).await
        });
        assert_eq!((&buffer[..len], peer), (&b"anything"[..], ip(from)));
    }
    let nowhere = world.run(here.send_to(b"", ip("192.0.2.1")));
    assert_eq!(nowhere, Err(Error::NetworkUnreachable));
}

#[test]
fn frames_of_one_ether_type() {
    let (mut world, a, b) = pair();
    // IEEE 802: for local experiments.
    let (here, there) = (
        EthernetSocket::new(&a, None),
        EthernetSocket::new(&b, Some(0x88b5)),
    );
    let mut frame = vec![0xff; 6];
    frame.extend(a.mac());
    frame.extend([0x88, 0xb5, 1, 2, 3]);
    let mut buffer = [0; 64];
    let len = world.run(async {
        here.send(&frame).await.unwrap();
        there.recv(&mut buffer).await
    });
    assert_eq!(buffer[..len], frame);
    assert_eq!(world.run(here.send(&[0; 13])), Err(Error::InvalidInput));
    assert_eq!(world.run(here.send(&[0; 1515])), Err(Error::InvalidInput));
}

#[test]
fn pings_are_answered_or_time_out() {
    let (mut world, a, _b) = pair();
    let second = Duration::from_secs(1);
    for peer in ["10.0.0.2", "fd00::2", "127.0.0.1", "::1"] {
        for len in [0, 56, 3000] {
            let took = world.run(a.ping(ip(peer), len, second));
            assert!(
                took.is_ok_and(|took| took < second),
                "{peer} {len}: {took:?}"
            );
        }
    }
    let silent: IpAddr = ip("10.0.0.99");
    assert_eq!(world.run(a.ping(silent, 56, second)), Err(Error::TimedOut));
    let patient = world.run(a.ping(silent, 56, 60 * second));
    assert_eq!(patient, Err(Error::HostUnreachable));
    let nowhere = world.run(a.ping(ip("192.0.2.1"), 56, second));
    assert_eq!(nowhere, Err(Error::NetworkUnreachable));
    let (one, two) = world.run(both(
        a.ping(ip("10.0.0.2"), 56, second),
        a.ping(ip("10.0.0.2"), 56, second),
    ));
    assert!(one.is_ok() && two.is_ok());
}
