use alloc::{rc::Rc, vec::Vec};
use core::{
    cell::RefCell,
    future::poll_fn,
    pin::pin,
    task::{Context, Poll, Waker},
};

use super::*;
use crate::{
    Block, BlockError, Buffer, Net, NetExt,
    conformance::{self, block_on},
    memory::{Disk, ManualClock, Nic, link, plain_info},
    net::{Checksum, Frame, Offload},
};

const MS: u64 = 1_000_000;

/// Sends frames 0 to 255 through `send`, in batches that fit, and returns the first bytes of what
/// arrives at `receive`.
fn cross<A: Net, B: Net>(send: &mut A, receive: &mut B) -> Vec<u8> {
    let mut arrived = Vec::new();
    for n in 0..=255 {
        block_on(async {
            let mut frame = send.reserve(60).await.unwrap();
            frame[0] = n;
            send.send(frame).unwrap();
            send.flush();
        });
        arrived.extend(drain(receive));
    }
    arrived
}

fn drain<N: Net>(net: &mut N) -> Vec<u8> {
    let mut cx = Context::from_waker(Waker::noop());
    let mut arrived = Vec::new();
    while let Poll::Ready(frame) = net.poll_receive(&mut cx) {
        arrived.push(frame.unwrap()[0]);
    }
    arrived
}

fn wire() -> (Nic, Nic) {
    link([plain_info(1), plain_info(2)], 64)
}

#[test]
fn good_weather_changes_nothing() {
    let never = Chance::percent(0);
    let (a, mut b) = wire();
    let clock = ManualClock::default();
    let a = Loss::new(a, never, 1);
    let a = Duplicate::new(a, never, 2);
    let a = Truncate::new(a, never, 3);
    let a = Corrupt::new(a, never, 6);
    let a = Burst::new(a, spells(0, 100), 7);
    let a = Rate::new(a, clock.clone(), u64::MAX, u64::MAX);
    let a = Delay::new(a, clock.clone(), 0..=0, 4);
    let a = Reorder::new(a, clock.clone(), never, MS, 5);
    let mut a = Trace::new(a, clock, |_: &[u8]| {});
    block_on(conformance::net(&mut a, &mut b));
}

#[test]
fn loss_follows_from_the_seed_and_works_both_ways() {
    let lossy = |seed| {
        let (a, mut b) = wire();
        let mut a = Loss::new(a, Chance::percent(20), seed);
        (cross(&mut a, &mut b), cross(&mut b, &mut a))
    };
    let (out, back) = lossy(7);
    for arrived in [&out, &back] {
        assert!((180..230).contains(&arrived.len()), "{}", arrived.len());
        assert!(arrived.is_sorted());
    }
    assert_eq!(lossy(7), (out.clone(), back));
    assert_ne!(lossy(8).0, out);
}

#[test]
fn one_direction_does_not_depend_on_the_other() {
    let (a, mut b) = wire();
    let mut a = Loss::new(a, Chance::percent(20), 7);
    let quiet = cross(&mut a, &mut b);
    let (c, mut d) = wire();
    let mut c = Loss::new(c, Chance::percent(20), 7);
    cross(&mut d, &mut c);
    assert_eq!(cross(&mut c, &mut d), quiet);
    assert_eq!(a.times(), 256 - quiet.len() as u64);
}

fn spells(begin: u32, end: u32) -> Bursts {
    Bursts {
        begin: Chance::percent(begin),
        end: Chance::percent(end),
        lost: Chance::percent(100),
    }
}

#[test]
fn bursts_lose_many_in_a_row() {
    let bursty = |seed| {
        let (a, mut b) = wire();
        let mut a = Burst::new(a, spells(2, 20), seed);
        let arrived = cross(&mut a, &mut b);
        assert_eq!(a.times(), 256 - arrived.len() as u64);
        arrived
    };
    let arrived = bursty(4);
    let gaps: Vec<u8> = arrived.windows(2).map(|w| w[1] - w[0]).collect();
    let holes = gaps.iter().filter(|&&gap| gap > 1).count();
    let lost = 256 - arrived.len();
    assert!(
        holes > 0 && lost > 2 * holes,
        "{lost} lost in {holes} holes"
    );
    assert_eq!(bursty(4), arrived);
    assert_ne!(bursty(5), arrived);
}

