// SPDX-License-Identifier: ISC
//! Datagrams that the world sends to a forwarded port.
//!
//! To the guest every peer is a port of the gateway, so that its answer says whom it is for. Ports
//! are given out in a circle: the hand passes over peers seen since it came by last, once, and takes
//! the place of the next. That needs no clock and no search, however many peers there are.

use std::{
    collections::HashMap,
    io,
    net::{SocketAddr, SocketAddrV4, UdpSocket},
    os::fd::OwnedFd,
};

use rustix::event::epoll;

use crate::{
    config::Forward,
    frame::{self, MAX_FRAME, UDP_PAYLOAD},
    guest::Guest,
    network::{BATCH, Token},
    policy::{GATEWAY, GUEST},
};

/// First port of the gateway that stands for a peer.
const FIRST_PORT: u16 = 0x8000;
/// Peers at most.
const MAX_PEERS: usize = 8192;
/// Peers that the hand passes over before it takes a place anyway.
const MAX_STEPS: usize = 16;

#[derive(Debug)]
struct Peer {
    /// Which forward it sent to.
    forward: usize,
    address: SocketAddr,
    /// Whether it was met again since it came, or since the hand came by.
    seen: bool,
}

/// The forwarded UDP ports.
#[derive(Debug)]
pub(crate) struct Forwards {
    sockets: Vec<(UdpSocket, u16)>,
    peers: Vec<Peer>,
    index: HashMap<(usize, SocketAddr), usize>,
    hand: usize,
}

impl Forwards {
    pub(crate) fn new() -> Self {
        Self {
            sockets: Vec::new(),
            peers: Vec::new(),
            index: HashMap::new(),
            hand: 0,
        }
    }

    /// Opens the port that `forward` names.
    pub(crate) fn bind(&mut self, forward: &Forward) -> io::Result<()> {
        let socket = UdpSocket::bind(forward.host)?;
        socket.set_nonblocking(true)?;
        self.sockets.push((socket, forward.guest_port));
        Ok(())
    }

    pub(crate) fn sockets(&self) -> impl Iterator<Item = &UdpSocket> {
        self.sockets.iter().map(|(socket, _)| socket)
    }

    pub(crate) fn register(&self, epoll: &OwnedFd) -> io::Result<()> {
        for (i, socket) in self.sockets().enumerate() {
            let token = Token::Forward(i as u32).data();
            epoll::add(epoll, socket, token, epoll::EventFlags::IN)?;
        }
        Ok(())
    }

    /// Takes datagrams at a forwarded port to the guest.
    pub(crate) fn receive(&mut self, forward: usize, guest: &mut Guest) {
        // One byte more than fits shows a datagram that does not.
        let mut buffer = [0; MAX_FRAME + 1];
        for _ in 0..BATCH {
            if guest.is_behind() {
                return;
            }
            let Some((socket, port)) = self.sockets.get(forward) else {
                return;
            };
            let at = SocketAddrV4::new(GUEST, *port);
            let (length, peer) = match socket.recv_from(&mut buffer[UDP_PAYLOAD..]) {
                Ok(received) => received,
                // What an earlier datagram met on its way; the next may be in order.
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => continue,
                Err(_) => return,
            };
            if UDP_PAYLOAD + length > MAX_FRAME {
                continue;
            }
            let from = SocketAddrV4::new(GATEWAY, self.port_of(forward, peer));
            let frame = &mut buffer[..UDP_PAYLOAD + length];
            frame::put_udp(frame, guest.mac, from, at);
            guest.send(frame);
        }
    }

    /// Passes on what the guest sends from `source` to `port` of the gateway, if a peer is there.
    pub(crate) fn send(&mut self, source: u16, port: u16, payload: &[u8]) -> bool {
        let slot = usize::from(port.wrapping_sub(FIRST_PORT));
        let Some(peer) = self.peers.get_mut(slot) else {
            return false;
        };
        let (socket, guest_port) = &self.sockets[peer.forward];
        if *guest_port != source {
            return false;
        }
        peer.seen = true;
        // A full socket loses the datagram, as a full queue on the way would.
        let _ = socket.send_to(payload, peer.address);
        true
    }

    fn port_of(&mut self, forward: usize, address: SocketAddr) -> u16 {
        let slot = match self.index.get(&(forward, address)) {
            Some(&slot) => {
                self.peers[slot].seen = true;
                slot
            }
            None => self.add(Peer {
                forward,
                address,
                seen: false,
            }),
        };
        FIRST_PORT + slot as u16
    }

    fn add(&mut self, peer: Peer) -> usize {
        let key = (peer.forward, peer.address);
        let slot = if self.peers.len() < MAX_PEERS {
            self.peers.push(peer);
            self.peers.len() - 1
        } else {
            let slot = self.advance();
            let gone = std::mem::replace(&mut self.peers[slot], peer);
            self.index.remove(&(gone.forward, gone.address));
            slot
        };
        self.index.insert(key, slot);
        slot
    }

    fn advance(&mut self) -> usize {
        for _ in 0..MAX_STEPS {
            self.hand = (self.hand + 1) % MAX_PEERS;
            if !std::mem::take(&mut self.peers[self.hand].seen) {
                break;
            }
        }
        self.hand
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(n: u32) -> SocketAddr {
        SocketAddr::from((n.to_be_bytes(), 1000))
    }

    #[test]
    fn a_peer_keeps_its_port_while_others_come_and_go() {
        let mut forwards = Forwards::new();
        let kept = forwards.port_of(0, address(1));
        for n in 2..50_000 {
            forwards.port_of(0, address(n));
            if n % 1000 == 0 {
                assert_eq!(forwards.port_of(0, address(1)), kept);
            }
        }
        assert_eq!(forwards.peers.len(), MAX_PEERS);
        assert_eq!(forwards.index.len(), MAX_PEERS);
    }

    #[test]
    fn one_peer_at_two_forwards_has_two_ports() {
        let mut forwards = Forwards::new();
        assert_ne!(
            forwards.port_of(0, address(1)),
            forwards.port_of(1, address(1))
        );
    }
}
