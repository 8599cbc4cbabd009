// SPDX-License-Identifier: ISC
//! UDP sockets. Read first: RFC 768, RFC 1122 section 4.1.

use alloc::{boxed::Box, rc::Rc, vec, vec::Vec};
use core::{
    cell::{Cell, RefCell},
    future::poll_fn,
    net::{IpAddr, SocketAddr},
    task::{Context, Poll},
};

use smoltcp::{
    iface::{SocketHandle, SocketSet},
    socket::{
        Socket,
        udp::{self, PacketBuffer, PacketMetadata, SendError, UdpMetadata},
    },
    wire::IpListenEndpoint,
};

use crate::{
    config::UdpConfig,
    engine::Engine,
    error::Error,
    responder::{Entry, Meta},
    stack::{Local, Shared, Stack},
    tcp::{remove, zeroed},
};

/// Bytes of headers before a UDP payload.
const HEADERS_V4: usize = 28;
const HEADERS_V6: usize = 48;
/// Largest IPv4 packet that is cut into fragments: the engine's buffer for it.
const LARGEST_IPV4: usize = 4096;
/// A datagram that finds no neighbour holds up the ones behind it for at most this long.
const STUCK: u64 = 3_000_000_000;

/// A UDP socket.
///
/// Bound to all addresses, it answers from the one that was asked: [`send_to`](Self::send_to) after
/// [`recv_from`](Self::recv_from) sends to the peer heard last from the address that it spoke to.
/// Where several peers are answered out of turn, [`recv_message`](Self::recv_message) and
/// [`send_message`](Self::send_message) say it for each datagram.
pub struct UdpSocket {
    shared: Rc<Shared>,
    handle: SocketHandle,
    local: Local,
    peer: Cell<Option<SocketAddr>>,
    heard: Cell<Option<Meta>>,
}

impl UdpSocket {
    /// A socket on a port of every address, or with a `SocketAddr` of one. Port zero lets the stack
    /// choose.
    ///
    /// # Errors
    ///
    /// [`Error::AddrInUse`], [`Error::AddrNotAvailable`] for an address that the stack does not
    /// have or when no port is left, [`Error::OutOfMemory`].
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
        let shared = Rc::clone(stack.shared());
        let mut local = local.into();
        shared.check_local(local)?;
        if local.port == 0 {
            local.port = shared.ephemeral_port(|engine, port| {
                let address = local.address;
                is_taken(engine, Local { address, port })
            })?;
        }
        let mut socket = udp::Socket::new(
            PacketBuffer::new(metadata(&config), zeroed(config.receive_buffer)?),
            PacketBuffer::new(metadata(&config), zeroed(config.send_buffer)?),
        );
        let endpoint = IpListenEndpoint {
            addr: local.address.map(Into::into),
            port: local.port,
        };
        socket.bind(endpoint).map_err(|_| Error::InvalidInput)?;
        let handle = {
            let mut engine = shared.engine();
            if is_taken(&engine, local) {
                return Err(Error::AddrInUse);
            }
            let handle = engine.sockets.add(socket);
            engine.udp.sockets.push(Watched {
                handle,
                blocked: None,
            });
            handle
        };
        Ok(Self {
            shared,
            handle,
            local,
            peer: Cell::new(None),
            heard: Cell::new(None),
        })
    }

    /// The port, and the address if it is bound to one.
    pub fn local(&self) -> Local {
        self.local
    }

    /// Sets the one peer to talk to: [`send`](Self::send) sends there, and nothing is received from
    /// anybody else.
    ///
    /// # Errors
    ///
    /// [`Error::NetworkUnreachable`], [`Error::InvalidInput`].
    pub fn connect(&self, peer: SocketAddr) -> Result<(), Error> {
        self.shared.check_peer(peer)?;
        self.peer.set(Some(peer));
        Ok(())
    }

    /// The peer set by [`connect`](Self::connect).
    pub fn peer_addr(&self) -> Option<SocketAddr> {
        self.peer.get()
    }

    /// Waits for a datagram, and says how long it is and who sent it. What does not fit into
    /// `buffer` is lost.
    ///
    /// # Errors
    ///
    /// None today.
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
    /// [`Error::NotConnected`].
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

    /// Sends a datagram, waiting for room in the send buffer.
    ///
    /// # Errors
    ///
    /// [`Error::NetworkUnreachable`]; [`Error::InvalidInput`] for an unusable peer or a datagram
    /// that is too long for the buffer or the network.
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
        let mut engine = self.shared.engine();
        let socket = engine.sockets.get_mut::<udp::Socket<'_>>(self.handle);
        loop {
            let Ok((bytes, metadata)) = socket.recv() else {
                socket.register_recv_waker(cx.waker());
                return Poll::Pending;
            };
            let peer = SocketAddr::from(metadata.endpoint);
            let Some(local) = metadata.local_address else {
                continue;
            };
            if self.peer.get().is_some_and(|only| only != peer) {
                continue;
            }
            let len = bytes.len().min(buffer.len());
            buffer[..len].copy_from_slice(&bytes[..len]);
            let local = SocketAddr::new(IpAddr::from(local), self.local.port);
            return Poll::Ready(Ok((len, Meta { peer, local })));
        }
    }

    /// The poll form of [`send_to`](Self::send_to); one task at a time can wait to send.
    pub fn poll_send_to(
        &self,
        cx: &mut Context<'_>,
        bytes: &[u8],
        peer: SocketAddr,
    ) -> Poll<Result<(), Error>> {
        let asked = self
            .heard
            .get()
            .filter(|meta| meta.peer == peer)
            .map(|meta| meta.local.ip());
        let from = asked.filter(|address| self.shared.addresses.borrow().has(*address));
        self.poll_send_from(cx, bytes, from, peer)
    }

    /// The poll form of [`send_message`](Self::send_message).
    pub fn poll_send_message(
        &self,
        cx: &mut Context<'_>,
        bytes: &[u8],
        meta: Meta,
    ) -> Poll<Result<(), Error>> {
        if !self.shared.addresses.borrow().has(meta.local.ip()) {
            return Poll::Ready(Err(Error::AddrNotAvailable));
        }
        self.poll_send_from(cx, bytes, Some(meta.local.ip()), meta.peer)
    }

    fn poll_send_from(
        &self,
        cx: &mut Context<'_>,
        bytes: &[u8],
        from: Option<IpAddr>,
        peer: SocketAddr,
    ) -> Poll<Result<(), Error>> {
        self.shared.check_peer(peer)?;
        let longest = match peer {
            SocketAddr::V4(_) => LARGEST_IPV4 - HEADERS_V4,
            SocketAddr::V6(_) => usize::from(self.shared.info.mtu).saturating_sub(HEADERS_V6),
        };
        let metadata = UdpMetadata {
            endpoint: peer.into(),
            local_address: from.map(Into::into),
            meta: Default::default(),
        };
        let mut engine = self.shared.engine();
        let socket = engine.sockets.get_mut::<udp::Socket<'_>>(self.handle);
        if bytes.len() > longest.min(socket.payload_send_capacity()) {
            return Poll::Ready(Err(Error::InvalidInput));
        }
        match socket.send_slice(bytes, metadata) {
            Ok(()) => {
                self.shared.kick();
                Poll::Ready(Ok(()))
            }
            Err(SendError::BufferFull) => {
                socket.register_send_waker(cx.waker());
                Poll::Pending
            }
            Err(SendError::Unaddressable) => Poll::Ready(Err(Error::InvalidInput)),
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
            handle: self.handle,
            handler: RefCell::new(Box::new(handler)),
        });
        self.shared.responders.add(Rc::clone(&entry));
        self.shared.kick();
        Responder {
            socket: self,
            entry,
        }
    }
}

