// SPDX-License-Identifier: ISC
//! Mutated frames: whatever comes, the layer goes on, and its memory stays bounded.

use super::*;
use crate::ip::Unreachable;

struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }
}

/// One of each kind of frame that is looked into.
fn seeds() -> Vec<Vec<u8>> {
    let router = v6("fe80::1");
    let mut advertised = vec![134, 0, 0, 0, 64, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    advertised.extend([3, 4, 64, 0xc0, 0, 0, 14, 16, 0, 0, 14, 16, 0, 0, 0, 0]);
    advertised.extend(octets(v6("2001:db8::")));
    advertised.extend([25, 3, 0, 0, 0, 0, 14, 16]);
    advertised.extend(octets(v6("2001:db8::53")));
    let mut query = vec![130, 0, 0, 0, 0x93, 0xe8, 0, 0];
    query.extend([0; 20]);
    let quoted = |prefix: [u8; 8], own: Addr, peer: Addr| {
        [&prefix[..], &udp(own, peer, b"abc")[14..]].concat()
    };
    let piece = [17, 0, 0, 1, 0, 0, 0, 9, 1, 2, 3, 4, 5, 6, 7, 8];
    let last = [17, 0, 0, 8, 0, 0, 0, 9, 1, 2, 3, 4, 5, 6, 7, 8];
    let mut first4 = udp(v4(PEER4), v4(OWN4), &[0; 16]);
    first4[20] = 0x20;
    first4[24..26].fill(0);
    let header = sum(&[&first4[14..34]]);
    first4[24..26].copy_from_slice(&header);
    vec![
        arp(1, PEER_MAC, PEER4, [0; 6], OWN4, [0xff; 6]),
        arp(2, PEER_MAC, PEER4, OWN_MAC, OWN4, OWN_MAC),
        solicitation(v6(PEER6), v6("ff02::1:ff00:2"), v6(OWN6)),
        advertisement(PEER_MAC, v6(PEER6), v6(OWN6), 0x60),
        icmp6(router, v6("ff02::1"), 255, &advertised),
        icmp6(router, v6("ff02::1"), 1, &query),
        icmp4(PEER4, OWN4, &[8, 0, 0, 0, 1, 2, 3, 4, 5]),
        icmp6(v6(PEER6), v6(OWN6), 64, &[128, 0, 0, 0, 1, 2, 3, 4]),
        icmp4(
            PEER4,
            OWN4,
            &quoted([3, 4, 0, 0, 0, 0, 2, 0], v4(OWN4), v4(PEER4)),
        ),
        icmp6(
            v6(PEER6),
            v6(OWN6),
            64,
            &quoted([2, 0, 0, 0, 0, 0, 5, 0], v6(OWN6), v6(PEER6)),
        ),
        udp(v4(PEER4), v4(OWN4), b"abc"),
        tcp(v6(PEER6), v6(OWN6), b"abc"),
        frame(v6(PEER6), v6(OWN6), 44, &piece),
        frame(v6(PEER6), v6(OWN6), 44, &last),
        frame(
            v6(PEER6),
            v6(OWN6),
            0,
            &[60, 0, 1, 4, 0, 0, 0, 0, 17, 0, 0x85, 4, 0, 0, 0, 0],
        ),
        first4,
    ]
}

/// Feeds a frame and what follows from it, as the layers above would.
fn feed(host: &mut Host, frame: &[u8], offload: Offload) {
    let now = host.now;
    match host.receive_with(frame, offload) {
        Input::Transport(arrived) => {
            assert!(arrived.payload.start <= arrived.payload.end);
            assert!(arrived.payload.end <= frame.len());
            host.ip
                .unreachable(&mut host.wire, frame, &arrived, Unreachable::Port, now);
        }
        Input::Reassembled(frame, arrived) => {
            assert!(arrived.payload.end <= frame.len());
            host.ip
                .unreachable(&mut host.wire, &frame, &arrived, Unreachable::Protocol, now);
        }
        Input::Nothing | Input::Error(_) | Input::Echo(_) => {}
    }
    while let Some(looped) = host.ip.take_loopback() {
        let _ = host.receive(&looped);
    }
    assert!(
        host.wire
            .frames
            .iter()
            .all(|(frame, _)| (42..=1514).contains(&frame.len()))
    );
    host.wire.frames.clear();
}

#[test]
fn mutated_frames_do_no_harm() {
    let seeds = seeds();
    let mut noise = Noise(0x5eed);
    for round in 0..300 {
        let config = match round % 3 {
            0 => config(2),
            1 => Config::default(),
            _ => Config {
                ipv6: Ipv6::On {
                    prefix: Some("fd00::2/64".parse().unwrap()),
                    gateway: Some("fe80::1".parse().unwrap()),
                    router_advertisements: true,
                },
                ..config(2)
            },
        };
        let mut host = Host::with(info(OWN_MAC), config);
        host.pass(noise.next() % (3 * SECOND));
        for _ in 0..100 {
            let mut frame = seeds[noise.below(seeds.len())].clone();
            let len = frame.len();
            for _ in 0..noise.below(4) {
                let at = 12 + noise.below(len - 12);
                frame[at] = match noise.below(3) {
                    0 => noise.next() as u8,
                    1 => frame[at] ^ (1 << noise.below(8)),
                    _ => [0, 1, 0x7f, 0xff][noise.below(4)],
                };
            }
            match noise.below(20) {
                0 => frame.truncate(noise.below(len + 1)),
                1 => frame.resize(len + noise.below(40), 0xaa),
                _ => {}
            }
            // Sums that are right again let more through.
            if frame.len() >= 34 && frame[12..14] == [8, 0] && noise.below(4) > 0 {
                frame[24..26].fill(0);
                let header = sum(&[&frame[14..34]]);
                frame[24..26].copy_from_slice(&header);
            }
            let mut offload = Offload::default();
            if noise.below(2) == 0 {
                offload.checksum = fata_device::net::Checksum::Verified;
            }
            feed(&mut host, &frame, offload);
            if noise.below(10) == 0 {
                let header = [0, 53, 0x30, 0x39, 0, 8, 0, 0];
                let to = [v4(PEER4), v6(PEER6)][noise.below(2)];
                let _ = host.send(&datagram(to, &header, b""));
                host.wire.frames.clear();
            }
            if noise.below(5) == 0 {
                let pause = 1 << noise.below(38);
                host.pass(pause);
                host.wire.frames.clear();
            }
        }
        assert!(host.ip.neighbors.len() <= 256);
        assert!(host.ip.addresses().prefixes.len() <= 8);
    }
}

#[test]
fn random_bytes_do_no_harm() {
    let mut noise = Noise(77);
    let mut host = Host::new();
    for _ in 0..20_000 {
        let len = noise.below(120);
        let mut frame: Vec<u8> = (0..len).map(|_| noise.next() as u8).collect();
        if let Some(head) = frame.first_chunk_mut::<15>() {
            head[..6].copy_from_slice(&OWN_MAC);
            let kind = [[8, 0, 0x45], [0x86, 0xdd, 0x60], [8, 6, 0]][noise.below(3)];
            head[12..].copy_from_slice(&kind);
        }
        feed(&mut host, &frame, Offload::default());
    }
}