/// Sends a frame of zeroes through `net` and returns it as it arrives.
fn through<A: Net, B: Net>(net: &mut A, peer: &mut B, len: usize, offload: Offload) -> B::Frame {
    block_on(async {
        let mut frame = net.reserve(len).await.unwrap();
        frame.fill(0);
        frame.set_offload(offload);
        net.send(frame).unwrap();
        net.flush();
        peer.receive().await.unwrap()
    })
}

#[test]
fn corruption_turns_one_bit_anywhere() {
    let (a, mut b) = wire();
    let mut a = Corrupt::new(a, Chance::percent(100), 5);
    let mut places = Vec::new();
    for _ in 0..400 {
        let frame = through(&mut a, &mut b, 1000, Offload::default());
        let ones: u32 = frame.iter().map(|byte| byte.count_ones()).sum();
        assert_eq!(ones, 1);
        places.extend(frame.iter().position(|&byte| byte != 0));
    }
    let headers = places.iter().filter(|&&place| place < 64).count();
    assert!((150..250).contains(&headers), "{headers} in headers");
    assert!(places.iter().any(|&place| place < 14) && places.iter().any(|&place| place > 900));
    assert_eq!(a.times(), 400);
    // The shortest frame has a bit too.
    assert_ne!(through(&mut a, &mut b, 1, Offload::default())[0], 0);
}

#[test]
fn corruption_comes_after_the_checksum() {
    let mut info = plain_info(1);
    info.offload.checksum = true;
    let (a, mut b) = link([info, info], 64);
    let mut a = Corrupt::new(a, Chance::percent(100), 5);
    for _ in 0..100 {
        let partial = Offload {
            checksum: Checksum::Partial {
                start: 34,
                offset: 16,
            },
            segmentation: None,
        };
        let frame = through(&mut a, &mut b, 75, partial);
        assert_eq!(frame.offload(), Offload::default());
        let words = frame[34..].chunks(2);
        let sum: u32 = words
            .map(|w| u32::from(w[0]) << 8 | u32::from(*w.get(1).unwrap_or(&0)))
            .sum();
        let folded = (sum >> 16) + (sum & 0xffff);
        let behind = frame[..34].iter().all(|&byte| byte == 0);
        assert_eq!(folded == 0xffff, !behind, "seen where it is summed");
    }
}

#[test]
fn a_rate_spaces_frames_and_drops_what_the_queue_cannot_hold() {
    let clock = ManualClock::default();
    let (a, mut b) = wire();
    // 60 bytes in 48 microseconds; the queue holds ten.
    let mut a = Rate::new(a, clock.clone(), 10_000_000, 600);
    block_on(async {
        for n in 0..20 {
            let mut frame = a.reserve(60).await.unwrap();
            frame[0] = n;
            a.send(frame).unwrap();
        }
    });
    assert_eq!(a.times(), 10);
    let mut arrived = Vec::new();
    for step in 1..=10 {
        a.flush();
        assert!(drain(&mut b).is_empty(), "before its time");
        clock.advance(48_000);
        a.flush();
        arrived.extend(drain(&mut b));
        assert_eq!(arrived.len(), step);
    }
    assert_eq!(arrived, (0..10).collect::<Vec<u8>>());
    // Idle again: it starts afresh, and takes what is longer than the queue.
    clock.advance(MS);
    let mut narrow = Rate::new(a, clock.clone(), 10_000_000, 10);
    block_on(async {
        let frame = narrow.reserve(60).await.unwrap();
        narrow.send(frame).unwrap();
    });
    assert_eq!(narrow.times(), 0);
}

