// SPDX-License-Identifier: ISC
//! A zone as a file of the image: what is left of a master file when nobody needs to read it.
//!
//! A build script parses and checks the text, where a mistake fails the build, and [`compile`]s
//! it; the image [`load`]s the result and has no parser in it. The form is the zone's own arrays
//! without what is quickly worked out again: names as labels with a link to the parent, RRsets in
//! the order of their owners, and the data as it stands in memory.
//!
//! ```text
//! magic | apex | nodes | rrsets                              u32 each, the magic tells the order of bytes
//! node:  parent u32 | rrsets of it u16 | label: a length byte and as many bytes
//! rrset: type u16 | records u16 | ttl u32 | its data, as in `Zone::data`
//! ```
//!
//! [`compile`]: Zone::compile
//! [`load`]: Zone::load

use alloc::vec::Vec;
use core::fmt;

use super::{EXISTS, IN_ZONE, NONE, Rrset, Soa, Tree, Zone, build::labels};
use crate::{name::MAX_LABEL, types::Type};

/// Changes with the form.
const MAGIC: u32 = 0x465a_0001;

/// Bytes of a node with the shortest label.
const NODE_LEAST: usize = 7;
/// Bytes of an RRset before its data.
const RRSET_HEAD: usize = 8;

/// The bytes are no compiled zone, or one of another version of this crate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotCompiled;

impl fmt::Display for NotCompiled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a zone that this version of `fata-dns` has compiled: build again")
    }
}

impl core::error::Error for NotCompiled {}

impl Zone {
    /// The zone in the form that [`load`](Self::load) reads.
    pub fn compile(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let nodes = &self.tree.nodes;
        for word in [
            MAGIC,
            self.apex,
            nodes.len() as u32,
            self.rrsets.len() as u32,
        ] {
            out.extend_from_slice(&word.to_ne_bytes());
        }
        for (index, node) in nodes.iter().enumerate() {
            // A name that does not exist has at most borrowed the RRsets of a wildcard.
            let own = if node.flags & EXISTS != 0 {
                node.rrset_count
            } else {
                0
            };
            let name = self.tree.name(index as u32);
            let label = usize::from(*name.first().unwrap_or(&0));
            out.extend_from_slice(&node.parent.to_ne_bytes());
            out.extend_from_slice(&own.to_ne_bytes());
            out.extend_from_slice(name.get(..=label).unwrap_or(&[0]));
        }
        for rrset in &self.rrsets {
            out.extend_from_slice(&rrset.rtype.0.to_ne_bytes());
            out.extend_from_slice(&rrset.count.to_ne_bytes());
            out.extend_from_slice(&rrset.ttl.to_ne_bytes());
            for data in self.data(*rrset) {
                out.extend_from_slice(&(data.len() as u16).to_ne_bytes());
                out.extend_from_slice(data);
            }
        }
        out
    }

    /// Takes in what [`compile`](Self::compile) has made.
    ///
    /// # Errors
    ///
    /// If the bytes are anything else. Bytes that were changed may pass and make a zone with other
    /// content, but never one that the server cannot answer from.
    pub fn load(bytes: &[u8]) -> Result<Self, NotCompiled> {
        Input(bytes).zone().ok_or(NotCompiled)
    }
}

/// What is still to be read.
struct Input<'b>(&'b [u8]);

impl<'b> Input<'b> {
    fn zone(mut self) -> Option<Zone> {
        if self.word()? != MAGIC {
            return None;
        }
        let (apex, nodes, sets) = (self.word()?, self.word()?, self.word()?);
        // What all names take together is not known before; room for them doubles as it must.
        let mut tree = Tree::default();
        tree.nodes
            .reserve_exact((nodes as usize).min(self.0.len() / NODE_LEAST));
        let mut owned = 0_u32;
        for index in 0..nodes {
            owned = self.node(&mut tree, index, apex, owned)?;
        }
        // What is left are the heads of the RRsets and their data, whatever `sets` claims.
        let heads = (sets as usize).min(self.0.len() / RRSET_HEAD);
        let mut rrsets = Vec::with_capacity(heads);
        let mut data = Vec::with_capacity(self.0.len() - heads * RRSET_HEAD);
        let mut records = 0;
        for _ in 0..sets {
            let rrset = self.rrset(&mut data)?;
            records += usize::from(rrset.count);
            rrsets.push(rrset);
        }
        let apex_labels = labels(tree.name(apex));
        if !self.0.is_empty() || owned != sets || apex >= nodes {
            return None;
        }
        let warnings = [].into();
        let soa = Soa::default();
        let mut zone = Zone {
            tree,
            apex,
            apex_labels,
            rrsets,
            data,
            soa,
            records,
            warnings,
        };
        zone.link();
        zone.soa.rrset?;
        Some(zone)
    }

