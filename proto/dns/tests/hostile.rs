// SPDX-License-Identifier: ISC
//! Bytes that mean harm: whatever comes, nothing panics, loops, or answers with nonsense.
//!
//! The same checks as the fuzz targets, over changes that are always the same.

#[allow(dead_code, reason = "other tests use the rest")]
mod message;

use std::net::{IpAddr, Ipv4Addr};

use fata_dns::{Name, Policy, Server, Transport, Zone};
use message::{Edns, Message};

const ZONE: &[u8] = include_bytes!("../../../examples/app/dns/zones/example.net.zone");
const ORG: &[u8] = include_bytes!("../../../examples/app/dns/zones/example.org.zone");

/// Numbers that only look random (xorshift).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) as usize % below
    }

    /// Changes a few bytes: others, missing, doubled, or the tail gone.
    fn damage(&mut self, bytes: &mut Vec<u8>) {
        for _ in 0..=self.roll(4) {
            if bytes.is_empty() {
                return;
            }
            let at = self.roll(bytes.len());
            match self.roll(6) {
                0 => bytes[at] = self.roll(256) as u8,
                1 => bytes[at] ^= 1 << self.roll(8),
                2 => drop(bytes.remove(at)),
                3 => bytes.insert(at, [0, 0xff, 0xc0, b'*', b'"', b'\\', b'('][self.roll(7)]),
                4 => bytes[at] = 0xc0 | bytes[at] & 0x3f,
                _ if self.roll(8) == 0 => bytes.truncate(at),
                _ => bytes[at] = bytes[at].wrapping_add(1),
            }
        }
    }
}

fn server(minimal: bool) -> Server {
    let zone = |text, name: &str| {
        let origin: Name = name.parse().expect("a name");
        Zone::parse(name, text, &origin).expect("a zone")
    };
    let policy = Policy {
        transfer: vec!["127.0.0.1".parse().expect("an address")],
        minimal,
        ..Policy::default()
    };
    let zones = vec![zone(ZONE, "example.net"), zone(ORG, "example.org")];
    Server::new(zones, policy).expect("two zones")
}

/// Gives a server a message in every way that there is, and checks what it says.
fn deliver(server: &Server, message: &[u8], room: usize) {
    let mut reply = vec![0; 65_535];
    for transport in [Transport::Udp, Transport::Tcp] {
        if let Some(len) = server.answer(message, transport, &mut reply) {
            check(message, &reply[..len]);
            assert!(transport == Transport::Tcp || len <= 1232);
        }
        let _ = server.answer(message, transport, &mut reply[..room]);
    }
    if let Some(mut transfer) = server.transfer(message, IpAddr::V4(Ipv4Addr::LOCALHOST)) {
        let mut messages = 0;
        while let Some(len) = transfer.next(&mut reply) {
            check(message, &reply[..len]);
            messages += 1;
            assert!(messages < 100);
        }
    }
}

/// What holds for every reply.
fn check(query: &[u8], reply: &[u8]) {
    assert_eq!(query[..2], reply[..2], "another id");
    assert_eq!(query[2] & 0x80, 0, "an answer to an answer");
    let message = Message::parse(reply).unwrap_or_else(|e| panic!("{e}: {query:?} -> {reply:?}"));
    assert!(message.flags & 0x8000 != 0);
    assert!(message.question.is_empty() || query[12..].starts_with(&message.question));
}

#[test]
fn damaged_queries() {
    let servers = [server(true), server(false)];
    let mut dice = Dice(0x2545_f491_4f6c_dd1d);
    let names = [
        "www.example.org",
        "a.big.example.net",
        "x.tree.example.net",
        "x.y.wild.example.net",
        "host.bigsub.example.net",
        "loop1.example.net",
        "x.round1.example.net",
        "example.net",
        "chain1.example.net",
        "toolong.toolong.example.net",
    ];
    for _ in 0..60_000 {
        let name = message::wire(names[dice.roll(names.len())]);
        let rtype = [1, 2, 6, 15, 16, 28, 33, 252, 251, 255][dice.roll(10)];
        let edns = Edns {
            payload: dice.roll(5000) as u16,
            dnssec_ok: dice.roll(2) == 0,
        };
        let mut query = message::query(7, &name, rtype, (dice.roll(2) == 0).then_some(edns));
        if dice.roll(10) > 0 {
            dice.damage(&mut query);
        }
        let room = dice.roll(700);
        deliver(&servers[dice.roll(2)], &query, room);
    }
}

