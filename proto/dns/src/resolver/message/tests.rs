// SPDX-License-Identifier: ISC
//! What is believed of an answer, and what is not.

use std::{collections::BTreeSet, vec::Vec};

use super::{Question, Reply};
use crate::{
    resolver::tests::{Record, a, answer, asked, cname, name, random, soa},
    types::Type,
};

fn question(rtype: Type) -> (Question, Vec<u8>) {
    let question = Question::new(&name("www.example.org"), rtype, true, random);
    let message = question.message();
    (question, message)
}

/// What an answer of these records says about the addresses of www.example.org.
fn said(answers: &[Record<'_>], authorities: &[Record<'_>]) -> Reply {
    let (question, query) = question(Type::A);
    question.read(&answer(&query, 0, answers, authorities), true)
}

fn addresses(reply: &Reply) -> Vec<u8> {
    match reply {
        Reply::Records(answer) => answer.ipv4().map(|address| address.octets()[3]).collect(),
        _ => panic!("no records"),
    }
}

/// RFC 1035 section 4.1, RFC 6891 section 6.1: one question, with EDNS of 1232 bytes.
#[test]
fn questions() {
    let (question, query) = question(Type::AAAA);
    assert_eq!(query[..2], question.id.to_be_bytes());
    assert_eq!(query[2..12], [1, 0, 0, 1, 0, 0, 0, 0, 0, 1]);
    assert_eq!(asked(&query).to_lowercase(), "www.example.org.");
    assert_eq!(query[29..33], [0, 28, 0, 1]);
    assert_eq!(query[33..], [0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0]);
    let plain = Question::new(&name("a"), Type::A, false, random).message();
    assert_eq!((plain.len(), plain[11]), (12 + 3 + 4, 0));
}

/// RFC 5452 section 9: ids and the case of letters differ from question to question.
#[test]
fn questions_cannot_be_guessed() {
    let all: Vec<_> = (0..100).map(|_| question(Type::A).1).collect();
    let ids: BTreeSet<_> = all.iter().map(|query| query[..2].to_vec()).collect();
    let names: BTreeSet<_> = all.iter().map(|query| asked(query)).collect();
    assert!(
        ids.len() > 90 && names.len() > 90,
        "{} {}",
        ids.len(),
        names.len()
    );
}

/// RFC 5452 section 9.1: what does not fit the question is not the answer.
#[test]
fn foreign_answers() {
    let (question, query) = question(Type::A);
    let good = answer(&query, 0, &[a("www.example.org", 1)], &[]);
    let read = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = good.clone();
        change(&mut bytes);
        question.read(&bytes, true)
    };
    assert!(matches!(read(&|_| ()), Reply::Records(_)));
    assert!(matches!(read(&|it| it[1] ^= 1), Reply::Foreign), "id");
    assert!(matches!(read(&|it| it[2] = 1), Reply::Foreign), "a query");
    assert!(matches!(read(&|it| it[2] |= 8), Reply::Foreign), "opcode");
    assert!(matches!(read(&|it| it[5] = 2), Reply::Foreign), "questions");
    assert!(matches!(read(&|it| it[14] += 1), Reply::Foreign), "name");
    assert!(matches!(read(&|it| it[30] = 28), Reply::Foreign), "type");
    assert!(matches!(read(&|it| it[32] = 3), Reply::Foreign), "class");
    assert!(matches!(read(&|it| it.truncate(11)), Reply::Foreign));
    assert!(matches!(read(&|it| it.truncate(20)), Reply::Foreign));
    assert!(matches!(
        read(&|it| it.truncate(good.len() - 1)),
        Reply::Failure
    ));
    assert!(matches!(read(&|it| it[13] ^= 0x20), Reply::WrongCase));
    let mut lower = good.clone();
    lower[12..29].make_ascii_lowercase();
    assert!(
        matches!(question.read(&lower, false), Reply::Records(_)),
        "over TCP"
    );
    assert!(matches!(read(&|it| it[2] |= 2), Reply::Truncated));
    assert!(matches!(read(&|it| it[3] |= 2), Reply::Failure), "SERVFAIL");
    assert!(matches!(read(&|it| it[3] |= 5), Reply::Failure), "REFUSED");
    assert!(matches!(read(&|it| it[3] |= 1), Reply::FormatError));
    let header = [&good[..2], &[0x81, 0x81, 0, 0, 0, 0, 0, 0, 0, 0]].concat();
    assert!(matches!(question.read(&header, true), Reply::FormatError));
}

/// Records of other names say nothing (RFC 2181 section 5.4.1).
#[test]
fn only_what_was_asked_for() {
    let reply = said(
        &[
            a("evil.example.org", 66),
            a("www.example.org", 1),
            a("org", 66),
        ],
        &[],
    );
    assert_eq!(addresses(&reply), [1]);
    let reply = said(
        &[
            ("www.example.org", Type::A, 300, [1; 4].to_vec()),
            a("WWW.example.ORG", 2),
        ],
        &[],
    );
    assert_eq!(addresses(&reply).len(), 2);
    assert!(matches!(
        said(&[a("evil.example", 66)], &[]),
        Reply::NoData(0)
    ));
    assert!(matches!(
        said(&[a("x", 66)], &[a("www.example.org", 66)]),
        Reply::NoData(0)
    ));
}

