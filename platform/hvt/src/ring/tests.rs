// SPDX-License-Identifier: ISC
//! A host in another thread, which sleeps and is kicked, and hosts that lie.

use std::{
    boxed::Box,
    sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst},
    thread,
    time::{Duration, Instant},
};

use super::*;

/// An empty ring, for good.
pub(super) fn ring() -> &'static Ring {
    let ring = Box::<Ring>::new_zeroed();
    // SAFETY: a ring consists of atomic integers, and zero is one.
    Box::leak(unsafe { ring.assume_init() })
}

/// A guest on this ring.
pub(super) fn guest(ring: &'static Ring, kick: fn(u32)) -> Guest {
    let guest = Guest::new();
    guest.init(Line {
        ring,
        number: NET,
        kick,
        rest: thread::yield_now,
    });
    guest
}

fn entry(operation: u32, id: u32) -> Request {
    Request {
        operation,
        id,
        data: u64::from(id) << 20,
        len: !id,
        ..Request::default()
    }
}

/// Kicks that the sleeping host has not heard, and all that there were.
static BELL: AtomicU32 = AtomicU32::new(0);
static KICKS: AtomicU32 = AtomicU32::new(0);
static DONE: AtomicBool = AtomicBool::new(false);

/// Answers entries whose operation is not zero, looks for others for a while, and sleeps until it is
/// kicked.
fn host(ring: &Ring) {
    let (mut taken, mut written) = (0_u32, 0_u32);
    while !DONE.load(SeqCst) {
        let tail = ring.entries_tail.load(Acquire);
        assert!(
            tail.wrapping_sub(taken) <= SLOTS,
            "more than there is room for"
        );
        while taken != tail {
            let slot = &ring.entries[(taken % SLOTS) as usize];
            let id = slot.id.load(Relaxed);
            assert_eq!(slot.data.load(Relaxed), u64::from(id) << 20);
            if slot.operation.load(Relaxed) != 0 {
                while written.wrapping_sub(ring.commits_head.load(Acquire)) == SLOTS {
                    thread::yield_now();
                }
                let commit = &ring.commits[(written % SLOTS) as usize];
                commit.id.store(id, Relaxed);
                commit.len.store(slot.len.load(Relaxed), Relaxed);
                written = written.wrapping_add(1);
                ring.commits_tail.store(written, Release);
            }
            taken = taken.wrapping_add(1);
            ring.entries_head.store(taken, Release);
        }
        ring.needs_kick.store(1, Relaxed);
        fence(SeqCst);
        if ring.entries_tail.load(Acquire) == taken {
            let start = Instant::now();
            while BELL.swap(0, SeqCst) == 0 && !DONE.load(SeqCst) {
                assert!(start.elapsed() < Duration::from_secs(20), "nobody kicks");
                thread::yield_now();
            }
        }
        ring.needs_kick.store(0, Relaxed);
    }
}

#[test]
fn everything_is_answered_whoever_sleeps() {
    const TOTAL: u32 = 200_000;
    let ring = ring();
    let guest = guest(ring, |number| {
        assert_eq!(number, NET);
        BELL.store(1, SeqCst);
        KICKS.fetch_add(1, SeqCst);
    });
    let host = thread::spawn(move || host(ring));
    let (mut asked, mut answered, mut silent, mut retired) = (0, 0, 0, 0);
    let mut random = 1_u32;
    while answered < TOTAL {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        // Seldom so many that the ring is full.
        let many = if random >> 27 == 0 {
            2 * SLOTS
        } else {
            random >> 30
        };
        for _ in 0..many.min(TOTAL - asked) {
            silent += u32::from(guest.push(&entry(0, 7)));
            asked += u32::from(guest.push(&entry(1, asked)));
        }
        guest.submit();
        let start = Instant::now();
        while answered < asked && !(random >> 20).is_multiple_of(4) {
            assert!(
                start.elapsed() < Duration::from_secs(20),
                "an answer is missing"
            );
            let Some(commit) = guest.take() else {
                thread::yield_now();
                continue;
            };
            assert_eq!((commit.id, commit.len), (answered, !answered));
            answered += 1;
        }
        guest.retire(|_, _| retired += 1);
    }
    assert!(guest.wait_for(|| guest.is_idle()));
    guest.retire(|_, _| retired += 1);
    assert_eq!(retired, asked + silent);
    let kicks = KICKS.load(SeqCst);
    assert!(kicks > 0 && kicks < TOTAL, "{kicks}");
    DONE.store(true, SeqCst);
    host.join().unwrap();
}

