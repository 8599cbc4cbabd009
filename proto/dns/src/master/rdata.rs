// SPDX-License-Identifier: ISC
//! The data of a record, from its text to the form in which a zone stores it.
//!
//! A type's format in `types.rs` is a string with a letter for each field:
//!
//! | letter | field | letter | field |
//! |---|---|---|---|
//! | `a` `q` | IPv4, IPv6 address | `x` `6` | hexadecimal or base 64 to the end |
//! | `b` `h` `w` | number of 1, 2, 4 bytes | `X` | hexadecimal word with a length, or `-` |
//! | `t` `i` | time span, moment | `H` | base 32 word with a length |
//! | `T` `g` `c` | record type, algorithm, certificate type | `m` | list of record types as a bitmap |
//! | `N` `n` | name: as a node, as it is | `e` `E` `l` | EUI-48, EUI-64, locator of 64 bits |
//! | `s` `S` | string, strings to the end | `L` `k` `P` | location, service parameters, prefixes |
//! | `v` | string without a length | `G` `o` | gateway, NSAP address |
//!
//! Read first: RFC 1035 section 3.3, RFC 3597 section 5, and the RFC of each type.

use alloc::vec::Vec;

use super::{
    lexer::{Lexer, Refused, Word},
    location,
    scalar::{self, Decoder},
    service,
};
use crate::{
    name::{self, Name},
    types::{Type, layout},
    zone::Builder,
};

/// Bytes of data of a record at most: what a message holds beside header, question and owner.
const MAX_DATA: usize = 65_000;

/// Reads the data of a record of type `rtype` to the end of the entry, and adds it to `zone`.
pub(super) fn read(
    zone: &mut Builder,
    rtype: Type,
    lexer: &mut Lexer<'_>,
    origin: &Name,
) -> Result<(), Refused> {
    let start = zone.data.len();
    zone.data.extend_from_slice(&[0, 0]);
    let first = lexer.expect("expected the data of the record")?;
    if first.raw == b"\\#" && !first.quoted {
        generic(zone, rtype, lexer)?;
    } else {
        let Some(format) = rtype.format() else {
            let what = "expected `\\#`, a length and hexadecimal, the form of types not known here";
            return Err(lexer.refuse(&first, what));
        };
        lexer.put_back(first);
        let mut fields = Fields {
            zone,
            lexer,
            origin,
            start: start + 2,
        };
        for &field in format {
            fields.field(field)?;
        }
    }
    let len = zone.data.len() - start - 2;
    if len > MAX_DATA {
        let what = "expected at most 65000 bytes of data, so that a message can hold the record";
        return Err(lexer.refuse(&first, what));
    }
    let len = len as u16;
    zone.data[start..start + 2].copy_from_slice(&len.to_ne_bytes());
    Ok(())
}

/// The form of RFC 3597, which serves known types too.
fn generic(zone: &mut Builder, rtype: Type, lexer: &mut Lexer<'_>) -> Result<(), Refused> {
    let count = lexer.expect("expected the number of bytes after `\\#`")?;
    let len = scalar::number(count.raw, 65535)
        .ok_or_else(|| lexer.refuse(&count, "expected a number of bytes up to 65535"))?;
    let mut bytes = Vec::new();
    encoded(
        lexer,
        Decoder::hex(),
        "expected whole bytes in hexadecimal",
        &mut bytes,
    )?;
    if bytes.len() != len as usize {
        return Err(lexer.refuse(
            &count,
            "expected as many bytes after it as this number says",
        ));
    }
    let valid = rtype.format().is_none_or(|format| is_valid(format, &bytes));
    if !valid || stored(zone, rtype, &bytes).is_none() {
        return Err(lexer.refuse(&count, "expected data that are valid for the type"));
    }
    Ok(())
}

