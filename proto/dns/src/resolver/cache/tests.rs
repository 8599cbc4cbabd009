// SPDX-License-Identifier: ISC
//! What is remembered, how long, and how much.

use std::{boxed::Box, format, vec::Vec};

use super::{Cache, Found, SECOND};
use crate::{
    resolver::{Answer, LookupError, tests::name},
    types::Type,
};

fn records(ttl: u32) -> Answer {
    Answer {
        rtype: Type::A,
        data: Vec::from([Box::from([192, 0, 2, 1])]),
        ttl,
    }
}

#[test]
fn answers_end() {
    let mut cache = Cache::new(10_000);
    cache.put(&name("WWW.example"), Type::A, &Ok(records(60)), 0);
    let left = |cache: &Cache, now: u64| match cache.get(&name("www.EXAMPLE"), Type::A, now) {
        Some(Found::Records(answer)) => Some(answer.ttl),
        _ => None,
    };
    assert_eq!(left(&cache, 0), Some(60));
    assert_eq!(left(&cache, 59 * SECOND + 1), Some(1));
    assert_eq!(left(&cache, 60 * SECOND), None);
    assert_eq!(cache.get(&name("www.example"), Type::AAAA, 0), None);
    assert_eq!(cache.get(&name("example"), Type::A, 0), None);
    cache.put(&name("www.example"), Type::A, &Ok(records(u32::MAX)), 0);
    assert_eq!(left(&cache, 0), Some(24 * 3600), "clamped");
    cache.put(&name("www.example"), Type::A, &Ok(records(0)), 0);
    assert_eq!(left(&cache, 0), None, "not to be remembered");
    assert_eq!(cache.bytes(), 0);
}

/// RFC 2308 section 5, RFC 8020.
#[test]
fn nothing_is_remembered_too() {
    let mut cache = Cache::new(10_000);
    cache.put(
        &name("a.example"),
        Type::A,
        &Err(LookupError::NoData(60)),
        0,
    );
    assert_eq!(
        cache.get(&name("a.example"), Type::A, 0),
        Some(Found::NoData)
    );
    assert_eq!(
        cache.get(&name("a.example"), Type::AAAA, 0),
        None,
        "another type"
    );
    cache.put(
        &name("b.example"),
        Type::A,
        &Err(LookupError::NoName(u32::MAX)),
        0,
    );
    assert_eq!(
        cache.get(&name("b.example"), Type::AAAA, 0),
        Some(Found::NoName)
    );
    assert_eq!(
        cache.get(&name("x.y.b.example"), Type::A, 0),
        Some(Found::NoName)
    );
    assert_eq!(cache.get(&name("example"), Type::A, 0), None);
    assert_eq!(
        cache.get(&name("b.example"), Type::A, 3600 * SECOND),
        None,
        "clamped"
    );
    let bytes = cache.bytes();
    for error in [LookupError::TimedOut, LookupError::ServerFailure] {
        cache.put(&name("c.example"), Type::A, &Err(error), 0);
    }
    assert_eq!(cache.bytes(), bytes, "failures are not");
    cache.clear();
    assert_eq!(cache.get(&name("b.example"), Type::A, 0), None);
}

#[test]
fn memory_is_bounded() {
    let mut cache = Cache::new(4096);
    for number in 0..1000_u32 {
        let text = format!("host-{number}.example");
        cache.put(&name(&text), Type::A, &Ok(records(1000 + number)), 0);
        assert!(cache.bytes() <= 4096);
    }
    let is_known = |number: u32| {
        let text = format!("host-{number}.example");
        cache.get(&name(&text), Type::A, 0).is_some()
    };
    assert!(
        is_known(999) && is_known(990) && !is_known(0),
        "what ends first goes first"
    );
    let weights = cache
        .entries
        .iter()
        .map(|(key, entry)| super::weight(key, entry));
    assert_eq!(cache.bytes(), weights.sum::<usize>());
    let mut small = Cache::new(10);
    small.put(&name("a"), Type::A, &Ok(records(60)), 0);
    assert_eq!(small.bytes(), 0);
}
