// SPDX-License-Identifier: ISC
//! A lookup against scripted servers.

use core::net::SocketAddr;
use std::vec::Vec;

use super::{Ask, Lookup, LookupError, Step, Transport};
use crate::{
    resolver::tests::{a, answer, asked, cname, name, random, server, soa},
    types::Type,
};

fn lookup(servers: &[SocketAddr]) -> Lookup {
    Lookup::new(&name("www.example.org"), Type::A, servers, random)
}

fn ask(lookup: &mut Lookup) -> Ask {
    match lookup.step() {
        Step::Ask(ask) => ask,
        Step::Done(result) => panic!("done: {result:?}"),
    }
}

fn done(lookup: &mut Lookup) -> Result<Vec<u8>, LookupError> {
    match lookup.step() {
        Step::Ask(ask) => panic!("asks {ask:?}"),
        Step::Done(result) => {
            result.map(|found| found.ipv4().map(|address| address.octets()[3]).collect())
        }
    }
}

#[test]
fn the_first_server_answers() {
    let mut lookup = lookup(&[server(1), server(2)]);
    let asked = ask(&mut lookup);
    assert_eq!((asked.server, asked.transport), (server(1), Transport::Udp));
    let message = answer(&lookup.message(), 0, &[a("www.example.org", 9)], &[]);
    assert!(lookup.receive(&message, Transport::Udp));
    assert_eq!(done(&mut lookup), Ok(Vec::from([9])));
}

/// RFC 1035 section 7.2: in order, with more patience each round, and not for ever.
#[test]
fn silent_servers() {
    let mut lookup = lookup(&[server(1), server(2)]);
    let mut asked = Vec::new();
    while let Step::Ask(ask) = lookup.step() {
        asked.push((ask.server, ask.wait / 1_000_000));
        lookup.failed();
    }
    let (one, two) = (server(1), server(2));
    let expected = [
        (one, 1500),
        (two, 1500),
        (one, 3000),
        (two, 3000),
        (one, 6000),
        (two, 6000),
    ];
    assert_eq!(asked, expected);
    assert_eq!(done(&mut lookup), Err(LookupError::TimedOut));
    assert_eq!(
        done(&mut super::Lookup::new(&name("a"), Type::A, &[], random)),
        Err(LookupError::NoServer)
    );
}

#[test]
fn a_server_that_fails_is_asked_once() {
    let mut lookup = lookup(&[server(1), server(2)]);
    ask(&mut lookup);
    let failure = answer(&lookup.message(), 2, &[], &[]);
    assert!(lookup.receive(&failure, Transport::Udp));
    for _ in 0..3 {
        assert_eq!(ask(&mut lookup).server, server(2));
        lookup.failed();
    }
    assert_eq!(done(&mut lookup), Err(LookupError::ServerFailure));
}

/// RFC 7766 section 5: what does not fit comes over TCP.
#[test]
fn truncated_answers() {
    let mut lookup = lookup(&[server(1)]);
    ask(&mut lookup);
    let truncated = answer(&lookup.message(), 0x200, &[], &[]);
    assert!(lookup.receive(&truncated, Transport::Udp));
    let again = ask(&mut lookup);
    assert_eq!((again.server, again.transport), (server(1), Transport::Tcp));
    let message = answer(&lookup.message(), 0, &[a("www.example.org", 9)], &[]);
    assert!(lookup.receive(&message, Transport::Tcp));
    assert_eq!(done(&mut lookup), Ok(Vec::from([9])));
}

/// A forger who does not see the question does not get in, and a server that does not repeat the
/// case is asked where nobody can forge.
#[test]
fn forged_answers() {
    let mut lookup = lookup(&[server(1)]);
    ask(&mut lookup);
    let message = lookup.message();
    let good = answer(&message, 0, &[a("www.example.org", 9)], &[]);
    for guess in 1..1000_u16 {
        let mut forged = answer(&message, 0, &[a("www.example.org", 66)], &[]);
        let id = u16::from_be_bytes([forged[0], forged[1]]) ^ guess;
        forged[..2].copy_from_slice(&id.to_be_bytes());
        assert!(!lookup.receive(&forged, Transport::Udp));
    }
    let mut forged = answer(&message, 0, &[a("www.example.org", 66)], &[]);
    forged[13] ^= 0x20;
    let mut other = super::Lookup::new(&name("www.example.org"), Type::A, &[server(1)], random);
    assert!(!other.receive(&good, Transport::Udp), "of another question");
    assert!(lookup.receive(&forged, Transport::Udp));
    assert_eq!(ask(&mut lookup).transport, Transport::Tcp);
    assert!(
        !lookup.receive(&good, Transport::Tcp),
        "of the question before"
    );
    let mut message = answer(&lookup.message(), 0, &[a("www.example.org", 9)], &[]);
    message[12..29].make_ascii_lowercase();
    assert!(lookup.receive(&message, Transport::Tcp));
    assert_eq!(done(&mut lookup), Ok(Vec::from([9])));
}

/// RFC 6891 section 6.2.2: a server from before EDNS is asked without.
#[test]
fn without_edns() {
    let mut lookup = lookup(&[server(1)]);
    ask(&mut lookup);
    assert_eq!(lookup.message()[11], 1);
    let refused = answer(&lookup.message(), 1, &[], &[]);
    assert!(lookup.receive(&refused, Transport::Udp));
    assert_eq!(ask(&mut lookup).server, server(1));
    assert_eq!(lookup.message()[11], 0);
    let refused = answer(&lookup.message(), 1, &[], &[]);
    assert!(lookup.receive(&refused, Transport::Udp));
    assert_eq!(done(&mut lookup), Err(LookupError::ServerFailure));
}

/// Names that lead elsewhere are followed, eight times at most.
#[test]
fn aliases() {
    let mut lookup = lookup(&[server(1)]);
    ask(&mut lookup);
    let alias = answer(
        &lookup.message(),
        0,
        &[cname("www.example.org", "b.example")],
        &[],
    );
    assert!(lookup.receive(&alias, Transport::Udp));
    ask(&mut lookup);
    assert_eq!(asked(&lookup.message()).to_lowercase(), "b.example.");
    let message = answer(&lookup.message(), 0, &[a("b.example", 9)], &[]);
    assert!(lookup.receive(&message, Transport::Udp));
    let Step::Done(Ok(found)) = lookup.step() else {
        panic!("no answer");
    };
    assert_eq!(found.ttl, 200, "the alias' is smaller");

    let mut lookup = self::lookup(&[server(1)]);
    let mut questions = 0;
    while let Step::Ask(_) = lookup.step() {
        questions += 1;
        let message = lookup.message();
        let owner = asked(&message);
        let (from, to) = match owner.to_lowercase().as_str() {
            "a.example." => ("a.example", "b.example"),
            "b.example." => ("b.example", "a.example"),
            _ => ("www.example.org", "a.example"),
        };
        lookup.receive(
            &answer(&message, 0, &[cname(from, to)], &[]),
            Transport::Udp,
        );
    }
    assert_eq!(questions, 9);
    assert_eq!(done(&mut lookup), Err(LookupError::ServerFailure));
}

#[test]
fn nothing_there() {
    let mut lookup = lookup(&[server(1), server(2)]);
    ask(&mut lookup);
    let message = answer(&lookup.message(), 3, &[], &[soa("example.org", 900, 60)]);
    assert!(lookup.receive(&message, Transport::Udp));
    assert_eq!(
        done(&mut lookup),
        Err(LookupError::NoName(60)),
        "nobody else is asked"
    );
}
