// SPDX-License-Identifier: ISC
//! A lookup told anything, behind the right id and question as well: it ends, and only with records
//! that are well formed.

#![no_main]

use fata_dns::{
    Type,
    resolver::{Cache, Found, Lookup, Step, Transport},
};
use libfuzzer_sys::fuzz_target;

/// The same id and letters always.
fn random() -> u64 {
    0x0101_0101_0101
}

fuzz_target!(|data: &[u8]| {
    let [code, rest @ ..] = data else {
        return;
    };
    let rtype = Type((*code).into());
    let name = "www.example.org".parse().expect("a name");
    let server = "192.0.2.1:53".parse().expect("an address");
    let mut lookup = Lookup::new(&name, rtype, &[server], random);
    let mut parts = rest;
    let mut questions = 0;
    loop {
        let ask = match lookup.step() {
            Step::Ask(ask) => ask,
            Step::Done(result) => {
                let mut cache = Cache::new(4096);
                cache.put(&name, rtype, &result, 0);
                assert!(cache.bytes() <= 4096);
                if let Some(Found::Records(answer)) = cache.get(&name, rtype, 0) {
                    assert!(answer.rtype == rtype && answer.data.len() <= 64);
                    let _ = (
                        answer.mx().count(),
                        answer.srv().count(),
                        answer.names().count(),
                    );
                    let _ = (
                        answer.ipv4().count(),
                        answer.ipv6().count(),
                        answer.texts().count(),
                    );
                }
                return;
            }
        };
        questions += 1;
        assert!(questions < 100, "it goes on for ever");
        let [flags, len0, len1, after @ ..] = parts else {
            lookup.failed();
            continue;
        };
        let len = usize::from(u16::from_be_bytes([*len0 & 7, *len1])).min(after.len());
        let (bytes, after) = after.split_at(len);
        parts = after;
        let mut message = lookup.message();
        // The EDNS record of the question, if there is one.
        message.truncate(12 + 17 + 4);
        message[2] = 0x80 | flags >> 4;
        message[3] = 0x80 | flags & 0xf;
        message[10..12].fill(0);
        if let Some((counts, records)) = bytes.split_at_checked(2) {
            message[7] = counts[0];
            message[9] = counts[1];
            message.extend_from_slice(records);
        }
        let settled = lookup.receive(bytes, ask.transport)
            || lookup.receive(&message, ask.transport)
            || lookup.receive(&message, Transport::Tcp);
        if !settled {
            lookup.failed();
        }
    }
});
