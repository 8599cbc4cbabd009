// SPDX-License-Identifier: ISC
//! Bad weather: middleware that does to frames what networks do, and to disks what happens to disks.
//!
//! Each wraps a device and is one itself, so they compose: `Loss<Delay<Nic, C>>`. What happens to
//! which frame follows from a seed alone, so that a failure seen once can be seen again.
//!
//! - Over [`Net`](crate::Net), in both directions: [`Loss`], [`Duplicate`], [`Truncate`],
//!   [`Delay`], [`Reorder`]; and [`Trace`], which changes nothing and writes everything down.
//! - Over [`Block`](crate::Block): [`Slow`] and [`PowerCut`].

mod chance;
mod delay;
mod duplicate;
mod loss;
mod power;
mod reorder;
mod slow;
mod trace;
mod truncate;

#[cfg(test)]
mod tests;

use core::task::Waker;

pub use chance::{Chance, Random};
pub use delay::Delay;
pub use duplicate::Duplicate;
pub use loss::Loss;
pub use power::PowerCut;
pub use reorder::Reorder;
pub use slow::Slow;
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
