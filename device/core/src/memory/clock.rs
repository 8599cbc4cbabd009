// SPDX-License-Identifier: ISC
//! A clock that moves when it is told to.

use alloc::{rc::Rc, vec::Vec};
use core::{
    cell::{Cell, RefCell},
    task::Waker,
};

use crate::weather::Clock;

/// A clock for tests: it starts at zero and stands still until [`advance`](Self::advance). Clones
/// show the same time.
#[derive(Clone, Default)]
pub struct ManualClock(Rc<State>);

#[derive(Default)]
struct State {
    now: Cell<u64>,
    sleepers: RefCell<Vec<(u64, Waker)>>,
}

impl ManualClock {
    /// Moves on by `nanoseconds` and wakes whoever waited for a moment in between.
    pub fn advance(&self, nanoseconds: u64) {
        let now = self.0.now.get() + nanoseconds;
        self.0.now.set(now);
        let due: Vec<_> = self
            .0
            .sleepers
            .borrow_mut()
            .extract_if(.., |sleeper| sleeper.0 <= now)
            .collect();
        due.into_iter().for_each(|(_, waker)| waker.wake());
    }
}

impl Clock for ManualClock {
    fn now(&self) -> u64 {
        self.0.now.get()
    }

    fn wake_at(&self, deadline: u64, waker: &Waker) {
        if deadline <= self.now() {
            waker.wake_by_ref();
        } else {
            self.0.sleepers.borrow_mut().push((deadline, waker.clone()));
        }
    }
}
