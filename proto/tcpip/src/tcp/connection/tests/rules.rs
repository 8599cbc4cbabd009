// SPDX-License-Identifier: ISC
//! One rule of an RFC a test: opening, closing, windows, timers and attacks.

use core::task::Poll;

use super::{
    script::{ACK, FIN, In, PUSH, RST, Script, ack, data, handshake, out, setup, with},
    world::{FAIR, MS, Weather, World, side},
};
use crate::{
    error::Error,
    ip::{Ecn, IcmpErrorKind},
    tcp::{
        connection::{Connection, Handshake, Keepalive, Setup, Verdict},
        segment::Flags,
    },
};

const SYN: Flags = Flags::SYN;
const SYN_ACK: Flags = Flags(Flags::SYN.0 | Flags::ACK.0);

/// Without a round trip there is no pacing.
fn unpaced() -> Script {
    Script::agreed(&Handshake {
        rtt: None,
        ..handshake()
    })
}

fn asking() -> Script {
    Script::new(|env| Connection::connect(setup(), env))
}

/// RFC 9293, section 3.5, figure 6; RFC 6298, section 5: SYN is repeated after 1 s, then 2, 4, ...
#[test]
fn handshake_of_the_asking_side() {
    let mut script = asking();
    let syn = script.transmits();
    assert_eq!(
        (syn.len(), syn[0].segment.flags, syn[0].segment.options.mss),
        (1, SYN, Some(1000))
    );
    assert_eq!(script.alarm(), (1000, [out(SYN, 0, 0, 0x8000_0010)].into()));
    assert_eq!(script.alarm().0, 2000);
    script.takes(&with(SYN_ACK, ack(0, 1)));
    assert_eq!(script.sends(), [out(ACK, 1, 0, 1)]);
    assert!(script.connection.established());
}

/// RFC 9293, section 3.10.7.3: an acknowledgement of what was never sent is answered by a reset; a
/// reset counts only if it acknowledges the SYN.
#[test]
fn wrong_answers_to_a_syn() {
    let mut script = asking();
    script.sends();
    let verdict = script.inject(&with(SYN_ACK, ack(0, 7)));
    assert!(matches!(verdict, Verdict::Reply(reset) if reset.flags == Flags::RST));
    script.takes(&with(Flags::RST, ack(0, 0)));
    assert_eq!(script.inject(&with(RST, ack(0, 1))), Verdict::Closed);
    assert_eq!(script.connection.error(), Some(Error::ConnectionRefused));
}

/// RFC 9293, section 3.8.3: a SYN that nobody answers is given up, here after two minutes.
#[test]
fn nobody_answers() {
    let mut script = asking();
    script.sends();
    assert_eq!(script.wait(1_000_000 * MS), Verdict::Closed);
    assert_eq!(script.connection.error(), Some(Error::TimedOut));
    assert!(script.now / MS > 100_000 && script.now / MS < 300_000);
}

/// RFC 5461 section 4.1 and RFC 5927 section 4: ICMP errors end a connection only while it opens, and
/// only if they are about something outstanding.
#[test]
fn icmp_errors() {
    let mut script = asking();
    script.sends();
    let port = IcmpErrorKind::PortUnreachable;
    let iss = setup().iss;
    assert_eq!(
        script.env(|c, env| c.icmp(env, port, iss + 1)),
        Verdict::Nothing
    );
    assert_eq!(script.env(|c, env| c.icmp(env, port, iss)), Verdict::Closed);
    let mut script = Script::established();
    script.write(10);
    script.sends();
    assert_eq!(
        script.env(|c, env| c.icmp(env, port, iss + 1)),
        Verdict::Nothing
    );
    assert_eq!(script.wait(10_000_000 * MS), Verdict::Closed);
    assert_eq!(script.connection.error(), Some(Error::ConnectionRefused));
}

/// RFC 5961, sections 3.2, 4.2 and 5.2, and the limit of section 7.
#[test]
fn blind_attacks() {
    for attack in [
        with(RST, ack(2, 1)),
        with(SYN, ack(1, 1)),
        with(SYN_ACK, ack(900, 1)),
        ack(1, 2),
        ack(1, 0x7000_0000),
    ] {
        let mut script = Script::established();
        script.takes(&attack);
        assert_eq!(script.sends(), [out(ACK, 1, 0, 1)]);
        script.takes(&attack);
        assert_eq!(script.sends(), []);
        script.now += 100 * MS;
        script.takes(&attack);
        assert_eq!((script.sends().len(), script.counters.challenges), (1, 2));
    }
    let mut script = Script::established();
    script.takes(&with(RST, ack(70_000, 1)));
    assert_eq!(script.sends(), []);
    assert_eq!(script.inject(&with(RST, ack(1, 1))), Verdict::Closed);
    assert_eq!(script.read(9), Poll::Ready(Err(Error::ConnectionReset)));
}

