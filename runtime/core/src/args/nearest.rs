// SPDX-License-Identifier: ISC
//! What was probably meant by an argument that does not exist.

use alloc::{format, string::String, vec::Vec};

use fata_abi::image::Argument;

/// The message for the unknown argument `name`.
pub(crate) fn unknown(name: &str, known: &[(String, &'static Argument)]) -> String {
    let names = known.iter().map(|(name, _)| &**name);
    match nearest(name, names.chain(["help", "version"])) {
        Some(near) => format!("unknown argument `--{name}`: did you mean `--{near}`?"),
        None => format!("unknown argument `--{name}`: see `--help`"),
    }
}

/// The name among `names` that takes fewest changes, if they are few enough for a slip.
pub(crate) fn nearest<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    // A third of the letters, and one at least.
    let mut limit = name.len() / 3 + 1;
    let mut found = None;
    for candidate in names {
        let distance = distance(name.as_bytes(), candidate.as_bytes());
        if distance < limit || distance == limit && found.is_none() {
            limit = distance;
            found = Some(candidate);
        }
    }
    found
}

/// Letters to insert, remove or replace to make `b` of `a` (Levenshtein).
fn distance(a: &[u8], b: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = core::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.iter().enumerate() {
            let replace = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replace.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}
