// SPDX-License-Identifier: ISC
//! The core of an authoritative server: a query's bytes in, a reply's bytes out.
//!
//! [`Server::answer`] is the whole of it for UDP, and for TCP but for zone transfers, which are
//! several messages ([`Server::transfer`]). `answer.rs` finds the answer, `transfer.rs` sends zones,
//! `policy.rs` says what is allowed to whom.
//!
//! Read first: RFC 1034 section 4.3.2 with RFC 4592 section 3.2, RFC 8906.

mod answer;
mod policy;
mod transfer;

#[cfg(test)]
mod tests;

use alloc::{boxed::Box, vec::Vec};
use core::{fmt, net::IpAddr};

use crate::{
    name::{Folded, Name},
    types::Type,
    wire::{self, AA, Edns, Opcode, Parsed, Query, Rcode},
    writer::{Owner, Writer},
    zone::{EXISTS, Tree, Zone},
};
use answer::Answer;

pub use policy::{Policy, Prefix, PrefixError};
pub use transfer::Transfer;

/// How a query came, which bounds its reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// In a datagram.
    Udp,
    /// In a stream, behind its length.
    Tcp,
}

/// Two zones have one name.
#[derive(Clone, Debug)]
pub struct DuplicateZone(pub Box<Name>);

impl fmt::Display for DuplicateZone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "two zone files are for the same zone: `{}`", self.0)
    }
}

impl core::error::Error for DuplicateZone {}

/// Zones, and the rules by which they are served.
pub struct Server {
    zones: Vec<Zone>,
    /// Names of the zones; `rrsets` of an existing node is an index to `zones`.
    apexes: Tree,
    /// A bit for each number of labels that the name of a zone has.
    depths: u128,
    policy: Policy,
}

/// Bytes of an OPT record without options.
const OPT_LEN: usize = 11;
/// What every client takes over UDP.
const UDP_MIN: usize = 512;

impl Server {
    /// A server of `zones`.
    ///
    /// # Errors
    ///
    /// If two of them have one name.
    pub fn new(zones: Vec<Zone>, policy: Policy) -> Result<Self, DuplicateZone> {
        let mut server = Self {
            zones,
            apexes: Tree::default(),
            depths: 0,
            policy,
        };
        for (index, zone) in server.zones.iter().enumerate() {
            let origin = zone.origin();
            let Ok(node) = server.apexes.intern(origin.as_bytes()) else {
                return Err(DuplicateZone(origin.into())); // 16 million zones do not fit in memory
            };
            let node = &mut server.apexes.nodes[node as usize];
            if node.flags & EXISTS != 0 {
                return Err(DuplicateZone(origin.into()));
            }
            node.flags |= EXISTS;
            node.rrsets = index as u32;
            server.depths |= 1 << zone.apex_labels();
        }
        Ok(server)
    }

    /// Its zones.
    pub fn zones(&self) -> &[Zone] {
        &self.zones
    }

    /// Writes the reply to `query` into `reply` and says how long it is; nothing if there is none
    /// to give, because the bytes are not a query. Nothing is allocated.
    ///
    /// `reply` should have room for 65,535 bytes over TCP and for [`Policy::udp_payload`] over UDP;
    /// with less, replies are truncated earlier.
    pub fn answer(&self, query: &[u8], transport: Transport, reply: &mut [u8]) -> Option<usize> {
        let mut name = Folded::EMPTY;
        match wire::parse(query, &mut name) {
            Parsed::Drop => None,
            Parsed::Error(header, rcode) => {
                let mut writer = Writer::new(reply, wire::HEADER);
                writer.header(header.id, header.flags | rcode as u16, [0; 4]);
                (writer.limit >= wire::HEADER).then_some(wire::HEADER)
            }
            Parsed::Query(query) => self.reply(&query, &mut name, transport, reply),
        }
    }

    fn reply(
        &self,
        query: &Query<'_>,
        name: &mut Folded,
        transport: Transport,
        reply: &mut [u8],
    ) -> Option<usize> {
        let opt = if query.edns.is_some() { OPT_LEN } else { 0 };
        let limit = match (transport, query.edns) {
            (Transport::Tcp, _) => usize::from(u16::MAX),
            (Transport::Udp, None) => UDP_MIN,
            (Transport::Udp, Some(edns)) => {
                let most = edns.payload.min(self.policy.udp_payload);
                usize::from(most).max(UDP_MIN)
            }
        };
        let limit = limit.min(reply.len()).checked_sub(opt)?;
        let mut writer = Writer::new(reply, limit);
        writer.bytes(query.question).ok()?;
        let qtype = match query.qtype {
            Type::IXFR => Type::SOA, // what does not fit a datagram (RFC 1995 section 2)
            qtype => qtype,
        };
        let mut answer = Answer::new(self, writer, qtype, transport);
        match self.refusal(query, transport) {
            Some(rcode) => answer.rcode = rcode,
            None if query.opcode == Opcode::Notify => self.notified(&mut answer, name),
            None => answer.run(name),
        }
        if query.qclass == wire::ANY_CLASS {
            answer.flags &= !AA; // RFC 1035 section 6.2
        }
        let Answer {
            mut writer,
            rcode,
            flags,
            counts: [answers, authorities, mut additionals],
            ..
        } = answer;
        if let Some(edns) = query.edns {
            writer.limit += OPT_LEN;
            writer.put(self.opt(edns, rcode)).ok()?;
            additionals += 1;
        }
        let flags = query.header.flags | flags | (rcode as u16 & 0xf);
        writer.header(
            query.header.id,
            flags,
            [1, answers, authorities, additionals],
        );
        Some(writer.len())
    }

