// SPDX-License-Identifier: ISC
//! Questions as they are sent, and what an answer says about the name that was asked for.
//!
//! Each letter of the name is sent in upper or lower case by chance, and must come back so: servers
//! repeat the question as it came, and a forger has to guess. Read first: RFC 1035 section 4.1,
//! RFC 5452 section 9.1, RFC 2308 section 2, RFC 6891 section 6.

use alloc::{boxed::Box, vec::Vec};

use super::answer::Answer;
use crate::{
    name::{MAX_LABEL, MAX_NAME, Name},
    types::{Type, layout},
    wire::{AA, HEADER, IN, QR, TC},
};

/// Bytes of the longest question with its EDNS record.
pub(super) const LONGEST_QUERY: usize = HEADER + MAX_NAME + 4 + 11;
/// Bytes that an answer over UDP may have: what arrives without fragments everywhere.
pub(super) const UDP_PAYLOAD: u16 = 1232;
/// Most names that lead to each other in one answer.
const LONGEST_CHAIN: usize = 16;
/// Most records of an answer that are looked at, and that are kept.
const MOST_LOOKED_AT: usize = 512;
const MOST_RECORDS: usize = 64;

const OPCODE: u16 = 0xf << 11;
const RD: u16 = 1 << 8;
const RA: u16 = 1 << 7;

/// A question that was sent.
pub(super) struct Question {
    pub(super) id: u16,
    /// The name in the case in which it was sent, type and class.
    wire: Vec<u8>,
    rtype: Type,
    edns: bool,
}

/// What an answer says.
pub(super) enum Reply {
    /// Nothing: it is not the answer to this question.
    Foreign,
    /// Nothing: all fits but the case of the name.
    WrongCase,
    /// Nothing usable; the server cannot help.
    Failure,
    /// It does not understand EDNS, maybe.
    FormatError,
    /// There is more than fits.
    Truncated,
    /// The records.
    Records(Answer),
    /// The name leads to another, which the answer says nothing about.
    Alias(Box<Name>, u32),
    /// There is no such name, or no such type, for so many seconds; if nobody says how long, zero.
    NoName(u32),
    NoData(u32),
}

impl Question {
    /// A question for `name`, with its letters in the case that `random` gives them.
    pub(super) fn new(name: &Name, rtype: Type, edns: bool, random: fn() -> u64) -> Self {
        let mut wire = name.as_bytes().to_vec();
        for piece in wire.chunks_mut(64) {
            let mut bits = random();
            for byte in piece {
                // Bytes that count labels are no letters.
                if byte.is_ascii_alphabetic() && bits & 1 == 1 {
                    *byte ^= 0x20;
                }
                bits >>= 1;
            }
        }
        for word in [rtype.0, IN] {
            wire.extend_from_slice(&word.to_be_bytes());
        }
        Self {
            id: random() as u16,
            wire,
            rtype,
            edns,
        }
    }

    /// The message.
    pub(super) fn message(&self) -> Vec<u8> {
        let mut message = Vec::with_capacity(LONGEST_QUERY);
        for word in [self.id, RD, 1, 0, 0, u16::from(self.edns)] {
            message.extend_from_slice(&word.to_be_bytes());
        }
        message.extend_from_slice(&self.wire);
        if self.edns {
            message.push(0);
            for word in [Type::OPT.0, UDP_PAYLOAD, 0, 0, 0] {
                message.extend_from_slice(&word.to_be_bytes());
            }
        }
        message
    }

    /// What `message` says to this question; `exact` if its case must have come back.
    pub(super) fn read(&self, message: &[u8], exact: bool) -> Reply {
        let Some(header) = message.first_chunk::<HEADER>() else {
            return Reply::Foreign;
        };
        let word = |at: usize| {
            let pair = header.get(at..).and_then(|rest| rest.first_chunk());
            pair.map_or(0, |pair| u16::from_be_bytes(*pair))
        };
        let flags = word(2);
        let end = HEADER + self.wire.len();
        let echoed = message.get(HEADER..end).unwrap_or(&[]);
        if word(0) != self.id || flags & (QR | OPCODE) != QR {
            return Reply::Foreign;
        }
        let rcode = flags & 0xf;
        if rcode == 1 && word(4) == 0 {
            // Without the question, by a server that could not read it.
            return Reply::FormatError;
        }
        if word(4) != 1 || !echoed.eq_ignore_ascii_case(&self.wire) {
            return Reply::Foreign;
        }
        if exact && echoed != self.wire {
            return Reply::WrongCase;
        }
        if flags & TC != 0 {
            return Reply::Truncated;
        }
        let sections = Sections {
            message,
            at: end,
            answers: word(6),
            authorities: word(8),
        };
        match rcode {
            0 | 3 => self
                .conclude(sections, rcode == 3, flags)
                .unwrap_or(Reply::Failure),
            1 => Reply::FormatError,
            _ => Reply::Failure,
        }
    }

