// SPDX-License-Identifier: ISC
//! Whether every boot argument of an image has a name of its own, found out while it is compiled.
//!
//! Arguments come from types that know nothing of each other: the program's, those of its devices,
//! the runtime's. Two of one name would silently share their value.

use fata_abi::image::ArgumentTree;
use fata_runtime::program;

/// `tree`, whose arguments have different names, which are not the runtime's either.
///
/// # Panics
///
/// If two have the same name; in a constant this is a compile error.
pub const fn checked(tree: &'static ArgumentTree) -> &'static ArgumentTree {
    let mut at = 0;
    while let Ok(name) = Name::find(tree, at, Name::EMPTY) {
        let is_own = name.is_in(program::ARGUMENTS, usize::MAX)
            || name.equals(&Name::EMPTY.with("help"))
            || name.equals(&Name::EMPTY.with("version"));
        assert!(
            !is_own,
            "a boot argument has the name of one that every unikernel has (see --help): rename \
             the field, or name the argument with #[arg(name = \"...\")]"
        );
        assert!(
            !name.is_in(tree, at),
            "two boot arguments have the same name: rename a field, or name an argument with \
             #[arg(name = \"...\")]"
        );
        at += 1;
    }
    tree
}

/// A name in the pieces that a tree has it in, joined by hyphens.
#[derive(Clone, Copy)]
struct Name {
    pieces: [&'static str; Self::DEPTH],
    /// `len <= DEPTH`
    len: usize,
}

impl Name {
    /// Trees nest as deep as types do that add a prefix, which is rarely deeper than one.
    const DEPTH: usize = 8;
    const EMPTY: Self = Self {
        pieces: [""; Self::DEPTH],
        len: 0,
    };

    /// The name of argument `at` below `tree`, with `name` before it. If there are not as many, how
    /// many are left to count.
    const fn find(tree: &'static ArgumentTree, at: usize, name: Self) -> Result<Self, usize> {
        let name = name.with(tree.prefix.get());
        let arguments = tree.arguments.get();
        if at < arguments.len() {
            return Ok(name.with(arguments[at].name.get()));
        }
        let mut left = at - arguments.len();
        let parts = tree.parts.get();
        let mut part = 0;
        while part < parts.len() {
            match Self::find(parts[part], left, name) {
                Ok(name) => return Ok(name),
                Err(still) => left = still,
            }
            part += 1;
        }
        Err(left)
    }

    /// Whether one of the first `count` arguments below `tree` has this name.
    const fn is_in(&self, tree: &'static ArgumentTree, count: usize) -> bool {
        let mut at = 0;
        while at < count {
            match Self::find(tree, at, Self::EMPTY) {
                Ok(other) if self.equals(&other) => return true,
                Ok(_) => at += 1,
                Err(_) => return false,
            }
        }
        false
    }

    const fn with(mut self, piece: &'static str) -> Self {
        if !piece.is_empty() {
            assert!(
                self.len < Self::DEPTH,
                "boot arguments are nested too deeply"
            );
            self.pieces[self.len] = piece;
            self.len += 1;
        }
        self
    }

    const fn equals(&self, other: &Self) -> bool {
        let mut at = 0;
        loop {
            match (self.byte(at), other.byte(at)) {
                (None, None) => return true,
                (Some(a), Some(b)) if a == b => at += 1,
                _ => return false,
            }
        }
    }

    /// Byte `at` of the joined name.
    const fn byte(&self, at: usize) -> Option<u8> {
        let mut at = at;
        let mut piece = 0;
        while piece < self.len {
            let bytes = self.pieces[piece].as_bytes();
            if at < bytes.len() {
                return Some(bytes[at]);
            }
            at -= bytes.len();
            piece += 1;
            if piece < self.len {
                if at == 0 {
                    return Some(b'-');
                }
                at -= 1;
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use fata_abi::image::{Argument, Text};

    use super::*;

    const fn argument(name: &'static str) -> Argument {
        Argument {
            name: Text::new(name),
            value: Text::new("N"),
            default: Text::new(""),
            help: Text::new(""),
            flags: 0,
        }
    }

    static STACK: ArgumentTree = ArgumentTree::new(&[const { argument("ipv4") }], &[]);
    static LINK: ArgumentTree = ArgumentTree::new(&[const { argument("link-ipv4") }], &[]);
    static UPLINK: ArgumentTree = ArgumentTree::prefixed("up-link", &[&STACK]);
    static UP: ArgumentTree = ArgumentTree::prefixed("up", &[&LINK]);
    static PORT: ArgumentTree = ArgumentTree::new(&[const { argument("port") }], &[]);
    static DELAY: ArgumentTree = ArgumentTree::new(&[const { argument("delay") }], &[]);

    #[test]
    fn different_names_pass() {
        static ALL: ArgumentTree = ArgumentTree::new(&[], &[&STACK, &UPLINK, &PORT]);
        assert_eq!(checked(&ALL).parts.get().len(), 3);
    }

    #[test]
    #[should_panic(expected = "two boot arguments have the same name")]
    fn the_same_name_twice_is_refused() {
        static ALL: ArgumentTree = ArgumentTree::new(&[], &[&STACK, &PORT, &STACK]);
        checked(&ALL);
    }

    #[test]
    #[should_panic(expected = "two boot arguments have the same name")]
    fn pieces_do_not_matter() {
        static ALL: ArgumentTree = ArgumentTree::new(&[], &[&UPLINK, &UP]);
        checked(&ALL);
    }

    #[test]
    #[should_panic(expected = "that every unikernel has")]
    fn names_of_the_runtime_are_taken() {
        checked(&DELAY);
    }
}
