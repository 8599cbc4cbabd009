// SPDX-License-Identifier: ISC
//! Messages as they arrive: header, question, and what EDNS says.
//!
//! [`parse`] looks at every byte that an answer depends on, follows no compression pointer and never
//! panics. Read first: RFC 1035 section 4.1, RFC 6891 section 6, RFC 8906 (what servers must not
//! drop).

use crate::{
    name::{Folded, MAX_LABEL},
    types::Type,
};

/// Bytes of a header; the name of the question starts here.
pub(crate) const HEADER: usize = 12;

/// Class IN.
pub(crate) const IN: u16 = 1;
/// Class ANY of a query.
pub(crate) const ANY_CLASS: u16 = 255;

pub(crate) const QR: u16 = 1 << 15;
pub(crate) const AA: u16 = 1 << 10;
pub(crate) const TC: u16 = 1 << 9;
const OPCODE: u16 = 0xf << 11;
const RD: u16 = 1 << 8;
const CD: u16 = 1 << 4;

const OPCODE_QUERY: u16 = 0;
const OPCODE_NOTIFY: u16 = 4 << 11;

/// What became of a query (RFC 1035 section 4.1.1, RFC 2136 section 2.2, RFC 6891 section 9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rcode {
    NoError = 0,
    FormErr = 1,
    NxDomain = 3,
    NotImp = 4,
    Refused = 5,
    YxDomain = 6,
    NotAuth = 9,
    BadVers = 16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opcode {
    Query,
    Notify,
}

/// What the OPT record of a query says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Edns {
    /// Bytes that the client can take over UDP.
    pub(crate) payload: u16,
    pub(crate) version: u8,
    /// "DNSSEC OK", echoed (RFC 3225).
    pub(crate) dnssec_ok: bool,
}

/// Identity and flags of a query, as far as the reply repeats them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Header {
    pub(crate) id: [u8; 2],
    /// Opcode, RD and CD, and QR.
    pub(crate) flags: u16,
}

/// A query that can be answered.
#[derive(Debug)]
pub(crate) struct Query<'q> {
    pub(crate) header: Header,
    pub(crate) opcode: Opcode,
    /// The question as it came: name, type, class.
    pub(crate) question: &'q [u8],
    pub(crate) qtype: Type,
    pub(crate) qclass: u16,
    pub(crate) edns: Option<Edns>,
    /// The serial number in an IXFR query (RFC 1995 section 3).
    pub(crate) serial: Option<u32>,
    /// Whether it is signed with a key that nobody here knows (RFC 8945).
    pub(crate) signed: bool,
}

/// What to do with bytes that came in.
#[derive(Debug)]
pub(crate) enum Parsed<'q> {
    /// Nothing: they are no query.
    Drop,
    /// Answer with a header alone.
    Error(Header, Rcode),
    /// Answer.
    Query(Query<'q>),
}

/// Reads a message; the name of its question goes to `name`.
pub(crate) fn parse<'q>(message: &'q [u8], name: &mut Folded) -> Parsed<'q> {
    let Some((head, body)) = message.split_first_chunk::<HEADER>() else {
        return Parsed::Drop;
    };
    let word = |at: usize| u16::from_be_bytes([head[at], head[at + 1]]);
    let flags = word(2);
    if flags & QR != 0 {
        return Parsed::Drop;
    }
    let header = Header {
        id: [head[0], head[1]],
        flags: QR | flags & (OPCODE | RD | CD),
    };
    let opcode = match flags & OPCODE {
        OPCODE_QUERY => Opcode::Query,
        OPCODE_NOTIFY => Opcode::Notify,
        _ => return Parsed::Error(header, Rcode::NotImp),
    };
    let counts = [word(4), word(6), word(8), word(10)];
    match read_body(header, opcode, counts, body, name) {
        Some(query) => Parsed::Query(query),
        None => Parsed::Error(header, Rcode::FormErr),
    }
}

fn read_body<'q>(
    header: Header,
    opcode: Opcode,
    counts: [u16; 4],
    body: &'q [u8],
    name: &mut Folded,
) -> Option<Query<'q>> {
    let [questions, answers, authorities, additionals] = counts;
    if questions != 1 {
        return None;
    }
    name.set(body)?;
    let (question, rest) = body.split_at_checked(name.len() + 4)?;
    let (_, tail) = question.split_last_chunk::<4>()?;
    let mut query = Query {
        header,
        opcode,
        question,
        qtype: Type(u16::from_be_bytes([tail[0], tail[1]])),
        qclass: u16::from_be_bytes([tail[2], tail[3]]),
        edns: None,
        serial: None,
        signed: false,
    };
    let incremental = query.qtype == Type::IXFR;
    if opcode == Opcode::Query && (answers != 0 || (authorities != 0 && !incremental)) {
        return None;
    }
    let mut records = Records(rest);
    for _ in 0..answers {
        records.next()?;
    }
    for _ in 0..authorities {
        let record = records.next()?;
        if incremental && record.rtype == Type::SOA {
            query.serial = soa_serial(record.data);
        }
    }
    for _ in 0..additionals {
        let record = records.next()?;
        if query.signed {
            return None; // a signature comes last
        }
        if record.rtype == Type::OPT {
            if query.edns.is_some() || !record.root {
                return None;
            }
            query.edns = Some(record.edns());
        }
        query.signed = record.rtype == Type::TSIG;
    }
    Some(query)
}

/// A record in a query.
struct Record<'q> {
    root: bool,
    rtype: Type,
    class: u16,
    ttl: [u8; 4],
    data: &'q [u8],
}

impl Record<'_> {
    fn edns(&self) -> Edns {
        Edns {
            payload: self.class,
            version: self.ttl[1],
            dnssec_ok: self.ttl[2] & 0x80 != 0,
        }
    }
}

/// The records of a query, one after the other.
struct Records<'q>(&'q [u8]);

impl<'q> Records<'q> {
    fn next(&mut self) -> Option<Record<'q>> {
        let root = self.0.first() == Some(&0);
        let rest = skip_name(self.0)?;
        let (&[t0, t1, c0, c1, ttl0, ttl1, ttl2, ttl3, l0, l1], rest) = rest.split_first_chunk()?;
        let len = usize::from(u16::from_be_bytes([l0, l1]));
        let (data, rest) = rest.split_at_checked(len)?;
        self.0 = rest;
        Some(Record {
            root,
            rtype: Type(u16::from_be_bytes([t0, t1])),
            class: u16::from_be_bytes([c0, c1]),
            ttl: [ttl0, ttl1, ttl2, ttl3],
            data,
        })
    }
}

/// What follows the name, which may end in a pointer that is not followed.
fn skip_name(mut rest: &[u8]) -> Option<&[u8]> {
    loop {
        let (&len, after) = rest.split_first()?;
        match usize::from(len) {
            0 => return Some(after),
            len @ 1..=MAX_LABEL => rest = after.get(len..)?,
            0xc0.. => return after.get(1..),
            _ => return None,
        }
    }
}

fn soa_serial(data: &[u8]) -> Option<u32> {
    let rest = skip_name(skip_name(data)?)?;
    rest.first_chunk().map(|&serial| u32::from_be_bytes(serial))
}
