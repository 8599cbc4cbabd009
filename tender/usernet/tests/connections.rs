// SPDX-License-Identifier: ISC
//! Connections through the network: bytes intact both ways, and every way in which they end.

#![expect(
    unreachable_pub,
    reason = "the guest is shared by several test programs"
)]
#![allow(dead_code, reason = "the guest is shared by several test programs")]

mod guest;

use std::{
    io::{ErrorKind, Read, Write},
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    thread::{self, JoinHandle},
    time::Duration,
};

use fata_usernet::{Config, DNS, Forward, GATEWAY, Protocol};
use guest::{Guest, config, free_port};
use smoltcp::{
    iface::SocketHandle,
    socket::tcp::{Socket, State},
};

const MEGABYTES_10: usize = 10 << 20;

fn pattern(length: usize) -> Vec<u8> {
    let mut state = 1u32;
    (0..length)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        })
        .collect()
}

/// A server on loopback that handles one connection, and its address as the guest sees it.
fn server<T: Send + 'static>(
    serve: impl FnOnce(TcpStream) -> T + Send + 'static,
) -> (SocketAddr, JoinHandle<T>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let there = SocketAddr::from((GATEWAY, listener.local_addr().unwrap().port()));
    (
        there,
        thread::spawn(move || serve(listener.accept().unwrap().0)),
    )
}

/// A network that forwards one TCP port to port 80 of the guest.
fn forwarded() -> (Guest, SocketAddr) {
    let host = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
    let forwards = vec![Forward {
        protocol: Protocol::Tcp,
        host,
        guest_port: 80,
    }];
    let guest = Guest::configured(Config {
        forwards,
        ..config()
    });
    (guest, host)
}

/// Connects as soon as somebody listens.
fn connect(to: SocketAddr) -> TcpStream {
    for _ in 0..200 {
        match TcpStream::connect(to) {
            Ok(stream) => {
                stream
                    .set_read_timeout(Some(Duration::from_secs(20)))
                    .unwrap();
                return stream;
            }
            Err(_) => thread::sleep(Duration::from_millis(10)),
        }
    }
    panic!("nobody listens at {to}");
}

/// Sends `data` from the guest, receives until the end, and closes when all is sent.
fn exchange(guest: &mut Guest, handle: SocketHandle, data: &[u8]) -> Vec<u8> {
    let (mut sent, mut received) = (0, Vec::new());
    guest.until(|guest| {
        let socket = guest.sockets.get_mut::<Socket<'_>>(handle);
        if socket.can_send() && sent < data.len() {
            sent += socket.send_slice(&data[sent..]).unwrap();
            if sent == data.len() {
                socket.close();
            }
        } else if data.is_empty() && socket.may_send() {
            socket.close();
        }
        while socket.can_recv() {
            socket
                .recv(|bytes| {
                    received.extend_from_slice(bytes);
                    (bytes.len(), ())
                })
                .unwrap();
        }
        let ended = matches!(
            socket.state(),
            State::TimeWait | State::Closed | State::LastAck
        );
        (sent == data.len() && ended).then_some(())
    });
    received
}

fn listen(guest: &mut Guest) -> SocketHandle {
    let handle = guest.tcp();
    guest
        .sockets
        .get_mut::<Socket<'_>>(handle)
        .listen(80)
        .unwrap();
    handle
}

#[test]
fn ten_megabytes_out_arrive_whole() {
    let (there, host) = server(|mut stream| {
        let mut received = Vec::new();
        stream.read_to_end(&mut received).unwrap();
        received
    });
    let mut guest = Guest::configured(config());
    let handle = guest.tcp_connect(5000, there);
    let data = pattern(MEGABYTES_10);
    exchange(&mut guest, handle, &data);
    assert!(host.join().unwrap() == data);
}

#[test]
fn ten_megabytes_in_arrive_whole_after_the_guest_closed_its_half() {
    let (there, host) = server(|mut stream| {
        let mut received = Vec::new();
        stream.read_to_end(&mut received).unwrap();
        stream.write_all(&pattern(MEGABYTES_10)).unwrap();
        received
    });
    let mut guest = Guest::configured(config());
    let handle = guest.tcp_connect(5000, there);
    let received = exchange(&mut guest, handle, b"please");
    assert!(received == pattern(MEGABYTES_10));
    assert_eq!(host.join().unwrap(), b"please");
}

