// SPDX-License-Identifier: ISC
//! Large frames: how they are formed where the device cuts them up, and how received ones are kept.

use core::task::Poll;
use std::vec::Vec;

use super::{
    script::{Script, ack, handshake, out},
    world::{TestFrame, TestShelf},
};
use crate::{
    ip::Ecn,
    link::Payload,
    tcp::{
        connection::{Connection, Env, Handshake, Transmit, Verdict},
        segment::{Flags, Segment},
        seq::Seq,
    },
};

const PUSH: Flags = Flags(Flags::ACK.0 | Flags::PSH.0);
const END: Flags = Flags(Flags::ACK.0 | Flags::PSH.0 | Flags::FIN.0);

/// A connection whose round trip is too short to be paced, with a device that cuts, where `window`
/// bytes may be under way and the peer has room for `room`.
fn wide(window: u32, room: u32) -> Script {
    let mut script = Script::agreed(&Handshake {
        window: room,
        rtt: Some(200_000),
        ..handshake()
    });
    script.offload = 64_000;
    script.connection.control.window = window;
    script
}

fn lens(sent: &[Transmit]) -> Vec<(u32, Option<u16>)> {
    sent.iter()
        .map(|sent| (sent.len, sent.segment_size))
        .collect()
}

/// All but the last are as large as can be and hold whole segments; the last alone is pushed.
#[test]
fn bulk() {
    let mut script = wide(1 << 20, 1 << 20);
    script.write(150_500);
    let sent = script.transmits();
    let whole = Some(1000);
    assert_eq!(
        lens(&sent),
        [(64_000, whole), (64_000, whole), (22_500, whole)]
    );
    let mut next = sent[0].segment.seq;
    for (at, sent) in sent.iter().enumerate() {
        assert_eq!(sent.segment.seq, next);
        next = next + sent.len;
        assert_eq!(sent.segment.flags.has(Flags::PSH), at == 2);
    }
}

/// RFC 9293, section 3.8.6.2.1: at the edge of the peer's window a frame is cut to whole segments,
/// and the rest waits for more room.
#[test]
fn edge_of_the_window() {
    let mut script = wide(1 << 20, 10_500);
    script.write(20_000);
    assert_eq!(lens(&script.transmits()), [(10_000, Some(1000))]);
    let mut more = ack(1, 10_001);
    more.window = 10_500;
    script.takes(&more);
    assert_eq!(script.sends(), [out(PUSH, 10_001, 10_000, 1)]);
}

/// RFC 5681, section 3.1: so it is at the edge of the congestion window.
#[test]
fn edge_of_the_congestion_window() {
    let mut script = wide(5500, 60_000);
    script.write(20_000);
    assert_eq!(lens(&script.transmits()), [(5000, Some(1000))]);
}

/// The end rides on the last large frame if the window has room for it, and waits if not.
#[test]
fn end() {
    let mut script = wide(1 << 20, 60_000);
    script.write(3500);
    script.connection.shutdown_write();
    assert_eq!(script.sends(), [out(END, 1, 3500, 1)]);

    let mut script = wide(1 << 20, 3500);
    script.write(3500);
    script.connection.shutdown_write();
    assert_eq!(script.sends(), [out(PUSH, 1, 3500, 1)]);
    script.takes(&ack(1, 3501));
    let fin = Flags::ACK.with(Flags::FIN);
    assert_eq!(script.sends(), [out(fin, 3501, 0, 1)]);
}

/// RFC 9293, section 3.7.4: behind a small segment that is not acknowledged, whole segments leave and
/// the small rest waits.
#[test]
fn nagle() {
    let mut script = wide(1 << 20, 60_000);
    script.write(3500);
    assert_eq!(script.sends(), [out(PUSH, 1, 3500, 1)]);
    script.write(3200);
    assert_eq!(script.sends(), [out(Flags::ACK, 3501, 3000, 1)]);
    script.takes(&ack(1, 6501));
    assert_eq!(script.sends(), [out(PUSH, 6501, 200, 1)]);
}

/// What was lost of a large frame is sent again alone.
#[test]
fn a_hole_in_a_large_frame() {
    let mut script = wide(1 << 20, 60_000);
    script.write(40_000);
    assert_eq!(lens(&script.transmits()), [(40_000, Some(1000))]);
    script.now += 300_000;
    let mut report = ack(1, 5001);
    report.sack = [(8001, 40_001)].into();
    script.takes(&report);
    let sent = script.sends();
    assert_eq!(sent[0], out(Flags::ACK, 5001, 3000, 1));
}

fn byte(at: u32) -> u8 {
    (at ^ at >> 8) as u8
}

/// A large frame arrives and is kept: `len` bytes that begin at the `from`th of the stream.
fn keep(script: &mut Script, from: u32, len: u32) {
    let segment = Segment {
        source_port: 2,
        destination_port: 1,
        seq: Seq(0x7fff_fff1) + from,
        ack: Seq(0xffff_ff01),
        flags: Flags::ACK,
        window: 60_000,
        ..Segment::default()
    };
    let bytes = (from..from + len).map(byte).collect();
    let Script {
        now,
        connection,
        config,
        budget,
        counters,
        shelf,
        ..
    } = script;
    let shelf: &TestShelf = shelf;
    let mut frame = TestFrame {
        bytes,
        shelf: Some(shelf),
    };
    let mut env = Env {
        now: *now,
        config,
        budget,
        counters,
        shelf,
    };
    let payload = Payload::new(&mut frame, 0..len as usize);
    let verdict = connection.receive(&mut env, &segment, payload, Ecn::NotCapable, Some(1000));
    assert_eq!(verdict, Verdict::Nothing);
}

/// Kept frames that overlap on either side, or hold one another, give each byte once and are all
/// given back.
#[test]
fn kept_frames_overlap() {
    let mut script = Script::established();
    for (from, len) in [
        (0, 5000),
        (3000, 6000),
        (20_000, 5000),
        (18_000, 9000),
        (26_000, 4000),
        (21_000, 1000),
        (12_000, 2000),
        (8000, 12_500),
        (0, 31_000),
    ] {
        keep(&mut script, from, len);
    }
    assert!(script.shelf.held() > 1, "some were kept");
    let mut all: Vec<u8> = Vec::new();
    let mut buffer = [0; 777];
    while let Poll::Ready(Ok(count)) = script.env(|c, env| c.read(env, &mut buffer)) {
        all.extend(&buffer[..count]);
    }
    assert!(all.iter().copied().eq((0..31_000).map(byte)));
    assert_eq!(script.shelf.held(), 0);
    script.env(Connection::discard);
    assert_eq!(script.budget.used(), 0);
}

/// A connection that ends gives back what it kept, read or not, in order or not.
#[test]
fn kept_frames_come_back() {
    let mut script = Script::established();
    keep(&mut script, 0, 5000);
    keep(&mut script, 9000, 5000);
    keep(&mut script, 20_000, 5000);
    assert_eq!(script.shelf.held(), 3);
    let mut buffer = [0; 100];
    assert_eq!(
        script.env(|c, env| c.read(env, &mut buffer)),
        Poll::Ready(Ok(100))
    );
    script.env(Connection::discard);
    assert_eq!((script.shelf.held(), script.budget.used()), (0, 0));
}
