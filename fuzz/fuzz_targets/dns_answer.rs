// SPDX-License-Identifier: ISC
//! A DNS server with two zones, asked anything over either transport.

#![no_main]

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::LazyLock,
};

use fata_dns::{Name, Policy, Server, Transport, Zone};
use libfuzzer_sys::fuzz_target;

const ZONES: [(&str, &[u8]); 2] = [
    (
        "example.org",
        include_bytes!("../../examples/app/dns/zones/example.org.zone"),
    ),
    (
        "example.net",
        include_bytes!("../../examples/app/dns/zones/example.net.zone"),
    ),
];

static SERVERS: LazyLock<[Server; 2]> = LazyLock::new(|| [server(false), server(true)]);

fn server(minimal: bool) -> Server {
    let zones = ZONES.map(|(name, text)| {
        let origin: Name = name.parse().expect("a name");
        Zone::parse(name, text, &origin).expect("a zone")
    });
    let policy = Policy {
        transfer: vec!["127.0.0.1".parse().expect("an address")],
        minimal,
        ..Policy::default()
    };
    Server::new(zones.into(), policy).expect("two zones")
}

fuzz_target!(|data: &[u8]| {
    let Some((&room, query)) = data.split_first() else {
        return;
    };
    let mut reply = vec![0; 65_535];
    for server in &*SERVERS {
        for transport in [Transport::Udp, Transport::Tcp] {
            if let Some(length) = server.answer(query, transport, &mut reply) {
                check(query, &reply[..length]);
            }
            let small = &mut reply[..usize::from(room) * 4];
            let _ = server.answer(query, transport, small);
        }
        if let Some(mut transfer) = server.transfer(query, IpAddr::V4(Ipv4Addr::LOCALHOST)) {
            for _ in 0..100 {
                let Some(length) = transfer.next(&mut reply) else {
                    return;
                };
                check(query, &reply[..length]);
            }
            panic!("the transfer does not end");
        }
    }
});

/// What holds for every reply: it is one, to this query, and the query was none.
fn check(query: &[u8], reply: &[u8]) {
    assert_eq!(query[..2], reply[..2]);
    assert_eq!(query[2] & 0x80, 0);
    assert_eq!(reply[2] & 0x80, 0x80);
}
