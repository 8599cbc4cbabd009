// SPDX-License-Identifier: ISC
//! Datagrams that the guest sends to the world, and what comes back.
//!
//! A flow is a port of the guest and the address that it talks to, and has a connected socket of its
//! own, so that the kernel lets nobody else answer. Flows end when idle; a full table gives up the
//! one that was idle longest.

use std::{
    collections::HashMap,
    io,
    net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket},
    os::fd::OwnedFd,
    time::{Duration, Instant},
};

use rustix::event::epoll;

use crate::{
    frame::{self, MAX_FRAME, UDP_PAYLOAD},
    guest::Guest,
    network::{BATCH, Token},
    policy::{Destination, GUEST},
    resolver::Resolvers,
};

/// Flows at most; each is a descriptor.
const MAX_FLOWS: usize = 256;
/// How long a flow may be idle (RFC 4787 section 4.3 asks for two minutes at least).
const IDLE: Duration = Duration::from_secs(120);
/// How long an answer of a resolver is waited for.
const IDLE_DNS: Duration = Duration::from_secs(10);
/// How often flows are looked over for idle ones.
const REVIEW: Duration = Duration::from_secs(5);

/// Port of the guest, and where it sends, as it believes.
type Key = (u16, SocketAddrV4);

#[derive(Debug)]
struct Flow {
    key: Key,
    socket: UdpSocket,
    /// The resolver that was asked, for a question to 10.0.2.3.
    resolver: Option<SocketAddr>,
    answered: bool,
    used: Instant,
}

/// The outbound flows.
#[derive(Debug)]
pub(crate) struct Flows {
    flows: Vec<Option<Flow>>,
    index: HashMap<Key, usize>,
    resolvers: Resolvers,
    reviewed: Instant,
}

impl Flows {
    pub(crate) fn new(resolvers: Resolvers) -> Self {
        Self {
            flows: Vec::new(),
            index: HashMap::new(),
            resolvers,
            reviewed: Instant::now(),
        }
    }

    /// The resolver for a connection to 10.0.2.3.
    pub(crate) fn resolver(&self) -> Option<SocketAddr> {
        self.resolvers.current()
    }

    /// Passes on a datagram of the guest.
    pub(crate) fn send(&mut self, epoll: &OwnedFd, key: Key, to: Destination, payload: &[u8]) {
        let slot = match self.index.get(&key) {
            Some(&slot) => slot,
            None => match self.open(epoll, key, to) {
                Ok(slot) => slot,
                // No route, no descriptor: to the guest, a lost datagram.
                Err(_) => return,
            },
        };
        let Some(flow) = &mut self.flows[slot] else {
            return;
        };
        flow.used = Instant::now();
        // A full socket loses the datagram, as a full queue on the way would.
        if let Err(error) = flow.socket.send(payload)
            && error.kind() == io::ErrorKind::ConnectionRefused
        {
            self.remove(slot);
        }
    }

    fn open(&mut self, epoll: &OwnedFd, key: Key, to: Destination) -> io::Result<usize> {
        let (address, resolver) = match to {
            Destination::Host(address) => (Some(address), None),
            Destination::Resolver => (self.resolvers.current(), self.resolvers.current()),
            Destination::Nowhere => (None, None),
        };
        let address = address.ok_or(io::ErrorKind::AddrNotAvailable)?;
        let socket = connected(address)?;
        let slot = self.free_slot();
        epoll::add(
            epoll,
            &socket,
            Token::Flow(slot as u32).data(),
            epoll::EventFlags::IN,
        )?;
        self.flows[slot] = Some(Flow {
            key,
            socket,
            resolver,
            answered: false,
            used: Instant::now(),
        });
        self.index.insert(key, slot);
        Ok(slot)
    }

    fn free_slot(&mut self) -> usize {
        if let Some(free) = self.flows.iter().position(Option::is_none) {
            return free;
        }
        if self.flows.len() < MAX_FLOWS {
            self.flows.push(None);
            return self.flows.len() - 1;
        }
        let flows = self.flows.iter().enumerate();
        let oldest = flows.min_by_key(|(_, flow)| flow.as_ref().map(|flow| flow.used));
        let oldest = oldest.map_or(0, |(slot, _)| slot);
        self.remove(oldest);
        oldest
    }

    fn remove(&mut self, slot: usize) {
        if let Some(flow) = self.flows[slot].take() {
            self.index.remove(&flow.key);
            if let (Some(server), false) = (flow.resolver, flow.answered) {
                self.resolvers.failed(server);
            }
        }
    }

    /// Takes answers to a flow to the guest.
    pub(crate) fn receive(&mut self, slot: usize, guest: &mut Guest) {
        for _ in 0..BATCH {
            if guest.is_behind() {
                return;
            }
            let Some(Some(flow)) = self.flows.get_mut(slot) else {
                return;
            };
            // One byte more than fits shows a datagram that does not.
            let mut buffer = [0; MAX_FRAME + 1];
            match flow.socket.recv(&mut buffer[UDP_PAYLOAD..]) {
                Ok(length) if UDP_PAYLOAD + length <= MAX_FRAME => {
                    let frame = &mut buffer[..UDP_PAYLOAD + length];
                    let at = SocketAddrV4::new(GUEST, flow.key.0);
                    frame::put_udp(frame, guest.mac, flow.key.1, at);
                    guest.send(frame);
                    flow.answered = true;
                    flow.used = Instant::now();
                }
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                    return self.remove(slot);
                }
                Err(_) => return,
            }
        }
    }

    /// Ends flows that are idle, and says when to look again.
    pub(crate) fn review(&mut self, now: Instant) -> Option<Duration> {
        if now >= self.reviewed + REVIEW {
            self.reviewed = now;
            for slot in 0..self.flows.len() {
                if self.flows[slot]
                    .as_ref()
                    .is_some_and(|flow| flow.is_over(now))
                {
                    self.remove(slot);
                }
            }
        }
        let next = (self.reviewed + REVIEW).saturating_duration_since(now);
        (!self.index.is_empty()).then_some(next)
    }
}

impl Flow {
    fn is_over(&self, now: Instant) -> bool {
        let limit = if self.resolver.is_some() {
            IDLE_DNS
        } else {
            IDLE
        };
        now.saturating_duration_since(self.used) > limit
    }
}

fn connected(to: SocketAddr) -> io::Result<UdpSocket> {
    let socket = match to {
        SocketAddr::V4(_) => UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?,
        SocketAddr::V6(_) => UdpSocket::bind((std::net::Ipv6Addr::UNSPECIFIED, 0))?,
    };
    socket.set_nonblocking(true)?;
    socket.connect(to)?;
    Ok(socket)
}
