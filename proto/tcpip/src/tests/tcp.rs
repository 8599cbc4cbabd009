// SPDX-License-Identifier: ISC
//! Listeners and connections.

use std::{
    net::SocketAddr,
    pin::pin,
    task::{Context, Poll, Waker},
    time::Duration,
    vec,
    vec::Vec,
};

use embedded_io_async::{Read, Write};
use fata_device::{
    Flow, Net, NetError, NetInfo,
    memory::{link, offload_info, plain_info},
    weather::{Chance, Loss},
};

use super::world::{World, both, fixed, pair, wire};
use crate::{Config, Error, Stack, TcpConfig, TcpListener, TcpStream, stack::Clock};

fn port(port: u16) -> SocketAddr {
    SocketAddr::new([10, 0, 0, 2].into(), port)
}

fn connected(world: &mut World, a: &Stack, b: &Stack) -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind(b, 80).unwrap();
    let (client, server) = world.run(both(TcpStream::connect(a, port(80)), listener.accept()));
    (client.unwrap(), server.unwrap().0)
}

async fn read_all(stream: &mut TcpStream) -> Vec<u8> {
    let mut all = Vec::new();
    let mut buffer = [0; 1000];
    loop {
        match stream.read(&mut buffer).await.unwrap() {
            0 => return all,
            len => all.extend_from_slice(&buffer[..len]),
        }
    }
}

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|n| (n ^ (n >> 8) ^ (n >> 16)) as u8).collect()
}

/// Sends a megabyte each way through a wire that loses `percent` of all frames.
fn megabyte(percent: u32, seed: u64) {
    let mut world = World::new();
    let (a, b) = wire();
    let a = world.add(Loss::new(a, Chance::percent(percent), seed), fixed(1));
    let b = world.add(Loss::new(b, Chance::percent(percent), seed + 1), fixed(2));
    let (mut client, mut server) = connected(&mut world, &a, &b);
    let data = pattern(1 << 20);
    let send = async {
        client.write_all(&data).await.unwrap();
        client.shutdown().await.unwrap();
        read_all(&mut client).await
    };
    let receive = async {
        let got = read_all(&mut server).await;
        server.write_all(&got).await.unwrap();
        server.shutdown().await.unwrap();
        got
    };
    let (back, there) = world.run(both(send, receive));
    assert!(there == data, "arrives byte for byte");
    assert!(back == data, "and comes back so");
}

#[test]
fn a_megabyte_crosses() {
    megabyte(0, 1);
}

#[test]
fn a_megabyte_crosses_a_lossy_wire() {
    megabyte(2, 1);
    megabyte(5, 2);
}

/// A card that fails the test when a window that was offered is taken back (RFC 9293, section 3.8.6).
struct NoRetreat<N> {
    net: N,
    scale: u32,
    /// Where the window ends that was offered last.
    edge: Option<u32>,
}

impl<N: Net> Net for NoRetreat<N> {
    type Frame = N::Frame;

    fn info(&self) -> NetInfo {
        self.net.info()
    }

    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Result<N::Frame, NetError>> {
        self.net.poll_receive(cx)
    }

    fn poll_reserve(
        &mut self,
        cx: &mut Context<'_>,
        len: usize,
    ) -> Poll<Result<N::Frame, NetError>> {
        self.net.poll_reserve(cx, len)
    }

    fn send(&mut self, frame: N::Frame) -> Result<(), NetError> {
        if frame[12..14] == [8, 0] && frame[23] == 6 {
            let tcp = &frame[34..];
            let window = u32::from(u16::from_be_bytes([tcp[14], tcp[15]]));
            let acknowledged = u32::from_be_bytes([tcp[8], tcp[9], tcp[10], tcp[11]]);
            if tcp[13] & 2 != 0 {
                let options = &tcp[20..usize::from(tcp[12] >> 4) * 4];
                let scale = options.windows(3).find(|option| option[..2] == [3, 3]);
                self.scale = scale.map_or(0, |option| option[2].into());
            } else {
                let edge = acknowledged.wrapping_add(window << self.scale);
                let before = self.edge.replace(edge).unwrap_or(edge);
                let moved = edge.wrapping_sub(before).cast_signed();
                assert!(moved >= 0, "the window moved by {moved}");
            }
        }
        self.net.send(frame)
    }

