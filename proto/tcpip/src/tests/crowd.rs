// SPDX-License-Identifier: ISC
//! Many connections: at once, in turn, and such as are never completed.

use std::{net::SocketAddr, time::Duration, vec::Vec};

use embedded_io_async::{Read, Write};
use fata_device::net::Offload;

use super::{
    responder::{put, take},
    world::{World, both, fixed, pair, wire},
};
use crate::{Stack, TcpListener, TcpStream};

fn peer() -> SocketAddr {
    "10.0.0.2:80".parse().unwrap()
}

fn population(stack: &Stack) -> (usize, usize, usize) {
    stack.shared().engine().tcp.population()
}

#[test]
fn thousands_in_turn_leave_nothing_behind() {
    let (mut world, a, b) = pair();
    let listener = TcpListener::bind(&b, 80).unwrap();
    for _ in 0..3000 {
        let (client, server) = world.run(both(TcpStream::connect(&a, peer()), listener.accept()));
        let (mut client, mut server) = (client.unwrap(), server.unwrap().0);
        world.run(async {
            client.write_all(b"?").await.unwrap();
            assert_eq!(server.read(&mut [0; 4]).await, Ok(1));
            server.write_all(b"!").await.unwrap();
            drop(server);
            assert_eq!(client.read(&mut [0; 4]).await, Ok(1));
            assert_eq!(client.read(&mut [0; 4]).await, Ok(0));
        });
    }
    world.pass(Duration::from_secs(1));
    assert_eq!(population(&a), (0, 0, 0));
    // Ended first by the server.
    assert_eq!(population(&b), (0, 0, 3000));
    world.pass(Duration::from_secs(62));
    assert_eq!(population(&b), (0, 0, 0));
}

#[test]
fn a_thousand_at_once_are_each_heard() {
    let (mut world, a, b) = pair();
    let listener = TcpListener::bind(&b, 80).unwrap();
    let mut streams = Vec::new();
    for _ in 0..1000 {
        let (client, server) = world.run(both(TcpStream::connect(&a, peer()), listener.accept()));
        streams.push((client.unwrap(), server.unwrap().0));
    }
    assert_eq!(population(&b), (1000, 0, 0));
    for (number, (client, server)) in streams.iter_mut().enumerate() {
        let sent = (number as u32).to_be_bytes();
        let mut got = [0; 4];
        world.run(async {
            client.write_all(&sent).await.unwrap();
            server.read_exact(&mut got).await.unwrap();
        });
        assert_eq!(got, sent);
    }
    drop(streams);
    // Some segments are lost, as the wire holds 64, and are sent again before TIME-WAIT begins.
    world.pass(Duration::from_secs(120));
    assert_eq!((population(&a), population(&b)), ((0, 0, 0), (0, 0, 0)));
}

/// A SYN from 10.0.0.1, with a port and a sequence number of its own.
fn syn(number: u32) -> Vec<u8> {
    let segment = super::script::syn((number % 60_000) as u16 + 1000, number);
    assert_eq!(segment[12..14], [8, 0]);
    segment
}

#[test]
fn a_flood_of_syns_takes_little_and_keeps_nobody_out() {
    let mut world = World::new();
    let (mut nic, card) = wire();
    let stack = world.add(card, fixed(2));
    let listener = TcpListener::bind(&stack, 80).unwrap();
    world.pass(Duration::from_secs(15));
    let mut answers = 0;
    for number in 0..20_000 {
        put(&mut nic, &syn(number), Offload::default());
        world.settle();
        while let Some(frame) = take(&mut nic) {
            if let Some(reply) = super::script::arp_reply(&frame) {
                put(&mut nic, &reply, Offload::default());
            }
            answers += u32::from(frame.len() >= 54 && frame[23] == 6 && frame[47] == 0x12);
        }
    }
    let (connections, half_open, _) = population(&stack);
    assert_eq!(connections, 0);
    assert!(half_open <= 1024, "{half_open} handshakes are kept");
    assert!(answers > 19_900, "{answers} were answered");
    // They all time out.
    world.pass(Duration::from_secs(40));
    assert_eq!(population(&stack), (0, 0, 0));
    drop(listener);
}
