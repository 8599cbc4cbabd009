// SPDX-License-Identifier: ISC
//! Memory of connections: what all together may take, and blocks kept for the next one.
//!
//! `send.rs` is what was written and not yet acknowledged; `receive.rs` what arrived in order and
//! was not yet read; `assembly.rs` what arrived out of order. Blocks come from and go back to the
//! [`Budget`], so that a connection that holds nothing costs nothing and a busy one allocates
//! nothing.

pub(crate) mod assembly;
mod chunk;
pub(crate) mod receive;
pub(crate) mod send;
#[cfg(test)]
mod tests;

use alloc::{boxed::Box, vec, vec::Vec};

/// Size of the smallest block.
pub(crate) const SMALLEST: usize = 4096;
/// Sizes of blocks: each twice the one before.
const CLASSES: usize = 12;
/// Smallest blocks that are kept at most; of each larger class half as many.
const KEPT: usize = 64;

/// Memory that the buffers of all connections take, and what they may take.
///
/// The limit is a soft one: a connection always gets the smallest block, since one without would
/// stand still for ever. Who accepts connections looks at [`Self::exhausted`].
pub(crate) struct Budget {
    used: usize,
    limit: usize,
    kept: [Vec<Box<[u8]>>; CLASSES],
}

impl Budget {
    /// A budget of `limit` bytes.
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            used: 0,
            limit,
            kept: Default::default(),
        }
    }

    /// Bytes in use now. What is kept for the next connection does not count.
    pub(crate) const fn used(&self) -> usize {
        self.used
    }

    /// Whether buffers should no longer grow: three quarters are taken.
    pub(crate) const fn tight(&self) -> bool {
        self.used > self.limit / 4 * 3
    }

    /// Whether all is taken.
    pub(crate) const fn exhausted(&self) -> bool {
        self.used >= self.limit
    }

    /// Counts `bytes` that are held elsewhere, such as in a frame of the device.
    pub(crate) const fn charge(&mut self, bytes: usize) {
        self.used = self.used.saturating_add(bytes);
    }

    /// Counts them no longer.
    pub(crate) const fn refund(&mut self, bytes: usize) {
        self.used = self.used.saturating_sub(bytes);
    }

    /// A block of at least `bytes`, a power of two. Its bytes hold anything. `None` if that is more
    /// than the limit leaves and not the smallest block.
    pub(crate) fn block(&mut self, bytes: usize) -> Option<Box<[u8]>> {
        let size = bytes.max(SMALLEST).checked_next_power_of_two()?;
        if size > SMALLEST && self.used.saturating_add(size) > self.limit {
            return None;
        }
        self.used += size;
        let kept = self.kept.get_mut(class(size)).and_then(Vec::pop);
        Some(kept.unwrap_or_else(|| vec![0; size].into_boxed_slice()))
    }

    /// Takes a block back.
    pub(crate) fn give_back(&mut self, block: Box<[u8]>) {
        self.refund(block.len());
        let class = class(block.len());
        if let Some(kept) = self.kept.get_mut(class)
            && kept.len() < (KEPT >> class).max(1)
            && block.len() <= self.limit / 16
        {
            kept.push(block);
        }
    }
}

/// The index of blocks of `size` bytes.
const fn class(size: usize) -> usize {
    (size / SMALLEST).trailing_zeros() as usize
}
