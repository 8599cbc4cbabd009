// SPDX-License-Identifier: ISC
//! A piece of what was received: a block of memory, or a frame that the device lends for longer.

use alloc::boxed::Box;

use super::{Budget, SMALLEST};
use crate::link::{Payload, Shelf, Slot};

/// Shorter payloads are copied even where the device would let the frame be kept.
const WORTH_KEEPING: usize = 2048;

/// Bytes in one place.
pub(crate) struct Chunk {
    place: Place,
    start: u32,
    end: u32,
}

/// Where they are.
enum Place {
    Block(Box<[u8]>),
    Frame(Slot),
}

impl Chunk {
    /// Takes a payload: keeps the frame, or copies into a block that has room for `wanted` bytes if
    /// there is memory. `None` if there is no memory at all.
    pub(crate) fn take(
        payload: &mut Payload<'_>,
        wanted: usize,
        budget: &mut Budget,
    ) -> Option<Self> {
        let len = payload.len();
        if len >= WORTH_KEEPING
            && let Some((slot, range)) = payload.keep()
        {
            budget.charge(len);
            return Some(Self {
                place: Place::Frame(slot),
                start: range.start as u32,
                end: range.end as u32,
            });
        }
        Self::copy(payload.bytes(), wanted, budget)
    }

    /// Copies `bytes` into a block.
    pub(crate) fn copy(bytes: &[u8], wanted: usize, budget: &mut Budget) -> Option<Self> {
        let wanted = if budget.tight() { 0 } else { wanted };
        let block = budget.block(wanted.max(bytes.len()));
        let mut block = block.or_else(|| budget.block(bytes.len()))?;
        block.get_mut(..bytes.len())?.copy_from_slice(bytes);
        Some(Self {
            place: Place::Block(block),
            start: 0,
            end: bytes.len() as u32,
        })
    }

    /// Appends as much of `bytes` as there is room for in the block; says how much.
    pub(crate) fn append(&mut self, bytes: &[u8]) -> usize {
        let Place::Block(block) = &mut self.place else {
            return 0;
        };
        let Some(room) = block.get_mut(self.end as usize..) else {
            return 0;
        };
        let count = room.len().min(bytes.len());
        room[..count].copy_from_slice(&bytes[..count]);
        self.end += count as u32;
        count
    }

    /// How many bytes there are.
    pub(crate) const fn len(&self) -> u32 {
        self.end - self.start
    }

    /// Shows the bytes.
    pub(crate) fn with(&self, shelf: &dyn Shelf, read: &mut dyn FnMut(&[u8])) {
        let range = self.start as usize..self.end as usize;
        match &self.place {
            Place::Block(block) => read(block.get(range).unwrap_or(&[])),
            Place::Frame(slot) => {
                shelf.with(slot, &mut |frame| {
                    read(frame.get(range.clone()).unwrap_or(&[]))
                });
            }
        }
    }

    /// Drops the first `count` bytes, which are there.
    pub(crate) fn consume(&mut self, count: u32, budget: &mut Budget) {
        let count = count.min(self.len());
        self.start += count;
        if let Place::Frame(_) = self.place {
            budget.refund(count as usize);
        }
    }

    /// Gives the memory or the frame back.
    pub(crate) fn discard(self, shelf: &dyn Shelf, budget: &mut Budget) {
        let len = self.len() as usize;
        match self.place {
            Place::Block(block) => budget.give_back(block),
            Place::Frame(slot) => {
                budget.refund(len);
                shelf.release(slot);
            }
        }
    }

    /// Bytes of memory beyond those that hold payload.
    pub(crate) fn waste(&self) -> usize {
        match &self.place {
            Place::Block(block) => block.len() - self.len() as usize,
            Place::Frame(_) => 0,
        }
    }
}

/// A good size for the block after `held` bytes.
pub(crate) const fn block_after(held: usize) -> usize {
    if held < SMALLEST {
        SMALLEST
    } else {
        4 * SMALLEST
    }
}