#[test]
fn a_host_that_was_kicked_is_not_kicked_again() {
    static KICKED: AtomicU32 = AtomicU32::new(0);
    let ring = ring();
    let guest = guest(ring, |_| {
        KICKED.fetch_add(1, SeqCst);
    });
    ring.needs_kick.store(1, SeqCst);
    guest.submit();
    assert_eq!(KICKED.load(SeqCst), 0, "there is nothing to do");
    for _ in 0..3 {
        assert!(guest.push(&entry(0, 0)));
        guest.submit();
    }
    assert_eq!(KICKED.load(SeqCst), 1);
    // It has done the first, and sleeps: the others came while it was about to.
    ring.entries_head.store(1, SeqCst);
    guest.submit();
    assert_eq!(KICKED.load(SeqCst), 2);
    ring.entries_head.store(2, SeqCst);
    guest.submit();
    assert_eq!(KICKED.load(SeqCst), 2, "it is awake for all three");
    ring.entries_head.store(3, SeqCst);
    guest.submit();
    assert!(guest.is_idle());
    ring.needs_kick.store(0, SeqCst);
    assert!(guest.push(&entry(0, 0)));
    guest.submit();
    assert_eq!(KICKED.load(SeqCst), 2, "it does not sleep");
}

#[test]
fn a_full_ring_takes_no_more_and_indices_wrap() {
    let ring = ring();
    let guest = guest(ring, |_| ());
    let start = u32::MAX - 100;
    ring.entries_head.store(start, SeqCst);
    ring.commits_tail.store(start, SeqCst);
    for index in [&guest.written, &guest.retired, &guest.taken] {
        index.set(start);
    }
    for turn in 1..4 {
        for id in 0..SLOTS {
            assert!(guest.push(&entry(1, id)));
        }
        assert!(!guest.push(&entry(1, 0)));
        let tail = start.wrapping_add(turn * SLOTS);
        assert_eq!(ring.entries_tail.load(SeqCst), tail);
        ring.entries_head.store(tail, SeqCst);
        ring.commits_tail.store(tail, SeqCst);
        assert!(!guest.push(&entry(1, 0)), "nothing was retired yet");
        let mut retired = 0;
        guest.retire(|operation, id| {
            assert_eq!((operation, id), (1, retired));
            retired += 1;
        });
        assert_eq!(retired, SLOTS);
        let commits = std::iter::from_fn(|| guest.take()).count();
        assert_eq!(commits, SLOTS as usize);
        assert_eq!(ring.commits_head.load(SeqCst), tail);
    }
}

#[test]
fn claims_that_cannot_be_are_nothing() {
    let ring = ring();
    let guest = guest(ring, |_| ());
    for _ in 0..10 {
        guest.push(&entry(1, 0));
    }
    for wild in [11, SLOTS + 1, 1 << 31, u32::MAX] {
        ring.entries_head.store(wild, SeqCst);
        guest.retire(|_, _| panic!("nothing is done"));
        assert!(!guest.is_idle());
    }
    for wild in [SLOTS + 1, 1 << 31, u32::MAX] {
        ring.commits_tail.store(wild, SeqCst);
        assert_eq!(guest.take(), None);
    }
    // Progress that goes back is none.
    ring.entries_head.store(5, SeqCst);
    let mut count = 0;
    guest.retire(|_, _| count += 1);
    ring.entries_head.store(3, SeqCst);
    guest.retire(|_, _| count += 1);
    assert_eq!(count, 5);
}

#[test]
fn without_a_ring_there_is_nothing_to_do() {
    let guest = Guest::new();
    assert!(!guest.is_there() && guest.is_idle());
    assert!(!guest.push(&entry(1, 1)));
    guest.submit();
    guest.retire(|_, _| panic!("what?"));
    assert_eq!(guest.take(), None);
}

#[test]
fn rings_are_where_boot_information_that_makes_sense_says() {
    let offers = |features| Offer {
        features,
        ..Offer::NOTHING
    };
    let mut info = BootInfo {
        mem_size: 0x10_0000,
        host_features: FEATURE_RING,
        net_ring: 0x10_0000,
        ..BootInfo::default()
    };
    let place = |info: &BootInfo, features| Place::of(info, &offers(features));
    assert_eq!(place(&info, OFFER_RINGS), None, "the manifest is there");
    info.manifest = u64::MAX;
    let both = place(&info, OFFER_RINGS).unwrap();
    assert_eq!(both.region().end, 0x10_0000 + RINGS_SIZE);
    let one = place(&info, 0).unwrap();
    assert_eq!(one.region().end, 0x10_0000 + BLOCK_RING_OFFSET);
    for (features, ring) in [
        (0, 0x10_0000),
        (FEATURE_RING, 0),
        (FEATURE_RING, 0xf_f000),
        (FEATURE_RING, 0x10_0008),
        (FEATURE_RING, !4095),
    ] {
        let info = BootInfo {
            host_features: features,
            net_ring: ring,
            ..info
        };
        assert_eq!(place(&info, OFFER_RINGS), None, "{features} {ring:#x}");
    }
}
