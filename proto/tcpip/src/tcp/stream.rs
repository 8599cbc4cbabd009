// SPDX-License-Identifier: ISC
//! A TCP connection as a byte stream.

use alloc::rc::Rc;
use core::{
    future::poll_fn,
    net::SocketAddr,
    task::{Context, Poll, Waker},
    time::Duration,
};

use embedded_io_async::{ErrorType, Read, Write};
use fata_device::Flow;

use super::{
    ConnectionId,
    connection::{Connection, Env, Info},
    keepalive, milliseconds,
};
use crate::{
    config::TcpConfig,
    error::Error,
    stack::{Local, Shared, Stack},
};

/// How long a peer may take to answer a connection attempt, in milliseconds.
const CONNECT_TIMEOUT: u32 = 30_000;

/// A TCP connection.
///
/// Dropping it ends it in order: what was written is still sent and acknowledged, and the peer reads
/// an end after it, as long as the program runs; but where something was received and not read, the
/// peer gets an error (RFC 1122, section 4.2.2.13). To know that all arrived, call
/// [`shutdown`](Flow::shutdown) first; to break the connection, [`abort`](Self::abort).
pub struct TcpStream(Rc<Held>);

/// The half of a split connection that reads.
pub struct ReadHalf(Rc<Held>);

/// The half of a split connection that writes.
pub struct WriteHalf(Rc<Held>);

/// What the halves share. The connection goes back to the stack when the last of them is dropped.
struct Held {
    shared: Rc<Shared>,
    id: ConnectionId,
}

/// Bytes that a stream takes on the heap, the counts of its `Rc` included.
#[cfg(test)]
pub(super) const HELD_SIZE: usize = size_of::<Held>() + 2 * size_of::<usize>();

impl TcpStream {
    /// Connects to `peer` from an address and port that the stack chooses.
    ///
    /// # Errors
    ///
    /// [`Error::ConnectionRefused`], [`Error::TimedOut`] after 30 seconds without an answer,
    /// [`Error::NetworkUnreachable`] where no address or gateway leads there,
    /// [`Error::HostUnreachable`] where the next hop does not answer,
    /// [`Error::InvalidInput`], [`Error::OutOfMemory`], [`Error::AddrNotAvailable`].
    pub async fn connect(stack: &Stack, peer: SocketAddr) -> Result<Self, Error> {
        let config = stack.shared().engine().config.tcp;
        Self::connect_with(stack, peer, config).await
    }

    /// As [`connect`](Self::connect), with a configuration of its own.
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn connect_with(
        stack: &Stack,
        peer: SocketAddr,
        config: TcpConfig,
    ) -> Result<Self, Error> {
        Self::connect_from(stack, 0, peer, config).await
    }

    /// As [`connect_with`](Self::connect_with), from an address or a port that is given; zero, or
    /// an unspecified address, leaves either to the stack.
    ///
    /// # Errors
    ///
    /// As there; also [`Error::AddrInUse`] when there is a connection between the same ends.
    pub async fn connect_from(
        stack: &Stack,
        local: impl Into<Local>,
        peer: SocketAddr,
        config: TcpConfig,
    ) -> Result<Self, Error> {
        let shared = stack.shared();
        let local = local.into();
        let id = {
            let mut engine = shared.engine();
            engine.check_peer(peer)?;
            engine.check_local(local)?;
            let engine = &mut *engine;
            let tcp = &mut engine.tcp;
            tcp.connect(
                &engine.ip,
                &*shared.shelf,
                local,
                peer,
                &config,
                shared.now(),
            )?
        };
        let stream = Self::adopt(shared, id);
        shared.kick();
        // Until it is established, the connection has less time than it has later.
        let usual = config.user_timeout.map_or(0, milliseconds);
        let short = match usual {
            0 => CONNECT_TIMEOUT,
            usual => usual.min(CONNECT_TIMEOUT),
        };
        stream
            .0
            .with(|connection, _| connection.set_user_timeout(short));
        poll_fn(|cx| stream.0.poll_connected(cx)).await?;
        stream
            .0
            .with(|connection, _| connection.set_user_timeout(usual));
        Ok(stream)
    }

