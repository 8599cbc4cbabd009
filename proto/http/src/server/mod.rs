// SPDX-License-Identifier: ISC
//! The server: connections, and the requests on them one after the other.
//!
//! Read first: RFC 9112 section 9. `shared` has what all connections use, `exchange` a request and
//! the way to answer it, `response` the answer.

mod connection;
mod exchange;
mod kv;
mod resource;
mod response;
mod shared;
mod site;

use alloc::rc::Rc;
use core::{future::poll_fn, task::Poll, time::Duration};

use fata_device::Flow;
use fata_runtime::{Error, task};
use fata_tcpip::{TcpListener, TcpStream};

pub use exchange::{Body, Exchange};
pub use kv::serve_kv;
pub use response::{BodyWriter, Response};
pub(crate) use response::{push_field, push_length};
pub(crate) use shared::{Seat, Shared};
pub use site::Site;

use crate::{
    clock::{self, Alarm},
    limits::Limits,
};

/// Where connections come from.
///
/// What is written to a flow must leave without `flush`: the server gathers by itself, and does not
/// wait for the peer to acknowledge.
pub trait Accept {
    /// A connection.
    type Flow: Flow + 'static;

    /// Waits for the next one.
    ///
    /// # Errors
    ///
    /// When there will be none any more.
    fn accept(&self) -> impl Future<Output = Result<Self::Flow, Error>>;
}

impl Accept for TcpListener {
    type Flow = TcpStream;

    async fn accept(&self) -> Result<TcpStream, Error> {
        let (stream, _) = Self::accept(self).await?;
        stream.set_nodelay(true);
        Ok(stream)
    }
}

/// An HTTP server. Clones are the same server, so that one can be kept to shut it down.
///
/// ```no_run
/// # use fata_http::{Exchange, Limits, Server, Status};
/// # use fata_runtime::Error;
/// # use fata_tcpip::{TcpListener, TcpStream};
/// # async fn run(listener: TcpListener) -> Result<(), Error> {
/// let server = Server::new(Limits::default());
/// server
///     .serve(listener, async |exchange: &mut Exchange<'_, TcpStream>| {
///         let response = exchange.response(Status::OK);
///         response.header("content-type", "text/plain").send(b"hello\n").await?;
///         Ok(())
///     })
///     .await
/// # }
/// ```
#[derive(Clone)]
pub struct Server {
    shared: Rc<Shared>,
}

impl Server {
    /// A server that keeps these limits.
    pub fn new(limits: Limits) -> Self {
        Self {
            shared: Rc::new(Shared::new(limits)),
        }
    }

    /// Serves connections from `listener`, each in a task of its own, until
    /// [`shutdown`](Self::shutdown). `handler` answers each request; what it leaves unanswered, or
    /// fails in, is answered 500.
    ///
    /// # Errors
    ///
    /// Those of the listener.
    pub async fn serve<A, H>(&self, listener: A, handler: H) -> Result<(), Error>
    where
        A: Accept,
        H: AsyncFn(&mut Exchange<'_, A::Flow>) -> Result<(), Error> + 'static,
    {
        let handler = Rc::new(handler);
        while let Some(flow) = self.accepted(&listener).await? {
            let seat = self.seat().await;
            let handler = Rc::clone(&handler);
            task::spawn(async move { connection::serve(seat, flow, &*handler).await }).detach();
        }
        Ok(())
    }

    /// Serves one connection until it ends, for flows that come from elsewhere.
    pub async fn serve_flow<F, H>(&self, flow: F, handler: &H)
    where
        F: Flow,
        H: AsyncFn(&mut Exchange<'_, F>) -> Result<(), Error>,
    {
        connection::serve(self.seat().await, flow, handler).await;
    }

    /// Takes no more connections, closes idle ones, lets the others finish the request they are
    /// in, and waits until all are gone; `false` if some are left after `grace`.
    pub async fn shutdown(&self, grace: Duration) -> bool {
        self.shared.stop();
        let deadline = clock::recent() + grace;
        let mut alarm = Alarm::new();
        poll_fn(|cx| {
            if self.shared.poll_empty(cx).is_ready() {
                return Poll::Ready(true);
            }
            if clock::recent() >= deadline {
                return Poll::Ready(false);
            }
            alarm.set(deadline, cx.waker());
            Poll::Pending
        })
        .await
    }

    /// Connections that are open.
    pub fn connections(&self) -> usize {
        self.shared.open()
    }

    #[cfg(test)]
    pub(crate) fn shared_is_empty(&self, cx: &core::task::Context<'_>) -> Poll<()> {
        self.shared.poll_empty(cx)
    }

    /// The next connection, or none after [`shutdown`](Self::shutdown).
    async fn accepted<A: Accept>(&self, listener: &A) -> Result<Option<A::Flow>, Error> {
        let mut accept = core::pin::pin!(listener.accept());
        poll_fn(|cx| {
            if self.shared.poll_stopped(cx).is_ready() {
                return Poll::Ready(Ok(None));
            }
            accept.as_mut().poll(cx).map(|flow| flow.map(Some))
        })
        .await
    }

    /// A seat, for which an idle connection may have to leave.
    async fn seat(&self) -> Seat {
        poll_fn(|cx| self.shared.poll_seat(cx)).await
    }
}
