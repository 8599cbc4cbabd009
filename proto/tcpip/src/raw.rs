// SPDX-License-Identifier: ISC
//! Sockets below the transport layer: Ethernet frames, and IP packets of any protocol.
//!
//! What such a socket receives is a copy; the stack goes on with the packet as if the socket were
//! not there. Only a protocol that nobody else knows is not complained about when a socket took it.

use alloc::{rc::Rc, vec::Vec};
use core::{
    future::poll_fn,
    net::IpAddr,
    task::{Context, Poll, Waker},
};

use fata_device::net::Offload;

use crate::{
    addr::Addr,
    error::Error,
    ip::{Arrived, Ecn, Outgoing, SendError},
    packet::ETHERNET,
    stack::{Shared, Stack},
    udp::{End, Ends, Meta, Queue},
};

/// Most bytes of packets that a socket holds unread.
const RECEIVE_BUFFER: usize = 256 * 1024;
/// Hops that packets may take.
const HOP_LIMIT: u8 = 64;

/// What a socket listens to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Frames of one ether type, or all.
    Ethernet(Option<u16>),
    /// IP packets of one protocol.
    Ip(u8),
}

/// All sockets of a stack.
#[derive(Default)]
pub(crate) struct Raw {
    sockets: Vec<(u32, State)>,
    next: u32,
}

struct State {
    kind: Kind,
    queue: Queue,
    reader: Option<Waker>,
}

impl Raw {
    fn add(&mut self, kind: Kind) -> u32 {
        let id = self.next;
        self.next = self.next.wrapping_add(1);
        let state = State {
            kind,
            queue: Queue::new(RECEIVE_BUFFER),
            reader: None,
        };
        self.sockets.push((id, state));
        id
    }

    fn get(&mut self, id: u32) -> Option<&mut State> {
        let found = self.sockets.iter_mut().find(|(other, _)| *other == id)?;
        Some(&mut found.1)
    }

    /// Copies a frame to who wants it.
    pub(crate) fn receive_frame(&mut self, frame: &[u8]) {
        if self.sockets.is_empty() {
            return;
        }
        let found = frame
            .get(12..)
            .and_then(<[u8]>::first_chunk)
            .map(|kind| u16::from_be_bytes(*kind));
        let nobody = End::new(Addr::UNSPECIFIED4, [0, 0]);
        let ends = Ends {
            peer: nobody,
            local: nobody,
        };
        self.deliver(frame, ends, |kind| match kind {
            Kind::Ethernet(wanted) => wanted.is_none() || wanted == found,
            Kind::Ip(_) => false,
        });
    }

    /// Copies the payload of an IP packet to who wants it; says whether anybody did.
    pub(crate) fn receive_packet(&mut self, packet: &[u8], arrived: &Arrived) -> bool {
        let ends = Ends {
            peer: End::new(arrived.source, [0, 0]),
            local: End::new(arrived.destination, [0, 0]),
        };
        self.deliver(packet, ends, |kind| kind == Kind::Ip(arrived.protocol))
    }

    fn deliver(&mut self, bytes: &[u8], ends: Ends, wants: impl Fn(Kind) -> bool) -> bool {
        let mut delivered = false;
        for (_, state) in &mut self.sockets {
            if wants(state.kind) {
                delivered = true;
                state.queue.push(bytes, ends);
                if let Some(reader) = state.reader.take() {
                    reader.wake();
                }
            }
        }
        delivered
    }
}

/// What both kinds of sockets are made of.
struct Socket {
    shared: Rc<Shared>,
    id: u32,
}

impl Socket {
    fn new(stack: &Stack, kind: Kind) -> Self {
        let shared = Rc::clone(stack.shared());
        let id = shared.engine().raw.add(kind);
        Self { shared, id }
    }