/// Adds data in wire form to those of the zone.
fn stored(zone: &mut Builder, rtype: Type, data: &[u8]) -> Option<()> {
    let layout = layout(rtype);
    let (prefix, mut rest) = data.split_at_checked(usize::from(layout.prefix))?;
    zone.data.extend_from_slice(prefix);
    for _ in 0..layout.names {
        let name = Name::from_wire(rest)?;
        rest = rest.get(name.as_bytes().len()..)?;
        let node = zone.tree.intern(name.lower().as_bytes()).ok()?;
        zone.data.extend_from_slice(&node.to_ne_bytes());
    }
    zone.data.extend_from_slice(rest);
    Some(())
}

/// Whether `data` have the form of `format`, as far as the letters above have one.
fn is_valid(format: &[u8], mut data: &[u8]) -> bool {
    for &field in format {
        let len = match field {
            b'b' | b'g' => 1,
            b'h' | b'T' | b'c' => 2,
            b'a' | b'w' | b't' | b'i' => 4,
            b'e' => 6,
            b'E' | b'l' => 8,
            b'q' | b'L' => 16,
            b's' | b'X' | b'H' => 1 + usize::from(*data.first().unwrap_or(&0)),
            b'n' | b'N' => name::wire_len(data).unwrap_or(usize::MAX),
            b'S' => {
                let mut at = 0;
                while let Some(&len) = data.get(at) {
                    at += 1 + usize::from(len);
                }
                at.max(1)
            }
            _ => data.len(),
        };
        match data.get(len..) {
            Some(rest) => data = rest,
            None => return false,
        }
    }
    data.is_empty()
}

/// Reads the words up to the end of the entry through `decoder`.
fn encoded(
    lexer: &mut Lexer<'_>,
    mut decoder: Decoder,
    what: &'static str,
    out: &mut Vec<u8>,
) -> Result<(), Refused> {
    while let Some(word) = lexer.take()? {
        decoder
            .push(word.raw, out)
            .ok_or_else(|| lexer.refuse(&word, what))?;
    }
    if decoder.complete() {
        Ok(())
    } else {
        Err(lexer.refuse_here(what))
    }
}

/// The fields of one record.
struct Fields<'r, 't> {
    zone: &'r mut Builder,
    lexer: &'r mut Lexer<'t>,
    origin: &'r Name,
    /// Where its data start.
    start: usize,
}

