// SPDX-License-Identifier: ISC
//! The suites of [`Kv`].

use alloc::{string::String, vec, vec::Vec};

use crate::kv::{EntryKind, Kv, KvError, MAX_KEY};

/// Checks a store that can be written. It must be empty, and is so again at the end.
///
/// # Panics
///
/// If the store breaks the contract of [`Kv`].
pub async fn kv<K: Kv>(store: &K) {
    assert_eq!(
        names(store, "").await,
        Ok(vec![]),
        "the suite needs an empty store"
    );
    values_come_back(store).await;
    directories_follow_from_keys(store).await;
    absent_keys_are_named(store).await;
    improper_keys_are_refused(store).await;
    for key in ["a", "b/c", "b/d/e", "b-f"] {
        assert_eq!(store.remove(key).await, Ok(()), "removes {key}");
    }
    assert_eq!(
        names(store, "").await,
        Ok(vec![]),
        "directories vanish with their values"
    );
}

/// Checks a store that cannot be written and holds exactly `values`, at least one.
///
/// # Panics
///
/// If the store breaks the contract of [`Kv`].
pub async fn kv_read_only<K: Kv>(store: &K, values: &[(&str, &[u8])]) {
    for (key, value) in values {
        assert_eq!(read(store, key).await, Ok(value.to_vec()), "reads {key}");
        assert_eq!(store.write(key, b"x").await, Err(KvError::ReadOnly));
        assert_eq!(store.remove(key).await, Err(KvError::ReadOnly));
        assert_eq!(
            read(store, key).await,
            Ok(value.to_vec()),
            "{key} is unchanged"
        );
    }
    let mut first: Vec<_> = values
        .iter()
        .map(|(key, _)| match key.split_once('/') {
            Some((name, _)) => (String::from(name), EntryKind::Directory),
            None => (String::from(*key), EntryKind::Value),
        })
        .collect();
    first.sort();
    first.dedup();
    assert_eq!(names(store, "").await, Ok(first));
    assert_eq!(read(store, "no such key").await, Err(KvError::NotFound));
    assert_eq!(store.write("new", b"x").await, Err(KvError::ReadOnly));
    improper_keys_are_refused(store).await;
}

async fn read<K: Kv>(store: &K, key: &str) -> Result<Vec<u8>, KvError> {
    store.read(key).await.map(|value| value.into_owned())
}

async fn names<K: Kv>(store: &K, directory: &str) -> Result<Vec<(String, EntryKind)>, KvError> {
    let entries = store.list(directory).await?;
    Ok(entries
        .into_iter()
        .map(|entry| (entry.name, entry.kind))
        .collect())
}

async fn values_come_back<K: Kv>(store: &K) {
    let large: Vec<u8> = (0..5000u32).map(|n| (n % 251) as u8).collect();
    for value in [
        &b"first"[..],
        b"",
        b"a longer one than the first",
        b"s",
        &large,
    ] {
        assert_eq!(store.write("a", value).await, Ok(()));
        assert_eq!(read(store, "a").await, Ok(value.to_vec()));
    }
}

async fn directories_follow_from_keys<K: Kv>(store: &K) {
    for key in ["b/d/e", "b/c", "b-f"] {
        assert_eq!(
            store.write(key, key.as_bytes()).await,
            Ok(()),
            "writes {key}"
        );
    }
    let value = |name: &str| (String::from(name), EntryKind::Value);
    let directory = |name: &str| (String::from(name), EntryKind::Directory);
    let top = vec![value("a"), directory("b"), value("b-f")];
    assert_eq!(names(store, "").await, Ok(top), "in order of bytes");
    assert_eq!(
        names(store, "b").await,
        Ok(vec![value("c"), directory("d")])
    );
    assert_eq!(names(store, "b/d").await, Ok(vec![value("e")]));
    for key in ["b", "b/d"] {
        assert_eq!(read(store, key).await, Err(KvError::IsDirectory));
        assert_eq!(store.write(key, b"x").await, Err(KvError::IsDirectory));
        assert_eq!(store.remove(key).await, Err(KvError::IsDirectory));
    }
    assert_eq!(
        store.write("a/below", b"x").await,
        Err(KvError::NotDirectory)
    );
    assert_eq!(
        store.write("b/c/far/below", b"x").await,
        Err(KvError::NotDirectory)
    );
    assert_eq!(names(store, "b/c").await, Err(KvError::NotDirectory));
    assert_eq!(
        read(store, "b/c").await,
        Ok(b"b/c".to_vec()),
        "refusals change nothing"
    );
}

async fn absent_keys_are_named<K: Kv>(store: &K) {
    for key in ["absent", "b/absent", "a/absent", "b/d/e/f"] {
        assert_eq!(read(store, key).await, Err(KvError::NotFound), "{key}");
        assert_eq!(store.remove(key).await, Err(KvError::NotFound), "{key}");
    }
    assert_eq!(names(store, "absent").await, Err(KvError::NotFound));
}

async fn improper_keys_are_refused<K: Kv>(store: &K) {
    let long = "k".repeat(MAX_KEY + 1);
    for key in ["/a", "a/", "a//b", "..", "a/../a", "a\0b", &long] {
        let refused = Err(KvError::InvalidKey);
        assert_eq!(read(store, key).await, refused);
        assert_eq!(store.write(key, b"x").await, Err(KvError::InvalidKey));
        assert_eq!(store.remove(key).await, Err(KvError::InvalidKey));
        assert_eq!(names(store, key).await, Err(KvError::InvalidKey));
    }
    assert_eq!(read(store, "").await, Err(KvError::InvalidKey));
}
