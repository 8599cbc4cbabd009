// SPDX-License-Identifier: ISC
//! A flow whose every wait has an end.
//!
//! Deadlines move with each request, but the timer is left where it is: when it goes off too early
//! it is set again. So a request on a busy connection touches no timer.

use core::{
    future::poll_fn,
    pin::{Pin, pin},
    task::{Context, Poll},
    time::Duration,
};

use fata_device::flow::{Error as _, Flow};

use crate::{
    clock::{self, Alarm, Instant},
    error::Error,
};

/// A flow and the timer of whoever waits for it.
pub(crate) struct Timed<F> {
    pub(crate) flow: F,
    timer: Timer,
}

/// When a wait is over. Nobody asks the clock before somebody waits, so what does not wait does not
/// either.
pub(crate) struct Deadline {
    time: Duration,
    at: Option<Instant>,
}

impl Deadline {
    /// So long after the first wait.
    pub(crate) fn after(time: Duration) -> Self {
        Self { time, at: None }
    }

    /// That moment.
    pub(crate) fn at(at: Instant) -> Self {
        Self {
            time: Duration::ZERO,
            at: Some(at),
        }
    }

    fn get(&mut self) -> Instant {
        let time = self.time;
        *self.at.get_or_insert_with(|| clock::recent() + time)
    }
}

/// A timer that fires at a deadline or, when that moved, before it.
struct Timer {
    alarm: Alarm,
    /// What `alarm` is set to.
    set: Instant,
}

impl Timer {
    /// Whether the deadline is over; if not, wakes the task of `cx` then.
    fn poll(&mut self, cx: &Context<'_>, deadline: &mut Deadline) -> Poll<()> {
        let deadline = deadline.get();
        let fired = self.alarm.fired();
        if fired && clock::recent() >= deadline {
            return Poll::Ready(());
        }
        if fired || self.set > deadline {
            self.set = deadline;
        }
        self.alarm.set(self.set, cx.waker());
        Poll::Pending
    }
}

impl<F: Flow> Timed<F> {
    pub(crate) fn new(flow: F) -> Self {
        let timer = Timer {
            alarm: Alarm::new(),
            set: Instant::NEVER,
        };
        Self { flow, timer }
    }

    /// Reads at least one byte, or zero at the end.
    pub(crate) async fn read(
        &mut self,
        buffer: &mut [u8],
        deadline: &mut Deadline,
    ) -> Result<usize, Error> {
        let Self { flow, timer } = self;
        wait(timer, deadline, pin!(flow.read(buffer)))
            .await?
            .map_err(|error| Error::Flow(error.kind()))
    }

    /// Waits until something can be read. With `stop` asked before each wait: `false` if it says
    /// that there is no use in waiting.
    pub(crate) async fn readable(
        &mut self,
        deadline: &mut Deadline,
        mut stop: impl FnMut(&Context<'_>) -> bool,
    ) -> Result<bool, Error> {
        let Self { flow, timer } = self;
        let mut readable = pin!(flow.readable());
        poll_fn(|cx| {
            if let Poll::Ready(result) = readable.as_mut().poll(cx) {
                let result = result.map(|()| true);
                return Poll::Ready(result.map_err(|error| Error::Flow(error.kind())));
            }
            if stop(cx) {
                return Poll::Ready(Ok(false));
            }
            timer.poll(cx, deadline).map(|()| Err(Error::TimedOut))
        })
        .await
    }

    /// Writes all of `bytes`; `time` is how long that may stand still.
    pub(crate) async fn write(&mut self, mut bytes: &[u8], time: Duration) -> Result<(), Error> {
        while !bytes.is_empty() {
            let mut deadline = Deadline::after(time);
            let Self { flow, timer } = &mut *self;
            let written = wait(timer, &mut deadline, pin!(flow.write(bytes)))
                .await?
                .map_err(|error| Error::Flow(error.kind()))?;
            bytes = bytes.get(written..).unwrap_or_default();
        }
        Ok(())
    }

    /// Ends writing, and reads what the peer still has to say, within `time` and 256 KiB: a
    /// connection that is dropped with bytes unread is reset, and the peer loses the response
    /// (RFC 9112 section 9.6).
    pub(crate) async fn close(&mut self, time: Duration) {
        let deadline = &mut Deadline::after(time);
        let Self { flow, timer } = &mut *self;
        if !matches!(
            wait(timer, deadline, pin!(flow.shutdown())).await,
            Ok(Ok(()))
        ) {
            return;
        }
        let mut waste = [0; 256];
        for _ in 0..1024 {
            match self.read(&mut waste, deadline).await {
                Ok(1..) => {}
                Ok(0) | Err(_) => break,
            }
        }
    }
}

/// Waits for `future` until `deadline`.
async fn wait<T>(
    timer: &mut Timer,
    deadline: &mut Deadline,
    mut future: Pin<&mut impl Future<Output = T>>,
) -> Result<T, Error> {
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Ok(output)),
        Poll::Pending => timer.poll(cx, deadline).map(|()| Err(Error::TimedOut)),
    })
    .await
}
