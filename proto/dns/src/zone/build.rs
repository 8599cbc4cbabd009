// SPDX-License-Identifier: ISC
//! From records in the order of a file to a [`Zone`] in the order of answers.
//!
//! Read first: RFC 2181 section 5 (RRsets), RFC 4592 section 2.2 (empty non-terminals).

use alloc::{vec, vec::Vec};

use super::{
    DELEGATION, DNAME, EXISTS, IN_ZONE, NONE, Rrset, Soa, Tree, Zone,
    check::{self, Warnings},
    node_at,
    tree::Node,
};
use crate::{
    master::ZoneError,
    name::Name,
    types::{Type, layout},
};

/// A record that was read, its data still where the parser put it.
#[derive(Clone, Copy)]
pub(crate) struct Record {
    pub(crate) owner: u32,
    pub(crate) rtype: Type,
    pub(crate) ttl: u32,
    /// Where its length and data start in [`Builder::data`].
    pub(crate) data: u32,
    /// Where it stood.
    pub(crate) line: u32,
}

/// Collects the records of a zone.
pub(crate) struct Builder {
    pub(crate) tree: Tree,
    pub(crate) apex: u32,
    pub(crate) records: Vec<Record>,
    pub(crate) data: Vec<u8>,
}

impl Builder {
    pub(crate) fn new(origin: &Name) -> Self {
        let mut tree = Tree::default();
        // An empty tree has room for one name.
        let apex = tree.intern(origin.lower().as_bytes()).unwrap_or(0);
        tree.nodes[apex as usize].flags |= IN_ZONE;
        Self {
            tree,
            apex,
            records: Vec::new(),
            data: Vec::new(),
        }
    }

    /// Whether a node is the apex or below it.
    pub(crate) fn in_zone(&self, node: u32) -> bool {
        self.tree
            .node(node)
            .is_some_and(|node| node.flags & IN_ZONE != 0)
    }

    /// Makes the zone.
    pub(crate) fn finish(mut self, file: &str) -> Result<Zone, ZoneError> {
        let mut warnings = Warnings::default();
        let (rrsets, data, records) = self.group(&mut warnings);
        let apex_labels = labels(self.tree.name(self.apex));
        let mut zone = Zone {
            tree: self.tree,
            apex: self.apex,
            apex_labels,
            rrsets,
            data,
            soa: Soa::default(),
            records,
            warnings: [].into(),
        };
        zone.link();
        zone.tree.shrink();
        check::zone(&zone, file, &self.records, &mut warnings)?;
        zone.warnings = warnings.into_boxed_slice();
        Ok(zone)
    }

    /// Gathers the records into RRsets, ordered by owner and type, leaving out repeated ones (RFC
    /// 2181 section 5) and giving each set the TTL of its first record (section 5.2 of the same
    /// wants them equal). `self.records` comes to be in that order too.
    fn group(&mut self, warnings: &mut Warnings) -> (Vec<Rrset>, Vec<u8>, usize) {
        self.order();
        let mut rrsets: Vec<Rrset> = Vec::new();
        let mut data = Vec::with_capacity(self.data.len());
        let mut total = 0;
        for set in self
            .records
            .chunk_by(|a, b| a.owner == b.owner && a.rtype == b.rtype)
        {
            let first = set[0];
            let start = data.len();
            let mut count = 0_u16;
            for (i, record) in set.iter().enumerate() {
                let bytes = stored(&self.data, record.data);
                let repeated = set[..i]
                    .iter()
                    .any(|earlier| stored(&self.data, earlier.data) == bytes);
                if repeated || count == u16::MAX {
                    warnings.repeated(&self.tree, record);
                    continue;
                }
                if record.ttl != first.ttl {
                    warnings.ttl(&self.tree, record, first.ttl);
                }
                data.extend_from_slice(bytes);
                count += 1;
            }
            total += usize::from(count);
            let node = &mut self.tree.nodes[first.owner as usize];
            if node.rrset_count == 0 {
                node.rrsets = rrsets.len() as u32;
            }
            node.rrset_count += 1;
            rrsets.push(Rrset {
                rtype: first.rtype,
                count,
                ttl: first.ttl,
                data: start as u32,
            });
        }
        rrsets.shrink_to_fit();
        data.shrink_to_fit();
        (rrsets, data, total)
    }

    /// Orders the records by owner and type, and within a set as they came. The records of an owner
    /// are chained through the file first, so that this takes one pass over each chain for each
    /// type in it, and a fraction of the code of a sort.
    fn order(&mut self) {
        let mut first = vec![NONE; self.tree.nodes.len()];
        let mut next = vec![NONE; self.records.len()];
        for (i, record) in self.records.iter().enumerate().rev() {
            next[i] = core::mem::replace(&mut first[record.owner as usize], i as u32);
        }
        let mut ordered = Vec::with_capacity(self.records.len());
        for start in first {
            let chain = || {
                let step = |at: &u32| next.get(*at as usize).copied();
                core::iter::successors(Some(start), step)
                    .map_while(|at| self.records.get(at as usize))
            };
            let mut least = Some(0);
            while let Some(rtype) = least.and_then(|least| {
                chain()
                    .map(|record| record.rtype.0)
                    .filter(|&rtype| rtype >= least)
                    .min()
            }) {
                ordered.extend(chain().filter(|record| record.rtype.0 == rtype));
                least = rtype.checked_add(1);
            }
        }
        self.records = ordered;
    }
}