#[test]
fn a_forwarded_connection_carries_both_ways_at_once() {
    let (mut guest, host) = forwarded();
    let handle = listen(&mut guest);
    let peer = thread::spawn(move || {
        let mut stream = connect(host);
        let mut writer = stream.try_clone().unwrap();
        let writer = thread::spawn(move || {
            writer.write_all(&pattern(MEGABYTES_10)).unwrap();
            writer.shutdown(Shutdown::Write).unwrap();
        });
        let mut received = Vec::new();
        stream.read_to_end(&mut received).unwrap();
        writer.join().unwrap();
        received
    });
    let data = pattern(MEGABYTES_10 / 2);
    let received = exchange(&mut guest, handle, &data);
    assert!(received == pattern(MEGABYTES_10));
    assert!(peer.join().unwrap() == data);
}

#[test]
fn a_guest_that_does_not_read_holds_the_sender_back() {
    let (there, host) = server(|mut stream| {
        stream
            .set_write_timeout(Some(Duration::from_millis(500)))
            .unwrap();
        let mut sent = 0;
        while let Ok(length) = stream.write(&[7; 65536]) {
            sent += length;
            assert!(sent < 64 << 20, "the network took it all");
        }
        sent
    });
    let mut guest = Guest::configured(config());
    guest.tcp_connect(5000, there);
    guest.until(|_| host.is_finished().then_some(()));
    assert!(host.join().unwrap() > 65536);
}

#[test]
fn a_refused_connection_is_refused_to_the_guest() {
    let mut guest = Guest::configured(config());
    let nobody = SocketAddr::from((GATEWAY, free_port()));
    let handle = guest.tcp_connect(5000, nobody);
    guest.turn();
    assert_eq!(guest.tcp_state(handle), State::SynSent);
    guest.until(|guest| (guest.tcp_state(handle) == State::Closed).then_some(()));
}

#[test]
fn a_port_that_the_guest_does_not_listen_on_resets_the_peer() {
    let (mut guest, host) = forwarded();
    let peer = thread::spawn(move || connect(host).read(&mut [0; 16]));
    guest.until(|_| peer.is_finished().then_some(()));
    let error = peer.join().unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}

#[test]
fn a_reset_by_the_guest_reaches_the_host() {
    let (there, host) = server(|mut stream| {
        stream.read_exact(&mut [0; 1]).unwrap();
        stream.read(&mut [0; 16])
    });
    let mut guest = Guest::configured(config());
    let handle = guest.tcp_connect(5000, there);
    guest.until(|guest| {
        let socket = guest.sockets.get_mut::<Socket<'_>>(handle);
        socket.can_send().then(|| socket.send_slice(b"x").unwrap())
    });
    guest.rest(Duration::from_millis(100));
    guest.sockets.get_mut::<Socket<'_>>(handle).abort();
    guest.until(|_| host.is_finished().then_some(()));
    let error = host.join().unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}

#[test]
fn the_name_server_takes_connections_too() {
    let (resolver, host) = server(|mut stream| {
        let mut received = Vec::new();
        stream.read_to_end(&mut received).unwrap();
        stream.write_all(b"answer").unwrap();
        received
    });
    let resolver = SocketAddr::from((Ipv4Addr::LOCALHOST, resolver.port()));
    let mut guest = Guest::configured(Config {
        resolvers: Some(vec![resolver]),
        ..Config::default()
    });
    let handle = guest.tcp_connect(5000, SocketAddr::from((DNS, 53)));
    assert_eq!(exchange(&mut guest, handle, b"question"), b"answer");
    assert_eq!(host.join().unwrap(), b"question");
}

#[test]
fn connections_end_and_leave_room_for_hundreds_after_them() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let there = SocketAddr::from((GATEWAY, listener.local_addr().unwrap().port()));
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            stream.write_all(b"bye").unwrap();
        }
    });
    let mut guest = Guest::configured(config());
    for n in 0..600 {
        let handle = guest.tcp_connect(5000 + n, there);
        assert_eq!(exchange(&mut guest, handle, b""), b"bye", "connection {n}");
        guest.sockets.remove(handle);
    }
}