/// RFC 7323 section 5.3 (R1 to R3) and 3.2: old timestamps are answered and dropped, segments without
/// are dropped.
#[test]
fn wrapped_sequence_numbers() {
    let mut script = Script::agreed(&Handshake {
        timestamp: Some(500),
        ..handshake()
    });
    let stamped = |value, segment| In {
        timestamps: Some((value, 0)),
        ..segment
    };
    script.takes(&stamped(499, data(1, 100, 1)));
    assert_eq!(script.sends(), [out(ACK, 1, 0, 1)]);
    script.takes(&data(1, 100, 1));
    assert_eq!(script.sends(), []);
    script.takes(&stamped(501, data(1, 100, 1)));
    assert_eq!(script.read(1000), Poll::Ready(Ok(100)));
    assert_eq!(script.wait(50 * MS), Verdict::Nothing);
    script.write(1);
    let echoed = script.transmits()[0].segment.options.timestamps;
    assert_eq!(echoed, Some((1050, 501)));
    // A reset needs none.
    assert_eq!(script.inject(&with(RST, ack(101, 1))), Verdict::Closed);
}

/// RFC 9293, section 3.6, figure 12: this side ends first.
#[test]
fn closes_first() {
    let mut script = Script::established();
    script.write(10);
    script.connection.shutdown_write();
    assert_eq!(script.sends(), [out(Flags(PUSH.0 | FIN.0), 1, 10, 1)]);
    script.takes(&ack(1, 12));
    // Half closed: the peer may go on (section 3.6.1).
    script.takes(&data(1, 100, 12));
    assert_eq!(script.read(1000), Poll::Ready(Ok(100)));
    let Verdict::TimeWait(wait) = script.inject(&with(FIN, ack(101, 12))) else {
        panic!("no TIME-WAIT");
    };
    assert_eq!((wait.snd_nxt, wait.acknowledge), (setup().iss + 12, true));
    assert_eq!(script.read(9), Poll::Ready(Ok(0)));
    assert_eq!(script.connection.deadline(), None);
}

/// RFC 9293, section 3.6: the peer ends first.
#[test]
fn closes_last() {
    let mut script = Script::established();
    script.takes(&with(FIN, data(1, 5, 1)));
    assert_eq!(script.sends(), [out(ACK, 1, 0, 7)]);
    assert_eq!(script.read(9), Poll::Ready(Ok(5)));
    assert_eq!(script.read(9), Poll::Ready(Ok(0)));
    script.connection.shutdown_write();
    assert_eq!(script.sends(), [out(FIN, 1, 0, 7)]);
    assert_eq!(script.inject(&ack(7, 2)), Verdict::Closed);
    assert_eq!(script.connection.error(), None);
}

/// RFC 9293, section 3.6, figure 13: both end at once.
#[test]
fn close_at_once() {
    let mut script = Script::established();
    script.connection.shutdown_write();
    script.sends();
    script.takes(&with(FIN, ack(1, 1)));
    assert_eq!(script.sends(), [out(ACK, 2, 0, 2)]);
    assert!(matches!(script.inject(&ack(2, 2)), Verdict::TimeWait(wait) if !wait.acknowledge));
}

/// A FIN that arrives before what it follows waits.
#[test]
fn early_fin() {
    let mut script = Script::established();
    script.takes(&with(FIN, data(11, 10, 1)));
    assert_eq!(script.sends(), [out(ACK, 1, 0, 1)]);
    script.takes(&data(1, 10, 1));
    assert_eq!(script.sends(), [out(ACK, 1, 0, 22)]);
    assert_eq!(script.read(99), Poll::Ready(Ok(20)));
    assert_eq!(script.read(99), Poll::Ready(Ok(0)));
}

/// RFC 1122, section 4.2.2.13: what nobody will read is refused; and a peer that never ends is
/// forgotten after a minute.
#[test]
fn orphans() {
    let mut script = Script::established();
    assert_eq!(script.env(Connection::orphan), Verdict::Nothing);
    assert_eq!(script.sends(), [out(FIN, 1, 0, 1)]);
    assert!(matches!(script.inject(&data(1, 1, 1)), Verdict::Reset(_)));
    let mut script = Script::established();
    script.takes(&data(1, 1, 1));
    assert!(matches!(script.env(Connection::orphan), Verdict::Reset(_)));
    let mut script = Script::established();
    assert_eq!(script.env(Connection::orphan), Verdict::Nothing);
    script.sends();
    script.takes(&ack(1, 2));
    assert_eq!(script.wait(59_000 * MS), Verdict::Nothing);
    assert_eq!(script.wait(2000 * MS), Verdict::Closed);
}

