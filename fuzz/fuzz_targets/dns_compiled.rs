// SPDX-License-Identifier: ISC
//! A compiled zone; what is loaded of it answers.

#![no_main]

use fata_dns::{Policy, Server, Transport, Zone};
use libfuzzer_sys::fuzz_target;

/// The header of a query for one name.
const HEADER: &[u8] = b"\0\x07\0\0\0\x01\0\0\0\0\0\0";

fuzz_target!(|data: &[u8]| {
    let Ok(zone) = Zone::load(data) else {
        return;
    };
    let origin = zone.origin();
    let server = Server::new(vec![zone], Policy::default()).expect("one zone");
    let mut reply = vec![0; 65_535];
    for label in [&b""[..], b"\x03www", b"\x01*", b"\x01x\x01y"] {
        for rtype in [1, 2, 6, 15, 255_u16] {
            let mut query = [HEADER, label, origin.as_bytes()].concat();
            query.extend_from_slice(&rtype.to_be_bytes());
            query.extend_from_slice(&[0, 1]);
            let _ = server.answer(&query, Transport::Tcp, &mut reply);
        }
    }
});
