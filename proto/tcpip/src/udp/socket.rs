// SPDX-License-Identifier: ISC
//! UDP sockets as programs use them. Read first: RFC 768, RFC 1122 section 4.1.

use alloc::{boxed::Box, rc::Rc};
use core::{
    cell::{Cell, RefCell},
    future::poll_fn,
    net::{IpAddr, SocketAddr},
    task::{Context, Poll, Waker},
};

use fata_device::net::SegmentKind;

use super::{HEADER, Meta, Queue, SocketId, State, header};
use crate::{
    addr::Addr,
    config::UdpConfig,
    error::Error,
    ip::{Ecn, Outgoing, SendError},
    packet::protocol,
    responder::Entry,
    stack::{Local, Shared, Stack},
};

/// Hops that datagrams to one host may take.
const HOP_LIMIT: u8 = 64;
/// Where the checksum is in the header.
const CHECKSUM_AT: u16 = 6;
/// Most bytes that the length field of the header can say.
const LONGEST: usize = u16::MAX as usize - HEADER;
/// Most bytes that a device takes at once for cutting: what an IPv4 packet can say, with headers.
const LARGEST_BATCH: usize = 65_000;
/// Most datagrams of one cut: Linux takes no more (`UDP_MAX_SEGMENTS`, 64 before version 6.9).
const LONGEST_BATCH: usize = 64;

/// A UDP socket.
///
/// Bound to all addresses, it answers from the one that was asked: [`send_to`](Self::send_to) after
/// [`recv_from`](Self::recv_from) sends to the peer heard last from the address that it spoke to.
/// Where several peers are answered out of turn, [`recv_message`](Self::recv_message) and
/// [`send_message`](Self::send_message) say it for each datagram.
pub struct UdpSocket {
    shared: Rc<Shared>,
    id: SocketId,
    local: Local,
    peer: Cell<Option<SocketAddr>>,
    heard: Cell<Option<Meta>>,
    multicast_hops: Cell<u8>,
}

impl UdpSocket {
    /// A socket on a port of every address, or with a `SocketAddr` of one. Port zero lets the stack
    /// choose.
    ///
    /// # Errors
    ///
    /// [`Error::AddrInUse`], [`Error::AddrNotAvailable`] for an address that the stack does not
    /// have or when no port is left.
    pub fn bind(stack: &Stack, local: impl Into<Local>) -> Result<Self, Error> {
        let config = stack.shared().engine().config.udp;
        Self::bind_with(stack, local, config)
    }