/// RFC 9293, section 3.8.6.1: a closed window is probed, ever more rarely, for as long as the peer
/// answers; and no longer.
#[test]
fn zero_window() {
    let mut script = Script::established();
    let closed = In {
        window: 0,
        ..ack(1, 1)
    };
    script.takes(&closed);
    script.write(100);
    assert_eq!(script.sends(), []);
    let mut before = 0;
    for _ in 0..100 {
        let (waited, sent) = script.alarm();
        assert_eq!(sent, [out(ACK, 0, 0, 1)]);
        assert!(waited >= before && (200..=60_000).contains(&waited));
        before = waited;
        script.takes(&closed);
        assert_eq!(script.sends(), []);
    }
    script.takes(&ack(1, 1));
    assert_eq!(script.sends(), [out(PUSH, 1, 100, 1)]);
    script.takes(&In {
        window: 0,
        ..ack(1, 101)
    });
    script.write(1);
    script.sends();
    assert_eq!(script.wait(2_000_000 * MS), Verdict::Closed);
}

/// RFC 5482: a peer that closed its window and died is not probed for longer than the program's
/// patience; one that answers is.
#[test]
fn zero_window_and_user_timeout() {
    let mut script = Script::established();
    script.connection.set_user_timeout(5000);
    let closed = In {
        window: 0,
        ..ack(1, 1)
    };
    script.takes(&closed);
    // What was heard long ago does not count.
    assert_eq!(script.wait(100_000 * MS), Verdict::Nothing);
    script.write(100);
    script.sends();
    for _ in 0..20 {
        let (_, sent) = script.alarm();
        assert_eq!(sent, [out(ACK, 0, 0, 1)]);
        script.takes(&closed);
        script.sends();
    }
    assert_eq!(script.wait(4000 * MS), Verdict::Nothing);
    assert_eq!(script.wait(200_000 * MS), Verdict::Closed);
    assert_eq!(script.connection.error(), Some(Error::TimedOut));
}

/// RFC 9293, section 3.8.6.2.1: a window of a few bytes is not filled at once, but in the end.
#[test]
fn silly_window_of_the_peer() {
    let mut script = Script::established();
    script.takes(&In {
        window: 50,
        ..ack(1, 1)
    });
    script.write(5000);
    assert_eq!(script.sends(), []);
    let (waited, sent) = script.alarm();
    assert!(waited >= 200);
    assert_eq!(sent, [out(ACK, 1, 50, 1)]);
}

/// RFC 9293, section 3.8.6.2.2, and RFC 7323 section 2.4: the edge moves in good steps, and stays.
#[test]
fn own_window() {
    let mut script = Script::established();
    let mut seq = 1;
    while seq < 60_001 {
        script.takes(&data(seq, 1000, 1));
        seq += 1000;
    }
    assert_eq!(script.transmits().last().unwrap().segment.window, 0);
    // A probe is answered, its byte not taken.
    script.takes(&data(seq, 1, 1));
    assert_eq!(script.sends(), [out(ACK, 1, 0, 60_001)]);
    assert_eq!(script.read(999), Poll::Ready(Ok(999)));
    assert_eq!(script.sends(), []);
    assert_eq!(script.read(5000), Poll::Ready(Ok(5000)));
    let update = script.transmits();
    assert_eq!((update.len(), update[0].segment.window), (1, 5999));
}

/// RFC 9293, section 3.7.4: Nagle, in Minshall's form, and without.
#[test]
fn small_segments() {
    let mut script = unpaced();
    script.write(10);
    assert_eq!(script.sends(), [out(PUSH, 1, 10, 1)]);
    script.write(10);
    assert_eq!(script.sends(), []);
    script.write(1990);
    assert_eq!(
        script.sends(),
        [out(ACK, 11, 1000, 1), out(PUSH, 1011, 1000, 1)]
    );
    script.write(5);
    assert_eq!(script.sends(), []);
    script.takes(&ack(1, 11));
    assert_eq!(script.sends(), [out(PUSH, 2011, 5, 1)]);
    script.connection.set_nodelay(true);
    script.write(5);
    assert_eq!(script.sends(), [out(PUSH, 2016, 5, 1)]);
}

/// RFC 9293, section 3.8.4.
#[test]
fn keepalive() {
    let mut script = Script::established();
    let keepalive = Keepalive {
        idle: 10_000,
        interval: 1000,
        probes: 3,
    };
    script.env(|connection, env| connection.set_keepalive(env, Some(keepalive)));
    assert_eq!(script.alarm(), (10_000, [out(ACK, 0, 0, 1)].into()));
    script.takes(&ack(1, 1));
    assert_eq!(script.alarm().0, 10_000);
    assert_eq!(script.alarm().0, 1000);
    assert_eq!(script.alarm().0, 1000);
    assert_eq!(script.wait(999 * MS), Verdict::Nothing);
    assert_eq!(script.wait(MS), Verdict::Closed);
    assert_eq!(script.connection.error(), Some(Error::TimedOut));
}

