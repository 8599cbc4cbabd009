// SPDX-License-Identifier: ISC
//! A DHCP client in any state, told anything: what it takes for a lease makes sense.

#![no_main]

use std::net::Ipv4Addr;

use fata_dhcp::{Client, client::BUFFER};
use libfuzzer_sys::fuzz_target;

const MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];
const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const SECOND: u64 = 1_000_000_000;

/// The same xid always, so that inputs can know it.
fn random() -> u64 {
    0x0101_0101
}

fuzz_target!(|data: &[u8]| {
    let mut now = 0;
    let mut client = Client::new(MAC, Some("fuzz"), random, now);
    let mut buffer = [0; BUFFER];
    let mut rest = data;
    // Each part: seconds to pass, the message's first bytes and its options in a length.
    while let [seconds, len, after @ ..] = rest {
        now += u64::from(*seconds) * u64::from(*seconds) * SECOND;
        let (options, after) = after.split_at(after.len().min((*len).into()));
        rest = after;
        if let Some(transmit) = client.poll(now, &mut buffer) {
            assert!(fata_dhcp::Message::parse(&buffer[..transmit.len]).is_some());
        }
        client.receive(options, SERVER, now);
        client.receive(&reply(options), SERVER, now);
        if let Some(lease) = client.lease() {
            assert!((1..=32).contains(&lease.prefix_len));
            assert!(!lease.address.is_unspecified() && !lease.address.is_broadcast());
            assert!(lease.routes.len() <= 16 && lease.dns_servers.len() <= 16);
            if seconds % 16 == 15 {
                client.decline(now);
            }
        }
    }
});

/// An answer to what the client has sent, with any address and options.
fn reply(data: &[u8]) -> Vec<u8> {
    let mut message = vec![0; 240];
    message[..8].copy_from_slice(&[2, 1, 6, 0, 1, 1, 1, 1]);
    let (address, options) = data.split_at(data.len().min(4));
    message[16..16 + address.len()].copy_from_slice(address);
    message[28..34].copy_from_slice(&MAC);
    message[236..240].copy_from_slice(&[99, 130, 83, 99]);
    message.extend_from_slice(options);
    message
}
