// SPDX-License-Identifier: ISC
//! Service parameters: the end of SVCB and HTTPS records.
//!
//! Read first: RFC 9460 section 2.1 and appendix A.

use alloc::vec::Vec;

use super::{
    lexer::{Lexer, Refused, Word},
    scalar::{Decoder, number},
};
use crate::name;

/// Keys by their number.
const KEYS: [&str; 9] = [
    "mandatory",
    "alpn",
    "no-default-alpn",
    "port",
    "ipv4hint",
    "ech",
    "ipv6hint",
    "dohpath",
    "ohttp",
];

const MANDATORY: u16 = 0;

/// Reads `key[=value]` up to the end of the entry, in any order, and writes them in theirs.
pub(super) fn read(lexer: &mut Lexer<'_>, out: &mut Vec<u8>) -> Result<(), Refused> {
    let mut parameters: Vec<(u16, Vec<u8>)> = Vec::new();
    let mut last = None;
    while let Some(word) = lexer.take()? {
        let (key, value) = parameter(&word).ok_or_else(|| {
            lexer.refuse(
                &word,
                "expected a service parameter such as `alpn=h2` or `port=8443`",
            )
        })?;
        let place = parameters.iter().position(|(other, _)| *other >= key);
        let place = place.unwrap_or(parameters.len());
        if parameters
            .get(place)
            .is_some_and(|(other, _)| *other == key)
        {
            return Err(lexer.refuse(&word, "expected each service parameter once"));
        }
        parameters.insert(place, (key, value));
        last = Some(word);
    }
    if let Some(word) = last
        && !mandatory_holds(&parameters)
    {
        let what = "expected every key that `mandatory` lists, once and not itself";
        return Err(lexer.refuse(&word, what));
    }
    for (key, value) in parameters {
        out.extend_from_slice(&key.to_be_bytes());
        out.extend_from_slice(&(value.len() as u16).to_be_bytes());
        out.extend_from_slice(&value);
    }
    Ok(())
}

fn parameter(word: &Word<'_>) -> Option<(u16, Vec<u8>)> {
    let raw = word.raw;
    let (name, value) = match raw.iter().position(|&byte| byte == b'=') {
        Some(at) => (&raw[..at], Some(&raw[at + 1..])),
        None => (raw, None),
    };
    let key = key(name)?;
    let value = match value {
        Some([b'"', inner @ .., b'"']) => unescaped(inner)?,
        Some(value) => unescaped(value)?,
        None => Vec::new(),
    };
    let value = encode(key, &value)?;
    (value.len() <= 0xffff).then_some((key, value))
}

fn key(name: &[u8]) -> Option<u16> {
    if let Some(place) = KEYS.iter().position(|key| key.as_bytes() == name) {
        return Some(place as u16);
    }
    Some(number(name.strip_prefix(b"key")?, 65534)? as u16)
}

fn unescaped(mut text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    while let Some((&byte, rest)) = text.split_first() {
        text = rest;
        out.push(if byte == b'\\' {
            name::unescape(&mut text)?
        } else {
            byte
        });
    }
    Some(out)
}

/// The wire form of a value.
fn encode(key: u16, value: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    match key {
        MANDATORY => {
            let mut keys = Vec::new();
            for name in list(value)? {
                let key = self::key(&name)?;
                let place = keys.iter().position(|&other| other >= key);
                keys.insert(place.unwrap_or(keys.len()), key);
            }
            for key in keys {
                out.extend_from_slice(&key.to_be_bytes());
            }
        }
        1 => {
            for id in list(value)? {
                out.push(u8::try_from(id.len()).ok()?);
                out.extend_from_slice(&id);
            }
        }
        2 | 8 => return value.is_empty().then_some(out),
        3 => out.extend_from_slice(&(number(value, 0xffff)? as u16).to_be_bytes()),
        4 => {
            for address in core::str::from_utf8(value).ok()?.split(',') {
                let address: core::net::Ipv4Addr = address.parse().ok()?;
                out.extend_from_slice(&address.octets());
            }
        }
        5 => {
            let mut decoder = Decoder::base64();
            decoder.push(value, &mut out)?;
            if !decoder.complete() {
                return None;
            }
        }
        6 => {
            for address in core::str::from_utf8(value).ok()?.split(',') {
                let address: core::net::Ipv6Addr = address.parse().ok()?;
                out.extend_from_slice(&address.octets());
            }
        }
        _ => out.extend_from_slice(value),
    }
    Some(out)
}

/// The items of a list with commas, each of which may hold commas behind a backslash (RFC 9460
/// appendix A.1).
fn list(value: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut items = Vec::from([Vec::new()]);
    let mut bytes = value.iter();
    while let Some(&byte) = bytes.next() {
        match byte {
            b',' => items.push(Vec::new()),
            b'\\' => items.last_mut()?.push(*bytes.next()?),
            _ => items.last_mut()?.push(byte),
        }
    }
    items.iter().all(|item| !item.is_empty()).then_some(items)
}

/// RFC 9460 section 8; the parameters are sorted.
fn mandatory_holds(parameters: &[(u16, Vec<u8>)]) -> bool {
    let Some((MANDATORY, value)) = parameters.first() else {
        return true;
    };
    let listed = value.as_chunks::<2>().0;
    listed.is_sorted_by(|a, b| a < b)
        && listed.iter().all(|&key| {
            let key = u16::from_be_bytes(key);
            key != MANDATORY && parameters.iter().any(|(other, _)| *other == key)
        })
}
