// SPDX-License-Identifier: ISC
//! The task that moves a stack: frames from the device to the responders and the engine, and what
//! the engine wants to send to the device.
//!
//! It works in batches: takes what has been received, up to [`BATCH`] frames, lets the engine send,
//! and flushes the device once. Frames that a responder answers never touch the engine, and the
//! engine is not polled on their account.

use alloc::{rc::Rc, vec};
use core::{
    cell::RefCell,
    future::poll_fn,
    task::{Context, Poll},
};

use fata_device::{Frame, Net, net::Checksum};
use fata_runtime::time::{Alarm, Instant};

use crate::{
    port::{Kept, Lent, Port},
    responder::Outcome,
    stack::Shared,
};

/// Frames taken before others have their turn.
const BATCH: usize = 64;

/// A device and the stack on it.
pub(crate) struct Driver<N: Net> {
    port: Rc<RefCell<Port<N>>>,
    kept: Rc<Kept<N::Frame>>,
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
    pub(crate) fn new(port: Rc<RefCell<Port<N>>>, shared: Rc<Shared>) -> Self {
        let kept = port.borrow().kept();
        Self {
            port,
            kept,
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
        // Whoever waited for a buffer tries again; what the engine holds back is sent below.
        if self.port.borrow_mut().begin(cx.waker()) {
            self.touched = true;
        }
        self.shared.has_buffers();
        let more = self.receive_batch(now);
        let due = self.deadline.is_some_and(|deadline| deadline <= now);
        if self.shared.work.replace(false) | core::mem::take(&mut self.touched) || due {
            self.answer_slowly();
            let mut engine = self.shared.engine();
            self.touched = engine.poll(&mut *self.port.borrow_mut(), now);
            self.deadline = engine.deadline(now);
            let configured = engine.is_configured(now);
            drop(engine);
            self.shared.set_configured(configured);
        }
        self.port.borrow_mut().flush();
        let due = self.deadline.is_some_and(|deadline| deadline <= now);
        if more || due || self.touched || self.shared.work.get() {
            Next::Again
        } else {
            Next::Sleep(self.deadline)
        }
    }

    /// Takes in frames; says whether it stopped because others should have their turn.
    fn receive_batch(&mut self, now: u64) -> bool {
        for _ in 0..BATCH {
            let held = self.held.take();
            let Some(frame) = held.or_else(|| self.port.borrow_mut().receive()) else {
                return false;
            };
            self.held = self.receive(frame, now);
            if self.held.is_some() {
                return false;
            }
        }
        true
    }

    /// Takes in one frame, or gives it back where there is no buffer for its answer.
    fn receive(&mut self, frame: N::Frame, now: u64) -> Option<N::Frame> {
        let for_us = match frame.first_chunk::<6>() {
            Some(destination) => *destination == self.shared.info.mac || destination[0] & 1 != 0,
            None => false,
        };
        if !for_us {
            return None;
        }
        let segmentation = frame.offload().segmentation;
        if segmentation.is_none() && self.shared.responders.concerns(&frame) {
            let Some(reply) = self.port.borrow_mut().take() else {
                return Some(frame);
            };
            if self.respond(&frame, reply) {
                return None;
            }
        }
        let mut frame = Lent::new(frame, &self.kept);
        let mut engine = self.shared.engine();
        engine.receive(&mut *self.port.borrow_mut(), &mut frame, now);
        self.touched = true;
        None
    }

    /// Offers a frame to the responders; says whether one of them has dealt with it.
    fn respond(&self, frame: &N::Frame, mut reply: N::Frame) -> bool {
        let verify = frame.offload().checksum == Checksum::Unverified;
        let engine = self.shared.engine_cell();
        // The device is not borrowed while a handler runs, which may use sockets.
        let outcome = self
            .shared
            .responders
            .respond(frame, &mut reply, engine, verify);
        let mut port = self.port.borrow_mut();
        match outcome {
            Outcome::Reply(len) => port.send_taken(reply, len),
            Outcome::Drop | Outcome::Other => port.put_back(reply),
        }
        !matches!(outcome, Outcome::Other)
    }

    /// Answers what reached responders through the engine: fragments, options, broadcasts.
    fn answer_slowly(&mut self) {
        for entry in self.shared.responders.all() {
            let Some(mut questions) = entry.socket.take_questions() else {
                continue;
            };
            let mut room = vec![];
            questions.drain(&mut |question, meta| {
                // An answer to a group would need an address to come from that the question did not
                // name, and one question would bring many answers.
                if !self.shared.engine().ip.has(meta.local.ip().into()) {
                    return;
                }
                let headers = if meta.peer.is_ipv4() { 28 } else { 48 };
                room.resize(usize::from(self.shared.info.mtu).saturating_sub(headers), 0);
                if let Some(len) = entry.answer(question, meta, &mut room) {
                    entry
                        .socket
                        .answer(room.get(..len).unwrap_or_default(), meta);
                }
            });
        }
    }
}
