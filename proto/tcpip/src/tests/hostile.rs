// SPDX-License-Identifier: ISC
//! Frames that mean harm: none makes a stack panic, whatever state it is in.

use std::{time::Duration, vec::Vec};

use embedded_io_async::Write;
use fata_device::{
    memory::{Nic, link, plain_info},
    net::{Checksum, Offload},
    weather::Random,
};

use super::{
    responder::{put, question, take},
    slaac::advertisement,
    world::{World, fixed, wire},
};
use crate::{Config, Stack, TcpListener, TcpStream, UdpSocket, checksum::Sum, packet};

/// Frames of every kind that two stacks exchange with each other.
fn recorded() -> Vec<Vec<u8>> {
    let mut world = World::new();
    // Cards that compute no checksums, as the frames are taken off the wire in between.
    let (a, mut tap_a) = link([plain_info(1), plain_info(2)], 64);
    let (mut tap_b, b) = link([plain_info(1), plain_info(2)], 64);
    let a = world.add(a, fixed(1));
    let b = world.add(b, fixed(2));
    let mut frames = Vec::new();
    let log = std::rc::Rc::new(std::cell::RefCell::new(Vec::new()));
    let sink = log.clone();
    world.add_step(move |_| {
        let pass = |from: &mut Nic, to: &mut Nic| {
            while let Some(frame) = take(from) {
                put(to, &frame, Offload::default());
                sink.borrow_mut().push(frame);
            }
        };
        pass(&mut tap_a, &mut tap_b);
        pass(&mut tap_b, &mut tap_a);
    });
    let _responder = UdpSocket::bind(&b, 53).unwrap().respond(|_, _, _| Some(9));
    let listener = TcpListener::bind(&b, 80).unwrap();
    for address in ["10.0.0.2", "fd00::2"] {
        let address = super::world::ip(address);
        let client = UdpSocket::bind(&a, 0).unwrap();
        world
            .run(client.send_to(&[1; 3], std::net::SocketAddr::new(address, 53)))
            .unwrap();
        world
            .run(client.send_to(&[1; 1400], std::net::SocketAddr::new(address, 99)))
            .unwrap();
        let connect = TcpStream::connect(&a, std::net::SocketAddr::new(address, 80));
        let (client, server) = world.run(super::world::both(connect, listener.accept()));
        let (mut client, server) = (client.unwrap(), server.unwrap());
        world.run(client.write_all(&[3; 3000])).unwrap();
        world.pass(Duration::from_secs(1));
        drop((client, server));
        world.pass(Duration::from_secs(1));
    }
    frames.append(&mut log.borrow_mut());
    frames.push(question());
    frames.push(advertisement(1800, 7200));
    frames
}

/// Changes a few bytes, the length, or nothing; often repairs the checksums so that the change
/// gets further.
fn mutate(frame: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..random.within(0..=4) {
        let at = random.within(12..=frame.len().max(13) as u64 - 1) as usize;
        if let Some(byte) = frame.get_mut(at) {
            *byte = match random.within(0..=3) {
                0 => 0,
                1 => 0xff,
                2 => *byte ^ (1 << random.within(0..=7)),
                _ => random.number() as u8,
            };
        }
    }
    match random.within(0..=9) {
        0 => frame.truncate(random.within(0..=frame.len() as u64) as usize),
        1 => frame.resize(
            (frame.len() + random.within(0..=40) as usize).min(1514),
            0xaa,
        ),
        _ => {}
    }
    if random.within(0..=3) > 0 {
        repair(frame);
    }
}

fn repair(frame: &mut [u8]) {
    let ipv4 = frame.get(12..14) == Some(&[8, 0]);
    if ipv4 && frame.len() >= 34 {
        let len = usize::from(frame[14] & 15) * 4;
        if len >= 20 && frame.len() >= 14 + len {
            frame[24..26].fill(0);
            let sum = Sum::default().add(&frame[14..14 + len]).finish();
            frame[24..26].copy_from_slice(&sum);
        }
    }
    let parse = if ipv4 { packet::ipv4 } else { packet::ipv6 };
    let Ok(header) = parse(frame) else {
        return;
    };
    let (at, len) = (header.payload.start, header.payload.len());
    let protocol = header.protocol;
    let field = match protocol {
        6 => 16,
        17 => 6,
        58 | 1 => 2,
        _ => return,
    };
    if len < field + 2 {
        return;
    }
    frame[at + field..at + field + 2].fill(0);
    let addresses = if ipv4 { 26..34 } else { 22..54 };
    let pseudo = match protocol {
        1 => Sum::default(),
        _ => Sum::pseudo(protocol, len as u16).add(&frame[addresses]),
    };
    let sum = pseudo.add(&frame[at..at + len]).finish();
    frame[at + field..at + field + 2].copy_from_slice(&sum);
}