#[test]
fn duplicates_follow_their_twin() {
    for both in [false, true] {
        let (a, mut b) = wire();
        let mut a = Duplicate::new(a, Chance::percent(25), 3);
        let arrived = if both {
            cross(&mut b, &mut a)
        } else {
            cross(&mut a, &mut b)
        };
        assert!(arrived.is_sorted());
        assert!((290..350).contains(&arrived.len()), "{}", arrived.len());
        let mut unique = arrived;
        unique.dedup();
        assert_eq!(unique.len(), 256);
    }
}

#[test]
fn a_device_without_a_spare_buffer_sends_single_frames() {
    let (a, mut b) = link([plain_info(1), plain_info(2)], 1);
    let mut a = Duplicate::new(a, Chance::percent(100), 3);
    assert_eq!(cross(&mut a, &mut b).len(), 256);
}

#[test]
fn truncation_leaves_at_least_a_byte() {
    let (a, mut b) = wire();
    let mut a = Truncate::new(a, Chance::percent(100), 5);
    let mut lengths = Vec::new();
    for _ in 0..100 {
        block_on(async {
            let frame = a.reserve(60).await.unwrap();
            a.send(frame).unwrap();
            lengths.push(b.receive().await.unwrap().len());
        });
    }
    assert!(lengths.iter().all(|len| (1..60).contains(len)));
    assert!(lengths.iter().any(|&len| len < 14) && lengths.iter().any(|&len| len > 40));
}

#[test]
fn delay_keeps_the_order_and_the_time() {
    let clock = ManualClock::default();
    let (a, mut b) = wire();
    let mut a = Delay::new(a, clock.clone(), 5 * MS..=10 * MS, 9);
    for n in 0..20 {
        block_on(async {
            let mut frame = a.reserve(60).await.unwrap();
            frame[0] = n;
            a.send(frame).unwrap();
            a.flush();
        });
    }
    let mut arrived = Vec::new();
    for step in 0..11 {
        assert!(step >= 5 || arrived.is_empty(), "arrived too early");
        a.flush();
        arrived.extend(drain(&mut b));
        clock.advance(MS);
    }
    assert_eq!(arrived, (0..20).collect::<Vec<u8>>());
}

#[test]
fn jitter_reorders_where_it_may() {
    let clock = ManualClock::default();
    let (a, mut b) = wire();
    let mut a = Delay::unordered(a, clock.clone(), 5 * MS..=10 * MS, 9);
    block_on(async {
        for n in 0..50 {
            let mut frame = a.reserve(60).await.unwrap();
            frame[0] = n;
            a.send(frame).unwrap();
        }
    });
    clock.advance(5 * MS - 1);
    a.flush();
    assert!(drain(&mut b).is_empty(), "arrived too early");
    clock.advance(5 * MS + 1);
    a.flush();
    let mut arrived = drain(&mut b);
    assert!(!arrived.is_sorted());
    arrived.sort_unstable();
    assert_eq!(arrived, (0..50).collect::<Vec<u8>>(), "none is lost");
}

#[test]
fn delay_wakes_the_receiver_in_time() {
    let clock = ManualClock::default();
    let (a, mut b) = wire();
    let mut a = Delay::new(a, clock.clone(), 5 * MS..=5 * MS, 9);
    block_on(async {
        let frame = b.reserve(60).await.unwrap();
        b.send(frame).unwrap();
        let mut receive = pin!(a.receive());
        // Not due: it waits. `block_on` panics unless the clock wakes it.
        assert!(
            poll_fn(|cx| Poll::Ready(receive.as_mut().poll(cx)))
                .await
                .is_pending()
        );
        clock.advance(5 * MS);
        receive.await.unwrap();
    });
}