    /// As [`bind`](Self::bind), with sizes of its own.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn bind_with(
        stack: &Stack,
        local: impl Into<Local>,
        config: UdpConfig,
    ) -> Result<Self, Error> {
        let mut local = local.into();
        let shared = Rc::clone(stack.shared());
        let mut engine = shared.engine();
        engine.check_local(local)?;
        if local.port == 0 {
            let address = local.address;
            local.port =
                engine.random_port(|engine, port| engine.udp.is_taken(Local { address, port }))?;
        }
        let id = engine.udp.bind(local, config.receive_buffer)?;
        drop(engine);
        Ok(Self {
            shared,
            id,
            local,
            peer: Cell::new(None),
            heard: Cell::new(None),
            multicast_hops: Cell::new(1),
        })
    }

    /// The port, and the address if it is bound to one.
    pub fn local(&self) -> Local {
        self.local
    }

    /// Sets the one peer to talk to: [`send`](Self::send) sends there, nothing is received from
    /// anybody else, and what the network says of datagrams sent there is told as an error.
    ///
    /// # Errors
    ///
    /// [`Error::NetworkUnreachable`], [`Error::InvalidInput`].
    pub fn connect(&self, peer: SocketAddr) -> Result<(), Error> {
        self.shared.engine().check_peer(peer)?;
        self.peer.set(Some(peer));
        self.with(|state| state.peer = Some(peer.into()));
        Ok(())
    }

    /// The peer set by [`connect`](Self::connect).
    pub fn peer_addr(&self) -> Option<SocketAddr> {
        self.peer.get()
    }

    /// Becomes a member of a multicast group: what is sent to it and the socket's port is received.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidInput`] for an address that is no group's, [`Error::OutOfMemory`] when the
    /// stack is a member of too many.
    pub fn join(&self, group: IpAddr) -> Result<(), Error> {
        let group = Addr::from(group);
        if !group.is_multicast() {
            return Err(Error::InvalidInput);
        }
        let mut engine = self.shared.engine();
        let engine = &mut *engine;
        let Some(state) = engine.udp.get(self.id) else {
            return Err(Error::NotConnected);
        };
        if !state.groups.contains(&group) {
            if !engine.ip.join(group, self.shared.now()) {
                return Err(Error::OutOfMemory);
            }
            state.groups.push(group);
        }
        self.shared.kick();
        Ok(())
    }

    /// Is no longer a member of a group. Dropping the socket leaves all of them.
    pub fn leave(&self, group: IpAddr) {
        let group = Addr::from(group);
        let mut engine = self.shared.engine();
        let engine = &mut *engine;
        if let Some(state) = engine.udp.get(self.id)
            && let Some(index) = state.groups.iter().position(|other| *other == group)
        {
            state.groups.swap_remove(index);
            engine.ip.leave(group, self.shared.now());
            self.shared.kick();
        }
    }

    /// Sets how many hops datagrams to groups may take; one, the default, stays on the network
    /// (RFC 1112, section 6.1).
    pub fn set_multicast_hops(&self, hops: u8) {
        self.multicast_hops.set(hops);
    }

    /// Waits for a datagram, and says how long it is and who sent it. What does not fit into
    /// `buffer` is lost.
    ///
    /// # Errors
    ///
    /// For a connected socket, what the network said of a datagram that was sent:
    /// [`Error::ConnectionRefused`] or [`Error::HostUnreachable`].
    pub fn recv_from(
        &self,
        buffer: &mut [u8],
    ) -> impl Future<Output = Result<(usize, SocketAddr), Error>> {
        poll_fn(move |cx| self.poll_recv_from(cx, buffer))
    }

    /// Waits for a datagram of the connected peer.
    ///
    /// # Errors
    ///
    /// As [`recv_from`](Self::recv_from), and [`Error::NotConnected`].
    pub fn recv(&self, buffer: &mut [u8]) -> impl Future<Output = Result<usize, Error>> {
        poll_fn(move |cx| match self.peer.get() {
            Some(_) => self.poll_recv_from(cx, buffer).map_ok(|(len, _)| len),
            None => Poll::Ready(Err(Error::NotConnected)),
        })
    }

    /// As [`recv_from`](Self::recv_from), and says which address the datagram was sent to.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn recv_message(
        &self,
        buffer: &mut [u8],
    ) -> impl Future<Output = Result<(usize, Meta), Error>> {
        poll_fn(move |cx| self.poll_recv_message(cx, buffer))
    }

    /// Waits until at least one datagram is there, then gives all that are to `read`, without
    /// copying them first. Says how many there were.
    ///
    /// # Errors
    ///
    /// As [`recv_from`](Self::recv_from).
    pub fn recv_batch(
        &self,
        mut read: impl FnMut(&[u8], Meta),
    ) -> impl Future<Output = Result<usize, Error>> {
        poll_fn(move |cx| self.poll_recv_batch(cx, &mut read))
    }

    /// Sends a datagram. Waits while the device has no buffer for it.
    ///
    /// # Errors
    ///
    /// [`Error::NetworkUnreachable`]; [`Error::InvalidInput`] for an unusable peer or a datagram
    /// that is too long for the network.
    pub fn send_to(
        &self,
        bytes: &[u8],
        peer: SocketAddr,
    ) -> impl Future<Output = Result<(), Error>> {
        poll_fn(move |cx| self.poll_send_to(cx, bytes, peer))
    }

    /// Sends a datagram to the connected peer.
    ///
    /// # Errors
    ///
    /// As [`send_to`](Self::send_to), and [`Error::NotConnected`].
    pub fn send(&self, bytes: &[u8]) -> impl Future<Output = Result<(), Error>> {
        poll_fn(move |cx| match self.peer.get() {
            Some(peer) => self.poll_send_to(cx, bytes, peer),
            None => Poll::Ready(Err(Error::NotConnected)),
        })
    }

    /// Sends a datagram from the address of `meta.local`, waiting for room. The port is always the
    /// socket's.
    ///
    /// # Errors
    ///
    /// As [`send_to`](Self::send_to), and [`Error::AddrNotAvailable`] where `meta.local` is not an
    /// address of the stack.
    pub fn send_message(
        &self,
        bytes: &[u8],
        meta: Meta,
    ) -> impl Future<Output = Result<(), Error>> {
        poll_fn(move |cx| self.poll_send_message(cx, bytes, meta))
    }

    /// Sends `bytes` as datagrams of `size` bytes, the last one with what is left. A device that
    /// cuts datagrams itself is given many at once.
    ///
    /// # Errors
    ///
    /// As [`send_to`](Self::send_to), and [`Error::InvalidInput`] for a size of zero. Datagrams
    /// before the one that failed were sent.
    pub fn send_batch(
        &self,
        bytes: &[u8],
        size: usize,
        peer: SocketAddr,
    ) -> impl Future<Output = Result<(), Error>> {
        let mut rest = bytes;
        poll_fn(move |cx| {
            let from = self.answering(peer);
            while !rest.is_empty() {
                let taken = self.batch_len(rest.len(), size, peer);
                let Some((batch, after)) = rest.split_at_checked(taken) else {
                    return Poll::Ready(Err(Error::InvalidInput));
                };
                match self.poll_send_cut(cx, batch, from, peer, size) {
                    Poll::Ready(Ok(())) => rest = after,
                    other => return other,
                }
            }
            Poll::Ready(Ok(()))
        })
    }

    /// The poll form of [`recv_from`](Self::recv_from); one task at a time can wait to receive.
    pub fn poll_recv_from(
        &self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<Result<(usize, SocketAddr), Error>> {
        let received = self.poll_recv_message(cx, buffer);
        received.map_ok(|(len, meta)| {
            self.heard.set(Some(meta));
            (len, meta.peer)
        })
    }

    /// The poll form of [`recv_message`](Self::recv_message).
    pub fn poll_recv_message(
        &self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<Result<(usize, Meta), Error>> {
        self.with(
            |state| match (state.take_error(), state.queue.pop(buffer)) {
                (Some(error), _) => Poll::Ready(Err(error)),
                (None, Some(received)) => Poll::Ready(Ok(received)),
                (None, None) => {
                    state.wait(cx);
                    Poll::Pending
                }
            },
        )
        .unwrap_or(Poll::Ready(Err(Error::NotConnected)))
    }

    fn poll_recv_batch(
        &self,
        cx: &mut Context<'_>,
        read: &mut dyn FnMut(&[u8], Meta),
    ) -> Poll<Result<usize, Error>> {
        let taken = self.with(|state| match state.take_error() {
            Some(error) => Some(Err(error)),
            None if state.queue.is_empty() => {
                state.wait(cx);
                None
            }
            None => Some(Ok(state.queue.take())),
        });
        match taken.flatten() {
            None => Poll::Pending,
            Some(Err(error)) => Poll::Ready(Err(error)),
            // The engine is not borrowed while the program reads.
            Some(Ok(mut queue)) => Poll::Ready(Ok(queue.drain(read))),
        }
    }

    /// The poll form of [`send_to`](Self::send_to).
    pub fn poll_send_to(
        &self,
        cx: &mut Context<'_>,
        bytes: &[u8],
        peer: SocketAddr,
    ) -> Poll<Result<(), Error>> {
        self.poll_send_cut(cx, bytes, self.answering(peer), peer, bytes.len())
    }

    /// The poll form of [`send_message`](Self::send_message).
    pub fn poll_send_message(
        &self,
        cx: &mut Context<'_>,
        bytes: &[u8],
        meta: Meta,
    ) -> Poll<Result<(), Error>> {
        let from = meta.local.ip().into();
        if !self.shared.engine().ip.has(from) {
            return Poll::Ready(Err(Error::AddrNotAvailable));
        }
        self.poll_send_cut(cx, bytes, Some(from), meta.peer, bytes.len())
    }

    /// The address that `peer` spoke to, if it was heard last.
    fn answering(&self, peer: SocketAddr) -> Option<Addr> {
        let heard = self.heard.get().filter(|meta| meta.peer == peer)?;
        Some(heard.local.ip().into())
    }

    /// How many of `left` bytes the device takes at once.
    fn batch_len(&self, left: usize, size: usize, peer: SocketAddr) -> usize {
        let info = &self.shared.info;
        let packet = size + HEADER + if peer.is_ipv4() { 20 } else { 40 };
        if !info.offload.udp || packet > usize::from(info.mtu) || size == 0 {
            return size.min(left);
        }
        let most = (LARGEST_BATCH.min(info.max_frame) / size).clamp(1, LONGEST_BATCH);
        left.min(most * size)
    }

    /// Sends `bytes` as one datagram, or leaves it to the device to cut it into those of `size`.
    fn poll_send_cut(
        &self,
        cx: &mut Context<'_>,
        bytes: &[u8],
        from: Option<Addr>,
        peer: SocketAddr,
        size: usize,
    ) -> Poll<Result<(), Error>> {
        if bytes.len() > LONGEST {
            return Poll::Ready(Err(Error::InvalidInput));
        }
        let mut engine = self.shared.engine();
        let engine = &mut *engine;
        engine.check_peer(peer)?;
        let to = Addr::from(peer.ip());
        let from = from
            .filter(|address| engine.ip.has(*address))
            .or(self.local.address.map(Addr::from))
            .or_else(|| engine.ip.source_for(to))
            .ok_or(Error::NetworkUnreachable)?;
        let packet = Outgoing {
            source: from,
            destination: to,
            protocol: protocol::UDP,
            ecn: Ecn::NotCapable,
            hop_limit: match to.is_multicast() {
                true => self.multicast_hops.get(),
                false => HOP_LIMIT,
            },
            dont_fragment: false,
            header: &header(self.local.port, peer.port(), bytes.len()),
            checksum_at: Some(CHECKSUM_AT),
            payload: [bytes, &[]],
            segmentation: (bytes.len() > size).then_some((SegmentKind::Udp, size as u16)),
        };
        let sent = engine
            .ip
            .send(&mut *self.shared.link(), &packet, self.shared.now());
        match sent {
            Ok(()) => {
                engine.udp.counters.sent += 1;
                self.shared.sent(cx, true).map(Ok)
            }
            Err(SendError::NoBuffer) => self.shared.sent(cx, false).map(Ok),
            Err(SendError::NoRoute) => Poll::Ready(Err(Error::NetworkUnreachable)),
            Err(SendError::TooLong(_)) => Poll::Ready(Err(Error::InvalidInput)),
        }
    }

    /// Answers datagrams with a function instead of a task, as fast as the device can go.
    ///
    /// `handler` gets a datagram, its addresses, and room for the answer, as much as one packet
    /// holds; it returns the length of the answer, or `None` for no answer. It is called straight on
    /// the received frame, between two frames, so it must neither block nor take long. It is not
    /// asked about datagrams sent to broadcast or multicast addresses.
    ///
    /// What the socket had received already is answered too.
    pub fn respond(
        self,
        handler: impl FnMut(&[u8], Meta, &mut [u8]) -> Option<usize> + 'static,
    ) -> Responder {
        let entry = Rc::new(Entry {
            local: self.local,
            socket: self,
            handler: RefCell::new(Box::new(handler)),
        });
        let shared = &entry.socket.shared;
        shared.responders.add(Rc::clone(&entry));
        shared.kick();
        Responder(entry)
    }

    /// The datagrams that came the long way to a responder.
    pub(crate) fn take_questions(&self) -> Option<Queue> {
        self.with(|state| state.queue.take())
    }

    /// Sends an answer that took the long way, or loses it, as the network may.
    pub(crate) fn answer(&self, bytes: &[u8], meta: Meta) {
        let mut cx = Context::from_waker(Waker::noop());
        let _ = self.poll_send_message(&mut cx, bytes, meta);
    }

    fn with<R>(&self, f: impl FnOnce(&mut State) -> R) -> Option<R> {
        self.shared.engine().udp.get(self.id).map(f)
    }
}

impl Drop for UdpSocket {
    fn drop(&mut self) {
        let mut engine = self.shared.engine();
        let state = engine.udp.remove(self.id);
        for group in state.into_iter().flat_map(|state| state.groups) {
            engine.ip.leave(group, self.shared.now());
            self.shared.kick();
        }
    }
}

/// A socket whose datagrams a function answers, as long as this is kept.
#[must_use = "the port is answered only while the responder is kept"]
pub struct Responder(Rc<Entry>);

impl Responder {
    /// The port, and the address if it is bound to one.
    pub fn local(&self) -> Local {
        self.0.local
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        self.0.socket.shared.responders.remove(&self.0);
    }
}