    /// Why a query is not looked up at all.
    fn refusal(&self, query: &Query<'_>, transport: Transport) -> Option<Rcode> {
        if query.edns.is_some_and(|edns| edns.version > 0) {
            return Some(Rcode::BadVers);
        }
        if query.signed {
            return Some(Rcode::NotAuth);
        }
        if query.qclass != wire::IN && query.qclass != wire::ANY_CLASS {
            return Some(Rcode::Refused);
        }
        match query.qtype {
            // Not defined over UDP (RFC 5936 section 4.2); over TCP `transfer` has refused it.
            Type::AXFR if transport == Transport::Udp => Some(Rcode::FormErr),
            Type::AXFR => Some(Rcode::Refused),
            Type::MAILA | Type::MAILB => Some(Rcode::NotImp),
            Type::OPT => Some(Rcode::FormErr),
            _ => None,
        }
    }

    /// The OPT record of a reply (RFC 6891 section 6.1.2).
    fn opt(&self, edns: Edns, rcode: Rcode) -> [u8; OPT_LEN] {
        let [t0, t1] = Type::OPT.0.to_be_bytes();
        let [p0, p1] = self.policy.udp_payload.to_be_bytes();
        let dnssec_ok = u8::from(edns.dnssec_ok) << 7;
        [
            0,
            t0,
            t1,
            p0,
            p1,
            (rcode as u16 >> 4) as u8,
            0,
            dnssec_ok,
            0,
            0,
            0,
        ]
    }

    /// A notification is acknowledged, and that is all: zones here change with the image (RFC 1996
    /// section 3.11).
    fn notified(&self, answer: &mut Answer<'_, '_>, name: &Folded) {
        match self.zone_of(name, 0) {
            Some((_, zone)) if zone.apex_labels() == name.count() => answer.flags |= AA,
            _ => answer.rcode = Rcode::NotAuth,
        }
    }

    /// The deepest zone that `name` without `skipped` labels lies in.
    fn zone_of(&self, name: &Folded, skipped: usize) -> Option<(usize, &Zone)> {
        (skipped..=name.count())
            .filter(|&labels| self.depths >> (name.count() - labels) & 1 != 0)
            .find_map(|labels| {
                let node = self.apexes.node(self.apexes.find(name.suffix(labels))?)?;
                let index = node.rrsets as usize;
                let zone = self.zones.get(index)?;
                (node.flags & EXISTS != 0).then_some((index, zone))
            })
    }

    /// The zone transfer that `query`, which came over TCP from `peer`, asks for. Its messages, be
    /// they a refusal, come from the result. Other queries give nothing: they are for
    /// [`answer`](Self::answer).
    pub fn transfer(&self, query: &[u8], peer: IpAddr) -> Option<Transfer<'_>> {
        let mut name = Folded::EMPTY;
        match wire::parse(query, &mut name) {
            Parsed::Query(query)
                if matches!(query.qtype, Type::AXFR | Type::IXFR)
                    && query.opcode == Opcode::Query =>
            {
                Some(Transfer::new(self, &query, &name, peer))
            }
            _ => None,
        }
    }
}

impl Zone {
    /// Writes a message into `message` that tells a secondary server of this zone's serial number
    /// (RFC 1996 section 3.7), and says how long it is; nothing if there is no room.
    pub fn notify(&self, id: u16, message: &mut [u8]) -> Option<usize> {
        const FLAGS: u16 = 4 << 11 | AA;
        let mut writer = Writer::new(message, UDP_MIN);
        writer.bytes(self.tree.name(self.apex)).ok()?;
        let ([t0, t1], [c0, c1]) = (Type::SOA.0.to_be_bytes(), wire::IN.to_be_bytes());
        writer.put([t0, t1, c0, c1]).ok()?;
        writer.seed(self.apex, wire::HEADER);
        let soa = self.soa.rrset?;
        let answers = writer
            .rrset(self, Owner::At(wire::HEADER), soa, soa.ttl)
            .is_ok();
        writer.header(id.to_be_bytes(), FLAGS, [1, u16::from(answers), 0, 0]);
        Some(writer.len())
    }
}
