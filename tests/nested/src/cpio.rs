// SPDX-License-Identifier: ISC
//! Writes an archive in cpio's format "newc", which the kernel unpacks as its first file system.
//!
//! Read first: "initramfs buffer format" in the kernel's documentation. A header of 13 numbers in
//! hexadecimal, the name, the content; both padded to four bytes.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Write},
    path::{Component, Path, PathBuf},
};

const FOLDER: u32 = 0o040_755;
const LINK: u32 = 0o120_777;
const FILE: u32 = 0o100_000;

/// What a name in the archive stands for.
#[derive(Debug)]
enum Entry {
    Folder,
    Link(String),
    Bytes(Vec<u8>),
    /// A file of the host, read when the archive is written.
    File(PathBuf, u32),
}

/// Files with their names, parents before children.
#[derive(Debug, Default)]
pub struct Archive {
    entries: BTreeMap<PathBuf, Entry>,
}

impl Archive {
    /// Adds an empty folder.
    pub fn folder(&mut self, name: &Path) {
        self.add(name, Entry::Folder);
    }

    /// Adds a symbolic link.
    pub fn link(&mut self, name: &Path, target: &str) {
        self.add(name, Entry::Link(target.to_owned()));
    }

    /// Adds an executable file of `bytes`.
    pub fn bytes(&mut self, name: &Path, bytes: impl Into<Vec<u8>>) {
        self.add(name, Entry::Bytes(bytes.into()));
    }

    /// Adds a file of the host, with its permissions `mode`.
    pub fn file(&mut self, name: &Path, source: &Path, mode: u32) {
        self.add(name, Entry::File(source.to_owned(), mode & 0o777));
    }

    /// Whether there is something of that name.
    pub fn has(&self, name: &Path) -> bool {
        self.entries.contains_key(&relative(name))
    }

    fn add(&mut self, name: &Path, entry: Entry) {
        let name = relative(name);
        for parent in name.ancestors().skip(1) {
            if !parent.as_os_str().is_empty() {
                self.entries
                    .entry(parent.to_owned())
                    .or_insert(Entry::Folder);
            }
        }
        self.entries.insert(name, entry);
    }

    /// Writes it all.
    ///
    /// # Errors
    ///
    /// If a file cannot be read, or `output` not be written.
    pub fn write(&self, output: &mut impl Write) -> io::Result<()> {
        for (number, (name, entry)) in (1..).zip(&self.entries) {
            let name = name.as_os_str().as_encoded_bytes();
            match entry {
                Entry::Folder => record(output, number, FOLDER, name, &[])?,
                Entry::Link(target) => record(output, number, LINK, name, target.as_bytes())?,
                Entry::Bytes(bytes) => record(output, number, FILE | 0o755, name, bytes)?,
                Entry::File(source, mode) => {
                    let named = |error| io::Error::other(format!("{}: {error}", source.display()));
                    let content = fs::read(source).map_err(named)?;
                    record(output, number, FILE | mode, name, &content)?;
                }
            }
        }
        record(output, 0, 0, b"TRAILER!!!", &[])
    }
}

/// Names in the archive begin at its root.
fn relative(name: &Path) -> PathBuf {
    name.components()
        .filter(|part| matches!(part, Component::Normal(_)))
        .collect()
}

fn record(
    output: &mut impl Write,
    number: u32,
    mode: u32,
    name: &[u8],
    content: &[u8],
) -> io::Result<()> {
    let too_large = |_| io::Error::other("a file of 4 GB does not fit into the archive");
    let size = u32::try_from(content.len()).map_err(too_large)?;
    let name_size = u32::try_from(name.len() + 1).map_err(too_large)?;
    output.write_all(b"070701")?;
    // Inode, mode, owner, group, links, time, size, device, device of a node, length of the name, sum.
    let header = [number, mode, 0, 0, 1, 0, size, 0, 0, 0, 0, name_size, 0];
    for field in header {
        write!(output, "{field:08x}")?;
    }
    output.write_all(name)?;
    output.write_all(&[0])?;
    pad(output, 6 + 8 * header.len() + name.len() + 1)?;
    output.write_all(content)?;
    pad(output, content.len())
}

fn pad(output: &mut impl Write, written: usize) -> io::Result<()> {
    output.write_all(&[0; 3][..written.next_multiple_of(4) - written])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_padded_and_parents_come_first() {
        let mut archive = Archive::default();
        archive.bytes(Path::new("/a/b/c"), *b"content");
        archive.link(Path::new("/a/d"), "b/c");
        archive.folder(Path::new("/e"));
        assert!(archive.has(Path::new("a/b")));
        let mut bytes = Vec::new();
        archive.write(&mut bytes).unwrap();
        // Header and name of the folder `a`, then the next record.
        assert_eq!(&bytes[..14], b"07070100000001");
        assert_eq!(&bytes[110..112], b"a\0");
        assert_eq!(&bytes[112..118], b"070701");
        let text = String::from_utf8_lossy(&bytes);
        let order: Vec<usize> = ["a/b\0", "a/b/c\0", "a/d\0", "TRAILER!!!"]
            .map(|name| text.find(name).unwrap())
            .to_vec();
        assert!(order.is_sorted(), "{order:?}");
        assert_eq!(bytes.len() % 4, 0);
    }

    #[test]
    fn a_missing_file_is_named() {
        let mut archive = Archive::default();
        archive.file(Path::new("x"), Path::new("/nowhere/at/all"), 0o644);
        let error = archive.write(&mut Vec::new()).unwrap_err();
        assert!(error.to_string().contains("/nowhere/at/all"), "{error}");
    }
}