    /// A stream of a connection that nobody holds yet.
    pub(super) fn adopt(shared: &Rc<Shared>, id: ConnectionId) -> Self {
        let shared = Rc::clone(shared);
        Self(Rc::new(Held { shared, id }))
    }

    /// The address and port of the other side.
    pub fn peer_addr(&self) -> SocketAddr {
        self.0.ends().1
    }

    /// The address and port of this side.
    pub fn local_addr(&self) -> SocketAddr {
        self.0.ends().0
    }

    /// Whether small writes are sent at once (`true`) or gathered while an acknowledgement is due
    /// (Nagle's algorithm, RFC 9293 section 3.7.4; the default).
    pub fn set_nodelay(&self, nodelay: bool) {
        self.0.with(|connection, _| connection.set_nodelay(nodelay));
    }

    /// Asks the peer for a sign of life after so long a silence; `None` never asks. Nine probes
    /// without an answer break the connection.
    pub fn set_keepalive(&self, idle: Option<Duration>) {
        self.0
            .with(|connection, env| connection.set_keepalive(env, keepalive(idle)));
    }

    /// How long what was sent may stay unacknowledged before the connection is broken; `None` is
    /// the usual, some 15 minutes (RFC 9293, section 3.8.3).
    pub fn set_user_timeout(&self, timeout: Option<Duration>) {
        let timeout = timeout.map_or(0, milliseconds);
        self.0
            .with(|connection, _| connection.set_user_timeout(timeout));
    }

    /// How the connection does.
    pub fn info(&self) -> Info {
        let info = self.0.with(|connection, _| connection.info());
        info.unwrap_or_default()
    }

    /// Waits for at least one byte, as `read` does, and leaves what it copies in place.
    ///
    /// # Errors
    ///
    /// As `read`.
    pub async fn peek(&self, buffer: &mut [u8]) -> Result<usize, Error> {
        poll_fn(|cx| {
            self.0
                .wait_readable(cx, |connection, env| connection.peek(env, buffer))
        })
        .await
    }

    /// Waits until `write` would not: there is room, or the connection broke.
    pub async fn writable(&self) {
        poll_fn(|cx| {
            self.0
                .wait_writable(cx, |connection, _| match connection.writable() {
                    true => Poll::Ready(Ok(())),
                    false => Poll::Pending,
                })
        })
        .await
        .unwrap_or(());
    }

    /// Two halves that different tasks can hold. The connection ends when both are dropped.
    pub fn split(self) -> (ReadHalf, WriteHalf) {
        (ReadHalf(Rc::clone(&self.0)), WriteHalf(self.0))
    }

