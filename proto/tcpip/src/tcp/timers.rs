// SPDX-License-Identifier: ISC
//! When connections want to be looked at.
//!
//! A heap with an entry for each connection that has a deadline, and none for those that wait for
//! nothing but their peer or program. A deadline that moves later, as those of retransmission and
//! of delayed acknowledgements do with almost every segment, costs nothing: the entry fires when it
//! was due, and is put in again. One that moves earlier adds an entry; the old one is told by its
//! time to be none any more, and dropped when it fires.

use alloc::collections::BinaryHeap;
use core::cmp::Reverse;

use super::ConnectionId;

/// The deadlines of all connections.
#[derive(Default)]
pub(crate) struct Timers(BinaryHeap<Reverse<(u64, u32, u32)>>);

impl Timers {
    /// Sees that a connection is looked at when its `deadline` has come. `armed` belongs to the
    /// connection: for when it is in the heap, or `u64::MAX`.
    #[inline]
    pub(crate) fn arm(&mut self, id: ConnectionId, armed: &mut u64, deadline: Option<u64>) {
        if let Some(deadline) = deadline
            && deadline < *armed
        {
            *armed = deadline;
            self.0.push(Reverse((deadline, id.number, id.generation)));
        }
    }

    /// Takes out an entry whose time has come: the time it was armed for, and whom it concerns,
    /// who may be gone or have armed it anew since.
    pub(crate) fn pop(&mut self, now: u64) -> Option<(u64, ConnectionId)> {
        let Reverse((at, number, generation)) = *self.0.peek()?;
        if at > now {
            return None;
        }
        self.0.pop();
        if self.0.is_empty() {
            self.0.shrink_to(64);
        }
        Some((at, ConnectionId { number, generation }))
    }

    /// When the first entry is due.
    pub(crate) fn deadline(&self) -> Option<u64> {
        self.0.peek().map(|Reverse((at, ..))| *at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_costs_nothing_and_earlier_fires_first() {
        let mut timers = Timers::default();
        let id = ConnectionId {
            number: 3,
            generation: 1,
        };
        let mut armed = u64::MAX;
        timers.arm(id, &mut armed, None);
        assert_eq!(timers.deadline(), None);
        timers.arm(id, &mut armed, Some(100));
        timers.arm(id, &mut armed, Some(200));
        timers.arm(id, &mut armed, Some(100));
        assert_eq!(timers.0.len(), 1);
        timers.arm(id, &mut armed, Some(50));
        assert_eq!((timers.0.len(), armed), (2, 50));
        assert_eq!(timers.pop(49), None);
        assert_eq!(timers.pop(60), Some((50, id)));
        assert_eq!(timers.pop(60), None);
        assert_eq!(timers.pop(100), Some((100, id)));
        assert_eq!(timers.pop(1000), None);
    }
}
