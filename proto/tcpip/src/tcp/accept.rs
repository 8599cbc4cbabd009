// SPDX-License-Identifier: ISC
//! Accepting connections.

use alloc::rc::Rc;
use core::{
    future::poll_fn,
    net::SocketAddr,
    task::{Context, Poll},
};

use super::{listener::ListenerId, stream::TcpStream};
use crate::{
    config::TcpConfig,
    error::Error,
    stack::{Local, Shared, Stack},
};

/// A port on which connections are accepted. Dropping it resets those not yet accepted.
pub struct TcpListener {
    shared: Rc<Shared>,
    id: ListenerId,
    local: Local,
}

impl TcpListener {
    /// Listens on a port of every address, or with a `SocketAddr` of one.
    ///
    /// # Errors
    ///
    /// [`Error::AddrInUse`], [`Error::AddrNotAvailable`] for an address that the stack does not
    /// have, [`Error::InvalidInput`] for port zero.
    pub fn bind(stack: &Stack, local: impl Into<Local>) -> Result<Self, Error> {
        let config = stack.shared().engine().config.tcp;
        Self::bind_with(stack, local, config)
    }

    /// As [`bind`](Self::bind), with a configuration of its own, which its connections take over.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn bind_with(
        stack: &Stack,
        local: impl Into<Local>,
        config: TcpConfig,
    ) -> Result<Self, Error> {
        let shared = Rc::clone(stack.shared());
        let local = local.into();
        if local.port == 0 {
            return Err(Error::InvalidInput);
        }
        let id = {
            let mut engine = shared.engine();
            engine.check_local(local)?;
            engine.tcp.listen(local, &config)?
        };
        Ok(Self { shared, id, local })
    }

    /// The port, and the address if it is bound to one.
    pub fn local(&self) -> Local {
        self.local
    }

    /// Waits for the next connection; also says who it is from.
    ///
    /// # Errors
    ///
    /// None today; the result leaves room for a stack that can lose its device.
    pub fn accept(&self) -> impl Future<Output = Result<(TcpStream, SocketAddr), Error>> {
        poll_fn(move |cx| self.poll_accept(cx))
    }

    /// The poll form of [`accept`](Self::accept). One task at a time can wait.
    pub fn poll_accept(
        &self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(TcpStream, SocketAddr), Error>> {
        let next = self.shared.engine().tcp.accept(self.id, cx.waker());
        let Some((id, peer)) = next else {
            return Poll::Pending;
        };
        Poll::Ready(Ok((TcpStream::adopt(&self.shared, id), peer)))
    }

    /// The connections one after the other, to be asked with
    /// `while let Ok(stream) = incoming.next().await`.
    pub fn incoming(&self) -> Incoming<'_> {
        Incoming { listener: self }
    }
}

impl Drop for TcpListener {
    fn drop(&mut self) {
        let now = self.shared.now();
        let mut engine = self.shared.engine();
        engine.tcp.close_listener(self.id, &*self.shared.shelf, now);
        drop(engine);
        self.shared.kick();
    }
}

/// The connections of a [`TcpListener`].
pub struct Incoming<'a> {
    listener: &'a TcpListener,
}

impl Incoming<'_> {
    /// Waits for the next one.
    ///
    /// # Errors
    ///
    /// As [`TcpListener::accept`].
    pub async fn next(&mut self) -> Result<TcpStream, Error> {
        Ok(self.listener.accept().await?.0)
    }
}
