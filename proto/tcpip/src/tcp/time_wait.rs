// SPDX-License-Identifier: ISC
//! Connections that are over, but whose last segments may still be on their way.
//!
//! The side that ended a connection first remembers it for a while, so that a retransmitted FIN is
//! acknowledged again and old segments find no new connection to disturb. It needs a few numbers for
//! that and no buffers. They lie in a queue, oldest first, which is bounded: when a crowd ends its
//! connections faster than they time out, the oldest is forgotten early, as the danger it guards
//! against gets smaller with age. Read first: RFC 9293 sections 3.3.2 and 3.10.7.4 (TIME-WAIT),
//! RFC 6191 (a new connection in place of an old one), RFC 1337 (why resets are ignored here).

use alloc::collections::VecDeque;

use super::{
    connection::TimeWait as State,
    hash::Tuple,
    isn,
    options::Options,
    segment::{Flags, Segment},
    seq::Seq,
};

/// How long a connection is remembered: twice the maximum segment lifetime, which RFC 9293
/// section 3.4.1 guesses to be two minutes and everybody takes for thirty seconds or so.
pub(crate) const DURATION: u64 = 60_000_000_000;
/// The sequence number of a connection that takes the place of an old one is that far beyond
/// everything the old one can have sent.
const BEYOND: u32 = 65_537;

/// Nanoseconds of a tick in which times are remembered, as a shift: 67 milliseconds.
const TICK_SHIFT: u32 = 26;

/// What is remembered: 64 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    pub(crate) tuple: Tuple,
    /// The window that was offered last, as in a header.
    window: u16,
    /// The next sequence number of ours, after our FIN.
    next: Seq,
    /// The next one of the peer, after its FIN.
    expected: Seq,
    /// Whether there are timestamps; else the next two mean nothing.
    stamped: bool,
    /// The last timestamp of the peer.
    recent: u32,
    /// What our own timestamps are offset by.
    offset: u32,
    /// In ticks.
    since: u32,
}

/// What to do with a segment for a connection that is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Nothing.
    Nothing,
    /// Acknowledge what was acknowledged before.
    Acknowledge,
    /// The same, and remember the connection anew: its FIN came again.
    Restart,
    /// A new connection begins here, if anybody listens: forget the old one.
    Reopen,
}

/// The connections that are over. A place in it is a count of those that came before.
#[derive(Default)]
pub(crate) struct TimeWait {
    queue: VecDeque<Option<Ended>>,
    /// Number of the first in the queue.
    first: u32,
    /// When the latest came.
    latest: u64,
    used: usize,
}

/// Bits of a number; those of [`Place`](super::table::Place).
const NUMBER: u32 = 0x3fff_ffff;

impl Ended {
    /// Remembers a connection that ended now.
    pub(crate) fn new(tuple: Tuple, state: State, now: u64) -> Self {
        let (recent, offset) = state.timestamps.unwrap_or_default();
        Self {
            tuple,
            window: state.window,
            next: state.snd_nxt,
            expected: state.rcv_nxt,
            stamped: state.timestamps.is_some(),
            recent,
            offset,
            since: (now >> TICK_SHIFT) as u32,
        }
    }

    /// Nanoseconds since the connection ended, in whole ticks.
    pub(crate) fn age(&self, now: u64) -> u64 {
        let ticks = ((now >> TICK_SHIFT) as u32).wrapping_sub(self.since);
        u64::from(ticks) << TICK_SHIFT
    }

    /// Whether a connection that begins here may take the place of this one: its first timestamp
    /// is surely later than the last of this one (RFC 6191, section 2).
    pub(crate) fn may_be_reused(&self, now: u64) -> bool {
        self.stamped && self.age(now) > 1_000_000_000
    }

    /// Notes the latest timestamp of the peer, and that its FIN came again.
    pub(crate) fn renew(&mut self, segment: &Segment, now: u64) {
        if let Some((stamp, _)) = segment.options.timestamps
            && stamp.wrapping_sub(self.recent).cast_signed() > 0
        {
            self.recent = stamp;
        }
        self.since = (now >> TICK_SHIFT) as u32;
    }

    /// The acknowledgement of everything that the peer sent.
    pub(crate) fn acknowledgement(&self, now: u64) -> Segment {
        let stamps = (isn::clock(now).wrapping_add(self.offset), self.recent);
        Segment {
            source_port: self.tuple.local_port,
            destination_port: self.tuple.peer_port,
            seq: self.next,
            ack: self.expected,
            flags: Flags::ACK,
            window: self.window,
            options: Options {
                timestamps: self.stamped.then_some(stamps),
                ..Options::default()
            },
            header_len: 0,
        }
    }

    /// Sorts out a segment by RFC 9293, section 3.10.7.4.
    pub(crate) fn answer(&self, segment: &Segment, payload: usize) -> Answer {
        let flags = segment.flags;
        // RFC 1337, section 3: a reset would end the guard before its time.
        if flags.has(Flags::RST) {
            return Answer::Nothing;
        }
        let stamp = segment.options.timestamps.map(|(value, _)| value);
        if flags.has(Flags::SYN) && !flags.has(Flags::ACK) {
            return match self.admits(segment.seq, stamp) {
                true => Answer::Reopen,
                // RFC 5961, section 4: a challenge.
                false => Answer::Acknowledge,
            };
        }
        let end = segment.seq + segment.sequence_len(payload);
        if flags.has(Flags::FIN) && end == self.expected {
            return Answer::Restart;
        }
        match payload > 0 || segment.seq != self.expected || flags.has(Flags::SYN) {
            true => Answer::Acknowledge,
            false => Answer::Nothing,
        }
    }

