// SPDX-License-Identifier: ISC
//! What a guest sees of its network: addresses, datagrams, and what it may not reach.

#![expect(
    unreachable_pub,
    reason = "the guest is shared by several test programs"
)]
#![allow(dead_code, reason = "the guest is shared by several test programs")]

mod guest;

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket},
    time::{Duration, Instant},
};

use fata_usernet::{Config, DNS, Forward, GATEWAY, GUEST, Protocol};
use guest::{Guest, MAC, PATIENCE, config, free_port};
use smoltcp::{
    phy::ChecksumCapabilities,
    socket::{dhcpv4, icmp, udp},
    wire::{Icmpv4Packet, Icmpv4Repr, IpAddress},
};

#[test]
fn dhcp_gives_address_gateway_and_name_server() {
    let mut guest = Guest::new(config());
    let handle = guest.sockets.add(dhcpv4::Socket::new());
    let (address, router, servers) =
        guest.until(
            |guest| match guest.sockets.get_mut::<dhcpv4::Socket<'_>>(handle).poll() {
                Some(dhcpv4::Event::Configured(config)) => {
                    Some((config.address, config.router, config.dns_servers.to_vec()))
                }
                _ => None,
            },
        );
    assert_eq!((address.address(), address.prefix_len()), (GUEST, 24));
    assert_eq!((router, servers), (Some(GATEWAY), vec![DNS]));
}

#[test]
fn the_gateway_answers_ping_and_nobody_else_does() {
    let mut guest = Guest::configured(config());
    let buffer = || icmp::PacketBuffer::new(vec![icmp::PacketMetadata::EMPTY; 8], vec![0; 4096]);
    let mut socket = icmp::Socket::new(buffer(), buffer());
    socket.bind(icmp::Endpoint::Ident(7)).unwrap();
    let handle = guest.sockets.add(socket);
    let ping = |to: Ipv4Addr, guest: &mut Guest| {
        let echo = Icmpv4Repr::EchoRequest {
            ident: 7,
            seq_no: 1,
            data: b"how are you",
        };
        let socket = guest.sockets.get_mut::<icmp::Socket<'_>>(handle);
        let buffer = socket.send(echo.buffer_len(), IpAddress::Ipv4(to)).unwrap();
        let mut packet = Icmpv4Packet::new_unchecked(buffer);
        echo.emit(&mut packet, &ChecksumCapabilities::default());
    };
    ping(GATEWAY, &mut guest);
    let (from, answer) = guest.until(|guest| {
        let socket = guest.sockets.get_mut::<icmp::Socket<'_>>(handle);
        let (data, from) = socket.recv().ok()?;
        Some((from, data.to_vec()))
    });
    assert_eq!(from, IpAddress::Ipv4(GATEWAY));
    assert_eq!(&answer[8..], b"how are you");
    ping(Ipv4Addr::new(10, 0, 2, 9), &mut guest);
    guest.rest(Duration::from_millis(200));
    assert!(!guest.sockets.get::<icmp::Socket<'_>>(handle).can_recv());
}

#[test]
fn datagrams_go_out_and_answers_come_back() {
    let server = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut guest = Guest::configured(config());
    let socket = guest.udp(4000);
    let there = SocketAddr::from((GATEWAY, server.local_addr().unwrap().port()));
    for size in [1, 100, 1472] {
        let data = vec![size as u8; size];
        guest.udp_send(socket, there, &data);
        guest.rest(Duration::from_millis(20));
        let mut buffer = [0; 2000];
        server
            .set_read_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        let (length, peer) = server.recv_from(&mut buffer).unwrap();
        assert_eq!(&buffer[..length], data);
        server.send_to(&buffer[..length], peer).unwrap();
        assert_eq!(guest.udp_receive(socket), (data, there));
    }
}

#[test]
fn a_datagram_too_long_for_a_frame_is_lost_and_the_next_is_not() {
    let server = UdpSocket::bind("127.0.0.1:0").unwrap();
    server
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    let mut guest = Guest::configured(config());
    let socket = guest.udp(4000);
    let there = SocketAddr::from((GATEWAY, server.local_addr().unwrap().port()));
    guest.udp_send(socket, there, b"question");
    guest.rest(Duration::from_millis(20));
    let (_, peer) = server.recv_from(&mut [0; 2000]).unwrap();
    server.send_to(&[1; 1473], peer).unwrap();
    server.send_to(&[2; 1472], peer).unwrap();
    assert_eq!(guest.udp_receive(socket).0, [2; 1472]);
}

#[test]
fn the_name_server_asks_the_resolvers_of_the_host() {
    let resolver = UdpSocket::bind("127.0.0.1:0").unwrap();
    resolver
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    let dead = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
    let resolvers = Some(vec![dead, resolver.local_addr().unwrap()]);
    let mut guest = Guest::configured(Config {
        resolvers,
        ..Config::default()
    });
    let socket = guest.udp(4001);
    // The first resolver refuses, which shows at the latest when the question is repeated.
    for _ in 0..3 {
        guest.udp_send(socket, SocketAddr::from((DNS, 53)), b"question");
        guest.rest(Duration::from_millis(50));
    }
    let mut buffer = [0; 512];
    let (length, peer) = resolver.recv_from(&mut buffer).unwrap();
    assert_eq!(&buffer[..length], b"question");
    resolver.send_to(b"answer", peer).unwrap();
    let answer = (b"answer".to_vec(), SocketAddr::from((DNS, 53)));
    assert_eq!(guest.udp_receive(socket), answer);
}

#[test]
fn forwarded_datagrams_reach_the_guest_and_each_peer_gets_its_own_answer() {
    let forward = Forward {
        protocol: Protocol::Udp,
        host: SocketAddr::from((Ipv4Addr::LOCALHOST, free_port())),
        guest_port: 53,
    };
    let mut guest = Guest::configured(Config {
        forwards: vec![forward],
        ..config()
    });
    let socket = guest.udp(53);
    let peers: Vec<UdpSocket> = (0..8)
        .map(|_| {
            let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
            peer.set_nonblocking(true).unwrap();
            peer.connect(forward.host).unwrap();
            peer
        })
        .collect();
    let mut answered = [false; 8];
    guest.until(|guest| {
        for (n, peer) in peers.iter().enumerate() {
            let mut buffer = [0; 16];
            if let Ok(length) = peer.recv(&mut buffer) {
                assert_eq!(&buffer[..length], [n as u8, 0xaa]);
                answered[n] = true;
            } else if !answered[n] {
                // Refused as long as the thread of the network has not opened the port.
                let _ = peer.send(&[n as u8]);
            }
        }
        while guest.sockets.get::<udp::Socket<'_>>(socket).can_recv() {
            let (data, from) = guest.udp_receive(socket);
            assert_eq!(from.ip(), GATEWAY);
            guest.udp_send(socket, from, &[data[0], 0xaa]);
        }
        answered.iter().all(|&answered| answered).then_some(())
    });
}

