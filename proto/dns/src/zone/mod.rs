// SPDX-License-Identifier: ISC
//! A zone as the server asks it: names in one hash table, RRsets in one array, record data in one
//! buffer, so that a hundred thousand records take few and large pieces of memory.
//!
//! Made from records by `build.rs`, or by `compiled.rs` from a zone that was made before. Both end
//! by working out what an answer would otherwise have to search for: the cut above each name, the
//! wildcard below it, the nodes that data points at. Read first: RFC 1034 section 4.2, RFC 2181 section 5.

mod build;
mod check;
mod compiled;
mod tree;

use alloc::{boxed::Box, vec::Vec};

use crate::{
    master::{self, Include, ZoneError},
    name::{Folded, Name},
    types::Type,
};

pub(crate) use build::{Builder, Record};
pub use check::{Warning, WarningKind};
pub use compiled::NotCompiled;
pub(crate) use tree::{DELEGATION, DNAME, EXISTS, Found, IN_ZONE, NONE, Tree, hash};

/// A zone, checked and ready to be served.
pub struct Zone {
    pub(crate) tree: Tree,
    pub(crate) apex: u32,
    apex_labels: u8,
    rrsets: Vec<Rrset>,
    /// Records of each RRset in a row: a length of two bytes, then data in which the names of the
    /// type's layout are node numbers of four bytes.
    data: Vec<u8>,
    pub(crate) soa: Soa,
    records: usize,
    warnings: Box<[Warning]>,
}

/// Records of one name and type.
#[derive(Clone, Copy)]
pub(crate) struct Rrset {
    pub(crate) rtype: Type,
    pub(crate) count: u16,
    pub(crate) ttl: u32,
    data: u32,
}

/// What the server needs of the SOA record.
#[derive(Clone, Copy, Default)]
pub(crate) struct Soa {
    pub(crate) rrset: Option<Rrset>,
    pub(crate) serial: u32,
    /// For the SOA in negative answers (RFC 2308 section 5).
    pub(crate) negative_ttl: u32,
}

impl Zone {
    /// Reads a zone from a master file. `file` names it in errors.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong, with its line and column.
    pub fn parse(file: &str, text: &[u8], origin: &Name) -> Result<Self, ZoneError> {
        Self::parse_with(file, text, origin, &mut |_| None)
    }

    /// Like [`parse`](Self::parse), with `include` giving the text of a file that `$INCLUDE`
    /// names, or nothing if there is none.
    ///
    /// # Errors
    ///
    /// As [`parse`](Self::parse).
    pub fn parse_with<'t>(
        file: &str,
        text: &'t [u8],
        origin: &Name,
        include: Include<'_, 't>,
    ) -> Result<Self, ZoneError> {
        let mut builder = Builder::new(origin);
        master::read(file, text, origin, include, &mut builder)?;
        builder.finish(file)
    }

    /// The name of the zone, in lower case.
    pub fn origin(&self) -> Name {
        Name::from_wire(self.tree.name(self.apex)).unwrap_or(Name::ROOT)
    }

    /// The serial number of its SOA record.
    pub fn serial(&self) -> u32 {
        self.soa.serial
    }

    /// Records in it.
    pub fn records(&self) -> usize {
        self.records
    }

    /// What is allowed in it and yet probably meant otherwise.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    pub(crate) fn apex_labels(&self) -> usize {
        usize::from(self.apex_labels)
    }

    pub(crate) fn search(&self, name: &Folded) -> Found {
        self.tree.search(name, self.apex, self.apex_labels())
    }

    /// The RRsets of a node, ordered by type.
    pub(crate) fn rrsets(&self, node: u32) -> &[Rrset] {
        self.tree
            .node(node)
            .and_then(|node| {
                let first = node.rrsets as usize;
                self.rrsets
                    .get(first..first + usize::from(node.rrset_count))
            })
            .unwrap_or(&[])
    }

    pub(crate) fn rrset(&self, node: u32, rtype: Type) -> Option<Rrset> {
        self.rrsets(node)
            .iter()
            .find(|rrset| rrset.rtype == rtype)
            .copied()
    }

    /// The data of the records of an RRset.
    pub(crate) fn data(&self, rrset: Rrset) -> impl Iterator<Item = &[u8]> {
        let mut rest = self.data.get(rrset.data as usize..).unwrap_or(&[]);
        (0..rrset.count).map_while(move |_| {
            let (len, after) = rest.split_first_chunk::<2>()?;
            let (data, after) = after.split_at_checked(usize::from(u16::from_ne_bytes(*len)))?;
            rest = after;
            Some(data)
        })
    }

    /// The delegation or DNAME that answers in place of a name with this closest existing node:
    /// `exact` if the node is the name itself.
    pub(crate) fn cut(&self, node: u32, exact: bool) -> Option<u32> {
        let found = self.tree.node(node)?;
        if found.below == NONE {
            return None;
        }
        // A DNAME governs only what lies below it (RFC 6672 section 2.4).
        let itself = exact && found.below == node && found.flags & DELEGATION == 0;
        (!itself).then_some(found.below)
    }
}

/// The nodes at the start of `data`, after `prefix` bytes.
pub(crate) fn node_at(data: &[u8], prefix: usize) -> Option<(u32, &[u8])> {
    let (node, rest) = data.get(prefix..)?.split_first_chunk::<4>()?;
    Some((u32::from_ne_bytes(*node), rest))
}
