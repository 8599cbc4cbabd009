// SPDX-License-Identifier: ISC
//! What was written and not yet acknowledged: a ring that grows by use and holds nothing when empty.

use alloc::boxed::Box;

use super::{Budget, SMALLEST};

/// Bytes from the first unacknowledged one to the last written one.
#[derive(Default)]
pub(crate) struct SendBuffer {
    /// A power of two long, or empty.
    ring: Box<[u8]>,
    head: u32,
    len: u32,
    /// Length of the ring that was given back: how much to begin with.
    before: u32,
}

impl SendBuffer {
    /// How many bytes there are.
    pub(crate) const fn len(&self) -> u32 {
        self.len
    }

    /// Appends what there is room for while the buffer holds no more than `limit` bytes and the
    /// budget has memory; says how much.
    pub(crate) fn push(&mut self, bytes: &[u8], limit: u32, budget: &mut Budget) -> usize {
        let room = limit.saturating_sub(self.len) as usize;
        let wanted = bytes.len().min(room);
        if self.len as usize + wanted > self.ring.len() {
            self.grow(self.len as usize + wanted, budget);
        }
        let count = wanted.min(self.ring.len() - self.len as usize);
        let Some(bytes) = bytes.get(..count) else {
            return 0;
        };
        let (after, before) = self.free();
        let (first, second) = bytes.split_at(count.min(after.len()));
        after[..first.len()].copy_from_slice(first);
        before[..second.len()].copy_from_slice(second);
        self.len += count as u32;
        count
    }

    /// The free parts of the ring, in the order in which they are filled.
    fn free(&mut self) -> (&mut [u8], &mut [u8]) {
        let (head, size) = (self.head as usize, self.ring.len());
        let end = head + self.len as usize;
        if end >= size {
            // What is there goes over the end, or just up to it.
            let start = end - size;
            (self.ring.get_mut(start..head).unwrap_or_default(), &mut [])
        } else {
            let (before, after) = self.ring.split_at_mut(end);
            (after, &mut before[..head])
        }
    }

    /// Makes the ring at least `needed` bytes long if it may be.
    fn grow(&mut self, needed: usize, budget: &mut Budget) {
        let mut wanted = needed.max(self.ring.len() * 2);
        if self.ring.is_empty() {
            wanted = wanted.max(self.before as usize / 2);
        }
        if budget.tight() {
            wanted = wanted.min(SMALLEST);
        }
        if wanted <= self.ring.len() {
            return;
        }
        let Some(mut ring) = budget.block(wanted).or_else(|| {
            let first = self.ring.is_empty();
            first.then(|| budget.block(SMALLEST)).flatten()
        }) else {
            return;
        };
        let [first, second] = self.slices(0, self.len);
        let (front, back) = ring.split_at_mut(first.len());
        front.copy_from_slice(first);
        back[..second.len()].copy_from_slice(second);
        self.head = 0;
        self.release(ring, budget);
    }

    /// Puts `ring` in the place of the old one.
    fn release(&mut self, ring: Box<[u8]>, budget: &mut Budget) {
        let old = core::mem::replace(&mut self.ring, ring);
        if !old.is_empty() {
            budget.give_back(old);
        }
    }

    /// The `len` bytes after the first `offset`; fewer if there are not so many.
    pub(crate) fn slices(&self, offset: u32, len: u32) -> [&[u8]; 2] {
        let offset = offset.min(self.len);
        let len = len.min(self.len - offset) as usize;
        if len == 0 {
            return [&[], &[]];
        }
        let start = (self.head + offset) as usize & (self.ring.len() - 1);
        let first = len.min(self.ring.len() - start);
        [
            self.ring.get(start..start + first).unwrap_or(&[]),
            self.ring.get(..len - first).unwrap_or(&[]),
        ]
    }

    /// Drops the first `count` bytes, or all: they were acknowledged.
    pub(crate) fn consume(&mut self, count: u32, budget: &mut Budget) {
        let count = count.min(self.len);
        self.len -= count;
        if self.len == 0 {
            self.before = self.ring.len() as u32;
            self.head = 0;
            self.release(Box::default(), budget);
        } else {
            self.head = (self.head + count) & (self.ring.len() as u32 - 1);
        }
    }

    /// Drops everything.
    pub(crate) fn clear(&mut self, budget: &mut Budget) {
        self.consume(self.len, budget);
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::VecDeque, vec::Vec};

    use super::SendBuffer;
    use crate::tcp::buffer::{Budget, SMALLEST};

    /// Against a model, with every length of write and acknowledgement.
    #[test]
    fn is_a_queue() {
        let mut budget = Budget::new(1 << 20);
        let mut buffer = SendBuffer::default();
        let mut model = VecDeque::new();
        let mut random = 1u64;
        let mut written = 0u8;
        for _ in 0..20_000 {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let count = (random >> 40) as usize % 5000;
            if random >> 63 == 0 {
                let bytes: Vec<u8> = (0..count)
                    .map(|n| written.wrapping_add(n as u8).wrapping_mul(7))
                    .collect();
                let taken = buffer.push(&bytes, 50_000, &mut budget);
                assert_eq!(taken, count.min(50_000 - model.len()));
                model.extend(&bytes[..taken]);
                written = written.wrapping_add(13);
            } else {
                let offset = count.min(model.len());
                let slices = buffer.slices(offset as u32, 900).concat();
                let expected: Vec<u8> = model.iter().skip(offset).take(900).copied().collect();
                assert_eq!(slices, expected);
                buffer.consume(count as u32, &mut budget);
                model.drain(..count.min(model.len()));
            }
            assert_eq!(buffer.len() as usize, model.len());
        }
        buffer.clear(&mut budget);
        assert_eq!(budget.used(), 0);
    }

    /// Without memory a connection still gets on, in small steps.
    #[test]
    fn short_of_memory() {
        let mut budget = Budget::new(16 * SMALLEST);
        budget.charge(16 * SMALLEST);
        let mut buffer = SendBuffer::default();
        assert_eq!(buffer.push(&[1; 100_000], 65536, &mut budget), SMALLEST);
        assert_eq!(buffer.push(&[1; 100_000], 65536, &mut budget), 0);
        buffer.consume(10, &mut budget);
        assert_eq!(buffer.push(&[1; 100_000], 65536, &mut budget), 10);
    }
}
