// SPDX-License-Identifier: ISC
//! What arrived in order and was not yet read: a queue of chunks, empty of memory when it is empty.

use alloc::collections::VecDeque;

use super::{
    Budget,
    chunk::{Chunk, block_after},
};
use crate::link::{Payload, Shelf};

/// Room for chunks that is kept when the queue is empty.
const KEPT: usize = 1;

/// Bytes in the order in which the program reads them.
#[derive(Default)]
pub(crate) struct ReceiveQueue {
    chunks: VecDeque<Chunk>,
    len: u32,
}

impl ReceiveQueue {
    /// How many bytes there are.
    pub(crate) const fn len(&self) -> u32 {
        self.len
    }

    /// Appends a payload; says how much of it there was memory for.
    pub(crate) fn push(&mut self, payload: &mut Payload<'_>, budget: &mut Budget) -> u32 {
        let len = payload.len();
        let mut taken = 0;
        if let Some(last) = self.chunks.back_mut() {
            // A large frame is kept rather than cut.
            if len < 2 * super::SMALLEST {
                taken = last.append(payload.bytes());
                payload.trim_front(taken);
            }
        }
        if taken < len
            && let Some(chunk) = Chunk::take(payload, block_after(self.len as usize), budget)
        {
            self.chunks.push_back(chunk);
            taken = len;
        }
        self.len += taken as u32;
        taken as u32
    }

    /// Appends a chunk that was out of order until now.
    pub(crate) fn push_chunk(&mut self, chunk: Chunk) {
        self.len += chunk.len();
        self.chunks.push_back(chunk);
    }

    /// Copies the first bytes into `buffer`; says how many. They stay.
    pub(crate) fn peek(&self, shelf: &dyn Shelf, buffer: &mut [u8]) -> usize {
        let mut done = 0;
        for chunk in &self.chunks {
            if done == buffer.len() {
                break;
            }
            chunk.with(shelf, &mut |bytes| {
                let count = bytes.len().min(buffer.len() - done);
                buffer[done..done + count].copy_from_slice(&bytes[..count]);
                done += count;
            });
        }
        done
    }

    /// Drops the first `count` bytes, which are there.
    pub(crate) fn consume(&mut self, mut count: u32, shelf: &dyn Shelf, budget: &mut Budget) {
        count = count.min(self.len);
        self.len -= count;
        while let Some(first) = self.chunks.front_mut() {
            let part = count.min(first.len());
            first.consume(part, budget);
            count -= part;
            if first.len() > 0 {
                return;
            }
            if let Some(first) = self.chunks.pop_front() {
                first.discard(shelf, budget);
            }
        }
        if self.chunks.capacity() > 4 * KEPT {
            self.chunks.shrink_to(KEPT);
        }
    }

    /// Bytes on the heap beside the chunks.
    #[cfg(test)]
    pub(crate) fn heap(&self) -> usize {
        self.chunks.capacity() * size_of::<Chunk>()
    }

    /// Drops everything.
    pub(crate) fn clear(&mut self, shelf: &dyn Shelf, budget: &mut Budget) {
        self.consume(self.len, shelf, budget);
        self.chunks = VecDeque::new();
    }
}
