// SPDX-License-Identifier: ISC
//! What arrived out of order, and which of it to report (RFC 2018 section 4).
//!
//! Chunks lie sorted and do not overlap; what arrives again is dropped, the first copy stays.
//! Ranges are what chunks cover together, for SACK. Both are bounded: what does not fit is dropped,
//! and the peer sends it again.

use alloc::vec::Vec;

use super::{
    Budget,
    chunk::{Chunk, block_after},
};
use crate::{
    link::{Payload, Shelf},
    tcp::{
        options::{Blocks, Range},
        seq::Seq,
    },
};

/// Holes that are put up with.
const MAX_RANGES: usize = 512;
/// Memory that blocks may take beyond what they hold, in bytes.
const MAX_WASTE: usize = 1 << 20;

/// Bytes that wait for those before them.
#[derive(Default)]
pub(crate) struct Assembly {
    chunks: Vec<(Seq, Chunk)>,
    ranges: Vec<(Range, u32)>,
    /// Counts arrivals; the ranges that grew last are reported first.
    arrivals: u32,
    waste: usize,
}

impl Assembly {
    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Puts the payload that begins at `seq` aside, less what is there already. Says how many bytes
    /// were new.
    pub(crate) fn insert(
        &mut self,
        mut seq: Seq,
        mut payload: Payload<'_>,
        budget: &mut Budget,
    ) -> u32 {
        let end = seq + payload.len() as u32;
        self.arrivals += 1;
        let mut added = 0;
        while seq.before(end) {
            let next = self
                .ranges
                .partition_point(|(range, _)| !range.end.after(seq));
            let (gap_end, skip_to) = match self.ranges.get(next) {
                Some((range, _)) if !range.start.after(seq) => (seq, range.end.min(end)),
                Some((range, _)) => (range.start.min(end), range.start.min(end)),
                None => (end, end),
            };
            let gap = gap_end.since(seq);
            if gap > 0 {
                if !self.store(seq, gap, end, &mut payload, budget) {
                    break;
                }
                added += gap;
                self.cover(Range {
                    start: seq,
                    end: gap_end,
                });
                seq = gap_end;
            } else {
                payload.trim_front(skip_to.since(seq) as usize);
                seq = skip_to;
            }
        }
        added
    }

    /// Stores the first `gap` bytes of the payload, which ends at `end`, and takes them off it.
    fn store(
        &mut self,
        seq: Seq,
        gap: u32,
        end: Seq,
        payload: &mut Payload<'_>,
        budget: &mut Budget,
    ) -> bool {
        let at = self.chunks.partition_point(|(start, _)| start.before(seq));
        let mut done = 0;
        let mut held = 0;
        if let Some((start, previous)) = at.checked_sub(1).and_then(|at| self.chunks.get_mut(at))
            && *start + previous.len() == seq
        {
            let bytes = payload.bytes();
            held = previous.len() as usize;
            done = previous.append(&bytes[..bytes.len().min(gap as usize)]);
            self.waste = self.waste.saturating_sub(done);
            payload.trim_front(done);
        }
        let rest = gap as usize - done;
        if rest == 0 {
            return true;
        }
        let room = self.ranges.len() < MAX_RANGES && self.waste < MAX_WASTE;
        // What is in order goes first where memory is short: a byte that waits for another takes a
        // whole block.
        let chunk = if !room || budget.tight() {
            None
        } else if seq + gap == end {
            Chunk::take(payload, block_after(held), budget)
        } else {
            let chunk = Chunk::copy(payload.bytes().get(..rest).unwrap_or(&[]), 0, budget);
            payload.trim_front(rest);
            chunk
        };
        let Some(chunk) = chunk else {
            if done > 0 {
                self.cover(Range {
                    start: seq,
                    end: seq + done as u32,
                });
            }
            return false;
        };
        self.waste += chunk.waste();
        self.chunks.insert(at, (seq + done as u32, chunk));
        true
    }

    /// Notes that `new` is there now.
    fn cover(&mut self, mut new: Range) {
        let first = self
            .ranges
            .partition_point(|(range, _)| range.end.before(new.start));
        while let Some((range, _)) = self.ranges.get(first)
            && !range.start.after(new.end)
        {
            new.start = new.start.min(range.start);
            new.end = new.end.max(range.end);
            self.ranges.remove(first);
        }
        self.ranges.insert(first, (new, self.arrivals));
    }

    /// Takes the first chunk if it begins at `seq`.
    pub(crate) fn pop(&mut self, seq: Seq) -> Option<Chunk> {
        if self.chunks.first()?.0 != seq {
            return None;
        }
        let (_, chunk) = self.chunks.remove(0);
        self.waste = self.waste.saturating_sub(chunk.waste());
        let end = seq + chunk.len();
        if let Some((first, _)) = self.ranges.first_mut() {
            first.start = end;
            if !first.end.after(end) {
                self.ranges.remove(0);
            }
        }
        Some(chunk)
    }

    /// Appends the ranges to `blocks`, the latest first, up to `room` blocks altogether.
    pub(crate) fn report(&self, blocks: &mut Blocks, room: usize) {
        let mut below = u32::MAX;
        while blocks.as_slice().len() < room {
            let earlier = self.ranges.iter().filter(|(_, arrival)| *arrival < below);
            let Some((range, arrival)) = earlier.max_by_key(|(_, arrival)| *arrival) else {
                return;
            };
            below = *arrival;
            blocks.push(*range);
        }
    }

    /// The range that `seq` lies in.
    pub(crate) fn around(&self, seq: Seq) -> Option<Range> {
        let holds = |range: &Range| !range.start.after(seq) && range.end.after(seq);
        self.ranges.iter().map(|(range, _)| *range).find(holds)
    }

    /// Drops everything.
    pub(crate) fn clear(&mut self, shelf: &dyn Shelf, budget: &mut Budget) {
        for (_, chunk) in self.chunks.drain(..) {
            chunk.discard(shelf, budget);
        }
        self.ranges.clear();
    }
}