    fn flush(&mut self) {
        self.net.flush();
    }
}

/// RFC 7323, section 2.4: also where the window is scaled and segments have an odd length.
#[test]
fn a_window_is_never_taken_back() {
    for receive_buffer in [TcpConfig::default().receive_buffer, 64 << 10, 200_000] {
        never_taken_back(receive_buffer);
    }
}

fn never_taken_back(receive_buffer: usize) {
    let mut world = World::new();
    // Full segments have an odd length.
    let infos = [1, 2].map(|last| NetInfo {
        mtu: 1499,
        max_frame: 1513,
        ..plain_info(last)
    });
    let (a, b) = link(infos, 64);
    let guard = NoRetreat {
        net: b,
        scale: 0,
        edge: None,
    };
    let config = Config {
        tcp: TcpConfig {
            receive_buffer,
            ..TcpConfig::default()
        },
        ..fixed(2)
    };
    let (a, b) = (world.add(a, fixed(1)), world.add(guard, config));
    let (mut client, mut server) = connected(&mut world, &a, &b);
    let data = pattern(1 << 20);
    let send = async {
        client.write_all(&data).await.unwrap();
        client.shutdown().await.unwrap();
    };
    let (got, ()) = world.run(both(read_all(&mut server), send));
    assert!(got == data, "arrives byte for byte");
}

#[test]
fn a_connection_is_a_flow() {
    let (mut world, a, b) = pair();
    let (client, server) = connected(&mut world, &a, &b);
    world.run(fata_device::conformance::flow(client, server));
}

#[test]
fn over_ipv6_too() {
    let (mut world, a, b) = pair();
    let listener = TcpListener::bind(&b, "[fd00::2]:80".parse::<SocketAddr>().unwrap()).unwrap();
    let connect = TcpStream::connect(&a, "[fd00::2]:80".parse().unwrap());
    let (client, server) = world.run(both(connect, listener.accept()));
    let (mut client, (mut server, peer)) = (client.unwrap(), server.unwrap());
    assert_eq!(peer, client.local_addr());
    let text = world.run(async {
        client.write_all(b"six").await.unwrap();
        drop(client);
        read_all(&mut server).await
    });
    assert_eq!(text, b"six");
}

#[test]
fn each_direction_ends_by_itself() {
    let (mut world, a, b) = pair();
    let (mut client, mut server) = connected(&mut world, &a, &b);
    world.run(async {
        client.write_all(b"question").await.unwrap();
        client.shutdown().await.unwrap();
        client.shutdown().await.unwrap();
        assert_eq!(client.write(b"more").await, Err(Error::BrokenPipe));
        assert_eq!(read_all(&mut server).await, b"question");
        server.write_all(b"answer").await.unwrap();
        server.flush().await.unwrap();
        assert_eq!(client.peek(&mut [0; 3]).await, Ok(3));
        drop(server);
        assert_eq!(read_all(&mut client).await, b"answer");
        assert_eq!(client.read(&mut [0]).await, Ok(0));
    });
    world.pass(Duration::from_secs(60));
    assert_eq!(world.run(client.read(&mut [0])), Ok(0), "the end stays");
}

#[test]
fn what_was_written_before_a_drop_arrives() {
    let (mut world, a, b) = pair();
    let (mut client, mut server) = connected(&mut world, &a, &b);
    let data = pattern(40_000);
    world.run(client.write_all(&data)).unwrap();
    drop(client);
    assert!(world.run(read_all(&mut server)) == data);
    drop(server);
    world.pass(Duration::from_secs(90));
    for stack in [a, b] {
        let left = stack.shared().engine().tcp.population();
        assert_eq!(left, (0, 0, 0), "nothing is left behind");
    }
}

