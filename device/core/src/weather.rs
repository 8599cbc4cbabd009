// SPDX-License-Identifier: ISC
//! Bad weather: middleware over [`Net`](crate::Net) that does to frames what networks do.
//!
//! Each wraps a device and is one itself, so they compose: `Loss<Delay<Nic, C>>`. Each acts on both
//! directions. What happens to which frame follows from a seed alone, so that a failure seen once
//! can be seen again: [`Loss`], [`Duplicate`], [`Truncate`], [`Delay`], [`Reorder`]. [`Trace`]
//! changes nothing and writes everything down.

mod chance;
mod delay;
mod duplicate;
mod loss;
mod reorder;
mod trace;
mod truncate;

#[cfg(test)]
mod tests;

use core::task::Waker;

pub use chance::{Chance, Random};
pub use delay::Delay;
pub use duplicate::Duplicate;
pub use loss::Loss;
pub use reorder::Reorder;
pub use trace::Trace;
pub use truncate::Truncate;

/// The clock of weather that takes time. The runtime's is one, and
/// [`ManualClock`](crate::memory::ManualClock) is one for tests.
pub trait Clock {
    /// Nanoseconds since some moment; never goes back.
    fn now(&self) -> u64;

    /// Wakes `waker` once `now` has reached `deadline`; at once if it has already.
    fn wake_at(&self, deadline: u64, waker: &Waker);
}
