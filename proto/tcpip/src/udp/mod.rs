// SPDX-License-Identifier: ISC
//! UDP: which datagram is whose. Read first: RFC 768, RFC 1122 section 4.1.

mod queue;
pub(crate) mod socket;

use alloc::vec::Vec;
use core::{
    net::SocketAddr,
    task::{Context, Waker},
};

use crate::{
    addr::Addr,
    error::Error,
    ip::{Arrived, IcmpError, IcmpErrorKind},
    stack::Local,
};
pub(crate) use queue::Queue;

/// Bytes of a UDP header.
pub(crate) const HEADER: usize = 8;

/// Where a datagram came from, and which of our addresses it was sent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meta {
    /// The other side: sender of a received datagram, receiver of a sent one.
    pub peer: SocketAddr,
    /// This side.
    pub local: SocketAddr,
}

/// One side of a datagram, as the stack keeps it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct End {
    pub(crate) address: Addr,
    pub(crate) port: u16,
}

/// [`Meta`], as the stack keeps it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ends {
    pub(crate) peer: End,
    pub(crate) local: End,
}

impl End {
    pub(crate) const fn new(address: Addr, port: [u8; 2]) -> Self {
        let port = u16::from_be_bytes(port);
        Self { address, port }
    }

    #[inline(never)]
    fn socket(self) -> SocketAddr {
        SocketAddr::new(self.address.ip(), self.port)
    }
}

impl From<SocketAddr> for End {
    fn from(socket: SocketAddr) -> Self {
        Self {
            address: socket.ip().into(),
            port: socket.port(),
        }
    }
}

impl Ends {
    /// As programs see it.
    pub(crate) fn meta(self) -> Meta {
        Meta {
            peer: self.peer.socket(),
            local: self.local.socket(),
        }
    }
}

/// What happened, by counter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UdpCounters {
    /// Datagrams given to a socket, those of responders on the fast way not counted.
    pub received: u64,
    /// Datagrams that a device or a neighbour was given, those of responders not counted.
    pub sent: u64,
    /// Datagrams that no socket wanted.
    pub unwanted: u64,
    /// Datagrams lost because a socket was not read.
    pub overflowed: u64,
    /// Datagrams whose header was wrong.
    pub malformed: u64,
}

/// All sockets of a stack. There are few, and each is looked at for a datagram that arrives.
#[derive(Default)]
pub(crate) struct Udp {
    sockets: Vec<(SocketId, State)>,
    next: u32,
    pub(crate) counters: UdpCounters,
}

/// Names a socket; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SocketId(u32);

/// A socket as the engine sees it.
pub(crate) struct State {
    pub(crate) local: Local,
    /// The only peer, if there is one.
    pub(crate) peer: Option<End>,
    pub(crate) groups: Vec<Addr>,
    pub(crate) queue: Queue,
    /// What an ICMP message said about something that was sent to the only peer.
    error: Option<Error>,
    reader: Option<Waker>,
}

/// What became of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Delivery {
    /// It was for a socket, or was wrong.
    Done,
    /// No socket wants it.
    Unwanted,
}

impl State {
    /// Whether a datagram of `peer` to `local` is for this socket.
    fn wants(&self, ends: &Ends) -> bool {
        let to = ends.local;
        let addressed = if to.address.is_multicast() {
            self.local.port == to.port && self.groups.contains(&to.address)
        } else {
            self.local.matches(to.address, to.port)
        };
        addressed && self.peer.is_none_or(|only| only == ends.peer)
    }

    /// Wakes `cx` at the next datagram or error.
    pub(crate) fn wait(&mut self, cx: &Context<'_>) {
        match &mut self.reader {
            Some(reader) => reader.clone_from(cx.waker()),
            None => self.reader = Some(cx.waker().clone()),
        }
    }

    /// The error that is to be told, once.
    pub(crate) fn take_error(&mut self) -> Option<Error> {
        self.error.take()
    }

    fn wake(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }
}

impl Udp {
    /// Adds a socket, unless another has that port and address.
    pub(crate) fn bind(&mut self, local: Local, limit: usize) -> Result<SocketId, Error> {
        if self.is_taken(local) {
            return Err(Error::AddrInUse);
        }
        let id = SocketId(self.next);
        self.next = self.next.wrapping_add(1);
        let state = State {
            local,
            peer: None,
            groups: Vec::new(),
            queue: Queue::new(limit),
            error: None,
            reader: None,
        };
        self.sockets.push((id, state));
        Ok(id)
    }