/// RFC 1034 section 3.6.2: along CNAMEs in any order; not for ever.
#[test]
fn chains() {
    let chain = [
        a("c.example.net", 3),
        cname("b.example", "C.example.net"),
        cname("www.example.org", "b.example"),
        cname("other.example", "evil.example"),
    ];
    let Reply::Records(found) = said(&chain, &[]) else {
        panic!("no records");
    };
    assert_eq!((found.data.len(), found.ttl), (1, 200), "the smallest ttl");
    assert!(
        matches!(said(&chain[1..], &[]), Reply::Alias(next, 200) if *next == name("c.example.net"))
    );
    let circle = [
        cname("www.example.org", "b.example"),
        cname("b.example", "www.example.org"),
    ];
    assert!(matches!(said(&circle, &[]), Reply::Failure));
    let (question, query) = question(Type::CNAME);
    let message = answer(&query, 0, &chain, &[]);
    let Reply::Records(found) = question.read(&message, true) else {
        panic!("no records");
    };
    assert!(found.names().eq([name("b.example")]));
}

/// RFC 2308 sections 2 and 5: the smaller of the SOA's ttl and its minimum, from a zone above.
#[test]
fn negative_answers() {
    let no_name = |authorities: &[Record<'_>]| {
        let (question, query) = question(Type::A);
        question.read(&answer(&query, 3, &[], authorities), true)
    };
    assert!(matches!(
        no_name(&[soa("example.org", 900, 60)]),
        Reply::NoName(60)
    ));
    assert!(matches!(no_name(&[soa("org", 50, 60)]), Reply::NoName(50)));
    assert!(
        matches!(no_name(&[soa("example.net", 900, 60)]), Reply::NoName(0)),
        "not above"
    );
    assert!(matches!(no_name(&[]), Reply::NoName(0)));
    assert!(matches!(
        said(&[], &[soa("example.org", 900, 60)]),
        Reply::NoData(60)
    ));
    let moved = [cname("www.example.org", "b.example")];
    assert!(matches!(
        said(&moved, &[soa("example", 900, 600)]),
        Reply::NoData(200)
    ));
}

/// A referral is no answer of a server that resolves.
#[test]
fn referrals() {
    let (question, query) = question(Type::A);
    let ns: Record<'_> = (
        "example.org",
        Type::NS,
        300,
        name("ns.example").as_bytes().to_vec(),
    );
    let mut message = answer(&query, 0, &[], &[ns]);
    assert!(matches!(question.read(&message, true), Reply::NoData(0)));
    message[3] &= 0x7f;
    assert!(matches!(question.read(&message, true), Reply::Failure));
}

/// RFC 1035 section 4.1.4: names are written out, pointers lead backwards.
#[test]
fn compressed_names() {
    let (question, query) = question(Type::MX);
    let mut message = answer(&query, 0, &[], &[]);
    message[7] = 1;
    // Its owner is the question's name, and its host `mx` below the second label there.
    message.extend([0xc0, 12, 0, 15, 0, 1, 0, 0, 0, 9, 0, 7]);
    message.extend([0, 10, 2, b'm', b'x', 0xc0, 16]);
    let Reply::Records(found) = question.read(&message, true) else {
        panic!("no records");
    };
    let mx = found.mx().next().unwrap();
    assert_eq!((mx.preference, mx.exchange), (10, name("mx.example.org")));
    let end = message.len() - 1;
    for target in [end as u8 - 1, 0xff, end as u8 - 4] {
        let mut message = message.clone();
        message[end] = target;
        assert!(
            matches!(question.read(&message, true), Reply::Failure),
            "{target}"
        );
    }
}

/// Whatever arrives is refused or understood.
#[test]
fn mutated_answers_never_panic() {
    for round in 0..20_000_u32 {
        let (question, query) = question(if round & 1 == 0 { Type::A } else { Type::SRV });
        let srv = [&[0, 1, 0, 2, 0, 80][..], name("a.example").as_bytes()].concat();
        let records = [
            cname("www.example.org", "b.example"),
            a("b.example", 7),
            ("b.example", Type::SRV, 60, srv),
        ];
        let mut message = answer(&query, 0, &records, &[soa("example", 9, 9)]);
        for _ in 0..random() % 5 {
            let at = random() as usize % message.len();
            message[at] = random() as u8;
        }
        message.truncate(message.len() - random() as usize % 8);
        if let Reply::Records(found) = question.read(&message, true) {
            assert!(found.data.len() <= super::MOST_RECORDS);
            let _ = (
                found.ipv4().count(),
                found.srv().count(),
                found.texts().count(),
            );
        }
    }
}
