// SPDX-License-Identifier: ISC
//! UDP sockets.

use std::{net::SocketAddr, time::Duration, vec, vec::Vec};

use super::world::{both, pair};
use crate::{Error, Meta, UdpSocket};

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

#[test]
fn a_datagram_and_its_answer_over_both_families() {
    for server in ["10.0.0.2:7", "[fd00::2]:7"] {
        let (mut world, a, b) = pair();
        let listener = UdpSocket::bind(&b, 7).unwrap();
        let client = UdpSocket::bind(&a, 0).unwrap();
        client.connect(address(server)).unwrap();
        let echo = async {
            let mut buffer = [0; 64];
            let (len, peer) = listener.recv_from(&mut buffer).await.unwrap();
            listener.send_to(&buffer[..len], peer).await.unwrap();
        };
        let ask = async {
            client.send(b"hello").await.unwrap();
            let mut buffer = [0; 64];
            let len = client.recv(&mut buffer).await.unwrap();
            assert_eq!(&buffer[..len], b"hello");
        };
        world.run(both(echo, ask));
    }
}

#[test]
fn the_answer_leaves_from_the_address_that_was_asked() {
    let (mut world, a, b) = pair();
    // The link-local address of b is not the one that b would choose for a's global address.
    let local = b
        .addresses()
        .iter()
        .map(|prefix| prefix.address())
        .nth(2)
        .unwrap();
    let server = UdpSocket::bind(&b, 7).unwrap();
    let client = UdpSocket::bind(&a, 1000).unwrap();
    let exchange = async {
        client
            .send_to(b"?", SocketAddr::new(local, 7))
            .await
            .unwrap();
        let mut buffer = [0; 8];
        let (_, meta) = server.recv_message(&mut buffer).await.unwrap();
        assert_eq!(meta.local, SocketAddr::new(local, 7));
        server.send_message(b"!", meta).await.unwrap();
        let (len, peer) = client.recv_from(&mut buffer).await.unwrap();
        assert_eq!(
            (&buffer[..len], peer),
            (&b"!"[..], SocketAddr::new(local, 7))
        );
    };
    world.run(exchange);
}

#[test]
fn a_connected_socket_hears_its_peer_alone() {
    let (mut world, a, b) = pair();
    let socket = UdpSocket::bind(&b, 7).unwrap();
    socket.connect(address("10.0.0.1:8")).unwrap();
    let wrong = UdpSocket::bind(&a, 9).unwrap();
    let right = UdpSocket::bind(&a, 8).unwrap();
    let mut buffer = [0; 8];
    let len = world.run(async {
        wrong
            .send_to(b"wrong", address("10.0.0.2:7"))
            .await
            .unwrap();
        right
            .send_to(b"right", address("10.0.0.2:7"))
            .await
            .unwrap();
        socket.recv(&mut buffer).await.unwrap()
    });
    assert_eq!(&buffer[..len], b"right");
}

#[test]
fn a_datagram_larger_than_the_mtu_crosses_in_fragments() {
    let (mut world, a, b) = pair();
    let receiver = UdpSocket::bind(&b, 7).unwrap();
    let sender = UdpSocket::bind(&a, 0).unwrap();
    let sent = vec![7; 20_000];
    let mut buffer = vec![0; 30_000];
    let len = world.run(async {
        sender.send_to(&sent, address("10.0.0.2:7")).await.unwrap();
        receiver.recv_from(&mut buffer).await.unwrap().0
    });
    assert_eq!(buffer[..len], sent);
    let too_long = world.run(sender.send_to(&vec![0; 65_508], address("10.0.0.2:7")));
    assert_eq!(too_long, Err(Error::InvalidInput));
}

#[test]
fn a_dead_neighbour_does_not_hold_up_the_others_for_ever() {
    let (mut world, a, b) = pair();
    let receiver = UdpSocket::bind(&b, 7).unwrap();
    let sender = UdpSocket::bind(&a, 0).unwrap();
    world
        .run(sender.send_to(b"lost", address("10.0.0.99:7")))
        .unwrap();
    world.pass(Duration::from_secs(5));
    let mut buffer = [0; 8];
    let len = world.run(async {
        sender
            .send_to(b"heard", address("10.0.0.2:7"))
            .await
            .unwrap();
        receiver.recv_from(&mut buffer).await.unwrap().0
    });
    assert_eq!(&buffer[..len], b"heard");
}

