// SPDX-License-Identifier: ISC
//! Nanoseconds an answer takes, for each kind of answer: `cargo run --release -p fata-dns --example
//! bench`. With a number as argument, the zone has so many hosts more.

use std::{env, hint::black_box, time::Instant};

use fata_dns::{Name, Policy, Server, Transport, Zone};

const ZONE: &str = include_str!("../../../examples/app/dns/zones/example.net.zone");
const QUESTIONS: [(&str, &str, u16); 10] = [
    ("address", "ns.example.net", 1),
    ("name server", "example.net", 2),
    ("mail", "example.net", 15),
    ("alias", "www.example.net", 1),
    ("four aliases", "chain1.example.net", 1),
    ("wildcard", "some.thing.wild.example.net", 1),
    ("no such name", "nothing.example.net", 1),
    ("no such type", "ns.example.net", 16),
    ("referral", "x.sub.example.net", 1),
    ("not our zone", "www.example.com", 1),
];
const ROUNDS: u32 = 200_000;

fn main() {
    let hosts: u32 = env::args()
        .nth(1)
        .map_or(0, |hosts| hosts.parse().expect("a number"));
    let mut text = String::from(ZONE);
    for i in 0..hosts {
        text += &format!("h{i}.hosts.example.net. A 192.0.2.{}\n", i % 256);
    }
    let origin: Name = "example.net".parse().expect("a name");
    let start = Instant::now();
    let zone = Zone::parse("bench", text.as_bytes(), &origin).expect("a zone");
    let records = zone.records();
    println!("{records} records read in {:?}", start.elapsed());
    let server = Server::new(vec![zone], Policy::default()).expect("one zone");
    for (kind, name, rtype) in QUESTIONS {
        let query = query(name, rtype);
        report(kind, ROUNDS, || answer(&server, &query));
    }
    if hosts > 0 {
        let queries: Vec<_> = (0..hosts)
            .map(|i| {
                query(
                    &format!("h{}.hosts.example.net", i.wrapping_mul(7919) % hosts),
                    1,
                )
            })
            .collect();
        let mut next = queries.iter().cycle();
        report("one host after the other", ROUNDS, || {
            answer(&server, next.next().expect("a cycle"));
        });
    }
}

fn report(kind: &str, rounds: u32, mut answer: impl FnMut()) {
    // The best of several runs: the machine may have other things to do.
    let best = (0..7).map(|_| {
        let start = Instant::now();
        (0..rounds).for_each(|_| answer());
        start.elapsed()
    });
    let best = best.min().unwrap_or_default();
    println!("{:>6} ns  {kind}", best.as_nanos() / u128::from(rounds));
}

fn answer(server: &Server, query: &[u8]) {
    let mut reply = [0; 1232];
    let len = server.answer(black_box(query), Transport::Udp, &mut reply);
    black_box((len, &reply));
}

/// A query with EDNS, as resolvers send it.
fn query(name: &str, rtype: u16) -> Vec<u8> {
    let name: Name = name.parse().expect("a name");
    let mut query = vec![0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1];
    query.extend_from_slice(name.as_bytes());
    query.extend_from_slice(&rtype.to_be_bytes());
    query.extend_from_slice(&[0, 1, 0, 0, 41, 4, 0xd0, 0, 0, 0x80, 0, 0, 0]);
    query
}
