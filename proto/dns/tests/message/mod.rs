// SPDX-License-Identifier: ISC
//! A reader of DNS messages that shares nothing with the one under test, so that two servers'
//! replies can be compared whatever their compression and order.

use std::{collections::BTreeMap, fmt};

/// A reply, as far as it means something.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) id: u16,
    pub(crate) flags: u16,
    /// The questions as they stand.
    pub(crate) question: Vec<u8>,
    /// Answer, authority, additional; the OPT record left out.
    pub(crate) sections: [Vec<Record>; 3],
    /// Payload size, then extended code, version and flags.
    pub(crate) opt: Option<(u16, u32)>,
}

/// A record with all names in full and in lower case.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Record {
    pub(crate) owner: String,
    pub(crate) rtype: u16,
    pub(crate) ttl: u32,
    pub(crate) data: Vec<u8>,
}

pub(crate) const AA: u16 = 1 << 10;
pub(crate) const TC: u16 = 1 << 9;

impl Message {
    /// Reads a message, or says what is wrong with it.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, String> {
        let mut reader = Reader { bytes, at: 0 };
        let mut head = [0; 6];
        for word in &mut head {
            *word = reader.word()?;
        }
        let [id, flags, questions, counts @ ..] = head;
        for _ in 0..questions {
            reader.name()?;
            reader.skip(4)?;
        }
        let question = bytes[12..reader.at].to_vec();
        let mut sections = [const { Vec::new() }; 3];
        let mut opt = None;
        for (section, count) in sections.iter_mut().zip(counts) {
            for _ in 0..count {
                let owner = reader.name()?;
                let (rtype, class) = (reader.word()?, reader.word()?);
                let ttl = u32::from(reader.word()?) << 16 | u32::from(reader.word()?);
                let data = reader.data(rtype)?;
                if rtype == 41 {
                    if owner != "." || opt.replace((class, ttl)).is_some() {
                        return Err("a second OPT record, or one with a name".into());
                    }
                    continue;
                }
                if class != 1 {
                    return Err(format!("class {class}"));
                }
                section.push(Record {
                    owner,
                    rtype,
                    ttl,
                    data,
                });
            }
            section.sort();
        }
        if reader.at != bytes.len() {
            return Err(format!("{} bytes after the end", bytes.len() - reader.at));
        }
        Ok(Self {
            id,
            flags,
            question,
            sections,
            opt,
        })
    }

    pub(crate) fn rcode(&self) -> u16 {
        self.flags & 0xf | (self.opt.map_or(0, |opt| opt.1 >> 24) as u16) << 4
    }
}

struct Reader<'m> {
    bytes: &'m [u8],
    at: usize,
}

impl Reader<'_> {
    fn skip(&mut self, count: usize) -> Result<&[u8], String> {
        let taken = self.bytes.get(self.at..self.at + count);
        self.at += count;
        taken.ok_or_else(|| "it ends early".into())
    }

    fn word(&mut self) -> Result<u16, String> {
        let bytes = self.skip(2)?;
        Ok(u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    /// A name in lower case, with a dot after each label and all odd bytes escaped.
    fn name(&mut self) -> Result<String, String> {
        let mut text = String::new();
        let mut end = None;
        loop {
            let start = self.at;
            let len = usize::from(self.skip(1)?[0]);
            if len >= 0xc0 {
                let target = (len & 0x3f) << 8 | usize::from(self.skip(1)?[0]);
                if target >= start {
                    return Err("a pointer that points forward".into());
                }
                end = end.or(Some(self.at));
                self.at = target;
                continue;
            }
            for &byte in self.skip(len)? {
                match byte.to_ascii_lowercase() {
                    byte @ (b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'*') => {
                        text.push(char::from(byte));
                    }
                    byte => text.push_str(&format!("\\{byte:03}")),
                }
            }
            if len == 0 {
                break;
            }
            text.push('.');
        }
        self.at = end.unwrap_or(self.at);
        Ok(if text.is_empty() { ".".into() } else { text })
    }

    /// The data of a record, with the names in it as text.
    fn data(&mut self, rtype: u16) -> Result<Vec<u8>, String> {
        let len = usize::from(self.word()?);
        let end = self.at + len;
        // Bytes before the names, and names.
        let (prefix, names) = match rtype {
            2..=5 | 7..=9 | 12 | 39 | 47 => (0, 1),
            6 | 14 | 17 => (0, 2),
            15 | 18 | 21 | 36 | 107 => (2, 1),
            26 => (2, 2),
            33 => (6, 1),
            46 => (18, 1),
            64 | 65 => (2, 1),
            _ => (0, 0),
        };
        let mut data = self.skip(prefix)?.to_vec();
        for _ in 0..names {
            data.extend_from_slice(self.name()?.as_bytes());
            data.push(b' ');
        }
        let rest = end.checked_sub(self.at).ok_or("data that are too short")?;
        data.extend_from_slice(self.skip(rest)?);
        Ok(data)
    }
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let data = self.data.escape_ascii();
        write!(f, "{} {} TYPE{} {data}", self.owner, self.ttl, self.rtype)
    }
}

/// The text form of a name as a query has it.
pub(crate) fn wire(name: &str) -> Vec<u8> {
    let name: fata_dns::Name = name.parse().expect("a name");
    name.as_bytes().to_vec()
}

/// How a question is asked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Edns {
    pub(crate) payload: u16,
    pub(crate) dnssec_ok: bool,
}

/// A query.
pub(crate) fn query(id: u16, name: &[u8], rtype: u16, edns: Option<Edns>) -> Vec<u8> {
    let mut message = Vec::new();
    for word in [id, 0x0100, 1, 0, 0, u16::from(edns.is_some())] {
        message.extend_from_slice(&word.to_be_bytes());
    }
    message.extend_from_slice(name);
    message.extend_from_slice(&rtype.to_be_bytes());
    message.extend_from_slice(&[0, 1]);
    if let Some(edns) = edns {
        message.extend_from_slice(&[0, 0, 41]);
        message.extend_from_slice(&edns.payload.to_be_bytes());
        message.extend_from_slice(&[0, 0, u8::from(edns.dnssec_ok) << 7, 0, 0, 0]);
    }
    message
}

/// All records of a zone, by name.
pub(crate) fn by_owner(records: &[Record]) -> BTreeMap<String, Vec<u16>> {
    let mut owners = BTreeMap::<String, Vec<u16>>::new();
    for record in records {
        let types = owners.entry(record.owner.clone()).or_default();
        if !types.contains(&record.rtype) {
            types.push(record.rtype);
        }
    }
    owners
}
