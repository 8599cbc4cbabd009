// SPDX-License-Identifier: ISC

use super::*;

const MAC: [u8; 6] = [2, 0, 0, 0, 0, 9];
const OTHER: [u8; 6] = [2, 0, 0, 0, 0, 10];
const ANSWER: News = News {
    mac: Some(MAC),
    solicited: true,
    replaces: true,
    creates: false,
};
const CLAIM: News = News {
    mac: Some(MAC),
    solicited: false,
    replaces: true,
    creates: true,
};

fn host(number: u32) -> Addr {
    Addr::from((0x0a00_0000 + number).to_be_bytes())
}

fn asks(cache: &mut Neighbors, now: u64) -> Option<Option<[u8; 6]>> {
    match cache.due(now) {
        Some(Due::Ask(address, station)) => {
            assert_eq!(address, host(1));
            Some(station)
        }
        Some(Due::Lost(..)) => panic!("lost"),
        None => None,
    }
}

/// RFC 4861, section 7.2.2: three questions a second apart, then whatever waited is lost.
#[test]
fn nobody_answers() {
    let mut cache = Neighbors::new();
    assert_eq!(cache.resolve(host(1), 0), Known::Asked);
    cache.park(host(1), alloc::vec![1], Offload::default());
    for second in 0..3 {
        assert_eq!(asks(&mut cache, second * SECOND), Some(None));
        assert_eq!(asks(&mut cache, second * SECOND), None);
        assert_eq!(cache.deadline(), (second + 1) * SECOND);
    }
    let Some(Due::Lost(address)) = cache.due(3 * SECOND) else {
        panic!("not lost");
    };
    assert_eq!(address, host(1));
    assert!(cache.unpark(address).is_some() && cache.unpark(address).is_none());
    assert_eq!(cache.len(), 0);
    assert!(cache.due(4 * SECOND).is_none());
    assert_eq!(cache.deadline(), u64::MAX);
}

/// RFC 4861, section 7.3.2: reachable, stale, delay, probe, and gone.
#[test]
fn old_entries_are_asked_again_if_used() {
    let mut cache = Neighbors::new();
    cache.resolve(host(1), 0);
    assert!(cache.learn(host(1), ANSWER, 0));
    let known = Known::At(MAC, REACHABLE_TIME);
    assert_eq!(cache.resolve(host(1), 1), known);
    asks(&mut cache, 1);
    // Unused it stays, without a question.
    assert!(cache.due(10 * REACHABLE_TIME).is_none());
    let now = 10 * REACHABLE_TIME;
    assert_eq!(cache.resolve(host(1), now), Known::At(MAC, now + DELAY));
    assert_eq!(asks(&mut cache, now), None);
    let probing = now + DELAY;
    for second in 0..3 {
        assert_eq!(asks(&mut cache, probing + second * SECOND), Some(Some(MAC)));
        assert!(matches!(cache.resolve(host(1), probing), Known::At(MAC, _)));
    }
    assert!(matches!(
        cache.due(probing + 3 * SECOND),
        Some(Due::Lost(..))
    ));
    assert_eq!(cache.len(), 0);
}

/// RFC 4861, section 7.3.1.
#[test]
fn a_transport_confirms() {
    let mut cache = Neighbors::new();
    assert!(!cache.confirm(host(1), 0));
    cache.resolve(host(1), 0);
    assert!(!cache.confirm(host(1), 0));
    cache.learn(host(1), CLAIM, 0);
    asks(&mut cache, 0);
    assert_eq!(cache.resolve(host(1), 0), Known::At(MAC, DELAY));
    assert!(cache.confirm(host(1), SECOND));
    assert!(!cache.confirm(host(1), 2 * SECOND));
    assert_eq!(asks(&mut cache, DELAY), None);
    assert!(cache.confirm(host(1), REACHABLE_TIME));
}

/// RFC 4861, section 7.2.5 and appendix C.
#[test]
fn claims_without_override_change_nothing() {
    let mut cache = Neighbors::new();
    cache.resolve(host(1), 0);
    cache.learn(host(1), ANSWER, 0);
    let other = News {
        mac: Some(OTHER),
        replaces: false,
        ..ANSWER
    };
    assert!(cache.learn(host(1), other, 1));
    // Still the old one, and asked again.
    assert_eq!(cache.resolve(host(1), 1), Known::At(MAC, 1 + DELAY));
    let moved = News {
        mac: Some(OTHER),
        ..CLAIM
    };
    assert!(cache.learn(host(1), moved, 2));
    assert_eq!(cache.resolve(host(1), 2), Known::At(OTHER, 2 + DELAY));
    // Nobody asked for that one.
    let unknown = News {
        creates: false,
        ..CLAIM
    };
    assert!(!cache.learn(host(2), unknown, 2));
    assert_eq!(cache.len(), 1);
}

/// Claims and scans of a whole network do not push out who answers.
#[test]
fn floods_are_bounded() {
    let mut cache = Neighbors::new();
    cache.resolve(host(1), 0);
    cache.learn(host(1), ANSWER, 0);
    for number in 2..10_000 {
        cache.learn(host(number), CLAIM, number.into());
        assert!(cache.len() <= MAX_ENTRIES);
    }
    for number in 10_000..20_000 {
        cache.resolve(host(number), number.into());
        cache.park(host(number), alloc::vec![0; 3000], Offload::default());
    }
    assert!(cache.len() <= MAX_ENTRIES);
    let asked = |entry: &&Entry| matches!(entry.state, State::Incomplete(_));
    assert_eq!(cache.entries.iter().filter(asked).count(), MAX_INCOMPLETE);
    let bytes: usize = cache.parked.iter().map(|parked| parked.frame.len()).sum();
    assert!(cache.parked.len() <= MAX_PARKED && bytes <= MAX_PARKED_BYTES);
    assert_eq!(
        cache.resolve(host(1), 20_000),
        Known::At(MAC, REACHABLE_TIME)
    );
    assert!(
        cache
            .entries
            .is_sorted_by_key(|entry| entry.address.bits128())
    );
}
