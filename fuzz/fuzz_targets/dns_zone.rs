// SPDX-License-Identifier: ISC
//! A zone file; what is read of it is served.

#![no_main]

use std::net::{IpAddr, Ipv4Addr};

use fata_dns::{Name, Policy, Server, Zone};
use libfuzzer_sys::fuzz_target;

/// `example.org AXFR IN`
const TRANSFER: &[u8] = b"\0\x07\0\0\0\x01\0\0\0\0\0\0\x07example\x03org\0\0\xfc\0\x01";

fuzz_target!(|data: &[u8]| {
    let origin: Name = "example.org".parse().expect("a name");
    let Ok(zone) = Zone::parse("fuzz", data, &origin) else {
        return;
    };
    let policy = Policy {
        transfer: vec!["127.0.0.1".parse().expect("an address")],
        ..Policy::default()
    };
    let server = Server::new(vec![zone], policy).expect("one zone");
    let mut reply = vec![0; 65_535];
    if let Some(mut transfer) = server.transfer(TRANSFER, IpAddr::V4(Ipv4Addr::LOCALHOST)) {
        while let Some(length) = transfer.next(&mut reply) {
            assert!(length >= 12);
        }
    }
});
