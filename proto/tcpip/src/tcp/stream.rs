// SPDX-License-Identifier: ISC
//! A TCP connection as a byte stream.

use alloc::rc::Rc;
use core::{
    cell::Cell,
    future::poll_fn,
    net::SocketAddr,
    task::{Context, Poll, ready},
};

use embedded_io_async::{ErrorType, Read, Write};
use fata_device::Flow;
use smoltcp::{
    iface::{SocketHandle, SocketSet},
    socket::tcp::{RecvError, Socket, State},
    time::Duration,
    wire::IpEndpoint,
};

use crate::{
    config::TcpConfig,
    error::Error,
    stack::{Shared, Stack},
    tcp::table,
};

/// How long a peer may take to answer a connection attempt.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// A TCP connection.
///
/// Dropping it ends it in order: what was written is still sent and acknowledged, and the peer reads
/// an end after it, as long as the program runs. To know that it was, call
/// [`shutdown`](Flow::shutdown) first; to break it, [`abort`](Self::abort).
pub struct TcpStream(Rc<Connection>);

/// The half of a split connection that reads.
pub struct ReadHalf(Rc<Connection>);

/// The half of a split connection that writes.
pub struct WriteHalf(Rc<Connection>);

/// What the halves share. The socket goes back to the stack when the last of them is dropped.
struct Connection {
    shared: Rc<Shared>,
    handle: SocketHandle,
    local: SocketAddr,
    peer: SocketAddr,
    /// Whether writing was ended from here.
    shut: Cell<bool>,
    /// Whether the end was read: smoltcp forgets it when TIME-WAIT is over.
    ended: Cell<bool>,
}

impl TcpStream {
    /// Connects to `peer` from an address and port that the stack chooses.
    ///
    /// # Errors
    ///
    /// [`Error::ConnectionRefused`], [`Error::TimedOut`] after 30 seconds without an answer,
    /// [`Error::NetworkUnreachable`] where no address or gateway leads there,
    /// [`Error::InvalidInput`], [`Error::OutOfMemory`], [`Error::AddrNotAvailable`].
    pub async fn connect(stack: &Stack, peer: SocketAddr) -> Result<Self, Error> {
        let config = stack.shared().engine().config.tcp;
        Self::connect_with(stack, peer, config).await
    }

    /// As [`connect`](Self::connect), with sizes of its own.
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn connect_with(
        stack: &Stack,
        peer: SocketAddr,
        config: TcpConfig,
    ) -> Result<Self, Error> {
        let started = stack.shared().now();
        let stream = Self::start(stack.shared(), peer, &config)?;
        poll_fn(|cx| stream.0.poll_connected(cx, started)).await?;
        Ok(stream)
    }

    fn start(shared: &Rc<Shared>, peer: SocketAddr, config: &TcpConfig) -> Result<Self, Error> {
        shared.check_peer(peer)?;
        let port = shared.ephemeral_port(|engine, port| {
            engine.tcp.listens_on(port)
                || engine.sockets.iter().any(|(_, item)| match item {
                    smoltcp::socket::Socket::Tcp(socket) => socket
                        .local_endpoint()
                        .is_some_and(|local| local.port == port),
                    _ => false,
                })
        })?;
        let mut engine = shared.engine();
        let engine = &mut *engine;
        let mut socket = engine.tcp.create(&mut engine.sockets, config)?;
        socket.set_timeout(Some(CONNECT_TIMEOUT));
        socket
            .connect(engine.interface.context(), IpEndpoint::from(peer), port)
            .map_err(|_| Error::AddrNotAvailable)?;
        let handle = engine.sockets.add(socket);
        shared.kick();
        Self::adopt(shared, &mut engine.sockets, handle).ok_or(Error::AddrNotAvailable)
    }

    /// Makes a stream of a socket that has a connection.
    pub(crate) fn adopt(
        shared: &Rc<Shared>,
        sockets: &mut SocketSet<'static>,
        handle: SocketHandle,
    ) -> Option<Self> {
        let socket = table::socket(sockets, handle);
        let (local, peer) = (socket.local_endpoint()?, socket.remote_endpoint()?);
        Some(Self(Rc::new(Connection {
            shared: Rc::clone(shared),
            handle,
            local: local.into(),
            peer: peer.into(),
            shut: Cell::new(false),
            ended: Cell::new(false),
        })))
    }

