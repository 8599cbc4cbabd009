// SPDX-License-Identifier: ISC
//! Finding what a segment belongs to: an index from the two ends of a connection to a place, and the
//! slabs that the places are in.
//!
//! One index serves connections, half-open ones and those in TIME-WAIT, so every segment costs one
//! search. Its position in the index follows from a keyed hash ([`hash`](super::hash)), so that a
//! peer cannot choose ports that all fall together. Open addressing with linear probing: a bucket
//! is eight bytes, and a search looks at one cache line mostly, however many connections there are.

use alloc::vec::Vec;

/// Where something is: the kind in the upper bits, its number in the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// In the slab of connections.
    Connection(u32),
    /// In the SYN queue.
    HalfOpen(u32),
    /// In the queue of connections that are over.
    TimeWait(u32),
}

/// Bits of the number in a place.
const NUMBER: u32 = 0x3fff_ffff;
/// A bucket that holds nothing; no place looks like it.
const EMPTY: u64 = u64::MAX;
/// Buckets at the least.
const SMALLEST: usize = 64;

impl Place {
    fn encode(self) -> u32 {
        match self {
            Self::Connection(number) => number & NUMBER,
            Self::HalfOpen(number) => number & NUMBER | 1 << 30,
            Self::TimeWait(number) => number & NUMBER | 2 << 30,
        }
    }

    fn decode(code: u32) -> Self {
        let number = code & NUMBER;
        match code >> 30 {
            0 => Self::Connection(number),
            1 => Self::HalfOpen(number),
            _ => Self::TimeWait(number),
        }
    }
}

/// The index. Holds for each entry half of its hash and its place; whether a place is the one that
/// is looked for, the caller says.
#[derive(Default)]
pub(crate) struct Index {
    /// A power of two of them, or none: hash above, place below.
    buckets: Vec<u64>,
    used: usize,
}

impl Index {
    /// The first place with that hash that `is` the right one.
    #[inline]
    pub(crate) fn find(&self, hash: u32, is: impl Fn(Place) -> bool) -> Option<Place> {
        let mut at = self.home(hash);
        loop {
            let bucket = *self.buckets.get(at)?;
            if bucket == EMPTY {
                return None;
            }
            if (bucket >> 32) as u32 == hash {
                let place = Place::decode(bucket as u32);
                if is(place) {
                    return Some(place);
                }
            }
            at = self.after(at);
        }
    }

    /// Adds a place. Says whether there was memory for it.
    pub(crate) fn insert(&mut self, hash: u32, place: Place) -> bool {
        // At most two thirds full.
        if (self.used + 1) * 3 > self.buckets.len() * 2
            && !self.resize((self.buckets.len() * 2).max(SMALLEST))
        {
            return false;
        }
        self.used += 1;
        self.put(u64::from(hash) << 32 | u64::from(place.encode()));
        true
    }

    /// Takes out a place that was inserted with that hash.
    pub(crate) fn remove(&mut self, hash: u32, place: Place) {
        let wanted = u64::from(hash) << 32 | u64::from(place.encode());
        let mut at = self.home(hash);
        loop {
            match self.buckets.get(at) {
                None | Some(&EMPTY) => return,
                Some(bucket) if *bucket == wanted => break,
                Some(_) => at = self.after(at),
            }
        }
        self.used -= 1;
        self.close_gap(at);
        if self.buckets.len() > SMALLEST && self.used * 8 < self.buckets.len() {
            // Failing to shrink costs memory, nothing else.
            let _ = self.resize(self.buckets.len() / 2);
        }
    }

