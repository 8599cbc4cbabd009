// SPDX-License-Identifier: ISC
//! Frames that no honest guest sends: the network survives all of them, and still works.

#![expect(
    unreachable_pub,
    reason = "the guest is shared by several test programs"
)]
#![allow(dead_code, reason = "the guest is shared by several test programs")]

mod guest;

use std::net::SocketAddr;

use fata_usernet::GATEWAY;
use guest::{Guest, config, free_port};
use smoltcp::socket::dhcpv4;

/// xorshift: the same bytes on every run.
struct Random(u64);

impl Random {
    fn next(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % below as u64) as usize
    }
}

/// Frames as a real guest sends them while it starts and talks to its own gateway.
fn honest_frames() -> Vec<Vec<u8>> {
    use std::os::fd::OwnedFd;
    let (here, there) = std::os::unix::net::UnixDatagram::pair().unwrap();
    here.set_nonblocking(true).unwrap();
    there.set_nonblocking(true).unwrap();
    let mut frames = Vec::new();
    let mut guest = Guest::on(OwnedFd::from(here));
    guest.sockets.add(dhcpv4::Socket::new());
    guest.turn();
    guest.configure();
    let socket = guest.udp(4000);
    let nobody = SocketAddr::from((GATEWAY, free_port()));
    guest.tcp_connect(5000, nobody);
    guest.udp_send(socket, nobody, b"hello there");
    // The gateway's hardware address, so that more than ARP is sent.
    let mut frame = [0; 2048];
    for _ in 0..20 {
        while let Ok(length) = there.recv(&mut frame) {
            let received = frame[..length].to_vec();
            if received[12..14] == [8, 6] {
                let mut answer = received.clone();
                answer[0..6].copy_from_slice(&received[6..12]);
                answer[6..12].copy_from_slice(&[2, 0xfa, 0x7a, 0, 2, 2]);
                answer[21] = 2;
                answer[22..28].copy_from_slice(&[2, 0xfa, 0x7a, 0, 2, 2]);
                answer[28..32].copy_from_slice(&received[38..42]);
                answer[32..42].copy_from_slice(&received[22..32]);
                there.send(&answer).unwrap();
            }
            frames.push(received);
        }
        guest.turn();
    }
    assert!(
        frames
            .iter()
            .any(|frame| frame[23] == 6 && frame[12..14] == [8, 0]),
        "no TCP"
    );
    frames
}

#[test]
fn mutated_frames_do_no_harm() {
    let honest = honest_frames();
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for _ in 0..200 {
        let mut script = Vec::new();
        for _ in 0..40 {
            let mut frame = honest[random.next(honest.len())].clone();
            for _ in 0..random.next(4) {
                let at = random.next(frame.len());
                frame[at] = random.next(256) as u8;
            }
            if random.next(4) == 0 {
                frame.truncate(random.next(frame.len() + 1));
            }
            fix_checksum(&mut frame);
            script.extend((frame.len() as u16).to_le_bytes());
            script.extend(frame);
        }
        fata_usernet::answer_frames(&script);
    }
}

/// Half of all mutations would end at the checksum of the IPv4 header otherwise.
fn fix_checksum(frame: &mut [u8]) {
    if frame.len() >= 34 && frame[12..14] == [8, 0] {
        let header = &mut frame[14..34];
        header[10..12].fill(0);
        let sum: u32 = header
            .chunks(2)
            .map(|b| u32::from(b[0]) << 8 | u32::from(b[1]))
            .sum();
        let sum = (sum & 0xffff) + (sum >> 16);
        let sum = !((sum & 0xffff) + (sum >> 16)) as u16;
        header[10..12].copy_from_slice(&sum.to_be_bytes());
    }
}

#[test]
fn a_guest_that_only_sends_gets_its_network_back_when_it_reads() {
    let mut guest = Guest::configured(config());
    let echo = guest.udp(4000);
    let server = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let there = SocketAddr::from((GATEWAY, server.local_addr().unwrap().port()));
    // ARP requests whose answers nobody takes, many times what fits into all queues.
    let mut request = vec![0xff; 6];
    request.extend([
        2, 0, 0, 0, 0, 1, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 1,
    ]);
    request.extend([10, 0, 2, 15, 0, 0, 0, 0, 0, 0, 10, 0, 2, 2]);
    for n in 0..20_000 {
        guest.wire.send(&request);
        if n % 100 == 0 {
            std::thread::sleep(std::time::Duration::from_micros(100));
        }
    }
    guest.wire.send(&[0; 5000]);
    while guest.wire.receive().is_some() {}
    server.set_nonblocking(true).unwrap();
    guest.until(|guest| {
        guest.udp_send(echo, there, b"still here");
        server.recv(&mut [0; 100]).ok()
    });
}
