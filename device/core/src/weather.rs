// SPDX-License-Identifier: ISC
//! Bad weather: middleware that does to frames what networks do, and to disks what happens to disks.
//!
//! Each wraps a device and is one itself, so they compose: `Loss<Delay<Nic, C>>`. What happens to
//! which frame follows from a seed alone, so that a failure seen once can be seen again.
//!
//! - Over [`Net`](crate::Net), each direction for itself: [`Loss`], [`Burst`], [`Corrupt`],
//!   [`Truncate`] ([`Filter`]s, at once); [`Delay`], [`Reorder`], [`Rate`] ([`Line`]s, on which
//!   frames wait); [`Duplicate`]; and [`Trace`], which changes nothing and writes everything down.
//! - Over [`Block`](crate::Block): [`Slow`] and [`PowerCut`].
//!
//! `tests/weather` puts them between two hosts, as a program with two taps.

mod burst;
mod chance;
mod corrupt;
mod delay;
mod duplicate;
mod filter;
mod line;
mod loss;
mod power;
mod rate;
mod reorder;
mod slow;
mod trace;
mod truncate;

#[cfg(test)]
mod tests;

use core::task::Waker;

pub use burst::{Burst, Bursts, GilbertElliott};
use chance::Dice;
pub use chance::{Chance, Random};
pub use corrupt::{Corrupt, Flip};
pub use delay::{Delay, Latency};
pub use duplicate::Duplicate;
pub use filter::{Effect, Filter};
pub use line::{Line, Schedule};
pub use loss::{Lose, Loss};
pub use power::PowerCut;
pub use rate::{Bottleneck, Rate};
pub use reorder::{HoldUp, Reorder};
pub use slow::Slow;
pub use trace::Trace;
pub use truncate::{Cut, Truncate};

/// The clock of weather that takes time. The runtime's is one, and
/// [`ManualClock`](crate::memory::ManualClock) is one for tests.
pub trait Clock {
    /// Nanoseconds since some moment; never goes back.
    fn now(&self) -> u64;

    /// Wakes `waker` once `now` has reached `deadline`; at once if it has already.
    fn wake_at(&self, deadline: u64, waker: &Waker);
}
