// SPDX-License-Identifier: ISC
//! Clocks, sleeping and timeouts.
//!
//! Timers wait in an indexed heap (`queue`): setting, clearing and firing one costs O(log n) and,
//! once the heap has grown, no allocation.

mod queue;

use core::{
    fmt,
    future::poll_fn,
    ops::{Add, Sub},
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
    time::Duration,
};

use fata_abi::platform;

use self::queue::Queue;
use crate::single::Single;

/// A moment of the monotonic clock, in nanoseconds since some moment before the image started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(u64);

impl Instant {
    /// A moment that never comes.
    pub const NEVER: Self = Self(u64::MAX);

    /// The present. Reads the clock, which on some platforms is a system call.
    pub fn now() -> Self {
        let now = platform::clock_monotonic();
        TIMERS.with(|t| t.recent = Some(now));
        Self(now)
    }

    /// The present as it was at most one turn of the executor ago: reads the clock only if nobody
    /// has since tasks were last woken by devices or timers. For code that asks once a packet.
    pub fn recent() -> Self {
        match TIMERS.with(|t| t.recent) {
            Some(now) => Self(now),
            None => Self::now(),
        }
    }

    /// The moment `nanos` of the platform's clock.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds of the platform's clock.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Time that passed since then, or zero if that moment is yet to come.
    pub fn elapsed(self) -> Duration {
        Self::now() - self
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    /// Ends at [`NEVER`](Self::NEVER).
    fn add(self, duration: Duration) -> Self {
        let nanos = duration
            .as_secs()
            .saturating_mul(1_000_000_000)
            .saturating_add(u64::from(duration.subsec_nanos()));
        Self(self.0.saturating_add(nanos))
    }
}

impl Sub for Instant {
    type Output = Duration;

    /// Zero if `earlier` is later.
    fn sub(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

/// Time since 1970-01-01 00:00 UTC as the host believes. May jump in either direction.
pub fn wall() -> Duration {
    Duration::from_nanos(platform::clock_wall())
}

struct Timers {
    queue: Queue,
    /// The clock when it was last read, forgotten when tasks are woken.
    recent: Option<u64>,
}

static TIMERS: Single<Timers> = Single::new(Timers {
    queue: Queue::new(),
    recent: None,
});

/// When the first timer is due.
pub(crate) fn next_deadline() -> Option<u64> {
    TIMERS.with(|t| t.queue.first())
}

/// Forgets the present, after which [`Instant::recent`] reads the clock again.
pub(crate) fn forget_recent() {
    TIMERS.with(|t| t.recent = None);
}

/// Wakes the tasks whose timers are due by the clock: as it is if `look`, or if not, as somebody
/// has read it since tasks were last woken, if anybody has.
pub(crate) fn fire(look: bool) {
    let recent = TIMERS.with(|t| t.recent);
    let Some(now) = (if look {
        Some(platform::clock_monotonic())
    } else {
        recent
    }) else {
        return;
    };
    while let Some(waker) = TIMERS.with(|t| t.queue.pop_due(now)) {
        waker.wake();
    }
}

/// A timer that wakes a task once, and can be set anew and cleared. Cleared when dropped.
#[derive(Debug, Default)]
pub struct Alarm {
    id: Option<queue::Id>,
}

impl Alarm {
    /// An alarm that is not set.
    pub const fn new() -> Self {
        Self { id: None }
    }

    /// Wakes `waker` at `at`, instead of what was set before.
    pub fn set(&mut self, at: Instant, waker: &Waker) {
        if let Some(id) = self.id
            && TIMERS.with(|t| t.queue.is_set(id, at.0, waker))
        {
            return;
        }
        self.clear();
        let waker = waker.clone();
        self.id = Some(TIMERS.with(|t| t.queue.insert(at.0, waker, true)));
    }

    /// Whether the moment that was set has come and the task was woken.
    pub fn fired(&self) -> bool {
        self.id
            .is_some_and(|id| TIMERS.with(|t| t.queue.has_fired(id)))
    }

    /// Wakes nobody any more.
    pub fn clear(&mut self) {
        if let Some(id) = self.id.take() {
            // The waker is dropped here, outside of the borrow: it may be anybody's.
            let _waker = TIMERS.with(|t| t.queue.remove(id));
        }
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        self.clear();
    }
}

/// Wakes `waker` at `at`, with no way to change that; [`Alarm`] is for timers that are moved.
pub fn wake_at(at: Instant, waker: &Waker) {
    let waker = waker.clone();
    TIMERS.with(|t| t.queue.insert(at.0, waker, false));
}

/// Waits for at least `duration`.
pub fn sleep(duration: Duration) -> Sleep {
    sleep_until(Instant::now() + duration)
}

/// Waits until `deadline`.
pub fn sleep_until(deadline: Instant) -> Sleep {
    Sleep {
        deadline,
        alarm: Alarm::new(),
    }
}

/// The future of [`sleep`] and [`sleep_until`]. Costs nothing once it is dropped.
#[derive(Debug)]
#[must_use = "sleeping happens in `.await`"]
pub struct Sleep {
    deadline: Instant,
    alarm: Alarm,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.alarm.fired() {
            return Poll::Ready(());
        }
        let deadline = self.deadline;
        self.alarm.set(deadline, cx.waker());
        Poll::Pending
    }
}

/// The time of a [`timeout`] was up first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Elapsed;

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("timed out")
    }
}

impl core::error::Error for Elapsed {}

/// Waits for `future`, but no longer than `duration`; then the future is dropped.
///
/// # Errors
///
/// [`Elapsed`] if the time was up first. A future that is ready at the same time wins.
pub async fn timeout<F: Future>(duration: Duration, future: F) -> Result<F::Output, Elapsed> {
    let mut future = pin!(future);
    let mut sleep = sleep(duration);
    poll_fn(|cx| {
        if let Poll::Ready(output) = future.as_mut().poll(cx) {
            return Poll::Ready(Ok(output));
        }
        Pin::new(&mut sleep).poll(cx).map(|()| Err(Elapsed))
    })
    .await
}
