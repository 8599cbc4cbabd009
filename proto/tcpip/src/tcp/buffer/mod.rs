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

use alloc::{boxed::Box, vec::Vec};

/// Size of the smallest block.
pub(crate) const SMALLEST: usize = 4096;
/// Sizes of blocks: each twice the one before.
const CLASSES: usize = 12;
/// Smallest blocks that are kept at most; of each larger class half as many.
const KEPT: usize = 64;
/// What is kept is at most this part of the limit.
const KEPT_PART: usize = 16;

/// Memory that all connections and their buffers take, and what they may take.
///
/// The limit is a soft one for the smallest block, since a connection without would stand still:
/// that is refused when an eighth more than the limit is taken, so that a crowd of which each wants
/// only a little does not use up the heap. Who accepts connections looks at [`Self::exhausted`].
pub(crate) struct Budget {
    used: usize,
    /// Bytes of connections themselves.
    fixed: usize,
    /// Bytes of blocks that are kept.
    spare: usize,
    limit: usize,
    kept: [Vec<Box<[u8]>>; CLASSES],
}

impl Budget {
    /// A budget of `limit` bytes.
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            used: 0,
            fixed: 0,
            spare: 0,
            limit,
            kept: Default::default(),
        }
    }

    /// Bytes in use now. What is kept for the next connection does not count.
    pub(crate) const fn used(&self) -> usize {
        self.used
    }

    /// Bytes that are kept for the next connection.
    pub(crate) const fn spare(&self) -> usize {
        self.spare
    }

    /// Whether buffers should no longer grow: three quarters are taken.
    pub(crate) const fn tight(&self) -> bool {
        self.taken() > self.limit / 4 * 3
    }

    /// Whether all is taken.
    pub(crate) const fn exhausted(&self) -> bool {
        self.taken() >= self.limit
    }

    /// Says how much the connections themselves take now.
    pub(crate) const fn set_fixed(&mut self, bytes: usize) {
        self.fixed = bytes;
    }

    const fn taken(&self) -> usize {
        self.used.saturating_add(self.fixed)
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
    /// than may be taken, or than the heap has.
    pub(crate) fn block(&mut self, bytes: usize) -> Option<Box<[u8]>> {
        let size = bytes.max(SMALLEST).checked_next_power_of_two()?;
        let limit = match size {
            SMALLEST => self.limit.saturating_add(self.limit / 8),
            _ => self.limit,
        };
        if self.taken().saturating_add(size) > limit {
            return None;
        }
        let kept = self.kept.get_mut(class(size)).and_then(Vec::pop);
        let block = match kept {
            Some(block) => {
                self.spare -= size;
                block
            }
            None => allocate(size)?,
        };
        self.used += size;
        Some(block)
    }

    /// Takes a block back.
    pub(crate) fn give_back(&mut self, block: Box<[u8]>) {
        let size = block.len();
        self.refund(size);
        let class = class(size);
        if let Some(kept) = self.kept.get_mut(class)
            && kept.len() < (KEPT >> class).max(1)
            && self.spare + size <= self.limit / KEPT_PART
        {
            self.spare += size;
            kept.push(block);
        }
    }
}

/// Memory for a block, if the heap has it.
fn allocate(size: usize) -> Option<Box<[u8]>> {
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(size).ok()?;
    bytes.resize(size, 0);
    Some(bytes.into_boxed_slice())
}

/// The index of blocks of `size` bytes.
const fn class(size: usize) -> usize {
    (size / SMALLEST).trailing_zeros() as usize
}
