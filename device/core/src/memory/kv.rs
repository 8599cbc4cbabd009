// SPDX-License-Identifier: ISC
//! A store in memory.

use alloc::{borrow::Cow, collections::BTreeMap, rc::Rc, string::String, vec::Vec};
use core::{cell::RefCell, ops::Bound};

use crate::kv::{Entry, Kv, KvError, check_key, entries};

/// A store in memory. Clones are the same store.
#[derive(Clone, Default)]
pub struct KvMap(Rc<RefCell<BTreeMap<String, Vec<u8>>>>);

impl KvMap {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// Says why there is no value under `key`.
    fn absent(&self, key: &str) -> KvError {
        if self.is_directory(key) {
            KvError::IsDirectory
        } else {
            KvError::NotFound
        }
    }

    fn is_directory(&self, key: &str) -> bool {
        let mut inside = String::from(key);
        inside.push('/');
        let map = self.0.borrow();
        let from = Bound::Included(inside.as_str());
        map.range::<str, _>((from, Bound::Unbounded))
            .next()
            .is_some_and(|(key, _)| key.starts_with(&inside))
    }
}

impl Kv for KvMap {
    async fn read<'a>(&'a self, key: &str) -> Result<Cow<'a, [u8]>, KvError> {
        check_key(key)?;
        let value = self.0.borrow().get(key).cloned();
        value.map(Cow::Owned).ok_or_else(|| self.absent(key))
    }

    async fn write(&self, key: &str, value: &[u8]) -> Result<(), KvError> {
        check_key(key)?;
        if self.is_directory(key) {
            return Err(KvError::IsDirectory);
        }
        let mut map = self.0.borrow_mut();
        let mut parents = key.match_indices('/').map(|(at, _)| &key[..at]);
        if parents.any(|parent| map.contains_key(parent)) {
            return Err(KvError::NotDirectory);
        }
        map.insert(key.into(), value.into());
        Ok(())
    }

    async fn remove(&self, key: &str) -> Result<(), KvError> {
        check_key(key)?;
        let removed = self.0.borrow_mut().remove(key);
        removed.map(drop).ok_or_else(|| self.absent(key))
    }

    async fn list(&self, directory: &str) -> Result<Vec<Entry>, KvError> {
        let map = self.0.borrow();
        entries(map.keys().map(String::as_str), directory)
    }
}
