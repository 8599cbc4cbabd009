// SPDX-License-Identifier: ISC
//! Master files: the text in which zones are written.
//!
//! [`read`] goes over a file once, entry by entry, and hands each record to the builder of the
//! zone. `lexer.rs` knows words, quotes, comments and parentheses; `rdata.rs` the data of each
//! type; this file what an entry is.
//!
//! Read first: RFC 1035 section 5, RFC 2308 section 4 (`$TTL`), RFC 3597 section 5.

mod error;
mod lexer;
mod location;
mod rdata;
mod scalar;
mod service;

#[cfg(test)]
mod tests;

pub use error::ZoneError;

use crate::{
    name::Name,
    types::Type,
    zone::{Builder, Record},
};
use lexer::{Lexer, Refused, Word};

/// Gives the text of a file that `$INCLUDE` names.
pub type Include<'i, 't> = &'i mut dyn FnMut(&str) -> Option<&'t [u8]>;

/// Files that include each other, at most.
const MAX_DEPTH: u8 = 8;

/// What the parser remembers between entries.
struct Reader<'b> {
    zone: &'b mut Builder,
    owner: Option<u32>,
    /// From `$TTL`.
    default_ttl: Option<u32>,
    /// The last one stated (RFC 1035 section 5.1).
    last_ttl: Option<u32>,
    depth: u8,
}

/// Reads the master file `text` into `zone`.
pub(crate) fn read<'t>(
    file: &str,
    text: &'t [u8],
    origin: &Name,
    include: Include<'_, 't>,
    zone: &mut Builder,
) -> Result<(), ZoneError> {
    let mut reader = Reader {
        zone,
        owner: None,
        default_ttl: None,
        last_ttl: None,
        depth: 0,
    };
    reader.file(file, text, origin, include)
}