#[test]
fn random_bytes() {
    let server = server(true);
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    for _ in 0..60_000 {
        let len = dice.roll(80);
        let mut bytes: Vec<u8> = (0..len).map(|_| dice.roll(256) as u8).collect();
        // A header that is often good enough to look behind it.
        if bytes.len() > 12 && dice.roll(4) > 0 {
            bytes[2] &= 1;
            bytes[4..12].copy_from_slice(&[0, 1, 0, 0, 0, 0, 0, 1]);
        }
        deliver(&server, &bytes, 512);
    }
}

/// A zone that is read in spite of the damage is served too.
#[test]
fn damaged_zones() {
    let mut dice = Dice(0xd1b5_4a32_d192_ed03);
    let mut accepted = 0;
    for _ in 0..1500 {
        let mut text = if dice.roll(4) == 0 { ZONE } else { ORG }.to_vec();
        dice.damage(&mut text);
        for origin in ["example.net", "example.org", "."] {
            let origin: Name = origin.parse().expect("a name");
            let include = &mut |_: &str| Some(&b"$TTL 1\nincluded A 192.0.2.9\n"[..]);
            let Ok(zone) = Zone::parse_with("zone", &text, &origin, include) else {
                continue;
            };
            accepted += 1;
            let policy = Policy {
                transfer: vec!["127.0.0.1".parse().expect("an address")],
                ..Policy::default()
            };
            let server = Server::new(vec![zone], policy).expect("one zone");
            for name in [
                "www.example.org",
                "x.example.net",
                "example.net",
                "example.org",
            ] {
                for rtype in [1, 252, 255] {
                    deliver(
                        &server,
                        &message::query(1, &message::wire(name), rtype, None),
                        512,
                    );
                }
            }
        }
    }
    assert!(accepted > 100, "only {accepted} zones were accepted");
}

/// Long chains of what a zone allows: aliases, DNAMEs, wildcards, deep names.
#[test]
fn long_chains_end() {
    let mut text =
        String::from("$TTL 1\n@ SOA a a 1 1 1 1 1\n@ NS a\nd DNAME x.d\n*.w CNAME a.b.w\n");
    for i in 0..200 {
        text += &format!("c{i} CNAME c{}\n", i + 1);
    }
    text += &format!("{}e A 192.0.2.1\n", "a.".repeat(118));
    let origin: Name = "ex".parse().expect("a name");
    let zone = Zone::parse("ex", text.as_bytes(), &origin).expect("a zone");
    let server = Server::new(vec![zone], Policy::default()).expect("one zone");
    for name in [
        "c0.ex",
        "a.d.ex",
        "x.w.ex",
        &format!("{}e.ex", "a.".repeat(118)),
        "b.a.a.e.ex",
    ] {
        deliver(
            &server,
            &message::query(1, &message::wire(name), 1, None),
            512,
        );
    }
}

/// A compiled zone that is loaded in spite of the damage is served too, though with other content:
/// only that nothing panics or loops is asked of it.
#[test]
fn damaged_compiled_zones() {
    let origin: Name = "example.org".parse().expect("a name");
    let compiled = Zone::parse("example.org", ORG, &origin)
        .expect("a zone")
        .compile();
    let name = |name: &str| message::wire(name);
    let mut dice = Dice(0x5851_f42d_4c95_7f2d);
    let mut loaded = 0;
    for _ in 0..20_000 {
        let mut bytes = compiled.clone();
        let at = dice.roll(bytes.len());
        bytes[at] = dice.roll(256) as u8;
        if dice.roll(2) == 0 {
            dice.damage(&mut bytes);
        }
        let Ok(zone) = Zone::load(&bytes) else {
            continue;
        };
        loaded += 1;
        let policy = Policy {
            transfer: vec!["127.0.0.1".parse().expect("an address")],
            ..Policy::default()
        };
        let server = Server::new(vec![zone], policy).expect("one zone");
        let mut reply = vec![0; 65_535];
        for asked in ["example.org", "www.example.org", "none.example.org"] {
            for rtype in [1, 6, 15, 255] {
                let query = message::query(7, &name(asked), rtype, None);
                let _ = server.answer(&query, Transport::Tcp, &mut reply);
            }
        }
        let query = message::query(7, &name("example.org"), 252, None);
        if let Some(mut transfer) = server.transfer(&query, IpAddr::V4(Ipv4Addr::LOCALHOST)) {
            let mut messages = 0;
            while transfer.next(&mut reply).is_some() {
                messages += 1;
                assert!(messages < 100);
            }
        }
    }
    assert!(
        loaded > 1000,
        "too few are loaded to show anything: {loaded}"
    );
}