fn target(world: &mut World, nic: Nic, dhcp: bool) -> Stack {
    let config = if dhcp { Config::default() } else { fixed(2) };
    let stack = world.add(nic, config);
    let responder = UdpSocket::bind(&stack, 53)
        .unwrap()
        .respond(|query, _, reply| {
            let len = query.len().min(reply.len());
            reply[..len].copy_from_slice(&query[..len]);
            Some(len)
        });
    let listener = TcpListener::bind(&stack, 80).unwrap();
    // They stay for as long as the stack.
    std::mem::forget((responder, listener));
    stack
}

#[test]
fn no_frame_makes_a_stack_panic() {
    let frames = recorded();
    assert!(frames.len() > 30, "{} frames were recorded", frames.len());
    let mut random = Random::new(0xfa7a);
    for dhcp in [false, true] {
        let mut world = World::new();
        let (mut attacker, nic) = wire();
        let stack = target(&mut world, nic, dhcp);
        for round in 0..6000 {
            let pick = random.within(0..=frames.len() as u64 - 1) as usize;
            let mut frame = frames[pick].clone();
            frame[..6].copy_from_slice(&[2, 0, 0, 0, 0, 2]);
            mutate(&mut frame, &mut random);
            let checksum = match random.within(0..=7) {
                0 => Checksum::Verified,
                1 => Checksum::Partial {
                    start: random.number() as u16,
                    offset: random.number() as u16 & 31,
                },
                _ => Checksum::Unverified,
            };
            let offload = Offload {
                checksum,
                segmentation: None,
            };
            if !frame.is_empty() {
                put(&mut attacker, &frame, offload);
            }
            if round % 8 == 0 {
                let pause = random.within(1..=40) * random.within(1..=40);
                world.pass(Duration::from_millis(pause));
            }
            while take(&mut attacker).is_some() {}
        }
        let statistics = stack.statistics();
        let began = statistics.connections + statistics.half_open;
        assert!(began < 2000, "connections that began are bounded: {began}");
        if !dhcp {
            put(&mut attacker, &question(), Offload::default());
            world.pass(Duration::from_millis(1));
            let mut answers = std::iter::from_fn(|| take(&mut attacker));
            assert!(
                answers.any(|frame| frame.ends_with(b"abc")),
                "the stack still answers"
            );
        }
    }
}

#[test]
fn random_bytes_do_no_harm() {
    let mut random = Random::new(7);
    let mut world = World::new();
    let (mut attacker, nic) = wire();
    let _stack = target(&mut world, nic, true);
    let kinds = [[8, 0], [8, 6], [0x86, 0xdd]];
    for _ in 0..4000 {
        let len = random.within(1..=120) as usize;
        let mut frame: Vec<u8> = (0..len).map(|_| random.number() as u8).collect();
        if len > 14 {
            frame[..6].copy_from_slice(&[2, 0, 0, 0, 0, 2]);
            frame[12..14].copy_from_slice(&kinds[random.within(0..=2) as usize]);
            frame[14] = if frame[12] == 8 { 0x45 } else { 0x60 };
        }
        put(&mut attacker, &frame, Offload::default());
        world.pass(Duration::from_micros(100));
        while take(&mut attacker).is_some() {}
    }
}

#[test]
fn the_entry_for_fuzzers_takes_anything() {
    let mut random = Random::new(3);
    let frames = recorded();
    crate::fuzz::frames(&[]);
    for _ in 0..300 {
        let mut input = std::vec![random.number() as u8];
        for _ in 0..random.within(0..=20) {
            let pick = random.within(0..=frames.len() as u64 - 1) as usize;
            let mut frame = frames[pick].clone();
            mutate(&mut frame, &mut random);
            input.extend((frame.len() as u16).to_le_bytes());
            input.push(random.within(0..=24) as u8);
            input.extend(frame);
        }
        crate::fuzz::frames(&input);
    }
}