#[test]
fn some_frames_are_overtaken() {
    let clock = ManualClock::default();
    let (a, mut b) = wire();
    let mut a = Reorder::new(a, clock.clone(), Chance::percent(10), 3 * MS, 11);
    let mut arrived = Vec::new();
    for n in 0..100 {
        block_on(async {
            let mut frame = a.reserve(60).await.unwrap();
            frame[0] = n;
            a.send(frame).unwrap();
            a.flush();
        });
        arrived.extend(drain(&mut b));
        clock.advance(MS);
    }
    clock.advance(3 * MS);
    a.flush();
    arrived.extend(drain(&mut b));
    assert!(!arrived.is_sorted());
    arrived.sort_unstable();
    assert_eq!(arrived, (0..100).collect::<Vec<u8>>(), "none is lost");
}

#[test]
fn a_trace_is_a_pcap_file() {
    let clock = ManualClock::default();
    clock.advance(2_000_000_345);
    let file = Rc::new(RefCell::new(Vec::new()));
    let (a, mut b) = wire();
    let sink = Rc::clone(&file);
    let mut a = Trace::new(a, clock, move |bytes: &[u8]| {
        sink.borrow_mut().extend_from_slice(bytes);
    });
    cross(&mut a, &mut b);
    cross(&mut b, &mut a);
    let file = file.borrow();
    assert_eq!(file.len(), 24 + 2 * 256 * (16 + 60));
    assert_eq!(file[..8], [0x4d, 0x3c, 0xb2, 0xa1, 2, 0, 4, 0]);
    assert_eq!(file[20..24], [1, 0, 0, 0]);
    assert_eq!(
        file[24..40],
        [2, 0, 0, 0, 0x59, 1, 0, 0, 60, 0, 0, 0, 60, 0, 0, 0]
    );
    let third = &file[24 + 2 * 76..];
    assert_eq!(third[16], 2, "frames stand in their order");
}

/// A clock that is always as late as anyone waits for.
#[derive(Clone, Default)]
struct Eager(Rc<core::cell::Cell<u64>>);

impl Clock for Eager {
    fn now(&self) -> u64 {
        self.0.get()
    }

    fn wake_at(&self, deadline: u64, waker: &Waker) {
        self.0.set(deadline);
        waker.wake_by_ref();
    }
}

#[test]
fn a_slow_disk_is_a_disk_and_takes_its_time() {
    let clock = Eager::default();
    let disk = Slow::new(Disk::new(512, 100), clock.clone(), MS..=2 * MS, 1);
    block_on(conformance::block(&disk));
    let before = clock.now();
    block_on(disk.flush()).unwrap();
    assert!((MS..=2 * MS).contains(&(clock.now() - before)));
}

#[test]
fn a_disk_under_power_is_a_disk() {
    block_on(conformance::block(&PowerCut::new(Disk::new(512, 100))));
    block_on(conformance::block(&PowerCut::new(
        Disk::new(512, 100).read_only(),
    )));
}

/// Blocks that hold something after 64 were written, the first 32 flushed, and the power cut.
fn survivors(seed: u64) -> Vec<u64> {
    let below = Disk::new(512, 64);
    let disk = PowerCut::new(below.clone());
    block_on(async {
        for half in [0, 32 * 512] {
            let mut bytes = Buffer::zeroed(32 * 512);
            bytes.fill(1);
            disk.write(half, bytes).await.1.unwrap();
            if half == 0 {
                disk.flush().await.unwrap();
            }
        }
        disk.cut(seed).await.unwrap();
        let (_, result) = disk.read(0, Buffer::zeroed(512)).await;
        assert_eq!(
            result,
            Err(BlockError::Failed),
            "without power nothing works"
        );
        let (found, _) = below.read(0, Buffer::zeroed(64 * 512)).await;
        let blocks = found.chunks(512).zip(0..);
        blocks
            .filter(|(block, _)| block[0] == 1)
            .map(|(_, n)| n)
            .collect()
    })
}

#[test]
fn only_what_was_flushed_surely_survives_a_power_cut() {
    let blocks = survivors(1);
    assert!(
        (0..32).all(|n| blocks.contains(&n)),
        "flushed blocks are there"
    );
    assert!((33..63).contains(&blocks.len()), "{}", blocks.len());
    assert_eq!(blocks, survivors(1));
    assert_ne!(blocks, survivors(2));
}
