// SPDX-License-Identifier: ISC
//! What was probably meant by an argument that does not exist.

use alloc::{string::String, vec::Vec};

use fata_abi::image::ArgumentTree;

use super::{join, visit};

/// The message for the argument `name`, which is in none of the trees `known`.
#[cold]
pub(crate) fn unknown(name: &str, known: &[&'static ArgumentTree]) -> String {
    let mut nearest = Nearest::new(name);
    for tree in known {
        visit(tree, &mut |candidate, _, _| nearest.consider(candidate));
    }
    nearest.consider("help");
    nearest.consider("version");
    match &nearest.found {
        Some(found) => join(&[
            "unknown argument `--",
            name,
            "`: did you mean `--",
            found,
            "`?",
        ]),
        None => join(&["unknown argument `--", name, "`: see `--help`"]),
    }
}

/// The name that takes fewest changes, if they are few enough for a slip.
pub(crate) struct Nearest<'a> {
    name: &'a str,
    /// Changes must be fewer.
    limit: usize,
    pub(crate) found: Option<String>,
}

impl<'a> Nearest<'a> {
    pub(crate) fn new(name: &'a str) -> Self {
        Self {
            name,
            // A third of the letters, and one at least.
            limit: name.len() / 3 + 2,
            found: None,
        }
    }

    pub(crate) fn consider(&mut self, candidate: &str) {
        let distance = distance(self.name.as_bytes(), candidate.as_bytes());
        if distance < self.limit {
            self.limit = distance;
            self.found = Some(candidate.into());
        }
    }
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
