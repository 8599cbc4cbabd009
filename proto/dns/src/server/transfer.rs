// SPDX-License-Identifier: ISC
//! Zone transfers: a zone as a sequence of messages.
//!
//! An incremental transfer is answered by the whole zone, or by its SOA alone when the client has
//! that version (RFC 1995 sections 2 and 4). Read first: RFC 5936 section 2.

use core::net::IpAddr;

use super::{OPT_LEN, Server};
use crate::{
    name::{Folded, Name},
    types::Type,
    wire::{AA, Edns, HEADER, Header, IN, Query, Rcode},
    writer::{Owner, Writer},
    zone::{EXISTS, Zone},
};

/// Bytes after which a message is ended: what compression can point at, and no more than a client
/// must buffer at a time.
const MESSAGE: usize = 0x4000;

/// The messages that answer a query for a zone transfer, in their order.
pub struct Transfer<'s> {
    server: &'s Server,
    zone: Option<&'s Zone>,
    header: Header,
    /// What was asked.
    question: Name,
    qtype: Type,
    qclass: u16,
    edns: Option<Edns>,
    state: State,
}

enum State {
    /// A message that says no.
    Refuse(Rcode),
    /// The SOA alone.
    Current,
    /// All records, from the SOA on.
    Start,
    /// All others, from this record of this RRset of this node on.
    Body {
        node: u32,
        rrset: usize,
        record: usize,
    },
    /// The SOA once more.
    End,
    Done,
}

impl<'s> Transfer<'s> {
    pub(super) fn new(server: &'s Server, query: &Query<'_>, name: &Folded, peer: IpAddr) -> Self {
        let zone = server
            .zone_of(name, 0)
            .map(|(_, zone)| zone)
            .filter(|zone| zone.apex_labels() == name.count());
        let state = match zone {
            _ if query.edns.is_some_and(|edns| edns.version > 0) => State::Refuse(Rcode::BadVers),
            _ if query.signed => State::Refuse(Rcode::NotAuth),
            _ if query.qclass != IN => State::Refuse(Rcode::Refused),
            _ if !server.policy.may_transfer(peer) => State::Refuse(Rcode::Refused),
            None => State::Refuse(Rcode::NotAuth),
            // Serial number arithmetic (RFC 1982): the client's version is this one or later.
            Some(zone)
                if query
                    .serial
                    .is_some_and(|serial| serial.wrapping_sub(zone.serial()) < 1 << 31) =>
            {
                State::Current
            }
            Some(_) => State::Start,
        };
        Self {
            server,
            zone,
            header: query.header,
            // It was read from the same bytes before.
            question: Name::from_wire(query.question).unwrap_or(Name::ROOT),
            qtype: query.qtype,
            qclass: query.qclass,
            edns: query.edns,
            state,
        }
    }

    /// The zone, if the transfer was granted.
    pub fn granted(&self) -> Option<&'s Zone> {
        match self.state {
            State::Refuse(_) => None,
            _ => self.zone,
        }
    }

    /// Writes the next message into `reply` and says how long it is; nothing after the last, or if
    /// there is no room for a single record: 65,535 bytes always suffice.
    pub fn next(&mut self, reply: &mut [u8]) -> Option<usize> {
        if matches!(self.state, State::Done) {
            return None;
        }
        let opt = if self.edns.is_some() { OPT_LEN } else { 0 };
        let most = reply.len().min(usize::from(u16::MAX)).checked_sub(opt)?;
        let mut writer = Writer::new(reply, most);
        writer.bytes(self.question.as_bytes()).ok()?;
        let ([t0, t1], [c0, c1]) = (self.qtype.0.to_be_bytes(), self.qclass.to_be_bytes());
        writer.put([t0, t1, c0, c1]).ok()?;
        let (rcode, count) = match (&self.state, self.zone) {
            (&State::Refuse(rcode), _) => {
                self.state = State::Done;
                (rcode, 0)
            }
            (_, Some(zone)) => (Rcode::NoError, self.fill(zone, &mut writer, most)?),
            _ => return None,
        };
        let mut additionals = 0;
        if let Some(edns) = self.edns {
            writer.limit += OPT_LEN;
            writer.put(self.server.opt(edns, rcode)).ok()?;
            additionals = 1;
        }
        let authoritative = if rcode == Rcode::NoError { AA } else { 0 };
        let flags = self.header.flags | authoritative | (rcode as u16 & 0xf);
        writer.header(self.header.id, flags, [1, count, 0, additionals]);
        Some(writer.len())
    }

    /// Writes records into a message, and says how many.
    fn fill(&mut self, zone: &Zone, writer: &mut Writer<'_>, most: usize) -> Option<u16> {
        writer.seed(zone.apex, HEADER);
        let mut count = 0;
        loop {
            // Only what comes first in a message may go beyond the usual size.
            writer.limit = if count == 0 { most } else { most.min(MESSAGE) };
            let (written, full) = self.step(zone, writer);
            count += written;
            if full || matches!(self.state, State::Done) {
                break;
            }
        }
        writer.limit = most;
        (count > 0).then_some(count)
    }

    /// Writes records of one RRset and goes on behind them. Says how many, and whether there was no
    /// room for more.
    fn step(&mut self, zone: &Zone, writer: &mut Writer<'_>) -> (u16, bool) {
        match self.state {
            State::Start => self.soa(
                zone,
                writer,
                State::Body {
                    node: 0,
                    rrset: 0,
                    record: 0,
                },
            ),
            State::Current | State::End => self.soa(zone, writer, State::Done),
            State::Body {
                node,
                rrset,
                record,
            } => self.body(zone, writer, node, rrset, record),
            State::Refuse(_) | State::Done => (0, true),
        }
    }

    fn soa(&mut self, zone: &Zone, writer: &mut Writer<'_>, next: State) -> (u16, bool) {
        let written = zone
            .soa
            .rrset
            .is_some_and(|soa| writer.rrset(zone, Owner::At(HEADER), soa, soa.ttl).is_ok());
        if written {
            self.state = next;
        }
        (u16::from(written), !written)
    }

    fn body(
        &mut self,
        zone: &Zone,
        writer: &mut Writer<'_>,
        mut node: u32,
        mut rrset: usize,
        record: usize,
    ) -> (u16, bool) {
        loop {
            let Some(found) = zone.tree.node(node) else {
                self.state = State::End;
                return (0, false);
            };
            let set = if found.flags & EXISTS == 0 {
                None
            } else {
                zone.rrsets(node).get(rrset)
            };
            match set {
                None => (node, rrset) = (node + 1, 0),
                Some(set) if set.rtype == Type::SOA => rrset += 1, // first and last, not here
                Some(&set) => {
                    let owner = Owner::Node(node);
                    let done = writer.records(zone, owner, set, set.ttl, record);
                    let full = done < usize::from(set.count);
                    let (rrset, next) = if full { (rrset, done) } else { (rrset + 1, 0) };
                    self.state = State::Body {
                        node,
                        rrset,
                        record: next,
                    };
                    return ((done - record) as u16, full);
                }
            }
        }
    }
}
