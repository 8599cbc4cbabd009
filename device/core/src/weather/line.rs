// SPDX-License-Identifier: ISC
//! Weather that takes time: frames wait until they are due.
//!
//! [`Line`] is the device, [`Schedule`] says when a frame is due. Delay, reordering and a rate limit
//! are schedules; what happens at once is a [`Filter`](super::Filter).

use alloc::collections::VecDeque;
use core::task::{Context, Poll, Waker};

use super::Clock;
use crate::net::{self, Frame, Net, NetError, NetInfo};

/// When frames go on, in one direction.
pub trait Schedule {
    /// When a frame of `len` bytes that comes at `now` goes on; `None` if it never does. `last` is
    /// when the last of those that wait does. Frames due at one moment keep their order.
    fn due(&mut self, now: u64, len: usize, last: u64) -> Option<u64>;

    /// To how many frames something has happened that does not happen to all.
    fn times(&self) -> u64 {
        0
    }
}

/// A device whose frames wait, in both directions, until they are due.
///
/// They wait in the buffers of the device below, so that a long delay at a high rate uses them up.
/// A frame to be sent leaves when its time has come and the device is polled for whatever reason;
/// whoever waits in [`poll_receive`](Net::poll_receive) is woken for it.
pub struct Line<N: Net, C, S> {
    net: N,
    clock: C,
    received: Lane<N::Frame, S>,
    sent: Lane<N::Frame, S>,
    /// The last alarm set, so that polling often does not set many.
    alarm: Option<(u64, Waker)>,
}

/// One direction.
struct Lane<F, S> {
    schedule: S,
    /// Frames in the order of the time at which they are due.
    waiting: VecDeque<(u64, F)>,
}

impl<N: Net, C, S> Line<N, C, S> {
    /// Makes the frames of `net` wait as schedules say.
    pub const fn with(net: N, clock: C, received: S, sent: S) -> Self {
        Self {
            net,
            clock,
            received: Lane::new(received),
            sent: Lane::new(sent),
            alarm: None,
        }
    }

    /// The device below.
    pub const fn inner(&self) -> &N {
        &self.net
    }
}

impl<N: Net, C: Clock, S: Schedule> Line<N, C, S> {
    /// To how many frames something has happened that does not happen to all, in both directions.
    pub fn times(&self) -> u64 {
        self.received.schedule.times() + self.sent.schedule.times()
    }

    /// Sends what is due. An error of the device will be seen by the next who receives.
    fn drive(&mut self) {
        let now = self.clock.now();
        let mut sent = false;
        while let Some(frame) = self.sent.leave(now) {
            let _ = self.net.send(frame);
            sent = true;
        }
        if sent {
            self.net.flush();
        }
    }

    fn wake_at(&mut self, due: u64, waker: &Waker) {
        let set = self.alarm.as_ref();
        if set.is_none_or(|(at, set)| *at != due || !set.will_wake(waker)) {
            self.clock.wake_at(due, waker);
            self.alarm = Some((due, waker.clone()));
        }
    }
}

impl<F: Frame, S> Lane<F, S> {
    const fn new(schedule: S) -> Self {
        Self {
            schedule,
            waiting: VecDeque::new(),
        }
    }

    /// The frame that is due first, if its time has come.
    fn leave(&mut self, now: u64) -> Option<F> {
        let first = self.waiting.pop_front_if(|frame| frame.0 <= now);
        first.map(|(_, frame)| frame)
    }

    fn next(&self) -> Option<u64> {
        self.waiting.front().map(|frame| frame.0)
    }
}

impl<F: Frame, S: Schedule> Lane<F, S> {
    fn enter(&mut self, now: u64, frame: F) {
        let last = self.waiting.back().map_or(0, |last| last.0);
        if let Some(due) = self.schedule.due(now, frame.len(), last) {
            let at = self.waiting.partition_point(|other| other.0 <= due);
            self.waiting.insert(at, (due, frame));
        }
    }
}

impl<N: Net, C: Clock, S: Schedule> Net for Line<N, C, S> {
    type Frame = N::Frame;

    fn info(&self) -> NetInfo {
        net::without_gather(self.net.info())
    }

    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Result<N::Frame, NetError>> {
        self.drive();
        let now = self.clock.now();
        while let Poll::Ready(frame) = self.net.poll_receive(cx) {
            self.received.enter(now, frame?);
        }
        if let Some(frame) = self.received.leave(now) {
            return Poll::Ready(Ok(frame));
        }
        let next = [self.received.next(), self.sent.next()];
        if let Some(due) = next.into_iter().flatten().min() {
            self.wake_at(due, cx.waker());
        }
        Poll::Pending
    }

    fn poll_reserve(
        &mut self,
        cx: &mut Context<'_>,
        len: usize,
    ) -> Poll<Result<N::Frame, NetError>> {
        self.drive();
        self.net.poll_reserve(cx, len)
    }

    fn send(&mut self, frame: N::Frame) -> Result<(), NetError> {
        net::check(&self.net.info(), frame.len(), frame.offload())?;
        self.sent.enter(self.clock.now(), frame);
        Ok(())
    }

    fn flush(&mut self) {
        self.drive();
    }
}