#[test]
fn ports_and_addresses_are_checked() {
    let (mut world, a, _b) = pair();
    let held = UdpSocket::bind(&a, 53).unwrap();
    assert!(matches!(
        UdpSocket::bind(&a, address("10.0.0.1:53")),
        Err(Error::AddrInUse)
    ));
    drop(held);
    let one = UdpSocket::bind(&a, address("10.0.0.1:53")).unwrap();
    let _other = UdpSocket::bind(&a, address("[fd00::1]:53")).unwrap();
    let foreign = UdpSocket::bind(&a, address("10.0.0.7:53"));
    assert!(matches!(foreign, Err(Error::AddrNotAvailable)));
    let unreachable = world.run(one.send_to(b"", address("192.0.2.1:1")));
    assert_eq!(unreachable, Err(Error::NetworkUnreachable));
    let no_port = world.run(one.send_to(b"", address("10.0.0.2:0")));
    assert_eq!(no_port, Err(Error::InvalidInput));
    let mut buffer = [0];
    assert_eq!(world.run(one.recv(&mut buffer)), Err(Error::NotConnected));
}

#[test]
fn a_batch_arrives_as_datagrams_of_its_size() {
    let (mut world, a, b) = pair();
    let receiver = UdpSocket::bind(&b, 7).unwrap();
    let sender = UdpSocket::bind(&a, 0).unwrap();
    for server in ["10.0.0.2:7", "[fd00::2]:7"] {
        let sent: Vec<u8> = (0..5 * 1000 + 300).map(|n| (n / 7) as u8).collect();
        let mut received = Vec::new();
        let mut lengths = Vec::new();
        world.run(async {
            sender
                .send_batch(&sent, 1000, address(server))
                .await
                .unwrap();
            while lengths.len() < 6 {
                let read = |bytes: &[u8], _: Meta| {
                    lengths.push(bytes.len());
                    received.extend_from_slice(bytes);
                };
                receiver.recv_batch(read).await.unwrap();
            }
        });
        assert_eq!(lengths, [1000, 1000, 1000, 1000, 1000, 300]);
        assert_eq!(received, sent);
    }
}

#[test]
fn groups_are_heard_by_their_members_alone() {
    let (mut world, a, b) = pair();
    for group in ["239.1.2.3", "ff05::1:3"] {
        let group: std::net::IpAddr = group.parse().unwrap();
        let to = SocketAddr::new(group, 5000);
        let member = UdpSocket::bind(&b, 5000).unwrap();
        let stranger = UdpSocket::bind(&b, 5001).unwrap();
        stranger.join(group).unwrap();
        let sender = UdpSocket::bind(&a, 0).unwrap();
        let mut buffer = [0; 16];
        world.run(sender.send_to(b"before", to)).unwrap();
        world.pass(Duration::from_secs(1));
        world.run(async {
            member.join(group).unwrap();
            sender.send_to(b"member", to).await.unwrap();
            let (len, meta) = member.recv_message(&mut buffer).await.unwrap();
            assert_eq!((&buffer[..len], meta.local), (&b"member"[..], to));
        });
        member.leave(group);
        world.run(sender.send_to(b"after", to)).unwrap();
        world.pass(Duration::from_secs(1));
        let mut none = std::pin::pin!(member.recv_from(&mut buffer));
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(none.as_mut().poll(&mut cx).is_pending());
        assert_eq!(
            member.join("10.0.0.9".parse().unwrap()),
            Err(Error::InvalidInput)
        );
    }
}

#[test]
fn a_broadcast_reaches_everybody_on_the_network() {
    let (mut world, a, b) = pair();
    let listener = UdpSocket::bind(&b, 7).unwrap();
    let sender = UdpSocket::bind(&a, 0).unwrap();
    for to in ["255.255.255.255:7", "10.0.0.255:7"] {
        let mut buffer = [0; 16];
        let len = world.run(async {
            sender.send_to(b"all", address(to)).await.unwrap();
            listener.recv_from(&mut buffer).await.unwrap().0
        });
        assert_eq!(&buffer[..len], b"all");
    }
}

#[test]
fn a_connected_socket_is_told_that_nobody_listens() {
    let (mut world, a, _b) = pair();
    for server in ["10.0.0.2:9", "[fd00::2]:9"] {
        let client = UdpSocket::bind(&a, 0).unwrap();
        client.connect(address(server)).unwrap();
        let mut buffer = [0; 8];
        let answer = world.run(async {
            client.send(b"?").await.unwrap();
            client.recv(&mut buffer).await
        });
        assert_eq!(answer, Err(Error::ConnectionRefused));
    }
}

#[test]
fn a_stack_hears_itself() {
    let (mut world, a, _b) = pair();
    let listener = UdpSocket::bind(&a, 7).unwrap();
    let client = UdpSocket::bind(&a, 0).unwrap();
    for server in ["127.0.0.1:7", "[::1]:7", "10.0.0.1:7"] {
        let mut buffer = [0; 8];
        let (len, peer) = world.run(async {
            client.send_to(b"me", address(server)).await.unwrap();
            listener.recv_from(&mut buffer).await.unwrap()
        });
        assert_eq!(
            (&buffer[..len], peer.ip()),
            (&b"me"[..], address(server).ip())
        );
    }
}
