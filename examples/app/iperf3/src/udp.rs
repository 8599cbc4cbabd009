// SPDX-License-Identifier: ISC
//! Streams of datagrams: all come to one socket, and are told apart by who sent them.

use alloc::rc::Rc;
use core::{
    cell::{Cell, RefCell},
    convert::Infallible,
    future::poll_fn,
    net::SocketAddr,
    task::{Context, Poll, ready},
};

use fata::prelude::*;

use crate::{
    flow::{Gone, Pace},
    meter::Meter,
    wire::{self, Header, Parameters},
};

/// A socket for datagrams.
pub trait Datagrams: 'static {
    /// Receives one; what does not fit into `buffer` is cut off.
    fn poll_receive(&self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<(usize, SocketAddr)>;

    /// Sends one, once there is room for it.
    ///
    /// # Errors
    ///
    /// [`Gone`] where it cannot be sent at all.
    fn poll_send(
        &self,
        cx: &mut Context<'_>,
        datagram: &[u8],
        to: SocketAddr,
    ) -> Poll<Result<(), Gone>>;
}

/// What a server without datagrams has in their place.
pub type NoDatagrams = Infallible;

impl Datagrams for NoDatagrams {
    fn poll_receive(&self, _: &mut Context<'_>, _: &mut [u8]) -> Poll<(usize, SocketAddr)> {
        match *self {}
    }

    fn poll_send(&self, _: &mut Context<'_>, _: &[u8], _: SocketAddr) -> Poll<Result<(), Gone>> {
        match *self {}
    }
}

/// A stream that a client has opened.
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    pub(crate) meter: Rc<Meter>,
}

/// The streams of a test.
#[derive(Default)]
pub(crate) struct Peers {
    peers: RefCell<Vec<Peer>>,
    /// The one that was heard last, where it is looked for first.
    last: Cell<usize>,
}

impl Peers {
    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.peers.borrow().len()
    }

    /// Address and meter of each.
    pub(crate) fn each(&self, mut f: impl FnMut(usize, &Peer)) {
        for (index, peer) in self.peers.borrow().iter().enumerate() {
            f(index, peer);
        }
    }

    fn meter(&self, address: SocketAddr) -> Option<Rc<Meter>> {
        let peers = self.peers.borrow();
        let known = |index: &usize| peers.get(*index).is_some_and(|p| p.address == address);
        let index = Some(self.last.get()).filter(known);
        let index = index.or_else(|| peers.iter().position(|p| p.address == address))?;
        self.last.set(index);
        Some(Rc::clone(&peers.get(index)?.meter))
    }

    fn add(&self, address: SocketAddr) {
        let meter = Rc::default();
        self.peers.borrow_mut().push(Peer { address, meter });
    }
}

/// Opens as many streams as clients ask for, up to `wanted`, and counts what arrives on them.
/// `opened` is called for each one.
pub(crate) async fn attend<D: Datagrams>(
    socket: Rc<D>,
    peers: Rc<Peers>,
    wanted: usize,
    wide: bool,
    buffer: Rc<RefCell<Vec<u8>>>,
    opened: impl Fn(),
) {
    loop {
        let (len, header, from) = poll_fn(|cx| {
            let mut buffer = buffer.borrow_mut();
            let (len, from) = ready!(socket.poll_receive(cx, &mut buffer));
            let header = buffer.get(..len).and_then(|d| Header::parse(d, wide));
            Poll::Ready((len, header, from))
        })
        .await;
        match (peers.meter(from), header) {
            (Some(meter), Some(header)) => {
                let now = Instant::recent().as_nanos() / 1000;
                meter.received(len, header, now);
            }
            // Also when it asks again, because it has not heard the answer.
            (known, None) if len == wire::GREETING => {
                if known.is_none() {
                    if peers.len() == wanted {
                        continue;
                    }
                    peers.add(from);
                }
                // A peer that cannot be answered ends the test by itself.
                let _ = poll_fn(|cx| socket.poll_send(cx, &wire::GREETING_REPLY, from)).await;
                opened();
            }
            _ => {}
        }
    }
}

/// Sends datagrams to one peer for ever.
pub(crate) async fn send<D: Datagrams>(
    socket: Rc<D>,
    to: SocketAddr,
    parameters: Parameters,
    meter: Rc<Meter>,
) {
    let mut datagram = vec![0; parameters.block];
    let mut pace = Pace::new(parameters.bandwidth);
    loop {
        let header = Header {
            sent: Instant::now().as_nanos() / 1000,
            number: meter.sent(datagram.len()),
        };
        header.emit(&mut datagram, parameters.wide_counters);
        if poll_fn(|cx| socket.poll_send(cx, &datagram, to))
            .await
            .is_err()
        {
            warn!("cannot send datagrams of {} bytes to {to}", datagram.len());
            return;
        }
        pace.keep(datagram.len()).await;
    }
}
