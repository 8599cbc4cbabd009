// SPDX-License-Identifier: ISC
//! A DHCP server with a pool of four addresses, asked anything: answers are well formed, and no client
//! has two addresses.

#![no_main]

use std::net::Ipv4Addr;

use fata_dhcp::{
    Message, Server,
    server::{Config, Fixed, Identity, Network, State},
};
use libfuzzer_sys::fuzz_target;

const OWN: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const SECOND: u64 = 1_000_000_000;

fn server() -> Server {
    let address = |last| Ipv4Addr::new(10, 0, 0, last);
    let network = Network {
        pools: vec![(address(4), address(7))],
        routers: vec![OWN],
        dns_servers: vec![OWN; 10],
        domain: Some("example.org".into()),
        mtu: Some(1400),
        ..Network::new(OWN, 24)
    };
    let fixed = Fixed {
        client: Identity::Hardware([2, 0, 0, 0, 0, 1]),
        address: address(7),
    };
    let config = Config {
        fixed: vec![fixed],
        ..Config::new(OWN, network)
    };
    Server::new(config).expect("a configuration")
}

fuzz_target!(|data: &[u8]| {
    let mut server = server();
    let mut reply = [0; 1472];
    let mut now = 0;
    let mut rest = data;
    while let [seconds, len, after @ ..] = rest {
        now += u64::from(*seconds) * u64::from(*seconds) * SECOND;
        let (question, after) = after.split_at(after.len().min((*len).into()));
        rest = after;
        for bytes in [question, &message(question)] {
            if let Some(transmit) = server.answer(bytes, now, &mut reply) {
                let answer = Message::parse(&reply[..transmit.len]).expect("well formed");
                assert!(answer.header().kind == transmit.kind && transmit.kind.is_reply());
            }
        }
        assert!(server.bindings().count() <= 4);
        let bindings = server.bindings().map(|(_, binding)| binding);
        let current = bindings.filter(|it| it.is_current(now) && it.state != State::Declined);
        let clients: Vec<_> = current.map(|binding| &binding.client).collect();
        for (index, client) in clients.iter().enumerate() {
            assert!(!clients[..index].contains(client), "two addresses");
        }
    }
});

/// A message of one of 256 clients, with any addresses and options.
fn message(data: &[u8]) -> Vec<u8> {
    let mut message = vec![0; 240];
    message[..4].copy_from_slice(&[1, 1, 6, 0]);
    message[28] = 2;
    if let [client, relay, ciaddr, options @ ..] = data {
        message[33] = *client;
        if *ciaddr > 0 {
            message[12..16].copy_from_slice(&[10, 0, 0, *ciaddr]);
        }
        if *relay > 250 {
            message[24..28].copy_from_slice(&[10, 0, 0, *relay]);
        }
        message[236..240].copy_from_slice(&[99, 130, 83, 99]);
        message.extend_from_slice(options);
    }
    message
}