/// RFC 5482: the program's patience.
#[test]
fn user_timeout() {
    let mut script = Script::established();
    script.connection.set_user_timeout(5000);
    script.write(10);
    script.sends();
    assert_eq!(script.wait(4900 * MS), Verdict::Nothing);
    assert_eq!(script.wait(200 * MS), Verdict::Closed);
}

/// RFC 3168, sections 6.1.1 to 6.1.3.
#[test]
fn congestion_marks() {
    let mut script = Script::new(|env| {
        Connection::connect(
            Setup {
                ecn: true,
                ..setup()
            },
            env,
        )
    });
    let asks = script.sends();
    assert_eq!(asks[0].flags, Flags(SYN.0 | Flags::ECE.0 | Flags::CWR.0));
    script.takes(&with(Flags(SYN_ACK.0 | Flags::ECE.0), ack(0, 1)));
    script.sends();
    script.write(4000);
    let sent = script.transmits();
    assert!(!sent.is_empty() && sent.iter().all(|transmit| transmit.ecn == Ecn::Capable));
    let window = script.connection.info().congestion_window;
    let echo = Flags(ACK.0 | Flags::ECE.0);
    script.takes(&with(echo, ack(1, 1001)));
    script.takes(&with(echo, ack(1, 2001)));
    let reduced = script.connection.info().congestion_window;
    assert!(
        reduced >= window / 2 && reduced < window,
        "{window} {reduced}"
    );
    assert_eq!(script.counters.congestion_marks, 1);
    script.takes(&ack(1, 4001));
    script.write(1000);
    assert!(script.sends()[0].flags.has(Flags::CWR));
    // The other direction: marks are echoed until the peer has reacted.
    script.takes(&In {
        ecn: Ecn::Congested,
        ..data(1, 10, 4001)
    });
    assert_eq!(script.sends(), [out(echo, 5001, 0, 11)]);
    script.takes(&with(Flags(ACK.0 | Flags::CWR.0), data(11, 2000, 5001)));
    assert_eq!(script.sends(), [out(ACK, 5001, 0, 2011)]);
}

/// RFC 1191 and RFC 8201: what was too long is sent again in smaller pieces, and the window stays.
#[test]
fn path_mtu() {
    let mut script = unpaced();
    script.write(2000);
    script.sends();
    let window = script.connection.info().congestion_window;
    script.env(|connection, env| connection.path_mss(env, 600));
    let again = script.sends();
    let lens: std::vec::Vec<u32> = again.iter().map(|out| out.len).collect();
    assert_eq!((lens.iter().sum::<u32>(), lens[0]), (2000, 600));
    assert_eq!(script.connection.info().congestion_window, window);
    // Nobody makes it tiny.
    script.env(|connection, env| connection.path_mss(env, 1));
    assert!(script.connection.info().segment_size > 400);
}

/// RFC 4821: where large segments vanish, smaller ones are tried.
#[test]
fn black_hole() {
    for mtu in [1300, 700] {
        let weather = Weather { mtu, ..FAIR };
        let mut world = World::new([side(300_000), side(0)], weather, 3);
        let took = world.run();
        assert!(
            world.ends[0].counters.black_holes > 0 && took < 60_000 * MS,
            "{}",
            took / MS
        );
    }
}

/// RFC 2883, section 4: duplicates are reported first.
#[test]
fn reported_duplicates() {
    let mut script = Script::established();
    let theirs = handshake().irs;
    let blocks = |script: &mut Script| {
        let sent = script.transmits();
        assert_eq!(sent.len(), 1);
        let blocks = sent[0].segment.options.sack.as_slice().iter();
        blocks
            .map(|block| (block.start.since(theirs), block.end.since(theirs)))
            .collect()
    };
    script.takes(&data(1, 10, 1));
    script.takes(&data(1, 10, 1));
    let seen: std::vec::Vec<(u32, u32)> = blocks(&mut script);
    assert_eq!(seen, [(1, 11)]);
    script.takes(&data(21, 10, 1));
    script.takes(&data(41, 10, 1));
    // RFC 2018, section 4: the latest first.
    assert_eq!(blocks(&mut script), [(41, 51), (21, 31)]);
    script.takes(&data(23, 5, 1));
    assert_eq!(blocks(&mut script), [(23, 28), (41, 51), (21, 31)]);
    script.takes(&data(31, 10, 1));
    assert_eq!(blocks(&mut script), [(21, 51)]);
    script.takes(&data(11, 10, 1));
    assert_eq!(blocks(&mut script), []);
    assert_eq!(script.read(100), Poll::Ready(Ok(50)));
}