impl<'t> Fields<'_, 't> {
    fn field(&mut self, field: u8) -> Result<(), Refused> {
        match field {
            b'a' => self.scalar("expected an IPv4 address such as `192.0.2.1`", ipv4),
            b'q' => self.scalar("expected an IPv6 address such as `2001:db8::1`", ipv6),
            b'b' => self.number(1, "expected a number up to 255"),
            b'h' => self.number(2, "expected a number up to 65535"),
            b'w' => self.number(4, "expected a number up to 4294967295"),
            b't' => self.scalar("expected a time such as `3600` or `1h`", |text, out| {
                push(out, 4, scalar::ttl(text)?)
            }),
            b'i' => self.scalar("expected a moment written `YYYYMMDDHHmmSS`", |text, out| {
                push(out, 4, scalar::moment(text)?)
            }),
            b'T' => self.scalar("expected a record type", |text, out| {
                push(out, 2, u32::from(Type::from_text(text)?.0))
            }),
            b'g' => self.scalar(
                "expected an algorithm: its number or mnemonic",
                |text, out| push(out, 1, algorithm(text)?),
            ),
            b'c' => self.scalar(
                "expected a certificate type: its number or mnemonic",
                |text, out| push(out, 2, certificate(text)?),
            ),
            b'e' => self.scalar(
                "expected 6 bytes such as `00-00-5e-00-53-2a`",
                |text, out| groups(text, b'-', 6, out),
            ),
            b'E' => self.scalar(
                "expected 8 bytes such as `00-00-5e-ef-10-00-00-2a`",
                |text, out| groups(text, b'-', 8, out),
            ),
            b'l' => self.scalar(
                "expected four groups such as `2001:db8:0:1`",
                |text, out| groups(text, b':', 4, out),
            ),
            b'N' => self.node(),
            b'n' => self.name(),
            b's' => self.string(),
            b'S' => self.strings(),
            b'v' => self.bare_string(),
            b'x' => self.rest(Decoder::hex(), "expected whole bytes in hexadecimal"),
            b'6' => self.rest(Decoder::base64(), "expected base 64"),
            b'X' => self.counted(Decoder::hex(), "expected bytes in hexadecimal, or `-`"),
            b'H' => self.counted(Decoder::base32hex(), "expected a hash in base 32"),
            b'm' => self.bitmap(),
            b'L' => location::read(self.lexer, &mut self.zone.data),
            b'k' => service::read(self.lexer, &mut self.zone.data),
            b'P' => self.prefixes(),
            b'G' => self.gateway(),
            _ => self.nsap(),
        }
    }

    /// A field of one word.
    fn scalar(
        &mut self,
        what: &'static str,
        read: fn(&[u8], &mut Vec<u8>) -> Option<()>,
    ) -> Result<(), Refused> {
        let word = self.lexer.expect(what)?;
        read(word.raw, &mut self.zone.data).ok_or_else(|| self.lexer.refuse(&word, what))
    }

    /// A number of `len` bytes.
    fn number(&mut self, len: usize, what: &'static str) -> Result<(), Refused> {
        let word = self.lexer.expect(what)?;
        let most = u32::MAX >> (32 - 8 * len);
        scalar::number(word.raw, most)
            .and_then(|value| push(&mut self.zone.data, len, value))
            .ok_or_else(|| self.lexer.refuse(&word, what))
    }

    fn read_name(&mut self) -> Result<(Word<'t>, Name), Refused> {
        let word = self.lexer.expect("expected a domain name")?;
        let name = Name::from_text(word.raw, self.origin);
        Ok((word, name.map_err(|e| self.lexer.refuse(&word, e.text()))?))
    }

    fn node(&mut self) -> Result<(), Refused> {
        let (_, name) = self.read_name()?;
        let node = self.zone.tree.intern(name.lower().as_bytes());
        let what = "too many names for one zone";
        let node = node.map_err(|_| self.lexer.refuse_here(what))?;
        self.zone.data.extend_from_slice(&node.to_ne_bytes());
        Ok(())
    }

    fn name(&mut self) -> Result<(), Refused> {
        let (_, name) = self.read_name()?;
        self.zone.data.extend_from_slice(name.as_bytes());
        Ok(())
    }

    fn string(&mut self) -> Result<(), Refused> {
        let word = self.lexer.expect("expected a string")?;
        self.push_string(&word)
    }

    fn strings(&mut self) -> Result<(), Refused> {
        self.string()?;
        while let Some(word) = self.lexer.take()? {
            self.push_string(&word)?;
        }
        Ok(())
    }

    fn push_string(&mut self, word: &Word<'_>) -> Result<(), Refused> {
        let place = self.zone.data.len();
        self.zone.data.push(0);
        self.unescaped(word)?;
        let len = self.zone.data.len() - place - 1;
        let what = "expected a string of at most 255 bytes: write it as several";
        self.zone.data[place] = u8::try_from(len).map_err(|_| self.lexer.refuse(word, what))?;
        Ok(())
    }

    fn bare_string(&mut self) -> Result<(), Refused> {
        let word = self.lexer.expect("expected a string")?;
        self.unescaped(&word)
    }

    fn unescaped(&mut self, word: &Word<'_>) -> Result<(), Refused> {
        let mut rest = word.raw;
        while let Some((&byte, after)) = rest.split_first() {
            rest = after;
            let byte = if byte == b'\\' {
                let what = "expected a character or three digits up to 255 after each backslash";
                name::unescape(&mut rest).ok_or_else(|| self.lexer.refuse(word, what))?
            } else {
                byte
            };
            self.zone.data.push(byte);
        }
        Ok(())
    }

    fn rest(&mut self, decoder: Decoder, what: &'static str) -> Result<(), Refused> {
        encoded(self.lexer, decoder, what, &mut self.zone.data)
    }

    fn counted(&mut self, mut decoder: Decoder, what: &'static str) -> Result<(), Refused> {
        let word = self.lexer.expect(what)?;
        let place = self.zone.data.len();
        self.zone.data.push(0);
        if word.raw != b"-" {
            let done = decoder.push(word.raw, &mut self.zone.data);
            if done.is_none() || !decoder.complete() {
                return Err(self.lexer.refuse(&word, what));
            }
        }
        let len = self.zone.data.len() - place - 1;
        self.zone.data[place] = u8::try_from(len).map_err(|_| self.lexer.refuse(&word, what))?;
        Ok(())
    }

    /// RFC 4034 section 4.1.2: for each value of a type's high byte, bits for the low one.
    fn bitmap(&mut self) -> Result<(), Refused> {
        let mut types = Vec::new();
        while let Some(word) = self.lexer.take()? {
            let rtype = Type::from_text(word.raw);
            types.push(rtype.ok_or_else(|| self.lexer.refuse(&word, "expected a record type"))?);
        }
        for high in 0..=255 {
            let mut bits = [0_u8; 32];
            let mut len = 0;
            for rtype in types.iter().filter(|rtype| rtype.0 >> 8 == high) {
                let low = usize::from(rtype.0 & 0xff);
                len = len.max(low / 8 + 1);
                bits[low / 8] |= 0x80 >> (low % 8);
            }
            if len > 0 {
                self.zone.data.extend_from_slice(&[high as u8, len as u8]);
                self.zone.data.extend_from_slice(&bits[..len]);
            }
        }
        Ok(())
    }

    /// RFC 3123 section 4: `!1:192.0.2.0/24`.
    fn prefixes(&mut self) -> Result<(), Refused> {
        while let Some(word) = self.lexer.take()? {
            let what = "expected a prefix such as `1:192.0.2.0/24` or `!2:2001:db8::/32`";
            let bytes = prefix(word.raw).ok_or_else(|| self.lexer.refuse(&word, what))?;
            self.zone.data.extend_from_slice(&bytes);
        }
        Ok(())
    }

    /// RFC 4025 section 3.1: what the gateway is was said in the second byte.
    fn gateway(&mut self) -> Result<(), Refused> {
        match self.zone.data.get(self.start + 1) {
            Some(0) => {
                let word = self.lexer.expect("expected `.`, as there is no gateway")?;
                if word.raw == b"." {
                    return Ok(());
                }
                Err(self
                    .lexer
                    .refuse(&word, "expected `.`, as the gateway type is 0"))
            }
            Some(1) => self.field(b'a'),
            Some(2) => self.field(b'q'),
            Some(3) => self.name(),
            _ => Err(self
                .lexer
                .refuse_here("expected a gateway type up to 3 in this record")),
        }
    }

    /// RFC 1706 section 7: `0x47.0005.80...`.
    fn nsap(&mut self) -> Result<(), Refused> {
        let what = "expected an address such as `0x47000580ffff`";
        let word = self.lexer.expect(what)?;
        let mut decoder = Decoder::hex();
        let digits = word.raw.strip_prefix(b"0x");
        let digits = digits.or_else(|| word.raw.strip_prefix(b"0X"));
        let done = digits.and_then(|digits| {
            digits
                .split(|&byte| byte == b'.')
                .try_for_each(|part| decoder.push(part, &mut self.zone.data))
        });
        if done.is_none() || !decoder.complete() {
            return Err(self.lexer.refuse(&word, what));
        }
        Ok(())
    }
}

