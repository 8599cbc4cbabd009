// SPDX-License-Identifier: ISC
//! Responders: the fast way, and that it ends where it should.

use std::{net::SocketAddr, rc::Rc, time::Duration, vec, vec::Vec};

use fata_device::{
    Frame, Net,
    memory::Nic,
    net::{Checksum, Offload},
};
use std::task::{Context, Poll, Waker};

use super::world::{World, both, clock, fixed, ip, pair, random, wire};
use crate::{
    Responder, Stack, UdpSocket, driver::Next, responder::Outcome, stack::Clock, udp::Meta,
};

fn reverse(query: &[u8], _: Meta, reply: &mut [u8]) -> Option<usize> {
    if query.is_empty() {
        return None;
    }
    for (to, from) in reply.iter_mut().zip(query.iter().rev()) {
        *to = *from;
    }
    Some(query.len())
}

/// A stack with a responder on port 53, and the bare card at the other end of its wire.
fn served() -> (World, Stack, Responder, Nic) {
    let mut world = World::new();
    let (mut peer, nic) = wire();
    let stack = world.add(nic, fixed(2));
    // What a host says when it comes to a network.
    world.pass(Duration::from_secs(20));
    while take(&mut peer).is_some() {}
    let responder = UdpSocket::bind(&stack, 53).unwrap().respond(reverse);
    (world, stack, responder, peer)
}

pub(super) fn put(nic: &mut Nic, bytes: &[u8], offload: Offload) {
    let mut cx = Context::from_waker(Waker::noop());
    let Poll::Ready(Ok(mut frame)) = nic.poll_reserve(&mut cx, bytes.len()) else {
        panic!("no buffer");
    };
    frame.copy_from_slice(bytes);
    frame.set_offload(offload);
    let _ = nic.send(frame);
}

pub(super) fn take(nic: &mut Nic) -> Option<Vec<u8>> {
    let mut cx = Context::from_waker(Waker::noop());
    match nic.poll_receive(&mut cx) {
        Poll::Ready(Ok(frame)) => Some(frame.to_vec()),
        _ => None,
    }
}

/// A question `abc` from 10.0.0.1:1000, with right checksums.
pub(super) fn question() -> Vec<u8> {
    let mut frame = vec![
        2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0, // Ethernet
        0x45, 0, 0, 31, 0, 1, 0x40, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, // IPv4
        3, 232, 0, 53, 0, 11, 0, 0, b'a', b'b', b'c', // UDP
    ];
    correct(&mut frame);
    frame
}

/// Computes both checksums anew, slowly and on their own.
fn correct(frame: &mut [u8]) {
    fn sum(parts: &[&[u8]]) -> [u8; 2] {
        let mut total = 0u32;
        for part in parts {
            for pair in part.chunks(2) {
                total += u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0));
            }
        }
        while total > 0xffff {
            total = (total & 0xffff) + (total >> 16);
        }
        (!(total as u16)).to_be_bytes()
    }
    frame[24..26].fill(0);
    let header = sum(&[&frame[14..34]]);
    frame[24..26].copy_from_slice(&header);
    let end = 34 + usize::from(frame[39]);
    frame[40..42].fill(0);
    let udp = sum(&[&frame[26..34], &[0, 17, 0, frame[39]], &frame[34..end]]);
    frame[40..42].copy_from_slice(&udp);
}

#[test]
fn the_answer_is_the_question_turned_round() {
    let (mut world, _stack, _responder, mut peer) = served();
    let mut padded = question();
    padded.resize(60, 0xee);
    put(&mut peer, &padded, Offload::default());
    world.pass(Duration::from_millis(1));
    let answer = take(&mut peer).unwrap();
    let mut expected = question();
    expected[..12].copy_from_slice(&[2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2]);
    expected[18..22].copy_from_slice(&answer[18..22]);
    expected[20..22].fill(0);
    expected[26..34].copy_from_slice(&[10, 0, 0, 2, 10, 0, 0, 1]);
    expected[34..38].copy_from_slice(&[0, 53, 3, 232]);
    expected[42..].copy_from_slice(b"cba");
    correct(&mut expected);
    assert_eq!(answer, expected);
    assert_eq!(
        take(&mut peer),
        None,
        "one answer, and no question about neighbours"
    );
}

/// Addresses that were configured are used while they are asked for.
#[test]
fn a_question_that_waits_at_the_start_is_answered_before_any_time_passes() {
    let mut world = World::new();
    let (mut peer, nic) = wire();
    let stack = world.add(nic, fixed(2));
    let _responder = UdpSocket::bind(&stack, 53).unwrap().respond(reverse);
    put(&mut peer, &question(), Offload::default());
    let start = clock();
    world.settle();
    assert_eq!(clock(), start);
    let mut sent = core::iter::from_fn(|| take(&mut peer));
    assert!(sent.any(|frame| frame.ends_with(b"cba")));
}

/// As a program does that is given its stack when that is configured.
#[test]
fn a_question_that_waits_at_the_start_finds_the_port_that_is_opened_first() {
    let _world = World::new();
    let (mut peer, nic) = wire();
    let (stack, mut driver) = Stack::with_driver(nic, fixed(2), random, Clock::stepping(clock));
    put(&mut peer, &question(), Offload::default());
    let mut cx = Context::from_waker(Waker::noop());
    while stack.poll_configured(&mut cx).is_pending() {
        driver.step(&mut cx, clock());
    }
    let _responder = UdpSocket::bind(&stack, 53).unwrap().respond(reverse);
    while driver.step(&mut cx, clock()) == Next::Again {}
    let mut sent = core::iter::from_fn(|| take(&mut peer));
    assert!(sent.any(|frame| frame.ends_with(b"cba")));
}