    pub(crate) fn is_taken(&self, local: Local) -> bool {
        self.sockets
            .iter()
            .any(|(_, state)| state.local.overlaps(local))
    }

    /// The socket, which exists as long as its handle.
    pub(crate) fn get(&mut self, id: SocketId) -> Option<&mut State> {
        let found = self.sockets.iter_mut().find(|(other, _)| *other == id)?;
        Some(&mut found.1)
    }

    pub(crate) fn remove(&mut self, id: SocketId) -> Option<State> {
        let index = self.sockets.iter().position(|(other, _)| *other == id)?;
        Some(self.sockets.swap_remove(index).1)
    }

    /// Takes in a UDP packet whose checksum is right.
    pub(crate) fn receive(&mut self, packet: &[u8], arrived: &Arrived) -> Delivery {
        let Some((ends, payload)) = parse(packet, arrived) else {
            self.counters.malformed += 1;
            return Delivery::Done;
        };
        // A connected socket goes before one that hears everybody (which then is on another
        // address, or there could not be both).
        let to_many = ends.local.address.is_multicast();
        let mut delivery = Delivery::Unwanted;
        for (_, state) in &mut self.sockets {
            if state.wants(&ends) {
                delivery = Delivery::Done;
                let size = arrived
                    .segment_size
                    .map_or(payload.len(), usize::from)
                    .max(1);
                deliver(state, &mut self.counters, payload, size, ends);
                if !to_many {
                    break;
                }
            }
        }
        if delivery == Delivery::Unwanted {
            self.counters.unwanted += 1;
        }
        delivery
    }

    /// Whether what an ICMP message quotes can have been sent from here.
    pub(crate) fn has_sent(&self, error: &IcmpError) -> bool {
        let local = local_of(error);
        self.sockets
            .iter()
            .any(|(_, state)| state.local.matches(local.address, local.port))
    }

    /// Takes in a complaint about a datagram that was sent. Only sockets with one peer learn of it:
    /// to others it does not say which of their datagrams it is about (RFC 1122, section 4.1.3.3).
    pub(crate) fn icmp(&mut self, error: &IcmpError) {
        let [_, _, d0, d1, ..] = error.header;
        let local = local_of(error);
        let peer = End::new(error.destination, [d0, d1]);
        let reason = match error.kind {
            IcmpErrorKind::PortUnreachable => Error::ConnectionRefused,
            IcmpErrorKind::HostUnreachable | IcmpErrorKind::Prohibited => Error::HostUnreachable,
            IcmpErrorKind::TooBig(_) => return,
        };
        for (_, state) in &mut self.sockets {
            if state.local.matches(local.address, local.port) && state.peer == Some(peer) {
                state.error = Some(reason);
                state.wake();
            }
        }
    }
}

/// Our end of the datagram that an ICMP message quotes.
fn local_of(error: &IcmpError) -> End {
    let [s0, s1, ..] = error.header;
    End::new(error.source, [s0, s1])
}

/// Queues the datagrams of `size` bytes that `payload` holds: one, or those that the device put
/// together.
fn deliver(state: &mut State, counters: &mut UdpCounters, payload: &[u8], size: usize, ends: Ends) {
    let mut rest = payload;
    loop {
        let (datagram, after) = rest.split_at(size.min(rest.len()));
        if state.queue.push(datagram, ends) {
            counters.received += 1;
        } else {
            counters.overflowed += 1;
        }
        rest = after;
        if rest.is_empty() {
            break;
        }
    }
    state.wake();
}

/// Addresses and payload of a UDP packet whose length field is right.
fn parse<'a>(packet: &'a [u8], arrived: &Arrived) -> Option<(Ends, &'a [u8])> {
    let &[s0, s1, d0, d1, l0, l1, _, _] = packet.first_chunk()?;
    let len = match arrived.segment_size {
        // Several datagrams that the device put together: the field is the first one's.
        Some(_) => packet.len(),
        None => usize::from(u16::from_be_bytes([l0, l1])),
    };
    let ends = Ends {
        peer: End::new(arrived.source, [s0, s1]),
        local: End::new(arrived.destination, [d0, d1]),
    };
    Some((ends, packet.get(HEADER..len)?))
}

/// The header of a datagram with `len` bytes, its checksum left out.
pub(crate) fn header(source: u16, destination: u16, len: usize) -> [u8; HEADER] {
    let [s0, s1] = source.to_be_bytes();
    let [d0, d1] = destination.to_be_bytes();
    let [l0, l1] = ((HEADER + len) as u16).to_be_bytes();
    [s0, s1, d0, d1, l0, l1, 0, 0]
}