/// Appends the last `len` bytes of a number.
fn push(out: &mut Vec<u8>, len: usize, value: u32) -> Option<()> {
    out.extend_from_slice(value.to_be_bytes().get(4 - len..)?);
    Some(())
}

fn ipv4(text: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let address: core::net::Ipv4Addr = core::str::from_utf8(text).ok()?.parse().ok()?;
    out.extend_from_slice(&address.octets());
    Some(())
}

fn ipv6(text: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let address: core::net::Ipv6Addr = core::str::from_utf8(text).ok()?.parse().ok()?;
    out.extend_from_slice(&address.octets());
    Some(())
}

/// DNSSEC algorithms (RFC 4034 appendix A.1 and the registry after it).
fn algorithm(text: &[u8]) -> Option<u32> {
    const NAMES: [(&str, u8); 16] = [
        ("RSAMD5", 1),
        ("DH", 2),
        ("DSA", 3),
        ("RSASHA1", 5),
        ("DSA-NSEC3-SHA1", 6),
        ("RSASHA1-NSEC3-SHA1", 7),
        ("RSASHA256", 8),
        ("RSASHA512", 10),
        ("ECC-GOST", 12),
        ("ECDSAP256SHA256", 13),
        ("ECDSAP384SHA384", 14),
        ("ED25519", 15),
        ("ED448", 16),
        ("INDIRECT", 252),
        ("PRIVATEDNS", 253),
        ("PRIVATEOID", 254),
    ];
    if let Some(number) = scalar::number(text, 0xff) {
        return Some(number);
    }
    let known = NAMES
        .iter()
        .find(|(name, _)| name.as_bytes().eq_ignore_ascii_case(text))?;
    Some(u32::from(known.1))
}