    /// Ends the connection abruptly: what was not sent is lost, and the peer gets an error.
    pub fn abort(self) {
        let Held { shared, id } = &*self.0;
        shared.engine().tcp.abort(*id, &*shared.shelf, shared.now());
        shared.kick();
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

impl Held {
    /// Runs `f` on the connection, and lets the driver send what comes of it.
    fn with<R>(&self, f: impl FnOnce(&mut Connection, &mut Env<'_>) -> R) -> Option<R> {
        let now = self.shared.now();
        let mut engine = self.shared.engine();
        let done = engine.tcp.with(self.id, &*self.shared.shelf, now, f);
        drop(engine);
        let (result, work) = done?;
        if work {
            self.shared.kick();
        }
        Some(result)
    }

    fn ends(&self) -> (SocketAddr, SocketAddr) {
        let ends = self.shared.engine().tcp.ends(self.id);
        // They are there for as long as the connection is held.
        ends.unwrap_or_else(|| {
            let none = SocketAddr::from(([0, 0, 0, 0], 0));
            (none, none)
        })
    }

    fn poll_connected(&self, cx: &Context<'_>) -> Poll<Result<(), Error>> {
        self.wait_writable(cx, |connection, _| {
            if connection.established() {
                return Poll::Ready(Ok(()));
            }
            match connection.error() {
                Some(error) => Poll::Ready(Err(error)),
                None if connection.closed() => Poll::Ready(Err(Error::ConnectionRefused)),
                None => Poll::Pending,
            }
        })
    }

    /// Asks `f`, and notes who wants to read if it has nothing to say.
    fn wait_readable<R>(
        &self,
        cx: &Context<'_>,
        f: impl FnOnce(&mut Connection, &mut Env<'_>) -> Poll<Result<R, Error>>,
    ) -> Poll<Result<R, Error>> {
        self.wait(cx, Connection::on_readable, f)
    }

    /// Asks `f`, and notes who wants to write if it has nothing to say.
    fn wait_writable<R>(
        &self,
        cx: &Context<'_>,
        f: impl FnOnce(&mut Connection, &mut Env<'_>) -> Poll<Result<R, Error>>,
    ) -> Poll<Result<R, Error>> {
        self.wait(cx, Connection::on_writable, f)
    }

    /// Asks `f`, and lets `note` know who waits if it has nothing to say.
    fn wait<R>(
        &self,
        cx: &Context<'_>,
        note: fn(&mut Connection, &Waker),
        f: impl FnOnce(&mut Connection, &mut Env<'_>) -> Poll<Result<R, Error>>,
    ) -> Poll<Result<R, Error>> {
        let done = self.with(|connection, env| {
            let done = f(connection, env);
            if done.is_pending() {
                note(connection, cx.waker());
            }
            done
        });
        done.unwrap_or(Poll::Ready(Err(Error::NotConnected)))
    }

    fn poll_readable(&self, cx: &Context<'_>) -> Poll<Result<(), Error>> {
        self.wait_readable(cx, |connection, _| match connection.error() {
            Some(error) => Poll::Ready(Err(error)),
            None if connection.readable() || connection.closed() => Poll::Ready(Ok(())),
            None => Poll::Pending,
        })
    }

    fn poll_read(&self, cx: &Context<'_>, buffer: &mut [u8]) -> Poll<Result<usize, Error>> {
        if buffer.is_empty() {
            return Poll::Ready(Ok(0));
        }
        self.wait_readable(cx, |connection, env| connection.read(env, buffer))
    }

    fn poll_write(&self, cx: &Context<'_>, bytes: &[u8]) -> Poll<Result<usize, Error>> {
        if bytes.is_empty() {
            return Poll::Ready(Ok(0));
        }
        self.wait_writable(cx, |connection, env| connection.write(env, bytes))
    }

    /// Waits until the peer has acknowledged everything written.
    fn poll_flush(&self, cx: &Context<'_>) -> Poll<Result<(), Error>> {
        self.wait_writable(cx, |connection, _| match connection.error() {
            _ if connection.flushed() => Poll::Ready(Ok(())),
            Some(error) => Poll::Ready(Err(error)),
            None if connection.closed() => Poll::Ready(Err(Error::ConnectionReset)),
            None => Poll::Pending,
        })
    }

    /// Ends writing, and waits until the peer knows.
    fn poll_shutdown(&self, cx: &Context<'_>) -> Poll<Result<(), Error>> {
        // A second call does nothing.
        self.with(|connection, _| connection.shutdown_write());
        self.poll_flush(cx)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let now = self.shared.now();
        let mut engine = self.shared.engine();
        engine.tcp.release(self.id, &*self.shared.shelf, now);
        drop(engine);
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

    fn readable(&mut self) -> impl Future<Output = Result<(), Error>> {
        poll_fn(move |cx| self.0.poll_readable(cx))
    }
}

impl ReadHalf {
    /// Waits until a `read` would not, as [`Flow::readable`] does.
    ///
    /// # Errors
    ///
    /// As `read`.
    pub fn readable(&self) -> impl Future<Output = Result<(), Error>> {
        poll_fn(move |cx| self.0.poll_readable(cx))
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
