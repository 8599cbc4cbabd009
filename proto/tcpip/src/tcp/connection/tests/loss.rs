// SPDX-License-Identifier: ISC
//! One rule of loss recovery a test.

use super::{
    script::{ACK, In, PUSH, Script, ack, handshake, out},
    world::MS,
};
use crate::tcp::connection::Handshake;

fn sacked(una: u32, blocks: &[(u32, u32)]) -> In {
    In {
        sack: blocks.to_vec(),
        ..ack(1, una)
    }
}

/// Sends ten segments at one second.
fn ten(handshake: &Handshake) -> Script {
    let mut script = Script::agreed(handshake);
    script.offload = 64_000;
    script.write(10_000);
    while script.connection.info().in_flight < 10_000 {
        script.sends();
        script.now += MS;
        let _ = script.env(|connection, env| connection.expire(env));
    }
    script
}

/// RFC 8985 section 6.2, RFC 6675: three segments reported beyond a hole, and the hole is sent again,
/// and nothing else.
#[test]
fn one_hole() {
    let mut script = ten(&handshake());
    script.now += 100 * MS;
    script.takes(&sacked(1, &[(1001, 2001)]));
    assert_eq!(script.sends(), []);
    script.takes(&sacked(1, &[(1001, 3001)]));
    assert_eq!(script.sends(), []);
    script.takes(&sacked(1, &[(1001, 4001)]));
    assert_eq!(script.sends(), [out(ACK, 1, 1000, 1)]);
    script.takes(&sacked(1, &[(1001, 10_001)]));
    assert_eq!(script.sends(), []);
    script.now += 100 * MS;
    script.takes(&ack(1, 10_001));
    let info = script.connection.info();
    assert_eq!((info.in_flight, info.congestion_window), (0, 5000));
    assert_eq!(
        (script.counters.recoveries, script.counters.retransmitted),
        (1, 1)
    );
}

/// RFC 8985 section 6.2 step 5: less than three are reported; the reordering window decides.
#[test]
fn reordering_window() {
    let mut script = ten(&handshake());
    script.now += 100 * MS;
    script.takes(&sacked(1, &[(1001, 2001)]));
    let (waited, sent) = script.alarm();
    assert!((10..=30).contains(&waited), "{waited}");
    assert_eq!(sent, [out(ACK, 1, 1000, 1)]);
}

/// RFC 6582, section 3.2: without SACK, three duplicates, and each partial acknowledgement.
#[test]
fn newreno() {
    let mut script = ten(&Handshake {
        sack: false,
        ..handshake()
    });
    script.now += 100 * MS;
    for _ in 0..2 {
        script.takes(&ack(1, 1));
        assert_eq!(script.sends(), []);
    }
    script.takes(&ack(1, 1));
    assert_eq!(script.sends(), [out(ACK, 1, 1000, 1)]);
    script.takes(&ack(1, 1));
    script.now += 100 * MS;
    script.takes(&ack(1, 3001));
    assert_eq!(script.sends()[0], out(ACK, 3001, 1000, 1));
    script.takes(&ack(1, 10_001));
    assert_eq!(script.counters.recoveries, 1);
    assert_eq!(script.connection.info().congestion_window, 5000);
}

/// RFC 8985, section 7: the last segment again after two round trips, and what its answer means.
#[test]
fn tail_loss_probe() {
    let mut script = ten(&handshake());
    let (waited, sent) = script.alarm();
    assert!((150..=250).contains(&waited), "{waited}");
    assert_eq!(sent, [out(PUSH, 9001, 1000, 1)]);
    assert_eq!(script.counters.probes, 1);
    script.now += 100 * MS;
    // All but the ninth had arrived; the probe was the second copy.
    script.takes(&sacked(8001, &[(9001, 10_001)]));
    let mut sent = script.sends();
    if sent.is_empty() {
        sent = script.alarm().1;
    }
    assert_eq!(sent, [out(ACK, 8001, 1000, 1)]);
}

/// RFC 6298, sections 5.4 to 5.6: the first segment again, each time after twice the time; RFC 5681
/// section 3.1: from a window of one segment.
#[test]
fn timeouts() {
    let mut script = ten(&handshake());
    script.alarm();
    let (first, sent) = script.alarm();
    assert_eq!(sent, [out(ACK, 1, 1000, 1)]);
    let (second, sent) = script.alarm();
    assert_eq!(sent, [out(ACK, 1, 1000, 1)]);
    let (third, _) = script.alarm();
    assert_eq!((second, third), (2 * first, 4 * first));
    script.now += 100 * MS;
    script.takes(&ack(1, 1001));
    let (window, pipe) = (
        script.connection.info().congestion_window,
        script.connection.pipe(),
    );
    assert_eq!((window, pipe), (2000, 0));
    assert_eq!(script.sends()[0].seq, 1001);
}

/// RFC 3522: the acknowledgement echoes the first transmission, so the timeout was for nothing.
#[test]
fn spurious_timeout() {
    let mut script = ten(&Handshake {
        timestamp: Some(9),
        ..handshake()
    });
    let window = script.connection.info().congestion_window;
    let flight = script.connection.info().in_flight;
    while script.counters.timeouts == 0 {
        script.alarm();
    }
    assert!(script.connection.info().congestion_window < window);
    script.now += MS;
    script.takes(&In {
        timestamps: Some((9, 1000)),
        ..ack(1, 989)
    });
    let info = script.connection.info();
    assert_eq!(script.counters.spurious, 1);
    // As before, and what this acknowledgement adds.
    assert!((window..=window + 988).contains(&info.congestion_window));
    assert_eq!(info.in_flight, flight - 988);
}

/// RFC 2018, section 8: a peer may take a report back; after a timeout nothing counts as there.
#[test]
fn reneging() {
    let mut script = ten(&handshake());
    script.now += 100 * MS;
    script.takes(&sacked(1, &[(1001, 10_001)]));
    script.sends();
    script.now += 50 * MS;
    // The hole was filled, but the rest is not acknowledged.
    script.takes(&ack(1, 1001));
    script.sends();
    let mut sent = std::vec![];
    while script.counters.timeouts == 0 {
        sent = script.alarm().1;
    }
    assert_eq!(sent, [out(ACK, 1001, 1000, 1)]);
}

/// An offloaded send is one step, and what is sent again leaves in full segments.
#[test]
fn large_sends() {
    let mut script = Script::established();
    script.offload = 64_000;
    script.write(9500);
    let sent = script.transmits();
    assert!(sent.len() <= 5, "{}", sent.len());
    for transmit in &sent {
        assert!(transmit.len <= 1000 || transmit.segment_size == Some(1000));
    }
}
