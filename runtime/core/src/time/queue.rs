// SPDX-License-Identifier: ISC
//! Timers in the order in which they are due: a binary heap whose entries know their place, so
//! that any can be taken out.
//!
//! Timers that are due at the same moment fire in the order in which they were set.

use alloc::vec::Vec;
use core::task::Waker;

/// Names a timer until it is removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Id(u32);

/// A timer in the heap.
struct Entry {
    deadline: u64,
    /// Breaks ties: counts up.
    number: u64,
    waker: Waker,
    id: u32,
    /// Whether somebody holds the [`Id`]; if not, it ends when the timer fires.
    owned: bool,
}

/// What an [`Id`] leads to.
#[derive(Clone, Copy)]
enum Place {
    Heap(u32),
    Fired,
    Free { next: Option<u32> },
}

pub(crate) struct Queue {
    heap: Vec<Entry>,
    places: Vec<Place>,
    free: Option<u32>,
    number: u64,
}

impl Queue {
    pub(crate) const fn new() -> Self {
        Self {
            heap: Vec::new(),
            places: Vec::new(),
            free: None,
            number: 0,
        }
    }

    /// When the first timer is due.
    pub(crate) fn first(&self) -> Option<u64> {
        self.heap.first().map(|e| e.deadline)
    }

    /// Adds a timer. The `Id` of one that is not `owned` must not be used.
    pub(crate) fn insert(&mut self, deadline: u64, waker: Waker, owned: bool) -> Id {
        let id = match self.free {
            Some(id) => {
                if let Place::Free { next } = self.places[id as usize] {
                    self.free = next;
                }
                id
            }
            None => {
                self.places.push(Place::Fired);
                (self.places.len() - 1) as u32
            }
        };
        self.number += 1;
        self.heap.push(Entry {
            deadline,
            number: self.number,
            waker,
            id,
            owned,
        });
        self.up(self.heap.len() - 1);
        Id(id)
    }

    /// Whether `id` is still to fire, at `deadline` and for `waker`.
    pub(crate) fn is_set(&self, id: Id, deadline: u64, waker: &Waker) -> bool {
        match self.places[id.0 as usize] {
            Place::Heap(at) => {
                let entry = &self.heap[at as usize];
                entry.deadline == deadline && entry.waker.will_wake(waker)
            }
            _ => false,
        }
    }

    /// Whether `id` has fired.
    pub(crate) fn has_fired(&self, id: Id) -> bool {
        matches!(self.places[id.0 as usize], Place::Fired)
    }

    /// Ends `id`, and returns its waker if it has not fired.
    pub(crate) fn remove(&mut self, id: Id) -> Option<Waker> {
        let place = self.places[id.0 as usize];
        self.release(id.0);
        match place {
            Place::Heap(at) => Some(self.take(at as usize).waker),
            _ => None,
        }
    }

    /// Takes the waker of the first timer if it is due.
    pub(crate) fn pop_due(&mut self, now: u64) -> Option<Waker> {
        if self.first()? > now {
            return None;
        }
        let entry = self.take(0);
        if entry.owned {
            self.places[entry.id as usize] = Place::Fired;
        } else {
            self.release(entry.id);
        }
        Some(entry.waker)
    }

    fn release(&mut self, id: u32) {
        self.places[id as usize] = Place::Free { next: self.free };
        self.free = Some(id);
    }

    /// Takes entry `at` out of the heap.
    fn take(&mut self, at: usize) -> Entry {
        let entry = self.heap.swap_remove(at);
        if at < self.heap.len() {
            // The entry that came here from the end may belong further down, or further up if it
            // came from another branch.
            let at = self.down(at);
            self.up(at);
        }
        entry
    }

    fn before(&self, a: usize, b: usize) -> bool {
        let key = |i: usize| (self.heap[i].deadline, self.heap[i].number);
        key(a) < key(b)
    }

    fn note(&mut self, at: usize) {
        self.places[self.heap[at].id as usize] = Place::Heap(at as u32);
    }

    fn swap(&mut self, a: usize, b: usize) {
        self.heap.swap(a, b);
        self.note(a);
    }

    fn up(&mut self, mut at: usize) {
        while at > 0 {
            let parent = (at - 1) / 2;
            if !self.before(at, parent) {
                break;
            }
            self.swap(at, parent);
            at = parent;
        }
        self.note(at);
    }

    fn down(&mut self, mut at: usize) -> usize {
        loop {
            let left = 2 * at + 1;
            if left >= self.heap.len() {
                break;
            }
            let right = left + 1;
            let child = if right < self.heap.len() && self.before(right, left) {
                right
            } else {
                left
            };
            if !self.before(child, at) {
                break;
            }
            self.swap(at, child);
            at = child;
        }
        self.note(at);
        at
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, sync::Arc, task::Wake, vec::Vec};

    use super::*;

    struct Nobody;

    impl Wake for Nobody {
        fn wake(self: Arc<Self>) {}
    }

    /// Does the same at random to the queue and to a sorted map.
    #[test]
    fn agrees_with_a_sorted_map() {
        let mut queue = Queue::new();
        let mut model = BTreeMap::new();
        let waker = Waker::from(Arc::new(Nobody));
        let mut live: Vec<(Id, (u64, u64))> = Vec::new();
        let mut state = 1u64;
        let mut random = |below: u64| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 33) % below
        };
        for number in 0..20_000 {
            match random(3) {
                0 | 1 if live.len() < 300 => {
                    let deadline = random(1000);
                    let id = queue.insert(deadline, waker.clone(), true);
                    assert!(queue.is_set(id, deadline, &waker));
                    model.insert((deadline, number), id);
                    live.push((id, (deadline, number)));
                }
                2 if random(2) == 0 => {
                    let Some((&key, &id)) = model.first_key_value() else {
                        continue;
                    };
                    if let Some(before) = key.0.checked_sub(1) {
                        assert!(queue.pop_due(before).is_none());
                    }
                    assert!(queue.pop_due(key.0).is_some());
                    assert!(queue.has_fired(id), "not the first");
                    assert!(queue.remove(id).is_none());
                    model.remove(&key);
                    live.retain(|(other, _)| *other != id);
                }
                _ if !live.is_empty() => {
                    let (id, key) = live.swap_remove(random(live.len() as u64) as usize);
                    assert!(queue.remove(id).is_some());
                    model.remove(&key);
                }
                _ => {}
            }
            assert_eq!(queue.first(), model.keys().next().map(|key| key.0));
        }
        assert!(queue.places.len() <= 301, "places are used again");
    }
}
