// SPDX-License-Identifier: ISC
//! All names that a zone knows, as a hash table over the complete names with a link to each parent.
//!
//! Not only owners are in it, but also their ancestors (so an empty non-terminal is found like any
//! other name) and the names inside record data that may be compressed, wherever they lie. An owner
//! or an empty non-terminal inside the zone is marked [`EXISTS`]; because the ancestors of such a
//! name are marked too, the closest encloser (RFC 4592 section 3.3.1) is found by bisection.

use alloc::vec::Vec;

use crate::name;

/// No node.
pub(crate) const NONE: u32 = u32::MAX;

/// The node owns records in the zone, or a descendant of it does.
pub(crate) const EXISTS: u8 = 1;
/// The node is the apex of the zone or a descendant of it.
pub(crate) const IN_ZONE: u8 = 2;
/// The node owns NS records and is not the apex: a zone cut.
pub(crate) const DELEGATION: u8 = 4;
/// The node owns a DNAME.
pub(crate) const DNAME: u8 = 8;

/// A name and what the zone has for it.
#[derive(Clone)]
pub(crate) struct Node {
    /// Where its wire form, in lower case, starts in [`Tree::names`].
    name: u32,
    pub(crate) parent: u32,
    /// The highest delegation or DNAME that governs the names below this one, itself included.
    pub(crate) below: u32,
    /// Its child `*`, where that exists.
    pub(crate) wildcard: u32,
    /// Its first RRset.
    pub(crate) rrsets: u32,
    pub(crate) rrset_count: u16,
    len: u8,
    pub(crate) flags: u8,
}

/// What a search found.
pub(crate) enum Found {
    /// The name exists.
    Exact(u32),
    /// It does not; this is the deepest ancestor that does.
    Encloser(u32),
}

#[derive(Default)]
pub(crate) struct Tree {
    names: Vec<u8>,
    pub(crate) nodes: Vec<Node>,
    /// Open addressing; a slot holds the index of a node plus one below [`INDEX_BITS`], and above
    /// them bits of the hash, which spare most comparisons with other names. Zero is empty.
    slots: Vec<u32>,
}

const INDEX_BITS: u32 = 24;
const INDEX_MASK: u32 = (1 << INDEX_BITS) - 1;

/// There is no room for another name: 16 million of them, or 4 GB of text.
pub(crate) struct TreeFull;

impl Tree {
    /// The wire form of a node's name, in lower case.
    pub(crate) fn name(&self, node: u32) -> &[u8] {
        let Some(node) = self.nodes.get(node as usize) else {
            return &[0];
        };
        let start = node.name as usize;
        self.names
            .get(start..start + usize::from(node.len))
            .unwrap_or(&[0])
    }

    pub(crate) fn node(&self, node: u32) -> Option<&Node> {
        self.nodes.get(node as usize)
    }

    /// The node of `name`, a complete wire name in lower case, whether it exists or not.
    pub(crate) fn find(&self, name: &[u8]) -> Option<u32> {
        let hash = hash(name);
        let mask = self.slots.len().wrapping_sub(1);
        let mut at = hash as usize & mask;
        loop {
            let slot = *self.slots.get(at)?;
            if slot == 0 {
                return None;
            }
            let node = (slot & INDEX_MASK) - 1;
            if slot >> INDEX_BITS == hash >> INDEX_BITS && self.name(node) == name {
                return Some(node);
            }
            at = (at + 1) & mask;
        }
    }

    fn find_existing(&self, name: &[u8]) -> Option<u32> {
        let exists = |node: &Node| node.flags & EXISTS != 0;
        self.find(name)
            .filter(|&node| self.node(node).is_some_and(exists))
    }

    /// Searches for `name`, which is at or below `apex`, a name of `apex_labels` labels.
    pub(crate) fn search(&self, name: &name::Folded, apex: u32, apex_labels: usize) -> Found {
        if let Some(node) = self.find_existing(name.suffix(0)) {
            return Found::Exact(node);
        }
        let mut missing = 0; // labels that, taken off, leave a name that does not exist
        let mut existing = name.count() - apex_labels.min(name.count());
        let mut encloser = apex;
        while existing - missing > 1 {
            let middle = missing.midpoint(existing);
            match self.find_existing(name.suffix(middle)) {
                Some(node) => {
                    encloser = node;
                    existing = middle;
                }
                None => missing = middle,
            }
        }
        Found::Encloser(encloser)
    }

    /// The node of `name`, a complete wire name in lower case, made if need be with its ancestors.
    /// Parents come before their children.
    pub(crate) fn intern(&mut self, name: &[u8]) -> Result<u32, TreeFull> {
        if let Some(node) = self.find(name) {
            return Ok(node);
        }
        let start = self.names.len();
        self.names.extend_from_slice(name);
        let mut starts = [0_u8; name::MAX_LABELS + 1];
        let mut new = 0;
        let mut rest = name;
        let mut parent = NONE;
        loop {
            if let Some(node) = self.find(rest) {
                parent = node;
                break;
            }
            starts[new] = (name.len() - rest.len()) as u8;
            new += 1;
            match name::parent(rest) {
                Some(next) if !next.is_empty() => rest = next,
                _ => break,
            }
        }
        for &offset in starts[..new].iter().rev() {
            let offset = usize::from(offset);
            let suffix = &name[offset..];
            let place = u32::try_from(start + offset).map_err(|_| TreeFull)?;
            parent = self.push(suffix, place, parent)?;
        }
        Ok(parent)
    }

