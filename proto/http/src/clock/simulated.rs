// SPDX-License-Identifier: ISC
//! A clock for tests, and the executor that moves it.

use core::{
    cell::{Cell, RefCell},
    pin::pin,
    task::{Context, Poll, Waker},
    time::Duration,
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::Wake,
    thread_local,
    vec::Vec,
};

use super::Instant;

thread_local! {
    static NOW: Cell<u64> = const { Cell::new(0) };
    static ALARMS: RefCell<Vec<(u64, Waker)>> = const { RefCell::new(Vec::new()) };
    /// How often an alarm was set anew.
    pub(crate) static SET: Cell<usize> = const { Cell::new(0) };
}

pub(crate) fn recent() -> Instant {
    Instant::from_nanos(NOW.get())
}

/// As [`recent`], from a day that is easy to recognise: the example of RFC 9110.
pub(crate) fn wall() -> Duration {
    Duration::from_secs(784_111_777) + Duration::from_nanos(NOW.get())
}

/// As the runtime's.
pub(crate) struct Alarm(Option<u64>);

impl Alarm {
    pub(crate) const fn new() -> Self {
        Self(None)
    }

    pub(crate) fn set(&mut self, at: Instant, waker: &Waker) {
        if self.0.replace(at.as_nanos()) != Some(at.as_nanos()) {
            SET.set(SET.get() + 1);
        }
        ALARMS.with_borrow_mut(|alarms| alarms.push((at.as_nanos(), waker.clone())));
    }

    pub(crate) fn fired(&self) -> bool {
        self.0.is_some_and(|at| at <= NOW.get())
    }
}

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Runs `future`. When it waits and nobody has woken it, time passes until the next alarm.
pub(crate) fn run<F: Future>(future: F) -> F::Output {
    let woken = Arc::new(Woken(AtomicBool::new(false)));
    let waker = Waker::from(Arc::clone(&woken));
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        while !woken.0.swap(false, Ordering::Relaxed) {
            let mut alarms = ALARMS.take();
            alarms.sort_by_key(|alarm| alarm.0);
            assert!(
                !alarms.is_empty(),
                "waits, and nothing is left that could wake it"
            );
            let (at, waker) = alarms.remove(0);
            NOW.set(NOW.get().max(at));
            waker.wake();
            ALARMS.set(alarms);
        }
    }
}