    /// How many places there are.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.used
    }

    fn home(&self, hash: u32) -> usize {
        hash as usize & self.buckets.len().wrapping_sub(1)
    }

    fn after(&self, at: usize) -> usize {
        (at + 1) & self.buckets.len().wrapping_sub(1)
    }

    fn put(&mut self, bucket: u64) {
        let mut at = self.home((bucket >> 32) as u32);
        while let Some(free) = self.buckets.get_mut(at) {
            if *free == EMPTY {
                *free = bucket;
                return;
            }
            at = self.after(at);
        }
    }

    /// Moves back what a search would otherwise not find behind the gap at `gap`.
    fn close_gap(&mut self, mut gap: usize) {
        let mask = self.buckets.len().wrapping_sub(1);
        let mut at = self.after(gap);
        while let Some(bucket) = self.buckets.get(at).copied() {
            if bucket == EMPTY {
                break;
            }
            let from_home = at.wrapping_sub(self.home((bucket >> 32) as u32)) & mask;
            let from_gap = at.wrapping_sub(gap) & mask;
            if from_home >= from_gap {
                self.set(gap, bucket);
                gap = at;
            }
            at = self.after(at);
        }
        self.set(gap, EMPTY);
    }

    fn set(&mut self, at: usize, bucket: u64) {
        if let Some(to) = self.buckets.get_mut(at) {
            *to = bucket;
        }
    }

    fn resize(&mut self, size: usize) -> bool {
        let mut buckets = Vec::new();
        if buckets.try_reserve_exact(size).is_err() {
            return false;
        }
        buckets.resize(size, EMPTY);
        for bucket in core::mem::replace(&mut self.buckets, buckets) {
            if bucket != EMPTY {
                self.put(bucket);
            }
        }
        true
    }
}

/// Numbered things; numbers of those that are gone are given again.
pub(crate) struct Slab<T> {
    cells: Vec<Cell<T>>,
    /// First of the free cells, each of which names the next.
    free: u32,
    used: usize,
    /// Generation of a new cell.
    first: u32,
}

struct Cell<T> {
    /// How often the number was given before.
    generation: u32,
    content: Content<T>,
}

enum Content<T> {
    Free(u32),
    Used(T),
}

/// Cells that are kept for later when nothing is in them.
const CROWD: usize = 1024;
/// Ends the list of free cells.
const NONE: u32 = u32::MAX;

impl<T> Slab<T> {
    pub(crate) const fn new() -> Self {
        Self {
            cells: Vec::new(),
            free: NONE,
            used: 0,
            first: 0,
        }
    }

    /// Adds something and says its number and generation, unless there is no memory.
    pub(crate) fn insert(&mut self, value: T) -> Option<(u32, u32)> {
        let number = self.free;
        if let Some(cell) = self.cells.get_mut(number as usize) {
            if let Content::Free(next) = cell.content {
                self.free = next;
            }
            cell.content = Content::Used(value);
            self.used += 1;
            return Some((number, cell.generation));
        }
        let number = u32::try_from(self.cells.len())
            .ok()
            .filter(|number| *number < NUMBER)?;
        self.cells.try_reserve(1).ok()?;
        self.cells.push(Cell {
            generation: self.first,
            content: Content::Used(value),
        });
        self.used += 1;
        Some((number, self.first))
    }

    #[inline]
    pub(crate) fn get(&self, number: u32) -> Option<&T> {
        match &self.cells.get(number as usize)?.content {
            Content::Used(value) => Some(value),
            Content::Free(_) => None,
        }
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, number: u32) -> Option<&mut T> {
        match &mut self.cells.get_mut(number as usize)?.content {
            Content::Used(value) => Some(value),
            Content::Free(_) => None,
        }
    }

    /// Whether the number still means what it meant when it was given with `generation`.
    pub(crate) fn is(&self, number: u32, generation: u32) -> bool {
        let cell = self.cells.get(number as usize);
        cell.is_some_and(|cell| cell.generation == generation)
    }

    /// Takes something out.
    pub(crate) fn remove(&mut self, number: u32) -> Option<T> {
        let cell = self.cells.get_mut(number as usize)?;
        if matches!(cell.content, Content::Free(_)) {
            return None;
        }
        let content = core::mem::replace(&mut cell.content, Content::Free(self.free));
        cell.generation = cell.generation.wrapping_add(1);
        self.free = number;
        self.used -= 1;
        if self.used == 0 {
            self.shrink();
        }
        match content {
            Content::Used(value) => Some(value),
            Content::Free(_) => None,
        }
    }

