// SPDX-License-Identifier: ISC
//! Finding an answer: the algorithm of RFC 1034 section 4.3.2, on the closest encloser.
//!
//! A name is searched once in its zone. What was found, or the closest encloser, says at once
//! whether a delegation or DNAME governs it, and which wildcard stands in for it. Aliases are
//! followed through all zones served, a bounded number of times.
//!
//! Read first: RFC 4592 section 3.3 (wildcards), RFC 6672 section 3.2 (DNAME), RFC 2308 (negative
//! answers), RFC 6604 (the code at the end of a chain), RFC 8482 (ANY), RFC 9471 (glue).

use super::{Server, Transport};
use crate::{
    name::{Folded, MAX_NAME},
    types::{Type, layout},
    wire::{AA, HEADER, Rcode, TC},
    writer::{Full, Owner, Writer},
    zone::{DELEGATION, Found, NONE, Rrset, Zone, hash, node_at},
};

/// Aliases that are followed.
const MAX_CHAIN: usize = 10;
/// Hosts whose addresses are added to an answer.
const MAX_HOSTS: usize = 32;

const ANSWER: usize = 0;
const AUTHORITY: usize = 1;
const ADDITIONAL: usize = 2;

/// A reply in the making.
pub(super) struct Answer<'s, 'b> {
    server: &'s Server,
    pub(super) writer: Writer<'b>,
    qtype: Type,
    transport: Transport,
    pub(super) rcode: Rcode,
    /// AA and TC.
    pub(super) flags: u16,
    /// Records in each section.
    pub(super) counts: [u16; 3],
    /// Hosts whose addresses are to be added, all of the zone that answers last.
    hosts: [u32; MAX_HOSTS],
    host_count: usize,
    /// The node whose records of the type asked stand in the answer.
    answered: u32,
}

/// What to do after a name was looked at.
enum Next {
    Done,
    /// The answer goes on with the name that the search now holds, written at this place.
    Follow(usize),
}

impl<'s, 'b> Answer<'s, 'b> {
    pub(super) fn new(
        server: &'s Server,
        writer: Writer<'b>,
        qtype: Type,
        transport: Transport,
    ) -> Self {
        Self {
            server,
            writer,
            qtype,
            transport,
            rcode: Rcode::NoError,
            flags: 0,
            counts: [0; 3],
            hosts: [NONE; MAX_HOSTS],
            host_count: 0,
            answered: NONE,
        }
    }

    /// Answers the question about `name`, which stands in the message as its question.
    pub(super) fn run(&mut self, name: &mut Folded) {
        if self.follow(name).is_err() {
            self.flags |= TC;
        }
    }

    fn follow(&mut self, name: &mut Folded) -> Result<(), Full> {
        let mut place = HEADER;
        let mut last_zone = None;
        let mut seen = [0; MAX_CHAIN];
        for step in 0..MAX_CHAIN {
            let Some((index, zone)) = self.zone_for(name) else {
                if step == 0 {
                    self.rcode = Rcode::Refused;
                }
                return Ok(());
            };
            let print = hash(name.suffix(0));
            if seen[..step].contains(&print) {
                return Ok(()); // a loop
            }
            seen[step] = print;
            if last_zone != Some(index) {
                self.writer.forget();
                last_zone = Some(index);
            }
            match self.look_up(zone, name, place, step == 0)? {
                Next::Done => return Ok(()),
                Next::Follow(next) => place = next,
            }
        }
        Ok(())
    }

    /// The zone that a name is looked up in. A DS record belongs to the zone above the one that
    /// starts at its name (RFC 4035 section 3.1.4.1).
    fn zone_for(&self, name: &Folded) -> Option<(usize, &'s Zone)> {
        let found = self.server.zone_of(name, 0)?;
        if self.qtype == Type::DS && found.1.apex_labels() == name.count() && name.count() > 0 {
            return self.server.zone_of(name, 1).or(Some(found));
        }
        Some(found)
    }