#[test]
fn both_families_through_sockets() {
    for server in ["10.0.0.2", "fd00::2"] {
        let (mut world, a, b) = pair();
        let _responder = UdpSocket::bind(&b, 53).unwrap().respond(reverse);
        let client = UdpSocket::bind(&a, 0).unwrap();
        let peer = SocketAddr::new(ip(server), 53);
        let mut buffer = [0; 2000];
        for len in [1, 2, 100, 1001, 1400] {
            let data: Vec<u8> = (0..len).map(|n| n as u8).collect();
            let got = world.run(async {
                client.send_to(&data, peer).await.unwrap();
                client.recv_from(&mut buffer).await.unwrap().0
            });
            let expected: Vec<u8> = data.into_iter().rev().collect();
            assert_eq!(buffer[..got], expected, "{len} bytes from {server}");
        }
    }
}

#[test]
fn a_question_in_fragments_is_answered_the_long_way() {
    let (mut world, a, b) = pair();
    let _responder = UdpSocket::bind(&b, 53)
        .unwrap()
        .respond(|query, meta, reply| {
            assert_eq!(meta.local, "10.0.0.2:53".parse().unwrap());
            reply[..2].copy_from_slice(&(query.len() as u16).to_be_bytes());
            Some(2)
        });
    let client = UdpSocket::bind(&a, 0).unwrap();
    let ask = async {
        client
            .send_to(&[0; 3000], "10.0.0.2:53".parse().unwrap())
            .await
            .unwrap();
        let mut buffer = [0; 8];
        let (len, _) = client.recv_from(&mut buffer).await.unwrap();
        assert_eq!(buffer[..len], 3000u16.to_be_bytes());
    };
    world.run(ask);
}

/// What is wrong with a question, and how it becomes so.
type Spoiled = (&'static str, fn(&mut Vec<u8>));

#[test]
fn what_is_wrong_is_not_answered() {
    let wrong: [Spoiled; 9] = [
        ("another card", |f| f[5] = 9),
        ("header checksum", |f| f[24] ^= 1),
        ("transport checksum", |f| f[42] ^= 1),
        ("another address", |f| {
            f[33] = 3;
            correct(f);
        }),
        ("from ourselves", |f| {
            f[29] = 2;
            correct(f);
        }),
        ("from broadcast", |f| {
            f[29] = 255;
            correct(f);
        }),
        ("from port zero", |f| {
            f[34..36].fill(0);
            correct(f);
        }),
        ("length beyond the packet", |f| f[39] = 12),
        ("empty, which the handler ignores", |f| {
            f[17] = 28;
            f[39] = 8;
            f.truncate(42);
            correct(f);
        }),
    ];
    for (what, spoil) in wrong {
        let (mut world, _stack, _responder, mut peer) = served();
        let mut frame = question();
        spoil(&mut frame);
        put(&mut peer, &frame, Offload::default());
        world.pass(Duration::from_millis(1));
        while let Some(answer) = take(&mut peer) {
            assert_ne!(answer[12..14], [8, 0], "{what}");
        }
    }
}

#[test]
fn a_checksum_that_the_device_has_seen_to_is_not_looked_at() {
    for checksum in [
        Checksum::Verified,
        Checksum::Partial {
            start: 34,
            offset: 6,
        },
    ] {
        let (mut world, stack, _responder, _) = served();
        let mut frame = question();
        frame[40] ^= 0x55;
        let mut reply = vec![0; 1514];
        let shared = stack.shared();
        let verify = checksum == Checksum::Unverified;
        let outcome = shared
            .responders
            .respond(&frame, &mut reply, shared.engine_cell(), verify);
        assert!(matches!(outcome, Outcome::Reply(45)));
        world.pass(Duration::from_millis(1));
    }
}

#[test]
fn a_handler_may_use_the_stack() {
    let (mut world, a, b) = pair();
    let inner = Rc::new(UdpSocket::bind(&b, 54).unwrap());
    let stack = b.clone();
    let counter = Rc::clone(&inner);
    let _responder = UdpSocket::bind(&b, 53)
        .unwrap()
        .respond(move |_, meta, reply| {
            let mut cx = Context::from_waker(Waker::noop());
            let sent = counter.poll_send_to(&mut cx, b"seen", meta.peer);
            assert!(sent.is_ready());
            let _other = UdpSocket::bind(&stack, 55).unwrap().respond(reverse);
            reply[0] = 1;
            Some(1)
        });
    let client = UdpSocket::bind(&a, 0).unwrap();
    let ask = async {
        client
            .send_to(b"?", "10.0.0.2:53".parse().unwrap())
            .await
            .unwrap();
        let mut buffer = [0; 8];
        let mut ports = [0; 2];
        for port in &mut ports {
            *port = client.recv_from(&mut buffer).await.unwrap().1.port();
        }
        ports.sort_unstable();
        assert_eq!(ports, [53, 54]);
    };
    world.run(both(ask, async {}));
}

#[test]
fn a_dropped_responder_answers_no_more() {
    let (mut world, _stack, responder, mut peer) = served();
    drop(responder);
    put(&mut peer, &question(), Offload::default());
    world.pass(Duration::from_millis(1));
    let answer = take(&mut peer).unwrap();
    assert_eq!(
        answer[12..14],
        [8, 6],
        "asks for the neighbour, to tell it that nobody is there"
    );
}
