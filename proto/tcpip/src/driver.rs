// SPDX-License-Identifier: ISC
//! The task that owns the device: moves frames between it, the responders and the engine.
//!
//! It works in batches: takes what has been received, up to [`BATCH`] frames, lets the engine send,
//! and flushes the device once. Frames that a responder answers never touch the engine, and the
//! engine is not polled on their account.

use alloc::{rc::Rc, vec};
use core::{
    future::poll_fn,
    net::SocketAddr,
    task::{Context, Poll},
};

use fata_device::{Frame, Net, net::Checksum};
use fata_runtime::time::{Alarm, Instant};
use smoltcp::socket::udp;

use crate::{
    phy::Port,
    responder::{Entry, Meta, Outcome},
    stack::Shared,
};

/// Frames taken before others have their turn.
const BATCH: usize = 64;
/// The engine is polled by time at most this often; it also is what a device without buffers, which
/// wakes us when it has some, costs at most.
const SHORTEST_SLEEP: u64 = 1_000_000;

/// A device and the stack on it.
pub(crate) struct Driver<N: Net> {
    port: Port<N>,
    shared: Rc<Shared>,
    /// A question for which there was no buffer to answer into.
    held: Option<N::Frame>,
    /// When the engine wants to be polled.
    deadline: Option<u64>,
    /// Whether the engine got a frame since it was polled.
    touched: bool,
}

/// What to do after a step.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// There is more to do, after others have had their turn.
    Again,
    /// Nothing to do before this moment, or before being woken.
    Sleep(Option<u64>),
}

impl<N: Net> Driver<N> {
    pub(crate) fn new(port: Port<N>, shared: Rc<Shared>) -> Self {
        Self {
            port,
            shared,
            held: None,
            deadline: None,
            touched: false,
        }
    }

    /// Moves the stack for ever.
    pub(crate) async fn run(mut self) {
        let mut alarm = Alarm::new();
        poll_fn(|cx| {
            match self.step(cx, Instant::recent().as_nanos()) {
                Next::Again => cx.waker().wake_by_ref(),
                Next::Sleep(Some(at)) => alarm.set(Instant::from_nanos(at), cx.waker()),
                Next::Sleep(None) => alarm.clear(),
            }
            Poll::<()>::Pending
        })
        .await;
    }

    /// Does what can be done now.
    pub(crate) fn step(&mut self, cx: &mut Context<'_>, now: u64) -> Next {
        self.shared.driven_by(cx.waker());
        self.port.starved = false;
        let more = self.receive_batch(cx, now);
        let due = self.deadline.is_some_and(|deadline| deadline <= now);
        if self.shared.work.replace(false) | core::mem::take(&mut self.touched) || due {
            self.answer_slowly();
            let mut engine = self.shared.engine();
            engine.poll(&mut self.port, cx, now);
            let deadline = engine.deadline(now);
            self.deadline = deadline.map(|at| at.max(now + SHORTEST_SLEEP));
            let configured = engine.is_configured(now);
            drop(engine);
            self.shared.set_configured(configured);
        }
        self.port.flush();
        if more || self.shared.work.get() {
            Next::Again
        } else {
            Next::Sleep(self.deadline)
        }
    }

    /// Takes in frames; says whether it stopped because others should have their turn.
    fn receive_batch(&mut self, cx: &mut Context<'_>, now: u64) -> bool {
        for _ in 0..BATCH {
            let frame = match self.held.take() {
                Some(held) => held,
                None => match self.port.net.poll_receive(cx) {
                    Poll::Ready(Ok(frame)) => frame,
                    // A device that failed has nothing more to say.
                    Poll::Ready(Err(_)) | Poll::Pending => return false,
                },
            };
            self.held = self.receive(cx, frame, now);
            if self.held.is_some() {
                return false;
            }
        }
        true
    }

    /// Takes in one frame, or gives it back where there is no buffer for its answer.
    fn receive(&mut self, cx: &mut Context<'_>, mut frame: N::Frame, now: u64) -> Option<N::Frame> {
        let for_us = match frame.first_chunk::<6>() {
            Some(destination) => *destination == self.shared.info.mac || destination[0] & 1 != 0,
            None => false,
        };
        if !for_us {
            return None;
        }
        let offload = frame.offload();
        if offload.segmentation.is_none() && self.shared.responders.concerns(&frame) {
            let Some(mut reply) = self.port.take(cx) else {
                return Some(frame);
            };
            let verify = offload.checksum == Checksum::Unverified;
            let addresses = &self.shared.addresses;
            match self
                .shared
                .responders
                .respond(&frame, &mut reply, addresses, verify)
            {
                Outcome::Reply(len) => {
                    self.port.send(reply, len);
                    return None;
                }
                Outcome::Drop => {
                    self.port.put_back(reply);
                    return None;
                }
                Outcome::Other => self.port.put_back(reply),
            }
        }
        let mut engine = self.shared.engine();
        engine.receive(&mut self.port, cx, &mut frame, offload.checksum, now);
        self.touched = true;
        None
    }

    /// Answers what reached responders through the engine: fragments, options, broadcasts.
    fn answer_slowly(&mut self) {
        for entry in self.shared.responders.all() {
            while let Some((query, meta)) = self.take_query(&entry) {
                let headers = if meta.peer.is_ipv4() { 28 } else { 48 };
                let mut reply = vec![0; usize::from(self.shared.info.mtu).saturating_sub(headers)];
                let Some(len) = entry.answer(&query, meta, &mut reply) else {
                    continue;
                };
                let mut engine = self.shared.engine();
                let socket = engine.sockets.get_mut::<udp::Socket<'_>>(entry.handle);
                let metadata = udp::UdpMetadata {
                    endpoint: meta.peer.into(),
                    local_address: Some(meta.local.ip().into()),
                    meta: Default::default(),
                };
                // A full buffer loses the answer, as the network may.
                let _ = socket.send_slice(&reply[..len], metadata);
            }
        }
    }

    fn take_query(&self, entry: &Entry) -> Option<(vec::Vec<u8>, Meta)> {
        let addresses = self.shared.addresses.borrow();
        let mut engine = self.shared.engine();
        let socket = engine.sockets.get_mut::<udp::Socket<'_>>(entry.handle);
        loop {
            let (query, metadata) = socket.recv().ok()?;
            let local = metadata.local_address.map(core::net::IpAddr::from);
            // A question to a group is not answered: the answer would need an address to come from
            // that the question did not name, and one question would bring many answers.
            if let Some(local) = local.filter(|local| addresses.has(*local)) {
                let meta = Meta {
                    peer: metadata.endpoint.into(),
                    local: SocketAddr::new(local, entry.local.port),
                };
                return Some((query.to_vec(), meta));
            }
        }
    }
}
