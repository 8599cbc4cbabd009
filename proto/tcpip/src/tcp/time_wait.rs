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
    hash::Tuple,
    segment::{Flags, Segment},
    seq::Seq,
};

/// How long a connection is remembered: twice the maximum segment lifetime, which RFC 9293
/// section 3.4.1 guesses to be two minutes and everybody takes for thirty seconds or so.
pub(crate) const DURATION: u64 = 60_000_000_000;
/// The sequence number of a connection that takes the place of an old one is that far beyond
/// everything the old one can have sent.
const BEYOND: u32 = 65_537;

/// What is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    pub(crate) tuple: Tuple,
    /// The next sequence number of ours, after our FIN.
    pub(crate) next: Seq,
    /// The next one of the peer, after its FIN.
    pub(crate) expected: Seq,
    /// The last timestamp of the peer, if there are timestamps.
    pub(crate) recent: Option<u32>,
    /// What our own timestamps are offset by.
    pub(crate) timestamp_offset: u32,
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
    queue: VecDeque<Option<(u64, Ended)>>,
    /// Number of the first in the queue.
    first: u32,
    used: usize,
}

/// Bits of a number; those of [`Place`](super::table::Place).
const NUMBER: u32 = 0x3fff_ffff;

impl Ended {
    /// Sorts out a segment by RFC 9293, section 3.10.7.4.
    pub(crate) fn answer(&self, segment: &Segment, payload: usize) -> Answer {
        let flags = segment.flags;
        // RFC 1337, section 3: a reset would end the guard before its time.
        if flags.contains(Flags::RST) {
            return Answer::Nothing;
        }
        let stamp = segment.options.timestamps.map(|(value, _)| value);
        if flags.contains(Flags::SYN) && !flags.contains(Flags::ACK) {
            return match self.admits(segment.seq, stamp) {
                true => Answer::Reopen,
                // RFC 5961, section 4: a challenge.
                false => Answer::Acknowledge,
            };
        }
        if flags.contains(Flags::FIN) {
            return Answer::Restart;
        }
        match payload > 0 || segment.seq != self.expected || flags.contains(Flags::SYN) {
            true => Answer::Acknowledge,
            false => Answer::Nothing,
        }
    }

    /// Whether a SYN is surely newer than everything of the old connection (RFC 6191, section 2).
    fn admits(&self, sequence: Seq, stamp: Option<u32>) -> bool {
        let later = sequence.0.wrapping_sub(self.expected.0).cast_signed() > 0;
        match (self.recent, stamp) {
            (Some(recent), Some(stamp)) => match stamp.wrapping_sub(recent).cast_signed() {
                0 => later,
                step => step > 0,
            },
            (None, Some(_)) => true,
            (_, None) => later,
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
        self.queue.try_reserve(1).ok()?;
        let number = self.first.wrapping_add(self.queue.len() as u32) & NUMBER;
        self.queue.push_back(Some((now + DURATION, ended)));
        self.used += 1;
        Some(number)
    }

    pub(crate) fn get(&self, number: u32) -> Option<&Ended> {
        let at = number.wrapping_sub(self.first) & NUMBER;
        let (_, ended) = self.queue.get(at as usize)?.as_ref()?;
        Some(ended)
    }

    /// When the connection of that number came here.
    pub(crate) fn since(&self, number: u32) -> Option<u64> {
        let at = number.wrapping_sub(self.first) & NUMBER;
        let (expires, _) = self.queue.get(at as usize)?.as_ref()?;
        Some(expires - DURATION)
    }

    /// Forgets one.
    pub(crate) fn remove(&mut self, number: u32) -> Option<Ended> {
        let at = number.wrapping_sub(self.first) & NUMBER;
        let (_, ended) = self.queue.get_mut(at as usize)?.take()?;
        self.used -= 1;
        self.trim();
        Some(ended)
    }

    /// Notes the latest timestamp of the peer.
    pub(crate) fn set_recent(&mut self, number: u32, stamp: u32) {
        let at = number.wrapping_sub(self.first) & NUMBER;
        if let Some(Some((_, ended))) = self.queue.get_mut(at as usize)
            && let Some(recent) = &mut ended.recent
            && stamp.wrapping_sub(*recent).cast_signed() > 0
        {
            *recent = stamp;
        }
    }

    /// Takes out the oldest if its time is over, or there are more than `most`.
    pub(crate) fn pop(&mut self, now: u64, most: usize) -> Option<(u32, Ended)> {
        let (expires, ended) = (*self.queue.front()?)?;
        if expires > now && self.queue.len() <= most {
            return None;
        }
        let number = self.first;
        self.remove(number);
        Some((number, ended))
    }

    /// When the oldest is forgotten.
    pub(crate) fn deadline(&self) -> Option<u64> {
        let (expires, _) = self.queue.front()?.as_ref()?;
        Some(*expires)
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.used
    }

    /// Drops what was forgotten from the front, so that the first is always one that counts.
    fn trim(&mut self) {
        while self.queue.pop_front_if(|entry| entry.is_none()).is_some() {
            self.first = self.first.wrapping_add(1) & NUMBER;
        }
        if self.queue.is_empty() {
            self.queue.shrink_to(64);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    fn ended(peer_port: u16) -> Ended {
        Ended {
            tuple: Tuple {
                local: IpAddr::from([10, 0, 0, 1]),
                peer: IpAddr::from([10, 0, 0, 2]),
                local_port: 80,
                peer_port,
            },
            next: Seq(1000),
            expected: Seq(5000),
            recent: Some(70),
            timestamp_offset: 0,
        }
    }

    #[test]
    fn an_entry_is_small() {
        assert!(size_of::<Option<(u64, Ended)>>() <= 72);
    }

    #[test]
    fn the_oldest_goes_first_and_numbers_stay() {
        let mut queue = TimeWait::default();
        let numbers: std::vec::Vec<u32> =
            (0..10).filter_map(|n| queue.push(ended(n), u64::from(n))).collect();
        assert_eq!(queue.remove(numbers[0]), Some(ended(0)));
        assert_eq!(queue.remove(numbers[2]), Some(ended(2)));
        assert_eq!(queue.remove(numbers[2]), None);
        assert_eq!(queue.get(numbers[9]), Some(&ended(9)));
        assert_eq!(queue.len(), 8);
        assert_eq!(queue.deadline(), Some(DURATION + 1));
        assert_eq!(queue.pop(DURATION, 100), None);
        assert_eq!(queue.pop(DURATION + 1, 100), Some((numbers[1], ended(1))));
        assert_eq!(queue.pop(0, 3), Some((numbers[3], ended(3))));
        while queue.pop(2 * DURATION, 100).is_some() {}
        assert_eq!((queue.len(), queue.deadline()), (0, None));
        let number = queue.push(ended(1), 0).unwrap();
        assert!(!numbers.contains(&number));
    }
}