#[test]
fn an_abort_is_an_error_at_the_other_end() {
    let (mut world, a, b) = pair();
    let (client, mut server) = connected(&mut world, &a, &b);
    client.abort();
    assert_eq!(
        world.run(server.read(&mut [0; 8])),
        Err(Error::ConnectionReset)
    );
    assert_eq!(
        world.run(server.write(&[0; 8])),
        Err(Error::ConnectionReset)
    );
}

#[test]
fn nobody_there() {
    let (mut world, a, b) = pair();
    let refused = world.run(TcpStream::connect(&a, port(81)));
    assert!(matches!(refused, Err(Error::ConnectionRefused)));
    let silent = SocketAddr::new([10, 0, 0, 77].into(), 80);
    let out_of_time = world.run(TcpStream::connect(&a, silent));
    assert!(matches!(out_of_time, Err(Error::HostUnreachable)));
    let far = world.run(TcpStream::connect(&a, "192.0.2.1:80".parse().unwrap()));
    assert!(matches!(far, Err(Error::NetworkUnreachable)));
    drop(b);
}

#[test]
fn a_listener_takes_many_at_once_and_more_later() {
    let (mut world, a, b) = pair();
    let config = TcpConfig {
        backlog: 4,
        receive_buffer: 2000,
        send_buffer: 2000,
        ..TcpConfig::default()
    };
    let listener = TcpListener::bind_with(&b, 80, config).unwrap();
    assert!(matches!(TcpListener::bind(&b, 80), Err(Error::AddrInUse)));
    // Ten at once, of which the backlog holds four; the others ask again until there is room.
    let connect = async {
        let mut waiting: Vec<_> = (0..10)
            .map(|_| std::boxed::Box::pin(TcpStream::connect(&a, port(80))))
            .collect();
        let mut streams = Vec::new();
        std::future::poll_fn(|cx| {
            waiting.retain_mut(|connect| match connect.as_mut().poll(cx) {
                Poll::Ready(stream) => {
                    streams.push(stream.unwrap());
                    false
                }
                Poll::Pending => true,
            });
            match waiting.is_empty() {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        })
        .await;
        streams
    };
    let accept = async {
        let mut streams = Vec::new();
        let mut incoming = listener.incoming();
        while streams.len() < 10 {
            streams.push(incoming.next().await.unwrap());
        }
        streams
    };
    let (clients, servers) = world.run(both(connect, accept));
    assert_eq!((clients.len(), servers.len()), (10, 10));
    // One after the other, many times the backlog.
    drop((clients, servers));
    for _ in 0..50 {
        let (client, server) = world.run(both(TcpStream::connect(&a, port(80)), listener.accept()));
        let (mut client, mut server) = (client.unwrap(), server.unwrap().0);
        world.run(async {
            client.write_all(b"x").await.unwrap();
            assert_eq!(server.read(&mut [0; 4]).await, Ok(1));
        });
    }
    world.pass(Duration::from_secs(1));
    let (held, ..) = b.shared().engine().tcp.population();
    assert_eq!(held, 0, "connections that ended are let go");
}

#[test]
fn a_full_backlog_does_not_refuse() {
    let (mut world, a, b) = pair();
    let config = TcpConfig {
        backlog: 1,
        ..TcpConfig::default()
    };
    let listener = TcpListener::bind_with(&b, 80, config).unwrap();
    let first = world.run(TcpStream::connect(&a, port(80))).unwrap();
    let mut second = pin!(TcpStream::connect(&a, port(80)));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(second.as_mut().poll(&mut cx).is_pending());
    world.pass(Duration::from_secs(2));
    assert!(
        second.as_mut().poll(&mut cx).is_pending(),
        "neither refused nor accepted"
    );
    assert_eq!(world.run(listener.accept()).unwrap().1, first.local_addr());
    let second = world.run(second).unwrap();
    assert_eq!(world.run(listener.accept()).unwrap().1, second.local_addr());
}

#[test]
fn short_memory_makes_buffers_small_before_it_keeps_anybody_out() {
    let mut world = World::new();
    let (a, b) = wire();
    let a = world.add(a, fixed(1));
    let mut config = fixed(2);
    config.tcp_memory = Some(300_000);
    let b = world.add(b, config);
    let listener = TcpListener::bind(&b, 80).unwrap();
    let mut held = Vec::new();
    for _ in 0..30 {
        let (client, server) = world.run(both(TcpStream::connect(&a, port(80)), listener.accept()));
        held.push((client.unwrap(), server.unwrap()));
    }
    let (mut client, (mut server, _)) = held.pop().unwrap();
    let data = pattern(50_000);
    let send = async {
        client.write_all(&data).await.unwrap();
        client.shutdown().await.unwrap();
    };
    let (_, got) = world.run(both(send, read_all(&mut server)));
    assert!(got == data);
}

#[test]
fn a_peer_that_vanishes_breaks_a_connection_that_writes() {
    let mut world = World::new();
    let (a, b) = wire();
    let a = world.add(a, fixed(1));
    let gone = std::rc::Rc::new(std::cell::Cell::new(false));
    let (stack, mut driver) = Stack::with_driver(
        b,
        fixed(2),
        super::world::random,
        Clock::stepping(super::world::clock),
    );
    let is_gone = gone.clone();
    world.add_step(move |cx| {
        if !is_gone.get() {
            driver.step(cx, super::world::clock());
        }
    });
    let (mut client, _server) = connected(&mut world, &a, &stack);
    gone.set(true);
    world.run(async {
        client.write_all(b"into the void").await.unwrap();
        // The neighbour does not answer either.
        assert_eq!(client.flush().await, Err(Error::HostUnreachable));
    });
}

#[test]
fn an_idle_connection_lives_on() {
    let (mut world, a, b) = pair();
    let (mut client, mut server) = connected(&mut world, &a, &b);
    world.run(async {
        client.write_all(&[1]).await.unwrap();
        assert_eq!(server.read(&mut [0]).await, Ok(1));
    });
    world.pass(Duration::from_secs(1000));
    world.run(async {
        server.write_all(&[2; 100]).await.unwrap();
        assert_eq!(client.read(&mut [0; 200]).await, Ok(100));
    });
}

#[test]
fn readers_that_sleep_keep_nobody_else_waiting() {
    let mut world = World::new();
    // A device with four buffers, of which a user may keep two.
    let infos = [1, 2].map(|last| NetInfo {
        keep: 2,
        ..offload_info(last)
    });
    let (a, b) = link(infos, 4);
    let (a, b) = (world.add(a, fixed(1)), world.add(b, fixed(2)));
    let listener = TcpListener::bind(&b, 80).unwrap();
    let mut connect = || {
        let both = both(TcpStream::connect(&a, port(80)), listener.accept());
        let (client, server) = world.run(both);
        (client.unwrap(), server.unwrap().0)
    };
    let mut sleeping: Vec<_> = (0..5).map(|_| connect()).collect();
    let (mut client, mut server) = connect();
    let data = pattern(1 << 20);
    for (sleeper, _) in &mut sleeping {
        let written = world.run(sleeper.write(&data));
        assert!(written.is_ok_and(|len| len > 10_000));
        world.pass(Duration::from_secs(1));
    }
    let mut received = vec![0; data.len()];
    let (sent, got) = world.run(both(
        client.write_all(&data),
        server.read_exact(&mut received),
    ));
    assert!(sent.is_ok() && got.is_ok());
    assert_eq!(received, data);
}