    /// Follows the name through the answer. Nothing if the answer is malformed.
    fn conclude(&self, sections: Sections<'_>, no_name: bool, flags: u16) -> Option<Reply> {
        let Sections {
            message,
            at,
            answers,
            authorities,
        } = sections;
        let mut records = Records { message, at };
        if usize::from(answers) > MOST_LOOKED_AT {
            return None;
        }
        let mut found = Vec::new();
        for _ in 0..answers {
            found.push(records.next()?);
        }
        let mut name = Name::from_wire(&self.wire)?;
        let mut ttl = u32::MAX;
        let mut moved = false;
        if self.rtype != Type::CNAME {
            let mut hops = 0;
            while let Some(alias) = found.iter().find(|it| it.is(message, &name, Type::CNAME)) {
                hops += 1;
                if hops > LONGEST_CHAIN {
                    return None;
                }
                (name, _) = read_name(message, alias.start)?;
                ttl = ttl.min(alias.ttl);
                moved = true;
            }
        }
        let mut data = Vec::new();
        for record in found.iter().filter(|it| it.is(message, &name, self.rtype)) {
            if data.len() < MOST_RECORDS {
                data.push(record.data(message)?);
                ttl = ttl.min(record.ttl);
            }
        }
        if !data.is_empty() {
            let rtype = self.rtype;
            return Some(Reply::Records(Answer { rtype, data, ttl }));
        }
        let mut referral = false;
        let mut soa = None;
        for _ in 0..authorities {
            let record = records.next()?;
            let (owner, _) = read_name(message, record.owner)?;
            let above = is_above(owner.as_bytes(), name.as_bytes());
            referral |= record.rtype == Type::NS;
            if soa.is_none() && above && record.rtype == Type::SOA && record.class == IN {
                let minimum = record.data(message)?;
                let minimum = u32::from_be_bytes(*minimum.last_chunk()?);
                soa = Some(ttl.min(record.ttl).min(minimum));
            }
        }
        Some(match soa {
            _ if no_name => Reply::NoName(soa.unwrap_or(0)),
            Some(negative) => Reply::NoData(negative),
            None if moved => Reply::Alias(Box::new(name), ttl),
            // It points elsewhere instead of finding out: it does not resolve for us.
            None if referral && flags & (AA | RA) == 0 => Reply::Failure,
            None => Reply::NoData(0),
        })
    }
}

/// Where the records of a message are.
struct Sections<'m> {
    message: &'m [u8],
    at: usize,
    answers: u16,
    authorities: u16,
}

/// A record of an answer.
struct Record {
    /// Where its owner's name is.
    owner: usize,
    rtype: Type,
    class: u16,
    ttl: u32,
    start: usize,
    end: usize,
}

impl Record {
    fn is(&self, message: &[u8], owner: &Name, rtype: Type) -> bool {
        self.rtype == rtype
            && self.class == IN
            && read_name(message, self.owner).is_some_and(|(name, _)| name == *owner)
    }

    /// The data with the names in it written out (RFC 3597 section 4).
    fn data(&self, message: &[u8]) -> Option<Box<[u8]>> {
        let layout = layout(self.rtype);
        let prefix = self.start.checked_add(layout.prefix.into())?;
        let mut at = prefix;
        let mut data = message.get(self.start..prefix)?.to_vec();
        for _ in 0..layout.names {
            let (name, next) = read_name(message, at)?;
            data.extend_from_slice(name.as_bytes());
            at = next;
        }
        data.extend_from_slice(message.get(at..self.end)?);
        Some(data.into_boxed_slice())
    }
}

struct Records<'m> {
    message: &'m [u8],
    at: usize,
}

impl Records<'_> {
    fn next(&mut self) -> Option<Record> {
        let owner = self.at;
        let (_, at) = read_name(self.message, owner)?;
        let (&[t0, t1, c0, c1, s0, s1, s2, s3, l0, l1], _) =
            self.message.get(at..)?.split_first_chunk()?;
        let start = at + 10;
        let end = start + usize::from(u16::from_be_bytes([l0, l1]));
        self.message.get(start..end)?;
        self.at = end;
        let ttl = u32::from_be_bytes([s0, s1, s2, s3]);
        Some(Record {
            owner,
            rtype: Type(u16::from_be_bytes([t0, t1])),
            class: u16::from_be_bytes([c0, c1]),
            // RFC 2181 section 8.
            ttl: if ttl > i32::MAX as u32 { 0 } else { ttl },
            start,
            end,
        })
    }
}

/// The name at a place of a message, and where it ends there. Pointers must lead backwards, so
/// following them comes to an end.
fn read_name(message: &[u8], start: usize) -> Option<(Name, usize)> {
    let mut wire = [0; MAX_NAME];
    let mut len = 0;
    let mut at = start;
    let mut lowest = start;
    let mut end = None;
    loop {
        let first = *message.get(at)?;
        match usize::from(first) {
            0 => {
                *wire.get_mut(len)? = 0;
                let name = Name::from_wire(wire.get(..=len)?)?;
                return Some((name, end.unwrap_or(at + 1)));
            }
            label @ 1..=MAX_LABEL => {
                let bytes = message.get(at..=at + label)?;
                wire.get_mut(len..=len + label)?.copy_from_slice(bytes);
                len += 1 + label;
                at += 1 + label;
            }
            0xc0.. => {
                let pair = [first & 0x3f, *message.get(at + 1)?];
                end.get_or_insert(at + 2);
                at = u16::from_be_bytes(pair).into();
                if at >= lowest {
                    return None;
                }
                lowest = at;
            }
            _ => return None,
        }
    }
}

/// Whether the zone `above` can say something about `name`: it is the name or one above it.
fn is_above(above: &[u8], name: &[u8]) -> bool {
    let mut rest = Some(name);
    while let Some(name) = rest {
        if name.eq_ignore_ascii_case(above) {
            return true;
        }
        rest = crate::name::parent(name);
    }
    false
}

#[cfg(test)]
mod tests;
