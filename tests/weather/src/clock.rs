// SPDX-License-Identifier: ISC
//! The clock of a link: it stands still while frames are looked at, and knows when to look again.

use std::{
    cell::{Cell, RefCell},
    cmp::Reverse,
    collections::BinaryHeap,
    rc::Rc,
    task::Waker,
    time::{Duration, Instant},
};

use fata_device::weather::Clock;

/// Time since the link began. Clones show the same time.
#[derive(Clone)]
pub struct LinkClock(Rc<State>);

struct State {
    start: Instant,
    now: Cell<u64>,
    deadlines: RefCell<BinaryHeap<Reverse<u64>>>,
}

impl LinkClock {
    /// A clock that starts now.
    #[expect(clippy::new_without_default, reason = "no two clocks are equal")]
    pub fn new() -> Self {
        Self(Rc::new(State {
            start: Instant::now(),
            now: Cell::new(0),
            deadlines: RefCell::default(),
        }))
    }

    /// Moves on to the present, and returns it.
    pub fn tick(&self) -> u64 {
        let now = u64::try_from(self.0.start.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.0.now.set(now);
        let mut deadlines = self.0.deadlines.borrow_mut();
        while deadlines.peek().is_some_and(|next| next.0 <= now) {
            deadlines.pop();
        }
        now
    }

    /// How long nothing is due; `None` if nothing is waited for.
    pub fn idle(&self) -> Option<Duration> {
        let next = self.0.deadlines.borrow().peek()?.0;
        let now = self.0.start.elapsed();
        Some(Duration::from_nanos(next).saturating_sub(now))
    }
}

impl Clock for LinkClock {
    fn now(&self) -> u64 {
        self.0.now.get()
    }

    /// The loop of the link looks at everything whenever anything is due, so it needs no waker.
    fn wake_at(&self, deadline: u64, _: &Waker) {
        self.0.deadlines.borrow_mut().push(Reverse(deadline));
    }
}