    /// Adds the name that is `label` before the name of `parent`, which was not there before; the
    /// root has no parent. Fails if there is no such parent, or no room.
    pub(crate) fn add(&mut self, label: &[u8], parent: u32) -> Option<()> {
        let start = self.names.len();
        self.names.extend_from_slice(label);
        if parent != NONE {
            let above = self.node(parent)?;
            let from = above.name as usize;
            self.names
                .extend_from_within(from..from + usize::from(above.len));
        }
        let name = name::Name::from_wire(self.names.get(start..)?)?;
        let place = u32::try_from(start).ok()?;
        self.push(name.as_bytes(), place, parent).ok().map(|_| ())
    }

    fn push(&mut self, name: &[u8], place: u32, parent: u32) -> Result<u32, TreeFull> {
        let index = u32::try_from(self.nodes.len()).map_err(|_| TreeFull)?;
        if index >= INDEX_MASK {
            return Err(TreeFull);
        }
        let inherited = self.node(parent).map_or(0, |parent| parent.flags & IN_ZONE);
        self.nodes.push(Node {
            name: place,
            parent,
            below: NONE,
            wildcard: NONE,
            rrsets: 0,
            rrset_count: 0,
            len: name.len() as u8,
            flags: inherited,
        });
        if self.nodes.len() * 4 > self.slots.len() * 3 {
            self.grow();
        } else {
            self.enter(index, hash(name));
        }
        Ok(index)
    }

    fn grow(&mut self) {
        let size = (self.slots.len() * 2).max(64);
        self.slots.clear();
        self.slots.resize(size, 0);
        for node in 0..self.nodes.len() as u32 {
            self.enter(node, hash(self.name(node)));
        }
    }

    fn enter(&mut self, node: u32, hash: u32) {
        let mask = self.slots.len() - 1;
        let mut at = hash as usize & mask;
        while let Some(slot) = self.slots.get_mut(at) {
            if *slot == 0 {
                *slot = (node + 1) | (hash & !INDEX_MASK);
                return;
            }
            at = (at + 1) & mask;
        }
    }

    /// Gives back what growing left over.
    pub(crate) fn shrink(&mut self) {
        self.names.shrink_to_fit();
        self.nodes.shrink_to_fit();
    }
}

/// A hash of a name. Only zone data, which the operator chose, is ever entered in a table, so
/// queries cannot make chains of collisions.
pub(crate) fn hash(name: &[u8]) -> u32 {
    const K: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut state = name.len() as u64;
    let mix = |state: u64, word: u64| (state.rotate_left(23) ^ word).wrapping_mul(K);
    let mut words = name.chunks_exact(8);
    for word in &mut words {
        if let Ok(word) = word.try_into() {
            state = mix(state, u64::from_le_bytes(word));
        }
    }
    if let Some(&last) = name.last_chunk::<8>() {
        state = mix(state, u64::from_le_bytes(last));
    } else {
        for &byte in words.remainder() {
            state = mix(state, u64::from(byte));
        }
    }
    (state ^ (state >> 32)).wrapping_mul(K).rotate_left(32) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4592 section 3.3.1, RFC 8020: the closest encloser is found wherever it lies.
    #[test]
    fn closest_encloser() {
        let mut tree = Tree::default();
        let apex = tree.intern(b"\x02ex\0").ok().unwrap();
        let deep = tree
            .intern(b"\x01a\x01b\x01c\x01d\x01e\x02ex\0")
            .ok()
            .unwrap();
        let mut node = deep;
        while node != NONE {
            tree.nodes[node as usize].flags |= EXISTS;
            node = tree.nodes[node as usize].parent;
        }
        let mut name = name::Folded::EMPTY;
        for (query, expected) in [
            (&b"\x01d\x01e\x02ex\0"[..], &b"\x01d\x01e\x02ex\0"[..]),
            (b"\x01x\x02ex\0", b"\x02ex\0"),
            (b"\x01x\x01e\x02ex\0", b"\x01e\x02ex\0"),
            (
                b"\x01x\x01y\x01z\x01c\x01d\x01e\x02ex\0",
                b"\x01c\x01d\x01e\x02ex\0",
            ),
            (
                b"\x01x\x01a\x01b\x01c\x01d\x01e\x02ex\0",
                b"\x01a\x01b\x01c\x01d\x01e\x02ex\0",
            ),
        ] {
            name.set(query).unwrap();
            let (Found::Exact(node) | Found::Encloser(node)) = tree.search(&name, apex, 1);
            assert_eq!(tree.name(node), expected);
        }
    }

    #[test]
    fn many_names_are_all_found_again() {
        let mut tree = Tree::default();
        for i in 0..5000_u16 {
            let [high, low] = i.to_be_bytes();
            let name = [3, b'x', high, low, 2, b'e', b'x', 0];
            assert_eq!(tree.intern(&name).ok(), Some(u32::from(i) + 2));
        }
        for i in 0..5000_u16 {
            let [high, low] = i.to_be_bytes();
            let name = [3, b'x', high, low, 2, b'e', b'x', 0];
            assert_eq!(tree.find(&name), Some(u32::from(i) + 2));
        }
        assert_eq!(tree.find(b"\x01x\0"), None);
    }
}
