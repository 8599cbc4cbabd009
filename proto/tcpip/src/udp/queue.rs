// SPDX-License-Identifier: ISC
//! Datagrams that were received and not read yet, one after the other in one buffer.

use alloc::{collections::VecDeque, vec::Vec};

use super::{Ends, Meta};
use crate::config::UdpConfig;

/// Capacity of an empty queue that is given back.
const WORTH_SHRINKING: usize = 16 * 1024;

/// Datagrams in the order of their arrival.
pub(crate) struct Queue {
    /// Their bytes, from `start` on: what is before has been read.
    bytes: Vec<u8>,
    start: usize,
    datagrams: VecDeque<Datagram>,
    /// Most bytes, counted as [`UdpConfig::receive_buffer`] says.
    limit: usize,
}

struct Datagram {
    ends: Ends,
    len: u16,
}

impl Queue {
    /// No datagrams, and never more than `limit` bytes of them.
    pub(crate) const fn new(limit: usize) -> Self {
        Self {
            bytes: Vec::new(),
            start: 0,
            datagrams: VecDeque::new(),
            limit,
        }
    }

    /// Whether there is nothing to read.
    pub(crate) fn is_empty(&self) -> bool {
        self.datagrams.is_empty()
    }

    /// Takes what there is, and leaves an empty queue with the same limit.
    pub(crate) fn take(&mut self) -> Self {
        core::mem::replace(self, Self::new(self.limit))
    }

    /// Appends a datagram. Says whether there was room and memory for it.
    pub(crate) fn push(&mut self, bytes: &[u8], ends: Ends) -> bool {
        let held = self.bytes.len() - self.start;
        let overhead = (self.datagrams.len() + 1) * UdpConfig::OVERHEAD;
        if held + bytes.len() + overhead > self.limit {
            return false;
        }
        // Moving is put off until there is more to skip than to move, so each byte moves once.
        if self.start > held {
            self.bytes.copy_within(self.start.., 0);
            self.bytes.truncate(held);
            self.start = 0;
        }
        let fits = self.bytes.try_reserve(bytes.len()).is_ok();
        if !fits || self.datagrams.try_reserve(1).is_err() {
            return false;
        }
        self.bytes.extend_from_slice(bytes);
        let len = bytes.len() as u16;
        self.datagrams.push_back(Datagram { ends, len });
        true
    }

    /// Shows the oldest datagram to `read`, and forgets it. Says whether there was one.
    fn pop_with(&mut self, read: &mut dyn FnMut(&[u8], Meta)) -> bool {
        let Some(Datagram { ends, len }) = self.datagrams.pop_front() else {
            return false;
        };
        let end = self.start + usize::from(len);
        read(self.bytes.get(self.start..end).unwrap_or(&[]), ends.meta());
        self.start = end;
        if self.is_empty() {
            self.start = 0;
            self.bytes.clear();
            // Memory that a burst took goes back as soon as it was read.
            if self.bytes.capacity() > WORTH_SHRINKING {
                self.bytes = Vec::new();
                self.datagrams = VecDeque::new();
            }
        }
        true
    }

    /// Takes the oldest datagram: as much of it as fits into `buffer`; the rest is lost.
    pub(crate) fn pop(&mut self, buffer: &mut [u8]) -> Option<(usize, Meta)> {
        let mut taken = None;
        self.pop_with(&mut |bytes, meta| {
            let len = bytes.len().min(buffer.len());
            if let (Some(to), Some(from)) = (buffer.get_mut(..len), bytes.get(..len)) {
                to.copy_from_slice(from);
            }
            taken = Some((len, meta));
        });
        taken
    }

    /// Takes all datagrams, giving each to `read`. Says how many there were.
    pub(crate) fn drain(&mut self, read: &mut dyn FnMut(&[u8], Meta)) -> usize {
        let count = self.datagrams.len();
        while self.pop_with(read) {}
        count
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{net::SocketAddr, vec, vec::Vec};

    fn ends(port: u16) -> Ends {
        let address = SocketAddr::from(([10, 0, 0, 1], port));
        Ends {
            peer: address.into(),
            local: address.into(),
        }
    }

    #[test]
    fn datagrams_keep_their_boundaries_and_order() {
        let mut queue = Queue::new(1 << 20);
        let mut buffer = [0; 2000];
        // Lengths that make the ring wrap at every offset.
        for round in 0..500usize {
            for n in 0..3 {
                assert!(queue.push(&vec![n; round % 700 + usize::from(n)], ends(n.into())));
            }
            for n in 0..3u8 {
                let (len, from) = queue.pop(&mut buffer).unwrap();
                assert_eq!(len, round % 700 + usize::from(n));
                assert!(buffer[..len].iter().all(|byte| *byte == n));
                assert_eq!(from, ends(n.into()).meta());
            }
        }
        assert!(queue.pop(&mut buffer).is_none());
    }

    #[test]
    fn what_does_not_fit_the_reader_is_lost() {
        let mut queue = Queue::new(1000);
        assert!(queue.push(b"abcdef", ends(1)));
        assert!(queue.push(b"xyz", ends(2)));
        let mut short = [0; 2];
        assert_eq!(queue.pop(&mut short), Some((2, ends(1).meta())));
        assert_eq!(short, *b"ab");
        assert_eq!(queue.pop(&mut [0; 8]), Some((3, ends(2).meta())));
    }

    #[test]
    fn the_limit_counts_what_a_datagram_costs() {
        let mut queue = Queue::new(10 * UdpConfig::OVERHEAD);
        for _ in 0..10 {
            assert!(queue.push(b"", ends(1)));
        }
        assert!(!queue.push(b"", ends(1)));
        let mut seen = 0;
        assert_eq!(queue.drain(&mut |_, _| seen += 1), 10);
        assert_eq!(seen, 10);
        assert!(queue.push(b"", ends(1)));
    }

    #[test]
    fn draining_gives_everything_once() {
        let mut queue = Queue::new(1 << 20);
        let mut buffer = [0; 64];
        for n in 0..100u8 {
            assert!(queue.push(&vec![n; usize::from(n)], ends(n.into())));
            if n % 3 == 0 {
                queue.pop(&mut buffer);
            }
        }
        let mut seen = Vec::new();
        queue.drain(&mut |bytes, from| seen.push((bytes.len(), from.peer.port())));
        assert_eq!(seen.len(), 66);
        assert!(seen.iter().all(|(len, port)| *len == usize::from(*port)));
        assert!(queue.is_empty());
    }
}
