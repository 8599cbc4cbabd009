// SPDX-License-Identifier: ISC
//! What must hold in a zone as a whole, and what should.
//!
//! Errors are those that would make the server give answers that contradict each other; the rest
//! are warnings. Read first: RFC 1034 sections 3.6.2 and 4.2.1, RFC 1912, RFC 2181 section 10.

use alloc::{boxed::Box, string::ToString, vec::Vec};
use core::fmt;

use super::{DELEGATION, IN_ZONE, NONE, Record, Tree, Zone, node_at};
use crate::{
    master::ZoneError,
    name::{Name, Text},
    types::{Type, layout},
};

/// Something in a zone that is allowed and yet probably meant otherwise.
#[derive(Clone, Debug)]
pub struct Warning {
    /// The line of the file, or of the one included.
    pub line: u32,
    /// The name that it is about.
    pub name: Name,
    /// What it is.
    pub kind: WarningKind,
}

/// What a [`Warning`] is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WarningKind {
    /// The record is there already; this one was left out.
    Repeated,
    /// The TTL differs from that of the set's first record, which holds for all of them.
    Ttl {
        /// The TTL of the first.
        used: u32,
    },
    /// A name server, mail exchanger or service below this zone has no address in it.
    NoAddress,
    /// A name server, mail exchanger or service is an alias (RFC 2181 section 10.3).
    Alias,
    /// Nobody sees the record, because the name is below a delegation.
    Hidden,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: ", self.line)?;
        match self.kind {
            WarningKind::Repeated => write!(f, "record of `{}` is there already", self.name),
            WarningKind::Ttl { used } => write!(
                f,
                "TTL differs within a record set of `{}`; its first one is used: {used}",
                self.name
            ),
            WarningKind::NoAddress => write!(f, "`{}` has no address in the zone", self.name),
            WarningKind::Alias => {
                write!(
                    f,
                    "`{}` is an alias where its target should stand",
                    self.name
                )
            }
            WarningKind::Hidden => write!(
                f,
                "record of `{}` is hidden by the delegation above it",
                self.name
            ),
        }
    }
}

/// Collects warnings, up to a number that a person would read.
#[derive(Default)]
pub(super) struct Warnings(Vec<Warning>);

impl Warnings {
    const MOST: usize = 100;

    pub(super) fn into_boxed_slice(self) -> Box<[Warning]> {
        self.0.into_boxed_slice()
    }

    fn add(&mut self, tree: &Tree, node: u32, line: u32, kind: WarningKind) {
        if self.0.len() < Self::MOST {
            let name = Name::from_wire(tree.name(node)).unwrap_or(Name::ROOT);
            self.0.push(Warning { line, name, kind });
        }
    }

    pub(super) fn repeated(&mut self, tree: &Tree, record: &Record) {
        self.add(tree, record.owner, record.line, WarningKind::Repeated);
    }

    pub(super) fn ttl(&mut self, tree: &Tree, record: &Record, used: u32) {
        self.add(tree, record.owner, record.line, WarningKind::Ttl { used });
    }
}

/// Checks a zone that is built but for its warnings; `records` are in the order of its RRsets.
pub(super) fn zone(
    zone: &Zone,
    file: &str,
    records: &[Record],
    warnings: &mut Warnings,
) -> Result<(), ZoneError> {
    let at = |line: u32, what: &'static str, node: u32| {
        ZoneError::new(file, line, 0, what, Text(zone.tree.name(node)).to_string())
    };
    if zone.soa.rrset.is_none() {
        let what = "the zone has no SOA record at its apex: add one as its first record";
        return Err(at(0, what, zone.apex));
    }
    if zone.rrset(zone.apex, Type::NS).is_none() {
        let what = "the zone has no NS record at its apex: name its servers there";
        return Err(at(0, what, zone.apex));
    }
    for set in records.chunk_by(|a, b| a.owner == b.owner && a.rtype == b.rtype) {
        let line = set.last().map_or(0, |record| record.line);
        let broken = broken_rule(zone, set[0].owner, set[0].rtype);
        if let Some(what) = broken.or_else(|| hidden(zone, &set[0], warnings)) {
            return Err(at(line, what, set[0].owner));
        }
        targets(zone, set, warnings);
    }
    Ok(())
}

/// The rule that an RRset breaks.
fn broken_rule(zone: &Zone, owner: u32, rtype: Type) -> Option<&'static str> {
    let rrset = zone.rrset(owner, rtype)?;
    let single = rrset.count == 1;
    match rtype {
        Type::SOA if owner != zone.apex => Some("a SOA record stands only at the apex of the zone"),
        Type::SOA if !single => Some("a zone has one SOA record"),
        Type::CNAME if !single => Some("a name has at most one CNAME record"),
        Type::CNAME => {
            let alone = zone
                .rrsets(owner)
                .iter()
                .all(|other| other.rtype == Type::CNAME || other.rtype.may_stand_beside_cname());
            (!alone).then_some("a CNAME stands alone, but this name has other records")
        }
        Type::DNAME if !single => Some("a name has at most one DNAME record"),
        Type::DNAME if zone.rrset(owner, Type::NS).is_some() && owner != zone.apex => {
            Some("a delegated name has no DNAME record")
        }
        Type::DNSKEY if owner == zone.apex => {
            Some("the zone is signed, and this server cannot serve DNSSEC: use the unsigned file")
        }
        _ => None,
    }
}

/// Looks whether a cut hides a record. Below a delegation that is odd, below a DNAME forbidden (RFC
/// 6672 section 2.4).
fn hidden(zone: &Zone, record: &Record, warnings: &mut Warnings) -> Option<&'static str> {
    let cut = zone.cut(record.owner, true)?;
    if zone.tree.node(cut)?.flags & DELEGATION == 0 {
        return Some("a name below a DNAME has no records");
    }
    let belongs = match record.rtype {
        Type::A | Type::AAAA => true, // glue
        Type::NS | Type::DS | Type::NSEC | Type::RRSIG => cut == record.owner,
        _ => false,
    };
    if !belongs {
        warnings.add(&zone.tree, record.owner, record.line, WarningKind::Hidden);
    }
    None
}

/// Looks at the hosts that an RRset names.
fn targets(zone: &Zone, set: &[Record], warnings: &mut Warnings) {
    let rtype = set[0].rtype;
    if !matches!(rtype, Type::NS | Type::MX | Type::SRV) {
        return;
    }
    let Some(rrset) = zone.rrset(set[0].owner, rtype) else {
        return;
    };
    let prefix = usize::from(layout(rtype).prefix);
    for (data, record) in zone.data(rrset).zip(set) {
        let Some((target, _)) = node_at(data, prefix) else {
            continue;
        };
        if zone.tree.name(target) == [0] {
            continue; // "no such service", RFC 2782 and RFC 7505
        }
        let in_zone = zone
            .tree
            .node(target)
            .is_some_and(|node| node.flags & IN_ZONE != 0);
        // Servers of one delegation may lie below another, whose zone knows their addresses.
        let cut = zone.cut(target, true).unwrap_or(NONE);
        let elsewhere = cut != NONE && cut != record.owner;
        let kind = if zone.rrset(target, Type::CNAME).is_some() {
            WarningKind::Alias
        } else if in_zone
            && !elsewhere
            && zone.rrset(target, Type::A).is_none()
            && zone.rrset(target, Type::AAAA).is_none()
        {
            WarningKind::NoAddress
        } else {
            continue;
        };
        warnings.add(&zone.tree, target, record.line, kind);
    }
}