    fn look_up(
        &mut self,
        zone: &Zone,
        name: &mut Folded,
        place: usize,
        first: bool,
    ) -> Result<Next, Full> {
        let (node, exact) = match zone.search(name) {
            Found::Exact(node) => (node, true),
            Found::Encloser(node) => (node, false),
        };
        if first {
            let skipped = name.len() - zone.tree.name(node).len();
            self.writer.seed(node, place + skipped);
        }
        if let Some(cut) = zone.cut(node, exact) {
            let delegation = zone
                .tree
                .node(cut)
                .is_some_and(|node| node.flags & DELEGATION != 0);
            if !delegation {
                self.authoritative();
                return self.redirect(zone, cut, name, place);
            }
            if !(exact && cut == node && self.qtype == Type::DS) {
                return self.refer(zone, cut).map(|()| Next::Done);
            }
        }
        self.authoritative();
        if exact {
            return self.records(zone, node, name, place);
        }
        match zone.tree.node(node).map(|node| node.wildcard) {
            Some(wildcard) if wildcard != NONE => self.records(zone, wildcard, name, place),
            _ => {
                self.rcode = Rcode::NxDomain;
                self.negative(zone).map(|()| Next::Done)
            }
        }
    }

    /// The first name of a chain decides the flag (RFC 1034 section 4.3.2 says which data it
    /// concerns); a chain that ends in a referral was authoritative before.
    fn authoritative(&mut self) {
        self.flags |= AA;
    }

    /// Answers from the records of `node`, for the name that stands at `place`.
    fn records(
        &mut self,
        zone: &Zone,
        node: u32,
        name: &mut Folded,
        place: usize,
    ) -> Result<Next, Full> {
        let owner = Owner::At(place);
        if self.qtype == Type::ANY {
            return self.any(zone, node, owner).map(|()| Next::Done);
        }
        if let Some(rrset) = zone.rrset(node, self.qtype) {
            self.add(ANSWER, zone, owner, rrset, rrset.ttl)?;
            // Who asks for name servers wants to reach them (RFC 8109 section 4.2).
            if !self.server.policy.minimal || rrset.rtype == Type::NS {
                self.answered = node;
                self.more(zone, node, rrset)?;
            }
            return Ok(Next::Done);
        }
        let Some(rrset) = zone.rrset(node, Type::CNAME) else {
            return self.negative(zone).map(|()| Next::Done);
        };
        self.add(ANSWER, zone, owner, rrset, rrset.ttl)?;
        let target = zone.data(rrset).next().and_then(|data| node_at(data, 0));
        let (target, _) = target.ok_or(Full)?;
        name.set(zone.tree.name(target)).ok_or(Full)?;
        Ok(Next::Follow(self.writer.data_at))
    }

    /// One RRset over UDP, all over TCP (RFC 8482 sections 4.1 and 4.4).
    fn any(&mut self, zone: &Zone, node: u32, owner: Owner) -> Result<(), Full> {
        let rrsets = zone.rrsets(node);
        if rrsets.is_empty() {
            return self.negative(zone);
        }
        let most = match self.transport {
            Transport::Udp => 1,
            Transport::Tcp => rrsets.len(),
        };
        for &rrset in &rrsets[..most] {
            self.add(ANSWER, zone, owner, rrset, rrset.ttl)?;
        }
        Ok(())
    }

    /// RFC 2308 section 2 and 3.
    fn negative(&mut self, zone: &Zone) -> Result<(), Full> {
        let Some(soa) = zone.soa.rrset else {
            return Ok(());
        };
        let owner = Owner::Node(zone.apex);
        self.add(AUTHORITY, zone, owner, soa, zone.soa.negative_ttl)
    }

    /// RFC 1034 section 4.3.2, step 3 b.
    fn refer(&mut self, zone: &Zone, cut: u32) -> Result<(), Full> {
        let Some(servers) = zone.rrset(cut, Type::NS) else {
            return Ok(());
        };
        self.add(AUTHORITY, zone, Owner::Node(cut), servers, servers.ttl)?;
        self.note_hosts(zone, servers, true);
        self.addresses(zone, Some(cut))
    }