impl Reader<'_> {
    fn file(
        &mut self,
        file: &str,
        text: &[u8],
        origin: &Name,
        include: Include<'_, '_>,
    ) -> Result<(), ZoneError> {
        let mut lexer = Lexer::new(file, text);
        match self.entries(&mut lexer, origin, include) {
            Ok(()) => Ok(()),
            Err(refused) => Err(lexer.into_error(refused)),
        }
    }

    fn entries(
        &mut self,
        lexer: &mut Lexer<'_>,
        origin: &Name,
        include: Include<'_, '_>,
    ) -> Result<(), Refused> {
        let mut origin = origin.clone();
        while lexer.next_entry()? {
            let blank = lexer.starts_blank();
            match lexer.take()? {
                Some(word) if !blank && !word.quoted && word.raw.starts_with(b"$") => {
                    self.directive(&word, lexer, &mut origin, include)?;
                }
                Some(word) if blank => {
                    lexer.put_back(word);
                    self.record(lexer, &origin)?;
                }
                Some(word) => {
                    self.owner = Some(self.owner(&word, lexer, &origin)?);
                    self.record(lexer, &origin)?;
                }
                None => {}
            }
            lexer.end("expected the end of the line after the record")?;
        }
        Ok(())
    }

    fn owner(
        &mut self,
        word: &Word<'_>,
        lexer: &mut Lexer<'_>,
        origin: &Name,
    ) -> Result<u32, Refused> {
        let name = Name::from_text(word.raw, origin).map_err(|e| lexer.refuse(word, e.text()))?;
        let node = self.zone.tree.intern(name.lower().as_bytes());
        let node = node.map_err(|_| lexer.refuse(word, "too many names for one zone"))?;
        if !self.zone.in_zone(node) {
            let what = "expected a name within the zone (a name without a dot at its end is \
                        relative to the origin)";
            return Err(lexer.refuse(word, what));
        }
        Ok(node)
    }

    fn directive(
        &mut self,
        word: &Word<'_>,
        lexer: &mut Lexer<'_>,
        origin: &mut Name,
        include: Include<'_, '_>,
    ) -> Result<(), Refused> {
        if word.raw.eq_ignore_ascii_case(b"$ORIGIN") {
            let name = lexer.expect("expected a domain name after `$ORIGIN`")?;
            *origin =
                Name::from_text(name.raw, origin).map_err(|e| lexer.refuse(&name, e.text()))?;
            return Ok(());
        }
        if word.raw.eq_ignore_ascii_case(b"$TTL") {
            let ttl = lexer.expect("expected a time after `$TTL`, such as `1h` or `3600`")?;
            let what = "expected a time such as `3600` or `1h30m`, at most 2147483647 seconds";
            self.default_ttl = Some(scalar::ttl(ttl.raw).ok_or_else(|| lexer.refuse(&ttl, what))?);
            return Ok(());
        }
        if word.raw.eq_ignore_ascii_case(b"$INCLUDE") {
            return self.include(lexer, origin, include);
        }
        Err(lexer.refuse(word, "expected `$ORIGIN`, `$TTL` or `$INCLUDE`"))
    }

    /// RFC 1035 section 5.1: neither origin nor owner of the including file changes.
    fn include(
        &mut self,
        lexer: &mut Lexer<'_>,
        origin: &Name,
        include: Include<'_, '_>,
    ) -> Result<(), Refused> {
        let file = lexer.expect("expected a file name after `$INCLUDE`")?;
        let mut origin = origin.clone();
        if let Some(name) = lexer.take()? {
            origin =
                Name::from_text(name.raw, &origin).map_err(|e| lexer.refuse(&name, e.text()))?;
        }
        if self.depth == MAX_DEPTH {
            return Err(lexer.refuse(&file, "expected no more than 8 files within each other"));
        }
        let found = core::str::from_utf8(file.raw).ok();
        let found = found.and_then(|name| Some((name, include(name)?)));
        let Some((name, text)) = found else {
            let what = "expected a file that can be included here: put its text in its place";
            return Err(lexer.refuse(&file, what));
        };
        let owner = self.owner;
        self.depth += 1;
        self.file(name, text, &origin, include)
            .map_err(|error| lexer.note(error))?;
        self.depth -= 1;
        self.owner = owner;
        Ok(())
    }

    /// `[TTL] [class] type data` or `[class] [TTL] type data`.
    fn record(&mut self, lexer: &mut Lexer<'_>, origin: &Name) -> Result<(), Refused> {
        let mut ttl = None;
        let mut class = false;
        let first = lexer.expect("expected a record type")?;
        let line = first.line;
        let Some(owner) = self.owner else {
            return Err(lexer.refuse(&first, "expected a name at the start of the first record"));
        };
        let mut word = first;
        let rtype = loop {
            if ttl.is_none() && word.raw.first().is_some_and(u8::is_ascii_digit) {
                let what = "expected a time such as `3600` or `1h30m`, at most 2147483647 seconds";
                ttl = Some(scalar::ttl(word.raw).ok_or_else(|| lexer.refuse(&word, what))?);
            } else if !class && is_class(&word, lexer)? {
                class = true;
            } else {
                let what = "expected a record type such as `A`, or `TYPE` and its number";
                break Type::from_text(word.raw).ok_or_else(|| lexer.refuse(&word, what))?;
            }
            word = lexer.expect("expected a record type")?;
        };
        if rtype.is_meta() {
            return Err(lexer.refuse(&word, "expected a type that has records; this one has none"));
        }
        let data = self.zone.data.len();
        rdata::read(self.zone, rtype, lexer, origin)?;
        if ttl.is_some() {
            self.last_ttl = ttl;
        }
        let ttl = ttl.or(self.default_ttl).or(self.last_ttl);
        let ttl = ttl
            .or_else(|| self.soa_minimum(rtype, data))
            .ok_or_else(|| {
                lexer.refuse(
                    &word,
                    "expected a TTL: put `$TTL 3600` at the top of the file",
                )
            })?;
        self.last_ttl = self.last_ttl.or(Some(ttl));
        let place = u32::try_from(data);
        self.zone.records.push(Record {
            owner,
            rtype,
            ttl,
            data: place.map_err(|_| lexer.refuse(&word, "too much data for one zone"))?,
            line,
        });
        Ok(())
    }

    /// The TTL of a zone that states none, as RFC 1035 section 3.3.13 had it.
    fn soa_minimum(&self, rtype: Type, data: usize) -> Option<u32> {
        if rtype != Type::SOA {
            return None;
        }
        let data = self.zone.data.get(data..)?;
        data.last_chunk()
            .map(|&minimum| u32::from_be_bytes(minimum))
    }
}

/// Whether the word is the class `IN`; no other is served.
fn is_class(word: &Word<'_>, lexer: &mut Lexer<'_>) -> Result<bool, Refused> {
    if word.raw.eq_ignore_ascii_case(b"IN") || word.raw.eq_ignore_ascii_case(b"CLASS1") {
        return Ok(true);
    }
    let other = [&b"CH"[..], b"CS", b"HS"]
        .iter()
        .any(|class| word.raw.eq_ignore_ascii_case(class));
    let numbered = word.raw.len() > 5
        && word.raw[..5].eq_ignore_ascii_case(b"CLASS")
        && word.raw[5..].iter().all(u8::is_ascii_digit);
    if other || numbered {
        return Err(lexer.refuse(word, "expected class `IN`, the only one served"));
    }
    Ok(false)
}