impl Drop for UdpSocket {
    fn drop(&mut self) {
        let mut engine = self.shared.engine();
        engine
            .udp
            .sockets
            .retain(|watched| watched.handle != self.handle);
        remove(&mut engine.sockets, self.handle);
    }
}

/// A socket whose datagrams a function answers, as long as this is kept.
#[must_use = "the port is answered only while the responder is kept"]
pub struct Responder {
    socket: UdpSocket,
    entry: Rc<Entry>,
}

impl Responder {
    /// The port, and the address if it is bound to one.
    pub fn local(&self) -> Local {
        self.socket.local
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        self.socket.shared.responders.remove(&self.entry);
    }
}

fn metadata(config: &UdpConfig) -> Vec<PacketMetadata> {
    vec![PacketMetadata::EMPTY; config.datagrams.max(1)]
}

fn is_taken(engine: &Engine, local: Local) -> bool {
    engine.sockets.iter().any(|(_, item)| match item {
        Socket::Udp(socket) => {
            let other = socket.endpoint();
            local.overlaps(Local {
                address: other.addr.map(Into::into),
                port: other.port,
            })
        }
        _ => false,
    })
}

/// The UDP sockets of a stack, watched for one whose first datagram finds no neighbour: smoltcp
/// keeps it for ever, and all others of the socket behind it.
#[derive(Default)]
pub(crate) struct Table {
    sockets: Vec<Watched>,
}

struct Watched {
    handle: SocketHandle,
    /// Since when something has been waiting to be sent.
    blocked: Option<u64>,
}

impl Table {
    /// Empties sockets that are stuck. Called when everything that can be sent has been sent.
    pub(crate) fn tend(&mut self, sockets: &mut SocketSet<'static>, now: u64) {
        for watched in &mut self.sockets {
            let socket = sockets.get_mut::<udp::Socket<'_>>(watched.handle);
            if socket.send_queue() == 0 {
                watched.blocked = None;
            } else if now >= *watched.blocked.get_or_insert(now) + STUCK {
                // There is no other way to empty it; what it has received and nobody has read goes
                // too.
                let endpoint = socket.endpoint();
                socket.close();
                let _ = socket.bind(endpoint);
                watched.blocked = None;
            }
        }
    }

    /// When [`tend`](Self::tend) has something to do by time alone.
    pub(crate) fn deadline(&self) -> Option<u64> {
        self.sockets
            .iter()
            .filter_map(|watched| Some(watched.blocked? + STUCK))
            .min()
    }
}
