// SPDX-License-Identifier: ISC
//! Files compiled into the image.

use alloc::{borrow::Cow, vec::Vec};

use fata_device::{
    Kv, KvError,
    kv::{Entry, check_key, entries},
};

/// A directory as it was when the image was built: a [`Kv`] that nothing changes.
///
/// As a field of devices, `#[device(embed = "zones")]` embeds the directory `zones` beside the
/// package's `Cargo.toml`. Changes to its files rebuild the program; that a file was added or
/// removed Cargo learns only from a `build.rs` that prints `cargo::rerun-if-changed=zones`. With
/// `embed = "$OUT_DIR/zones"` it is what `build.rs` has made there.
#[derive(Clone, Copy, Debug)]
pub struct Files {
    /// Sorted by key.
    files: &'static [(&'static str, &'static [u8])],
}

/// What `#[device(embed = "...")]` can be put on.
pub trait Embed {
    /// The device made of `files`: keys, sorted by bytes, with their values.
    fn embed(files: &'static [(&'static str, &'static [u8])]) -> Self;
}

impl Embed for Files {
    fn embed(files: &'static [(&'static str, &'static [u8])]) -> Self {
        Self::new(files)
    }
}

impl Files {
    /// A store of `files`: keys, sorted by bytes, with their values.
    pub const fn new(files: &'static [(&'static str, &'static [u8])]) -> Self {
        Self { files }
    }

    /// The value under `key`, for as long as the image runs.
    pub fn get(&self, key: &str) -> Option<&'static [u8]> {
        let at = self.files.binary_search_by(|file| file.0.cmp(key)).ok()?;
        Some(self.files[at].1)
    }

    /// Every key with its value, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &'static [u8])> + use<> {
        self.files.iter().copied()
    }

    /// Why nothing can be done to `key`.
    fn refuse(key: &str) -> Result<(), KvError> {
        check_key(key)?;
        Err(KvError::ReadOnly)
    }
}

impl Kv for Files {
    async fn read<'a>(&'a self, key: &str) -> Result<Cow<'a, [u8]>, KvError> {
        check_key(key)?;
        if let Some(value) = self.get(key) {
            return Ok(Cow::Borrowed(value));
        }
        let is_below = |file: &str| {
            file.strip_prefix(key)
                .is_some_and(|rest| rest.starts_with('/'))
        };
        if self.files.iter().any(|file| is_below(file.0)) {
            return Err(KvError::IsDirectory);
        }
        Err(KvError::NotFound)
    }

    async fn write(&self, key: &str, _: &[u8]) -> Result<(), KvError> {
        Self::refuse(key)
    }

    async fn remove(&self, key: &str) -> Result<(), KvError> {
        Self::refuse(key)
    }

    async fn list(&self, directory: &str) -> Result<Vec<Entry>, KvError> {
        entries(self.files.iter().map(|file| file.0), directory)
    }
}

#[cfg(test)]
mod tests {
    use fata_device::conformance::{block_on, kv_read_only};

    use super::*;

    const FILES: &[(&str, &[u8])] = &[
        ("a", b"first"),
        ("b/c", b""),
        ("b/d/e", b"deep"),
        ("b-f", b"beside"),
    ];

    #[test]
    fn files_conform() {
        let mut sorted = FILES.to_vec();
        sorted.sort();
        let files = Files::new(sorted.leak());
        block_on(kv_read_only(&files, FILES));
    }

    #[test]
    fn values_outlive_the_store() {
        let value = Files::new(FILES).get("a");
        assert_eq!(value, Some(&b"first"[..]));
    }
}