/// The length and data of a record.
fn stored(data: &[u8], at: u32) -> &[u8] {
    let rest = data.get(at as usize..).unwrap_or(&[]);
    let len = rest
        .first_chunk::<2>()
        .map_or(0, |&len| 2 + usize::from(u16::from_ne_bytes(len)));
    rest.get(..len).unwrap_or(&[])
}

/// How many labels a name has, the empty one aside.
pub(super) fn labels(mut name: &[u8]) -> u8 {
    let mut count = 0;
    while let Some(parent) = crate::name::parent(name) {
        name = parent;
        count += 1;
    }
    count
}

impl Zone {
    /// Works out what an answer would otherwise have to search for, once names and RRsets are in
    /// their places.
    pub(super) fn link(&mut self) {
        self.mark_existing();
        self.mark_cuts();
        self.lend_wildcards();
        self.soa = self.read_soa();
    }

    /// Marks the owners, and the empty non-terminals above them.
    fn mark_existing(&mut self) {
        let nodes = &mut self.tree.nodes;
        for start in 0..nodes.len() {
            if nodes.get(start).is_none_or(|node| node.rrset_count == 0) {
                continue;
            }
            let mut at = start;
            while let Some(node) = nodes.get_mut(at)
                && node.flags & (IN_ZONE | EXISTS) == IN_ZONE
            {
                node.flags |= EXISTS;
                at = node.parent as usize;
            }
        }
    }

    /// Finds for each node what governs the names below it, and its wildcard. Parents come before
    /// their children.
    fn mark_cuts(&mut self) {
        for index in 0..self.tree.nodes.len() {
            let id = index as u32;
            let Some(&Node { flags, parent, .. }) = self.tree.node(id) else {
                continue;
            };
            if flags & IN_ZONE == 0 {
                continue;
            }
            let above = match self.tree.node(parent) {
                Some(parent) if id != self.apex => parent.below,
                _ => NONE,
            };
            let mut flags = flags;
            if id != self.apex && self.rrset(id, Type::NS).is_some() {
                flags |= DELEGATION;
            }
            if self.rrset(id, Type::DNAME).is_some() {
                flags |= DNAME;
            }
            let wildcard = flags & EXISTS != 0 && self.tree.name(id).starts_with(b"\x01*");
            if let Some(node) = self.tree.nodes.get_mut(index) {
                node.flags = flags;
                node.below = match (above, flags & (DELEGATION | DNAME)) {
                    (NONE, 0) => NONE,
                    (NONE, _) => id,
                    _ => above,
                };
            }
            if wildcard && let Some(parent) = self.tree.nodes.get_mut(parent as usize) {
                parent.wildcard = id;
            }
        }
    }

    /// Gives names that records point at, but that only a wildcard answers for, the records of that
    /// wildcard, so that their addresses are found with one step.
    fn lend_wildcards(&mut self) {
        for index in 0..self.tree.nodes.len() {
            let Some(&Node { flags, parent, .. }) = self.tree.node(index as u32) else {
                continue;
            };
            if flags & (IN_ZONE | EXISTS) != IN_ZONE {
                continue;
            }
            let mut at = parent;
            while let Some(node) = self.tree.node(at) {
                if node.flags & EXISTS != 0 {
                    break;
                }
                at = node.parent;
            }
            let Some(encloser) = self.tree.node(at) else {
                continue;
            };
            if encloser.below == NONE
                && let Some(wildcard) = self.tree.node(encloser.wildcard)
            {
                let (rrsets, count) = (wildcard.rrsets, wildcard.rrset_count);
                if let Some(node) = self.tree.nodes.get_mut(index) {
                    node.rrsets = rrsets;
                    node.rrset_count = count;
                }
            }
        }
    }

    fn read_soa(&self) -> Soa {
        let rrset = self.rrset(self.apex, Type::SOA);
        let numbers = rrset.and_then(|rrset| {
            let data = self.data(rrset).next()?;
            let (_, rest) = node_at(data, usize::from(layout(Type::SOA).prefix) + 4)?;
            let word = |at: usize| Some(u32::from_be_bytes(*rest.get(at..)?.first_chunk()?));
            Some((word(0)?, word(16)?.min(rrset.ttl)))
        });
        let (serial, negative_ttl) = numbers.unwrap_or_default();
        Soa {
            rrset,
            serial,
            negative_ttl,
        }
    }
}
