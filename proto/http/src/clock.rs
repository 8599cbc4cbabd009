// SPDX-License-Identifier: ISC
//! The clock: the runtime's, or in tests one that moves only while everybody waits.

pub(crate) use fata_runtime::time::Instant;

#[cfg(not(test))]
pub(crate) use self::real::*;
#[cfg(test)]
pub(crate) use self::simulated::*;

#[cfg(not(test))]
mod real {
    pub(crate) use fata_runtime::time::{Alarm, wall};

    use super::Instant;

    /// The present, as it was when the task was woken.
    pub(crate) fn recent() -> Instant {
        Instant::recent()
    }
}

#[cfg(test)]
pub(crate) mod simulated;