    /// The address and port of the other side.
    pub fn peer_addr(&self) -> SocketAddr {
        self.0.peer
    }

    /// The address and port of this side.
    pub fn local_addr(&self) -> SocketAddr {
        self.0.local
    }

    /// Whether small writes are sent at once (`true`) or gathered while an acknowledgement is due
    /// (Nagle's algorithm, RFC 1122 section 4.2.3.4; the default).
    pub fn set_nodelay(&self, nodelay: bool) {
        self.0.with(|socket| socket.set_nagle_enabled(!nodelay));
    }

    /// Asks the peer for a sign of life after so long a silence; `None` never asks. A peer that
    /// gives none breaks the connection only when something was written.
    pub fn set_keepalive(&self, interval: Option<core::time::Duration>) {
        self.0
            .with(|socket| socket.set_keep_alive(interval.map(Into::into)));
        self.0.shared.kick();
    }

    /// Waits for at least one byte, as `read` does, and leaves what it copies in place.
    ///
    /// # Errors
    ///
    /// As `read`.
    pub async fn peek(&self, buffer: &mut [u8]) -> Result<usize, Error> {
        poll_fn(|cx| {
            self.0.poll_received(cx, |socket| {
                let bytes = socket.peek(buffer.len())?;
                buffer[..bytes.len()].copy_from_slice(bytes);
                Ok(bytes.len())
            })
        })
        .await
    }

    /// Two halves that different tasks can hold. The connection ends when both are dropped.
    pub fn split(self) -> (ReadHalf, WriteHalf) {
        (ReadHalf(Rc::clone(&self.0)), WriteHalf(self.0))
    }

    /// Ends the connection abruptly: what was not sent is lost, and the peer gets an error.
    pub fn abort(self) {
        self.0.with(Socket::abort);
    }

    /// The poll form of reading; one task at a time can wait to read.
    pub fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<Result<usize, Error>> {
        self.0.poll_read(cx, buffer)
    }

    /// The poll form of writing; one task at a time can wait to write.
    pub fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize, Error>> {
        self.0.poll_write(cx, bytes)
    }
}