    /// Whether a SYN is surely newer than everything of the old connection (RFC 6191, section 2).
    fn admits(&self, sequence: Seq, stamp: Option<u32>) -> bool {
        let later = sequence.0.wrapping_sub(self.expected.0).cast_signed() > 0;
        match stamp {
            Some(_) if !self.stamped => true,
            Some(stamp) => match stamp.wrapping_sub(self.recent).cast_signed() {
                0 => later,
                step => step > 0,
            },
            None => later,
        }
    }

    /// Where a new connection between the same ends must begin, at the earliest.
    pub(crate) fn beyond(&self) -> Seq {
        Seq(self.next.0.wrapping_add(BEYOND))
    }
}

impl TimeWait {
    /// Remembers a connection, and says its number.
    pub(crate) fn push(&mut self, ended: Ended, now: u64) -> Option<u32> {
        self.latest = now;
        self.queue.try_reserve(1).ok()?;
        let number = self.first.wrapping_add(self.queue.len() as u32) & NUMBER;
        self.queue.push_back(Some(ended));
        self.used += 1;
        Some(number)
    }

    pub(crate) fn get(&self, number: u32) -> Option<&Ended> {
        let at = number.wrapping_sub(self.first) & NUMBER;
        self.queue.get(at as usize)?.as_ref()
    }

    /// Forgets one.
    pub(crate) fn remove(&mut self, number: u32) -> Option<Ended> {
        let at = number.wrapping_sub(self.first) & NUMBER;
        let ended = self.queue.get_mut(at as usize)?.take()?;
        self.used -= 1;
        // The first is always one that counts.
        while self.queue.pop_front_if(|entry| entry.is_none()).is_some() {
            self.first = self.first.wrapping_add(1) & NUMBER;
        }
        if self.queue.is_empty() {
            self.queue.shrink_to(64);
        }
        Some(ended)
    }

    /// Takes out the oldest if its time is over, or the queue is longer than `most`.
    pub(crate) fn pop(&mut self, now: u64, most: usize) -> Option<(u32, Ended)> {
        let ended = self.queue.front()?.as_ref()?;
        if ended.age(now) < DURATION && self.queue.len() <= most {
            return None;
        }
        let number = self.first;
        Some((number, self.remove(number)?))
    }

    /// When the oldest is forgotten.
    pub(crate) fn deadline(&self) -> Option<u64> {
        let age = self.queue.front()?.as_ref()?.age(self.latest);
        // One tick more, as they are whole ones.
        let left = (DURATION + (1 << TICK_SHIFT)).saturating_sub(age);
        Some(self.latest + left)
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.used
    }
}

#[cfg(test)]
mod tests {
    use crate::addr::Addr;
    use std::vec::Vec;

    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn ended(peer_port: u16, now: u64) -> Ended {
        let tuple = Tuple {
            local: Addr::from([10, 0, 0, 1]),
            peer: Addr::from([10, 0, 0, 2]),
            local_port: 80,
            peer_port,
        };
        let state = State {
            snd_nxt: Seq(1000),
            rcv_nxt: Seq(5000),
            window: 9,
            timestamps: Some((70, 0)),
            acknowledge: false,
        };
        Ended::new(tuple, state, now)
    }

    #[test]
    fn an_entry_is_small() {
        assert_eq!(size_of::<Option<Ended>>(), 64);
    }

    #[test]
    fn the_oldest_goes_first_and_numbers_stay() {
        let mut queue = TimeWait::default();
        let entry = |n: u64| ended(n as u16, n * SECOND);
        let numbers: Vec<u32> = (0..10)
            .filter_map(|n| queue.push(entry(n), n * SECOND))
            .collect();
        assert_eq!(queue.remove(numbers[0]), Some(entry(0)));
        assert_eq!(queue.remove(numbers[2]), Some(entry(2)));
        assert_eq!(queue.remove(numbers[2]), None);
        assert_eq!(queue.get(numbers[9]), Some(&entry(9)));
        assert_eq!(queue.len(), 8);
        let now = 50 * SECOND;
        assert_eq!(queue.pop(now, 100), None);
        let due = queue.deadline().unwrap();
        assert!(
            (61 * SECOND..61 * SECOND + SECOND / 5).contains(&due),
            "{due}"
        );
        assert_eq!(queue.pop(due, 100), Some((numbers[1], entry(1))));
        assert_eq!(queue.pop(now, 3), Some((numbers[3], entry(3))));
        while queue.pop(100 * SECOND, 100).is_some() {}
        assert_eq!((queue.len(), queue.deadline()), (0, None));
        let number = queue.push(entry(1), 0).unwrap();
        assert!(!numbers.contains(&number));
    }
}
