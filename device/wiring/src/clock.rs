// SPDX-License-Identifier: ISC
//! The clock of the image for what is written against [`Clock`].

use core::task::Waker;

use fata_device::weather::Clock;
use fata_runtime::time::{Instant, wake_at};

/// The monotonic clock of the image.
#[derive(Clone, Copy, Debug, Default)]
pub struct RuntimeClock;

impl Clock for RuntimeClock {
    fn now(&self) -> u64 {
        Instant::now().as_nanos()
    }

    fn wake_at(&self, deadline: u64, waker: &Waker) {
        wake_at(Instant::from_nanos(deadline), waker);
    }
}