    /// Answers with a DNAME and the alias that it makes of the name (RFC 6672 section 3.1).
    fn redirect(
        &mut self,
        zone: &Zone,
        cut: u32,
        name: &mut Folded,
        place: usize,
    ) -> Result<Next, Full> {
        let dname = zone.rrset(cut, Type::DNAME).ok_or(Full)?;
        let target = zone.data(dname).next().and_then(|data| node_at(data, 0));
        let (target, _) = target.ok_or(Full)?;
        self.add(ANSWER, zone, Owner::Node(cut), dname, dname.ttl)?;
        let kept = name.len() - zone.tree.name(cut).len();
        let suffix = zone.tree.name(target);
        let mut new = [0; MAX_NAME];
        let (Some(new), true) = (
            new.get_mut(..kept + suffix.len()),
            kept + suffix.len() <= MAX_NAME,
        ) else {
            self.rcode = Rcode::YxDomain;
            return Ok(Next::Done);
        };
        new[..kept].copy_from_slice(&name.suffix(0)[..kept]);
        new[kept..].copy_from_slice(suffix);
        let start = self.writer.len();
        let alias = self.alias(zone, place, dname.ttl, &new[..kept], target);
        if alias.is_err() {
            self.writer.rewind(start);
            return Err(Full);
        }
        self.counts[ANSWER] += 1;
        if self.qtype == Type::CNAME {
            return Ok(Next::Done);
        }
        name.set(new).ok_or(Full)?;
        Ok(Next::Follow(self.writer.data_at))
    }

    fn alias(
        &mut self,
        zone: &Zone,
        place: usize,
        ttl: u32,
        kept: &[u8],
        target: u32,
    ) -> Result<(), Full> {
        self.writer
            .head(zone, Owner::At(place), Type::CNAME, ttl, 0)?;
        self.writer.bytes(kept)?;
        self.writer.name(zone, target, true)?;
        self.writer.end_data();
        Ok(())
    }

    fn add(
        &mut self,
        section: usize,
        zone: &Zone,
        owner: Owner,
        rrset: Rrset,
        ttl: u32,
    ) -> Result<(), Full> {
        self.writer.rrset(zone, owner, rrset, ttl)?;
        self.counts[section] += rrset.count;
        Ok(())
    }

    /// What a client may find useful beside the answer: the zone's name servers, and addresses.
    fn more(&mut self, zone: &Zone, node: u32, rrset: Rrset) -> Result<(), Full> {
        self.note_hosts(zone, rrset, false);
        let servers_wanted = !self.server.policy.minimal
            && (node, rrset.rtype) != (zone.apex, Type::NS)
            && !matches!(rrset.rtype, Type::DS | Type::DNSKEY); // validators need no more of it
        if servers_wanted && let Some(servers) = zone.rrset(zone.apex, Type::NS) {
            let owner = Owner::Node(zone.apex);
            // Without room for them the answer is still complete.
            let added = self.add(AUTHORITY, zone, owner, servers, servers.ttl);
            if added.is_ok() {
                self.note_hosts(zone, servers, false);
            }
        }
        self.addresses(zone, None)
    }

    /// Notes the hosts that `rrset` names; those whose addresses are glue, for referrals alone.
    fn note_hosts(&mut self, zone: &Zone, rrset: Rrset, glue: bool) {
        if !matches!(
            rrset.rtype,
            Type::NS | Type::MX | Type::SRV | Type::MB | Type::RT | Type::KX
        ) {
            return;
        }
        let prefix = usize::from(layout(rrset.rtype).prefix);
        for data in zone.data(rrset) {
            let Some((host, _)) = node_at(data, prefix) else {
                continue;
            };
            let wanted = glue || zone.cut(host, true).is_none();
            let count = self.host_count;
            if wanted && count < MAX_HOSTS && !self.hosts[..count].contains(&host) {
                self.hosts[count] = host;
                self.host_count += 1;
            }
        }
    }

    /// Adds the addresses of the hosts noted, as far as the zone has them. Those of name servers at
    /// or below `cut`, to which this refers, are needed to get there, so a reply without room for
    /// them is truncated (RFC 9471 section 3); of others it may lack some.
    fn addresses(&mut self, zone: &Zone, cut: Option<u32>) -> Result<(), Full> {
        for rtype in [Type::A, Type::AAAA] {
            for i in 0..self.host_count {
                let host = self.hosts[i];
                let Some(addresses) = zone.rrset(host, rtype) else {
                    continue;
                };
                if host == self.answered && rtype == self.qtype {
                    continue;
                }
                let owner = Owner::Node(host);
                let added = self.add(ADDITIONAL, zone, owner, addresses, addresses.ttl);
                if added.is_err() && cut.is_some() && zone.cut(host, true) == cut {
                    return Err(Full);
                }
            }
        }
        Ok(())
    }
}