impl Connection {
    fn with<R>(&self, f: impl FnOnce(&mut Socket<'static>) -> R) -> R {
        let mut engine = self.shared.engine();
        f(table::socket(&mut engine.sockets, self.handle))
    }

    fn poll_connected(&self, cx: &mut Context<'_>, started: u64) -> Poll<Result<(), Error>> {
        self.with(|socket| match socket.state() {
            State::SynSent | State::SynReceived => {
                socket.register_send_waker(cx.waker());
                Poll::Pending
            }
            State::Closed => {
                let waited = self.shared.now().saturating_sub(started);
                let out_of_time = waited / 1000 >= CONNECT_TIMEOUT.total_micros();
                Poll::Ready(Err(if out_of_time {
                    Error::TimedOut
                } else {
                    Error::ConnectionRefused
                }))
            }
            _ => Poll::Ready(Ok(())),
        })
    }

    /// Calls `take` when there is something to take, and gives zero at the end of the stream.
    fn poll_received(
        &self,
        cx: &mut Context<'_>,
        take: impl FnOnce(&mut Socket<'static>) -> Result<usize, RecvError>,
    ) -> Poll<Result<usize, Error>> {
        if self.ended.get() {
            return Poll::Ready(Ok(0));
        }
        self.with(|socket| {
            if !socket.can_recv() && socket.may_recv() {
                socket.register_recv_waker(cx.waker());
                return Poll::Pending;
            }
            Poll::Ready(match take(socket) {
                Ok(len) => Ok(len),
                Err(RecvError::Finished) => {
                    self.ended.set(true);
                    Ok(0)
                }
                Err(RecvError::InvalidState) => Err(Error::ConnectionReset),
            })
        })
    }

    fn poll_read(&self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<Result<usize, Error>> {
        if buffer.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let len = ready!(self.poll_received(cx, |socket| socket.recv_slice(buffer)))?;
        // The peer may be waiting for the room that this made.
        self.shared.kick();
        Poll::Ready(Ok(len))
    }

    fn poll_write(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize, Error>> {
        if bytes.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let len = ready!(self.with(|socket| match socket.send_slice(bytes) {
            Ok(0) => {
                socket.register_send_waker(cx.waker());
                Poll::Pending
            }
            Ok(len) => Poll::Ready(Ok(len)),
            Err(_) => Poll::Ready(Err(self.write_error())),
        }))?;
        self.shared.kick();
        Poll::Ready(Ok(len))
    }

    fn write_error(&self) -> Error {
        if self.shut.get() {
            Error::BrokenPipe
        } else {
            Error::ConnectionReset
        }
    }

    /// Waits until the peer has acknowledged everything written.
    fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.with(|socket| {
            if socket.send_queue() == 0 {
                Poll::Ready(Ok(()))
            } else if socket.state() == State::Closed {
                Poll::Ready(Err(Error::ConnectionReset))
            } else {
                socket.register_send_waker(cx.waker());
                Poll::Pending
            }
        })
    }

    /// Ends writing, and waits until the peer knows.
    fn poll_shutdown(&self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let first = !self.shut.replace(true);
        if first {
            self.shared.kick();
        }
        self.with(|socket| {
            if first {
                if !socket.may_send() {
                    return Poll::Ready(Err(Error::ConnectionReset));
                }
                socket.close();
            }
            match socket.state() {
                State::FinWait2 | State::TimeWait => Poll::Ready(Ok(())),
                State::Closed if socket.send_queue() == 0 => Poll::Ready(Ok(())),
                State::Closed => Poll::Ready(Err(Error::ConnectionReset)),
                _ => {
                    socket.register_send_waker(cx.waker());
                    Poll::Pending
                }
            }
        })
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let now = self.shared.now();
        let mut engine = self.shared.engine();
        let engine = &mut *engine;
        engine.tcp.close(&mut engine.sockets, self.handle, now);
        self.shared.kick();
    }
}

impl ErrorType for TcpStream {
    type Error = Error;
}

impl ErrorType for ReadHalf {
    type Error = Error;
}

impl ErrorType for WriteHalf {
    type Error = Error;
}

impl Read for TcpStream {
    fn read(&mut self, buffer: &mut [u8]) -> impl Future<Output = Result<usize, Error>> {
        poll_fn(move |cx| self.0.poll_read(cx, buffer))
    }
}

impl Read for ReadHalf {
    fn read(&mut self, buffer: &mut [u8]) -> impl Future<Output = Result<usize, Error>> {
        poll_fn(move |cx| self.0.poll_read(cx, buffer))
    }
}

impl Write for TcpStream {
    fn write(&mut self, bytes: &[u8]) -> impl Future<Output = Result<usize, Error>> {
        poll_fn(move |cx| self.0.poll_write(cx, bytes))
    }

    fn flush(&mut self) -> impl Future<Output = Result<(), Error>> {
        poll_fn(move |cx| self.0.poll_flush(cx))
    }
}

impl Write for WriteHalf {
    fn write(&mut self, bytes: &[u8]) -> impl Future<Output = Result<usize, Error>> {
        poll_fn(move |cx| self.0.poll_write(cx, bytes))
    }

    fn flush(&mut self) -> impl Future<Output = Result<(), Error>> {
        poll_fn(move |cx| self.0.poll_flush(cx))
    }
}

impl Flow for TcpStream {
    fn shutdown(&mut self) -> impl Future<Output = Result<(), Error>> {
        poll_fn(move |cx| self.0.poll_shutdown(cx))
    }

    async fn readable(&mut self) -> Result<(), Error> {
        let look = |socket: &mut Socket<'static>| socket.peek(0).map(|_| 0);
        poll_fn(|cx| self.0.poll_received(cx, look)).await?;
        Ok(())
    }
}

impl WriteHalf {
    /// Ends writing: the peer reads an end after everything written. Waits until it knows.
    ///
    /// # Errors
    ///
    /// [`Error::ConnectionReset`] when the connection was broken before.
    pub fn shutdown(&mut self) -> impl Future<Output = Result<(), Error>> {
        poll_fn(move |cx| self.0.poll_shutdown(cx))
    }
}
