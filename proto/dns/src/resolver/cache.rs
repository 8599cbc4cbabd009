// SPDX-License-Identifier: ISC
//! What was found out, and that something is not there, for as long as it is said to be so.
//!
//! Bounded in bytes: what ends first makes room. Read first: RFC 1035 section 7.4, RFC 2308
//! section 5, RFC 8020 (below a name that is not there, there is nothing).

use alloc::{boxed::Box, collections::BTreeMap, vec::Vec};

use super::{answer::Answer, lookup::LookupError};
use crate::{
    name::{Name, parent},
    types::Type,
};

/// Longest time that anything is remembered, in seconds.
const LONGEST: u32 = 24 * 3600;
/// The same for what is not there (RFC 2308 section 5: hours).
const LONGEST_NEGATIVE: u32 = 3600;
/// Bytes that an entry takes beside its name and data, about.
const OVERHEAD: usize = 96;
const SECOND: u64 = 1_000_000_000;

/// What the cache knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// These records, for as many seconds as they have left.
    Records(Answer),
    /// No such name.
    NoName,
    /// No such records.
    NoData,
}

/// A name in lower case and a type; type zero stands for the name itself.
type Key = (Box<[u8]>, u16);

struct Entry {
    expires: u64,
    /// Nothing where there is none.
    records: Option<Answer>,
}

/// A cache of answers.
pub struct Cache {
    entries: BTreeMap<Key, Entry>,
    bytes: usize,
    limit: usize,
}

impl Cache {
    /// A cache that takes about `limit` bytes at most.
    pub fn new(limit: usize) -> Self {
        Self {
            entries: BTreeMap::new(),
            bytes: 0,
            limit,
        }
    }

    /// What is known about the records of a type.
    pub fn get(&self, name: &Name, rtype: Type, now: u64) -> Option<Found> {
        let name = name.lower();
        let current = |name: &[u8], code| {
            let entry = self.entries.get(&(Box::from(name), code));
            entry.filter(|entry| now < entry.expires)
        };
        if let Some(entry) = current(name.as_bytes(), rtype.0) {
            return Some(match &entry.records {
                None => Found::NoData,
                Some(answer) => {
                    let left = (entry.expires - now).div_ceil(SECOND);
                    let ttl = u32::try_from(left).unwrap_or(u32::MAX);
                    let answer = answer.clone();
                    Found::Records(Answer { ttl, ..answer })
                }
            });
        }
        let mut above = Some(name.as_bytes());
        while let Some(name) = above {
            if current(name, 0).is_some() {
                return Some(Found::NoName);
            }
            above = parent(name);
        }
        None
    }

    /// Remembers how a lookup ended; failures are not remembered.
    pub fn put(
        &mut self,
        name: &Name,
        rtype: Type,
        result: &Result<Answer, LookupError>,
        now: u64,
    ) {
        let (code, ttl, records) = match result {
            Ok(answer) => (rtype.0, answer.ttl.min(LONGEST), Some(answer.clone())),
            Err(LookupError::NoName(ttl)) => (0, (*ttl).min(LONGEST_NEGATIVE), None),
            Err(LookupError::NoData(ttl)) => (rtype.0, (*ttl).min(LONGEST_NEGATIVE), None),
            Err(_) => return,
        };
        let key = (Box::from(name.lower().as_bytes()), code);
        self.remove(&key);
        let entry = Entry {
            expires: now.saturating_add(u64::from(ttl) * SECOND),
            records,
        };
        let bytes = weight(&key, &entry);
        if ttl == 0 || bytes > self.limit || !self.make_room(bytes, now) {
            return;
        }
        self.bytes += bytes;
        self.entries.insert(key, entry);
    }

    /// Forgets everything, as after a move to another network.
    pub fn clear(&mut self) {
        self.entries.clear();
        self.bytes = 0;
    }

    /// Bytes that are taken, about.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Removes what has ended, then what ends first, until there is room.
    fn make_room(&mut self, bytes: usize, now: u64) -> bool {
        if self.bytes + bytes > self.limit {
            let ended = self
                .entries
                .iter()
                .filter(|(_, entry)| entry.expires <= now);
            let ended: Vec<Key> = ended.map(|(key, _)| key.clone()).collect();
            for key in &ended {
                self.remove(key);
            }
        }
        while self.bytes + bytes > self.limit {
            let first = self.entries.iter().min_by_key(|(_, entry)| entry.expires);
            let Some(key) = first.map(|(key, _)| key.clone()) else {
                return false;
            };
            self.remove(&key);
        }
        true
    }

    fn remove(&mut self, key: &Key) {
        if let Some(entry) = self.entries.remove(key) {
            self.bytes = self.bytes.saturating_sub(weight(key, &entry));
        }
    }
}

fn weight(key: &Key, entry: &Entry) -> usize {
    let records = entry.records.as_ref().map_or(0, Answer::weight);
    OVERHEAD + key.0.len() + records
}

#[cfg(test)]
mod tests;