/// RFC 1122, section 3.3.6: no host believes a packet for itself in a frame for all, so that would
/// not reach one that has a fixed address and waits.
#[test]
fn a_guest_that_has_said_nothing_is_sent_to_by_its_own_address() {
    let forward = Forward {
        protocol: Protocol::Udp,
        host: SocketAddr::from((Ipv4Addr::LOCALHOST, free_port())),
        guest_port: 53,
    };
    let guest = Guest::new(Config {
        forwards: vec![forward],
        ..config()
    });
    let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
    peer.connect(forward.host).unwrap();
    let start = Instant::now();
    let frame = loop {
        assert!(start.elapsed() < PATIENCE, "nothing came");
        // Refused as long as the thread of the network has not opened the port.
        let _ = peer.send(b"question");
        if let Some(frame) = guest.wire.receive() {
            break frame;
        }
        std::thread::sleep(Duration::from_millis(1));
    };
    assert_eq!(frame[..6], MAC);
    assert!(frame.ends_with(b"question"));
}

#[test]
fn the_host_is_out_of_reach_unless_asked_for() {
    let server = UdpSocket::bind("127.0.0.1:0").unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut guest = Guest::configured(Config {
        reach_host: false,
        ..config()
    });
    let socket = guest.udp(4000);
    let port = server.local_addr().unwrap().port();
    for ip in [
        GATEWAY,
        DNS,
        Ipv4Addr::LOCALHOST,
        Ipv4Addr::new(10, 0, 2, 255),
    ] {
        guest.udp_send(socket, SocketAddr::from((ip, port)), b"x");
    }
    let there = SocketAddr::from((GATEWAY, listener.local_addr().unwrap().port()));
    let connection = guest.tcp_connect(5000, there);
    let state = smoltcp::socket::tcp::State::Closed;
    guest.until(|guest| (guest.tcp_state(connection) == state).then_some(()));
    server.set_nonblocking(true).unwrap();
    assert!(server.recv(&mut [0; 16]).is_err());
    listener.set_nonblocking(true).unwrap();
    assert!(listener.accept().is_err());
}
