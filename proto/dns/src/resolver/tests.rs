// SPDX-License-Identifier: ISC
//! What the tests of the resolver share: a server that says what it is told to.

use core::{cell::Cell, net::SocketAddr};
use std::{string::ToString, thread_local, vec::Vec};

use crate::{name::Name, types::Type};

thread_local! {
    static RANDOM: Cell<u64> = const { Cell::new(1) };
}

pub(super) fn random() -> u64 {
    let number = RANDOM
        .get()
        .wrapping_mul(0x5851_f42d_4c95_7f2d)
        .wrapping_add(0x1405_7b7e_f767_814f);
    RANDOM.set(number);
    number >> 16
}

pub(super) fn name(text: &str) -> Name {
    text.parse().unwrap()
}

pub(super) fn server(last: u8) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, last], 53))
}

/// A record: owner, type, time to live, data.
pub(super) type Record<'a> = (&'a str, Type, u32, Vec<u8>);

pub(super) fn a(owner: &str, last: u8) -> Record<'_> {
    (owner, Type::A, 300, [198, 51, 100, last].to_vec())
}

pub(super) fn cname<'a>(owner: &'a str, target: &str) -> Record<'a> {
    (owner, Type::CNAME, 200, name(target).as_bytes().to_vec())
}

pub(super) fn soa(owner: &str, ttl: u32, minimum: u32) -> Record<'_> {
    let mut data = [name("ns.example").as_bytes(), name("x.example").as_bytes()].concat();
    data.extend([0; 16]);
    data.extend(minimum.to_be_bytes());
    (owner, Type::SOA, ttl, data)
}

/// An answer to `query`, whose question it repeats.
pub(super) fn answer(
    query: &[u8],
    flags: u16,
    answers: &[Record<'_>],
    authorities: &[Record<'_>],
) -> Vec<u8> {
    let end = 12 + crate::name::wire_len(&query[12..]).unwrap() + 4;
    let mut message = query[..2].to_vec();
    let counts = [1, answers.len() as u16, authorities.len() as u16, 0];
    for word in [0x8180 | flags].iter().chain(&counts) {
        message.extend(word.to_be_bytes());
    }
    message.extend(&query[12..end]);
    for (owner, rtype, ttl, data) in answers.iter().chain(authorities) {
        message.extend(name(owner).as_bytes());
        for word in [rtype.0, 1] {
            message.extend(word.to_be_bytes());
        }
        message.extend(ttl.to_be_bytes());
        message.extend((data.len() as u16).to_be_bytes());
        message.extend(data);
    }
    message
}

/// The name that a query asks for, as it is written there.
pub(super) fn asked(query: &[u8]) -> std::string::String {
    Name::from_wire(&query[12..]).unwrap().to_string()
}