    /// Gives back the memory of a crowd that has left, if it was one.
    fn shrink(&mut self) {
        if self.cells.len() > CROWD {
            // Generations go on where they were, or an old timer would hit something new.
            let newest = self.cells.iter().map(|cell| cell.generation).max();
            self.first = newest.unwrap_or(0);
            self.cells = Vec::new();
            self.free = NONE;
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.used
    }

    /// The numbers in use. For rare occasions: looks at all.
    pub(crate) fn numbers(&self) -> impl Iterator<Item = u32> + '_ {
        let cells = self.cells.iter().enumerate();
        cells.filter_map(|(number, cell)| {
            matches!(cell.content, Content::Used(_)).then_some(number as u32)
        })
    }
}

#[cfg(test)]
mod tests {
    use fata_device::weather::Random;
    use std::collections::HashMap;

    use super::*;

    /// Against a map of the standard library; few different hashes, so that they collide.
    #[test]
    fn the_index_finds_what_is_there_and_nothing_else() {
        let mut random = Random::new(7);
        let mut index = Index::default();
        let mut model: HashMap<u32, u32> = HashMap::new();
        let hash = |number: u32| (number % 37).wrapping_mul(0x9e37_79b9) ^ number >> 6;
        for step in 0..200_000 {
            // Grows for a while, shrinks for a while.
            let growing = step / 20_000 % 2 == 0;
            let number = random.within(0..=5000) as u32;
            let known = model.contains_key(&number);
            let add = random.within(0..=3) > 0;
            if !known && add == growing {
                assert!(index.insert(hash(number), Place::Connection(number)));
                model.insert(number, number);
            } else if known && add != growing {
                index.remove(hash(number), Place::Connection(number));
                model.remove(&number);
            }
            let number = random.within(0..=5000) as u32;
            let found = index.find(hash(number), |place| place == Place::Connection(number));
            assert_eq!(found.is_some(), model.contains_key(&number));
            assert_eq!(index.len(), model.len());
        }
    }

    #[test]
    fn the_index_gives_memory_back() {
        let mut index = Index::default();
        for number in 0..100_000u32 {
            index.insert(number.wrapping_mul(0x9e37_79b9), Place::HalfOpen(number));
        }
        for number in 0..100_000u32 {
            index.remove(number.wrapping_mul(0x9e37_79b9), Place::HalfOpen(number));
        }
        assert_eq!(index.len(), 0);
        assert_eq!(index.buckets.len(), SMALLEST);
        assert_eq!(index.buckets.iter().find(|bucket| **bucket != EMPTY), None);
    }

    #[test]
    fn a_number_given_again_has_another_generation() {
        let mut slab = Slab::new();
        let first = slab.insert('a').unwrap();
        let second = slab.insert('b').unwrap();
        assert_eq!(slab.remove(first.0), Some('a'));
        assert_eq!(slab.remove(first.0), None);
        let third = slab.insert('c').unwrap();
        assert_eq!(third.0, first.0);
        assert!(!slab.is(first.0, first.1));
        assert!(slab.is(third.0, third.1));
        assert_eq!(slab.get(second.0), Some(&'b'));
        assert_eq!(slab.numbers().collect::<Vec<_>>(), [0, 1]);
    }

    #[test]
    fn a_slab_gives_memory_back_and_keeps_its_generations() {
        let mut slab = Slab::new();
        let ids: Vec<_> = (0..5000).filter_map(|n| slab.insert(n)).collect();
        for id in &ids {
            slab.remove(id.0);
        }
        assert_eq!(slab.cells.capacity(), 0);
        let id = slab.insert(1).unwrap();
        assert_eq!(id.0, 0);
        assert!(!ids.contains(&id));
    }
}