/// Certificate types (RFC 4398 section 2.1).
fn certificate(text: &[u8]) -> Option<u32> {
    const NAMES: [(&str, u32); 10] = [
        ("PKIX", 1),
        ("SPKI", 2),
        ("PGP", 3),
        ("IPKIX", 4),
        ("ISPKI", 5),
        ("IPGP", 6),
        ("ACPKIX", 7),
        ("IACPKIX", 8),
        ("URI", 253),
        ("OID", 254),
    ];
    if let Some(number) = scalar::number(text, 0xffff) {
        return Some(number);
    }
    let known = NAMES
        .iter()
        .find(|(name, _)| name.as_bytes().eq_ignore_ascii_case(text))?;
    Some(known.1)
}

/// Groups of hexadecimal digits: so many pairs with hyphens between them (RFC 7043), or up to four
/// digits each with colons between them (RFC 6742 section 2.1.2).
fn groups(text: &[u8], between: u8, count: usize, out: &mut Vec<u8>) -> Option<()> {
    let (fewest, most) = if between == b'-' { (2, 2) } else { (1, 4) };
    let mut found = 0;
    for part in text.split(|&byte| byte == between) {
        if !(fewest..=most).contains(&part.len()) {
            return None;
        }
        let value = part.iter().try_fold(0, |value, &byte| {
            Some(value << 4 | char::from(byte).to_digit(16)?)
        })?;
        push(out, most / 2, value)?;
        found += 1;
    }
    (found == count).then_some(())
}

/// An address prefix as APL stores it, its trailing zero bytes cut off.
fn prefix(text: &[u8]) -> Option<Vec<u8>> {
    let (negated, text) = match text.split_first()? {
        (b'!', rest) => (0x80, rest),
        _ => (0, text),
    };
    let (family, rest) = core::str::from_utf8(text).ok()?.split_once(':')?;
    let (address, length) = rest.split_once('/')?;
    let address: core::net::IpAddr = address.parse().ok()?;
    let (number, octets) = match address {
        core::net::IpAddr::V4(v4) => (1_u8, v4.octets().to_vec()),
        core::net::IpAddr::V6(v6) => (2, v6.octets().to_vec()),
    };
    let length = scalar::number(length.as_bytes(), octets.len() as u32 * 8)?;
    if scalar::number(family.as_bytes(), 2)? != u32::from(number) {
        return None;
    }
    let end = octets
        .iter()
        .rposition(|&byte| byte != 0)
        .map_or(0, |last| last + 1);
    let mut out = Vec::from([0, number, length as u8, negated | end as u8]);
    out.extend_from_slice(&octets[..end]);
    Some(out)
}
