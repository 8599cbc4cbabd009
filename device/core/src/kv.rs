// SPDX-License-Identifier: ISC
//! Stores of values under names: files without the rest of a file system.
//!
//! A key is a path of segments separated by `/`, such as `zones/example.org`; see [`check_key`]. A
//! directory is the common beginning of keys. It is there as long as a key begins with it, and is
//! made and removed by nothing else.

use alloc::{borrow::Cow, string::String, vec::Vec};
use core::fmt;

/// A store of values under keys.
///
/// Operations on one store may overlap in time; each takes place at one moment between its start
/// and its end, as if alone. Dropping the future of a `write` or `remove` leaves the old state or
/// the new one.
pub trait Kv {
    /// The value under `key`, whole. A store in memory lends it; another one hands it over.
    ///
    /// # Errors
    ///
    /// [`KvError::InvalidKey`], [`KvError::NotFound`], [`KvError::IsDirectory`], and
    /// [`KvError::Failed`] when the medium failed. The store is unchanged.
    fn read<'a>(&'a self, key: &str) -> impl Future<Output = Result<Cow<'a, [u8]>, KvError>>;

    /// Puts `value` under `key`, in the place of an older one. A reader sees the old value or the
    /// new one, never a mixture. Whether the new one survives a loss of power when this returns is
    /// for the store to say.
    ///
    /// # Errors
    ///
    /// [`KvError::InvalidKey`], [`KvError::IsDirectory`], [`KvError::NotDirectory`] (the beginning
    /// of `key` is itself the key of a value), [`KvError::ReadOnly`], [`KvError::NoSpace`]: the
    /// store is unchanged. [`KvError::Failed`]: the old value or the new one is there.
    fn write(&self, key: &str, value: &[u8]) -> impl Future<Output = Result<(), KvError>>;

    /// Removes the value under `key`.
    ///
    /// # Errors
    ///
    /// [`KvError::InvalidKey`], [`KvError::NotFound`], [`KvError::IsDirectory`],
    /// [`KvError::ReadOnly`]: the store is unchanged. [`KvError::Failed`]: the value is there or
    /// not.
    fn remove(&self, key: &str) -> impl Future<Output = Result<(), KvError>>;

    /// What is directly in `directory` (the empty string is the whole store), by name in order of
    /// bytes.
    ///
    /// # Errors
    ///
    /// [`KvError::InvalidKey`], [`KvError::NotFound`] (never for the whole store),
    /// [`KvError::NotDirectory`], [`KvError::Failed`].
    fn list(&self, directory: &str) -> impl Future<Output = Result<Vec<Entry>, KvError>>;
}

/// What a directory holds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// The segment of its key: a name without `/`.
    pub name: String,
    /// What it is.
    pub kind: EntryKind,
}

/// What an [`Entry`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EntryKind {
    /// A directory.
    Directory,
    /// A value.
    Value,
}

/// Bytes of a key at most.
pub const MAX_KEY: usize = 1024;

/// Whether `key` can be a key: at most [`MAX_KEY`] bytes, made of segments that are not empty, not
/// `.` and not `..`, and free of NUL. So a key is the same path in every store, and none leads out
/// of one.
///
/// # Errors
///
/// [`KvError::InvalidKey`].
pub fn check_key(key: &str) -> Result<(), KvError> {
    let proper = |segment: &str| !matches!(segment, "" | "." | "..") && !segment.contains('\0');
    if key.len() <= MAX_KEY && key.split('/').all(proper) {
        Ok(())
    } else {
        Err(KvError::InvalidKey)
    }
}

/// What is directly in `directory` of a store whose keys are `keys`, in any order: for stores that know
/// all their keys at once.
///
/// # Errors
///
/// As [`Kv::list`].
pub fn entries<'a>(
    keys: impl Iterator<Item = &'a str>,
    directory: &str,
) -> Result<Vec<Entry>, KvError> {
    if !directory.is_empty() {
        check_key(directory)?;
    }
    let mut entries = Vec::<Entry>::new();
    for key in keys {
        let below = if directory.is_empty() {
            key
        } else {
            match key.strip_prefix(directory) {
                Some("") => return Err(KvError::NotDirectory),
                Some(below) if below.starts_with('/') => &below[1..],
                _ => continue,
            }
        };
        let (name, kind) = match below.split_once('/') {
            Some((name, _)) => (name, EntryKind::Directory),
            None => (below, EntryKind::Value),
        };
        let entry = Entry {
            name: name.into(),
            kind,
        };
        // Keys come in order or nearly so, which makes this cheap; and it is less code than sorting.
        if let Err(at) = entries.binary_search(&entry) {
            entries.insert(at, entry);
        }
    }
    if entries.is_empty() && !directory.is_empty() {
        return Err(KvError::NotFound);
    }
    Ok(entries)
}

/// Why a store did not do what it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KvError {
    /// The medium failed, or what is on it makes no sense.
    Failed,
    /// The key breaks the rules of [`check_key`].
    InvalidKey,
    /// The key is that of a directory.
    IsDirectory,
    /// The store is full.
    NoSpace,
    /// What is to be a directory is a value.
    NotDirectory,
    /// Nothing has this key.
    NotFound,
    /// The store cannot be changed.
    ReadOnly,
}

impl fmt::Display for KvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Failed => "store failed",
            Self::InvalidKey => "key has an empty, `.` or `..` segment, or is too long",
            Self::IsDirectory => "key is that of a directory",
            Self::NoSpace => "store is full",
            Self::NotDirectory => "directory expected, but there is a value",
            Self::NotFound => "no such key",
            Self::ReadOnly => "store is read-only",
        })
    }
}

impl core::error::Error for KvError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_clean_paths() {
        for key in ["a", "a/b", "zones/example.org", ".hidden", "..."] {
            assert_eq!(check_key(key), Ok(()), "{key}");
        }
        let long = "a".repeat(MAX_KEY + 1);
        for key in [
            "", "/", "/a", "a/", "a//b", ".", "a/..", "../a", "a\0", &long,
        ] {
            assert_eq!(check_key(key), Err(KvError::InvalidKey), "{key}");
        }
    }
}
