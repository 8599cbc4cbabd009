// SPDX-License-Identifier: ISC
//! Frames that take their time, and the line they wait in.

use alloc::collections::VecDeque;
use core::{
    ops::RangeInclusive,
    task::{Context, Poll, Waker},
};

use super::{Clock, Random};
use crate::net::{self, Frame, Net, NetError, NetInfo};

/// Delays every frame, the order kept: one that would overtake waits for the one before it.
///
/// Frames wait in the buffers of the device below, so a long delay at a high rate uses them up. A
/// frame to be sent leaves when its time has come and the device is polled for whatever reason;
/// whoever waits in [`poll_receive`](Net::poll_receive) is woken for it.
pub struct Delay<N: Net, C> {
    line: Line<N, C>,
    nanoseconds: RangeInclusive<u64>,
    random: Random,
}

impl<N: Net, C: Clock> Delay<N, C> {
    /// Delays each frame of `net` by a time out of `nanoseconds`.
    pub const fn new(net: N, clock: C, nanoseconds: RangeInclusive<u64>, seed: u64) -> Self {
        Self {
            line: Line::new(net, clock),
            nanoseconds,
            random: Random::new(seed),
        }
    }
}

impl<N: Net, C: Clock> Net for Delay<N, C> {
    type Frame = N::Frame;

    fn info(&self) -> NetInfo {
        self.line.net.info()
    }

    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Result<N::Frame, NetError>> {
        let Self {
            line,
            nanoseconds,
            random,
        } = self;
        line.poll_receive(cx, |waiting, now| {
            let due = now.saturating_add(random.within(nanoseconds.clone()));
            due.max(waiting.back().map_or(0, |last| last.0))
        })
    }

    fn poll_reserve(
        &mut self,
        cx: &mut Context<'_>,
        len: usize,
    ) -> Poll<Result<N::Frame, NetError>> {
        self.line.drive();
        self.line.net.poll_reserve(cx, len)
    }

    fn send(&mut self, frame: N::Frame) -> Result<(), NetError> {
        let delay = self.random.within(self.nanoseconds.clone());
        let last = self.line.outgoing.back().map_or(0, |last| last.0);
        let due = self.line.clock.now().saturating_add(delay).max(last);
        self.line.send(frame, due)
    }

    fn flush(&mut self) {
        self.line.drive();
    }
}

/// Frames on their way, in the order of the time at which they are due.
pub(super) type Waiting<F> = VecDeque<(u64, F)>;

/// A device whose frames wait, in both directions, until they are due.
pub(super) struct Line<N: Net, C> {
    pub(super) net: N,
    pub(super) clock: C,
    pub(super) outgoing: Waiting<N::Frame>,
    incoming: Waiting<N::Frame>,
    /// The last alarm set, so that polling often does not set many.
    alarm: Option<(u64, Waker)>,
}

impl<N: Net, C: Clock> Line<N, C> {
    pub(super) const fn new(net: N, clock: C) -> Self {
        Self {
            net,
            clock,
            outgoing: VecDeque::new(),
            incoming: VecDeque::new(),
            alarm: None,
        }
    }

    /// Receives the first frame that is due; `due` says when a frame that has just arrived is.
    pub(super) fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
        mut due: impl FnMut(&Waiting<N::Frame>, u64) -> u64,
    ) -> Poll<Result<N::Frame, NetError>> {
        self.drive();
        let now = self.clock.now();
        while let Poll::Ready(frame) = self.net.poll_receive(cx) {
            let due = due(&self.incoming, now);
            insert(&mut self.incoming, due, frame?);
        }
        if let Some(frame) = take(&mut self.incoming, now) {
            return Poll::Ready(Ok(frame));
        }
        let next = [self.incoming.front(), self.outgoing.front()];
        if let Some(due) = next.into_iter().flatten().map(|frame| frame.0).min() {
            self.wake_at(due, cx.waker());
        }
        Poll::Pending
    }

    fn wake_at(&mut self, due: u64, waker: &Waker) {
        let set = self.alarm.as_ref();
        if set.is_none_or(|(at, set)| *at != due || !set.will_wake(waker)) {
            self.clock.wake_at(due, waker);
            self.alarm = Some((due, waker.clone()));
        }
    }

    /// Sends `frame` when it is `due`.
    pub(super) fn send(&mut self, frame: N::Frame, due: u64) -> Result<(), NetError> {
        net::check(&self.net.info(), frame.len(), frame.offload())?;
        insert(&mut self.outgoing, due, frame);
        Ok(())
    }

    /// Sends what is due. An error of the device will be seen by the next who receives.
    pub(super) fn drive(&mut self) {
        let now = self.clock.now();
        let mut sent = false;
        while let Some(frame) = take(&mut self.outgoing, now) {
            let _ = self.net.send(frame);
            sent = true;
        }
        if sent {
            self.net.flush();
        }
    }
}

/// Puts `frame` behind all that are due no later.
fn insert<F>(waiting: &mut Waiting<F>, due: u64, frame: F) {
    let at = waiting.partition_point(|other| other.0 <= due);
    waiting.insert(at, (due, frame));
}

fn take<F>(waiting: &mut Waiting<F>, now: u64) -> Option<F> {
    waiting
        .pop_front_if(|frame| frame.0 <= now)
        .map(|(_, frame)| frame)
}