    /// Adds the next node, which comes to be number `index` and owns the RRsets from `first` on;
    /// returns where those of the next begin.
    fn node(&mut self, tree: &mut Tree, index: u32, apex: u32, first: u32) -> Option<u32> {
        let parent = self.word()?;
        let count = self.half()?;
        let len = *self.0.first()?;
        let label = self.take(1 + usize::from(len))?;
        if usize::from(len) > MAX_LABEL || (len == 0) != (parent == NONE) {
            return None;
        }
        tree.add(label, parent)?;
        let node = tree.nodes.get_mut(index as usize)?;
        if index == apex {
            node.flags |= IN_ZONE;
        }
        node.rrsets = first;
        node.rrset_count = count;
        first.checked_add(u32::from(count))
    }

    fn rrset(&mut self, data: &mut Vec<u8>) -> Option<Rrset> {
        let (rtype, count, ttl) = (Type(self.half()?), self.half()?, self.word()?);
        let start = u32::try_from(data.len()).ok()?;
        for _ in 0..count {
            let len = usize::from(u16::from_ne_bytes(*self.0.first_chunk()?));
            data.extend_from_slice(self.take(2 + len)?);
        }
        Some(Rrset {
            rtype,
            count,
            ttl,
            data: start,
        })
    }

    fn take(&mut self, len: usize) -> Option<&'b [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    fn half(&mut self) -> Option<u16> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u16::from_ne_bytes(*taken))
    }

    fn word(&mut self) -> Option<u32> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u32::from_ne_bytes(*taken))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Name;

    fn zone() -> Zone {
        let text = b"$TTL 60\n@ SOA ns h 7 1 1 1 5\n@ NS ns\n* A 192.0.2.1\nmail MX 1 any.name\n\
            sub NS ns.sub\nns.sub A 192.0.2.2\na.b.c TXT x\n@ MX 2 none\n";
        let origin: Name = "example.org".parse().unwrap();
        Zone::parse("example.org.zone", text, &origin).unwrap()
    }

    #[test]
    fn a_loaded_zone_is_the_one_that_was_compiled() {
        let zone = zone();
        let compiled = zone.compile();
        let loaded = Zone::load(&compiled).unwrap();
        assert_eq!(loaded.compile(), compiled);
        assert_eq!(loaded.origin().as_bytes(), zone.origin().as_bytes());
        assert_eq!((loaded.serial(), loaded.records()), (7, zone.records()));
        for index in 0..zone.tree.nodes.len() as u32 {
            let (old, new) = (
                zone.tree.node(index).unwrap(),
                loaded.tree.node(index).unwrap(),
            );
            assert_eq!(
                (old.flags, old.below, old.wildcard),
                (new.flags, new.below, new.wildcard)
            );
            let types = |zone: &Zone| -> Vec<u16> {
                zone.rrsets(index)
                    .iter()
                    .map(|rrset| rrset.rtype.0)
                    .collect()
            };
            assert_eq!(types(&zone), types(&loaded));
        }
    }

    #[test]
    fn anything_else_is_refused() {
        let compiled = zone().compile();
        for len in 0..compiled.len() {
            assert_eq!(Zone::load(&compiled[..len]).err(), Some(NotCompiled));
        }
        let mut longer = compiled.clone();
        longer.push(0);
        assert_eq!(Zone::load(&longer).err(), Some(NotCompiled));
        let mut other = compiled;
        other.swap(0, 3);
        assert_eq!(Zone::load(&other).err(), Some(NotCompiled));
        assert_eq!(Zone::load(b"$TTL 60\n").err(), Some(NotCompiled));
    }
}