    fn poll_receive(&self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<(usize, Meta)> {
        let mut engine = self.shared.engine();
        let Some(state) = engine.raw.get(self.id) else {
            return Poll::Pending;
        };
        match state.queue.pop(buffer) {
            Some(received) => Poll::Ready(received),
            None => {
                state.reader = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let id = self.id;
        let mut engine = self.shared.engine();
        engine.raw.sockets.retain(|(other, _)| *other != id);
    }
}

/// A socket for Ethernet frames.
pub struct EthernetSocket(Socket);

impl EthernetSocket {
    /// A socket that receives frames of the given ether type, or all, among them those for other
    /// stations where the device hands such in. Frames of responders
    /// ([`UdpSocket::respond`](crate::UdpSocket::respond)) are not seen.
    pub fn new(stack: &Stack, ether_type: Option<u16>) -> Self {
        Self(Socket::new(stack, Kind::Ethernet(ether_type)))
    }

    /// Waits for a frame, copies as much of it as fits, and says how much that was.
    pub fn recv(&self, buffer: &mut [u8]) -> impl Future<Output = usize> {
        poll_fn(move |cx| self.0.poll_receive(cx, buffer).map(|(len, _)| len))
    }

    /// Sends a frame as it is, its Ethernet header included. Waits while the device has no buffer.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidInput`] for one that is shorter than its header or longer than the device
    /// sends.
    pub fn send(&self, frame: &[u8]) -> impl Future<Output = Result<(), Error>> {
        poll_fn(move |cx| {
            let shared = &self.0.shared;
            let longest = ETHERNET + usize::from(shared.info.mtu);
            let (Some((header, payload)), true) =
                (frame.split_at_checked(ETHERNET), frame.len() <= longest)
            else {
                return Poll::Ready(Err(Error::InvalidInput));
            };
            let sent = shared
                .link()
                .send(header, [payload, &[]], Offload::default());
            shared.sent(cx, sent).map(Ok)
        })
    }
}

/// A socket for the packets of one IP protocol, without their IP header.
pub struct IpSocket {
    socket: Socket,
    protocol: u8,
}

impl IpSocket {
    /// A socket that receives what arrives with this protocol number, and sends with it. ICMP, TCP
    /// and UDP belong to the stack: of TCP and UDP a socket gets copies, of ICMP nothing.
    pub fn new(stack: &Stack, protocol: u8) -> Self {
        let socket = Socket::new(stack, Kind::Ip(protocol));
        Self { socket, protocol }
    }

    /// Waits for a packet, copies as much of its payload as fits, and says how much that was and
    /// who sent it.
    pub fn recv_from(&self, buffer: &mut [u8]) -> impl Future<Output = (usize, IpAddr)> {
        poll_fn(move |cx| {
            let received = self.socket.poll_receive(cx, buffer);
            received.map(|(len, meta)| (len, meta.peer.ip()))
        })
    }

    /// Sends a packet with this payload, in fragments if it is too long for the network.
    ///
    /// # Errors
    ///
    /// [`Error::NetworkUnreachable`]; [`Error::InvalidInput`] for a payload that no packet holds.
    pub fn send_to(&self, bytes: &[u8], peer: IpAddr) -> impl Future<Output = Result<(), Error>> {
        poll_fn(move |cx| self.poll_send_to(cx, bytes, peer.into()))
    }

    fn poll_send_to(
        &self,
        cx: &mut Context<'_>,
        bytes: &[u8],
        peer: Addr,
    ) -> Poll<Result<(), Error>> {
        let shared = &self.socket.shared;
        let mut engine = shared.engine();
        let Some(source) = engine.ip.source_for(peer) else {
            return Poll::Ready(Err(Error::NetworkUnreachable));
        };
        let packet = Outgoing {
            source,
            destination: peer,
            protocol: self.protocol,
            ecn: Ecn::NotCapable,
            hop_limit: HOP_LIMIT,
            dont_fragment: false,
            header: &[],
            checksum_at: None,
            payload: [bytes, &[]],
            segmentation: None,
        };
        let sent = engine.ip.send(&mut *shared.link(), &packet, shared.now());
        match sent {
            Ok(()) => shared.sent(cx, true).map(Ok),
            Err(SendError::NoBuffer) => shared.sent(cx, false).map(Ok),
            Err(SendError::NoRoute) => Poll::Ready(Err(Error::NetworkUnreachable)),
            Err(SendError::TooLong(_)) => Poll::Ready(Err(Error::InvalidInput)),
        }
    }
}
