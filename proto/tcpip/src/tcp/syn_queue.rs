// SPDX-License-Identifier: ISC
//! Handshakes that peers have begun and not completed.
//!
//! Each takes some hundred bytes and no buffers; there is a fixed number of them, and when they are
//! all taken, [`cookie`](super::cookie)s do without. A SYN-ACK that brings no answer is sent again
//! after one second, then two, four, eight; sixteen later the handshake is given up. As each of
//! these waits has the same length for all, there is a queue for each, and nothing to sort. Read
//! first: RFC 9293 section 3.5, RFC 6298 section 2.1, RFC 4987 section 3.

use alloc::collections::VecDeque;

use super::{connection::Handshake, hash::Tuple, listener::ListenerId, seq::Seq, table::Slab};

/// Handshakes at once: a tenth of a megabyte at most.
const CAPACITY: usize = 1024;
/// The first wait; each further one is twice as long.
const FIRST_WAIT: u64 = 1_000_000_000;
/// How many waits there are.
const WAITS: usize = 5;

/// A handshake that has been answered.
pub(crate) struct HalfOpen {
    pub(crate) tuple: Tuple,
    pub(crate) listener: ListenerId,
    /// Our first sequence number.
    pub(crate) iss: Seq,
    /// What the peer's SYN said.
    pub(crate) handshake: Handshake,
    /// When the SYN-ACK was sent last.
    pub(crate) sent: u64,
    /// Whether it was sent more than once.
    pub(crate) repeated: bool,
}

/// All half-open connections.
pub(crate) struct SynQueue {
    slab: Slab<HalfOpen>,
    capacity: usize,
    /// Who waits, with generation and the time when the wait is over; those who are gone too.
    waits: [VecDeque<(u64, u32, u32)>; WAITS],
}

/// What is to be done as time has passed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// Send the SYN-ACK again.
    Repeat(u32),
    /// Give up.
    Expire(u32),
}

impl SynQueue {
    pub(crate) fn new() -> Self {
        Self {
            slab: Slab::new(),
            capacity: CAPACITY,
            waits: Default::default(),
        }
    }

    /// Adds a handshake whose SYN-ACK is sent now; says its number, unless all are taken.
    pub(crate) fn insert(&mut self, half_open: HalfOpen, now: u64) -> Option<u32> {
        if self.is_full() {
            return None;
        }
        let (number, generation) = self.slab.insert(half_open)?;
        self.wait(0, number, generation, now);
        Some(number)
    }

    /// Lets there be fewer handshakes at once.
    #[cfg(test)]
    pub(crate) fn limit(&mut self, capacity: usize) {
        self.capacity = capacity;
    }

    pub(crate) fn get(&self, number: u32) -> Option<&HalfOpen> {
        self.slab.get(number)
    }

    pub(crate) fn get_mut(&mut self, number: u32) -> Option<&mut HalfOpen> {
        self.slab.get_mut(number)
    }

    pub(crate) fn remove(&mut self, number: u32) -> Option<HalfOpen> {
        self.slab.remove(number)
    }

    pub(crate) fn len(&self) -> usize {
        self.slab.len()
    }

    /// Whether there is no room for another.
    pub(crate) fn is_full(&self) -> bool {
        self.slab.len() >= self.capacity
    }

    /// A half-open connection for which `wanted` holds. For rare occasions: looks at all.
    pub(crate) fn find(&self, wanted: impl Fn(&HalfOpen) -> bool) -> Option<u32> {
        let mut numbers = self.slab.numbers();
        numbers.find(|number| self.slab.get(*number).is_some_and(&wanted))
    }

    fn wait(&mut self, round: usize, number: u32, generation: u32, now: u64) {
        if let Some(queue) = self.waits.get_mut(round) {
            queue.push_back((now + (FIRST_WAIT << round), number, generation));
        }
    }

    /// The next that has waited long enough. Asked again, names the next but one.
    pub(crate) fn due(&mut self, now: u64) -> Option<Due> {
        for round in 0..WAITS {
            let front = self.front(round).filter(|(at, ..)| *at <= now);
            let Some((_, number, generation)) = front else {
                continue;
            };
            if let Some(queue) = self.waits.get_mut(round) {
                queue.pop_front();
            }
            if round + 1 == WAITS {
                return Some(Due::Expire(number));
            }
            self.wait(round + 1, number, generation, now);
            return Some(Due::Repeat(number));
        }
        None
    }

    /// When the next wait is over.
    pub(crate) fn deadline(&mut self) -> Option<u64> {
        let fronts = (0..WAITS).filter_map(|round| self.front(round));
        fronts.map(|(at, ..)| at).min()
    }

    /// The first in a queue that is still there.
    fn front(&mut self, round: usize) -> Option<(u64, u32, u32)> {
        let queue = self.waits.get_mut(round)?;
        while queue
            .pop_front_if(|(_, number, generation)| !self.slab.is(*number, *generation))
            .is_some()
        {}
        if queue.is_empty() {
            queue.shrink_to(64);
        }
        queue.front().copied()
    }
}

#[cfg(test)]
mod tests {
    use crate::addr::Addr;
    use std::vec::Vec;

    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn half_open(peer_port: u16) -> HalfOpen {
        HalfOpen {
            tuple: Tuple {
                local: Addr::from([10, 0, 0, 1]),
                peer: Addr::from([10, 0, 0, 2]),
                local_port: 80,
                peer_port,
            },
            listener: ListenerId(0),
            iss: Seq(1),
            handshake: Handshake {
                irs: Seq(5),
                peer_mss: 1460,
                window_scale: None,
                window: 1000,
                timestamp: None,
                sack: false,
                ecn: false,
                rtt: None,
            },
            sent: 0,
            repeated: false,
        }
    }

    #[test]
    fn is_repeated_four_times_then_given_up() {
        let mut queue = SynQueue::new();
        let number = queue.insert(half_open(1), 0).unwrap();
        let mut seen = Vec::new();
        while let Some(at) = queue.deadline() {
            assert_eq!(queue.due(at - 1), None);
            let due = queue.due(at).unwrap();
            if due == Due::Expire(number) {
                queue.remove(number);
            }
            seen.push(at / SECOND);
        }
        assert_eq!(seen, [1, 3, 7, 15, 31]);
    }

    #[test]
    fn those_who_are_gone_wait_for_nothing() {
        let mut queue = SynQueue::new();
        for round in 0..10 * CAPACITY as u64 {
            let number = queue.insert(half_open(1), round).unwrap();
            assert!(queue.deadline().is_some());
            queue.remove(number);
        }
        assert_eq!((queue.len(), queue.deadline()), (0, None));
        assert!(queue.waits[0].is_empty());
    }

    #[test]
    fn has_room_for_so_many() {
        let mut queue = SynQueue::new();
        for port in 0..CAPACITY as u16 {
            assert!(queue.insert(half_open(port), 0).is_some());
        }
        assert!(queue.insert(half_open(0), 0).is_none());
        let number = queue
            .find(|half_open| half_open.tuple.peer_port == 7)
            .unwrap();
        queue.remove(number);
        assert!(queue.insert(half_open(7), 0).is_some());
    }
}
