// SPDX-License-Identifier: ISC
//! Names that are known without asking, and the names that a short one may stand for.
//!
//! Read first: RFC 6761 sections 6.3 and 6.4, RFC 7686, RFC 1123 section 6.1.4.3 (search lists).

use alloc::{boxed::Box, vec::Vec};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{answer::Answer, lookup::LookupError};
use crate::{name::Name, types::Type};

/// The addresses of a name that nobody is to be asked about: `localhost`, an address written out, or
/// a name below `invalid` or `onion`, which has none. Nothing for any other name.
pub fn known(text: &str) -> Option<Result<Vec<IpAddr>, LookupError>> {
    let literal = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'));
    let address = match literal {
        Some(text) => text.parse::<Ipv6Addr>().ok().map(IpAddr::from),
        None => text.parse().ok(),
    };
    if let Some(address) = address {
        return Some(Ok(Vec::from([address])));
    }
    let text = text.strip_suffix('.').unwrap_or(text);
    let last = text.rsplit('.').next()?;
    let is_last = |name: &str| last.eq_ignore_ascii_case(name);
    if is_last("localhost") {
        let both = [Ipv6Addr::LOCALHOST.into(), Ipv4Addr::LOCALHOST.into()];
        return Some(Ok(Vec::from(both)));
    }
    (is_last("invalid") || is_last("onion")).then_some(Err(LookupError::NoName(0)))
}

/// The same as records of one type, which nobody should remember.
pub fn known_records(text: &str, rtype: Type) -> Option<Result<Answer, LookupError>> {
    Some(known(text)?.and_then(|addresses| {
        let octets = addresses.iter().filter_map(|address| match address {
            IpAddr::V4(v4) if rtype == Type::A => Some(Box::from(v4.octets())),
            IpAddr::V6(v6) if rtype == Type::AAAA => Some(Box::from(v6.octets())),
            _ => None,
        });
        let data: Vec<Box<[u8]>> = octets.collect();
        match data.is_empty() {
            true => Err(LookupError::NoData(0)),
            false => Ok(Answer {
                rtype,
                data,
                ttl: 0,
            }),
        }
    }))
}

/// The names to look up for `text`, in this order: below `search` first if it has no dot, and as it
/// is.
///
/// # Errors
///
/// [`LookupError::InvalidName`].
pub fn candidates(text: &str, search: Option<&Name>) -> Result<Vec<Name>, LookupError> {
    let mut names = Vec::new();
    let root = Name::ROOT;
    let plain = Name::from_text(text.as_bytes(), &root).map_err(|_| LookupError::InvalidName)?;
    if let Some(search) = search
        && !text.contains('.')
        && let Ok(name) = Name::from_text(text.as_bytes(), search)
    {
        names.push(name);
    }
    names.push(plain);
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_names_are_known() {
        let one = |address: &str| Some(Ok(Vec::from([address.parse().unwrap()])));
        assert_eq!(known("192.0.2.1"), one("192.0.2.1"));
        assert_eq!(known("2001:db8::1"), one("2001:db8::1"));
        assert_eq!(known("[2001:db8::1]"), one("2001:db8::1"));
        assert_eq!(known("[192.0.2.1]"), None);
        for name in ["localhost", "LocalHost.", "a.localhost"] {
            assert_eq!(known(name).unwrap().unwrap().len(), 2, "{name}");
        }
        let v4 = known_records("localhost", Type::A).unwrap().unwrap();
        assert!(v4.ipv4().eq([Ipv4Addr::LOCALHOST]));
        let none = known_records("::1", Type::A);
        assert_eq!(none, Some(Err(LookupError::NoData(0))));
        assert_eq!(known("x.invalid"), Some(Err(LookupError::NoName(0))));
        for name in ["example.org", "localhost.example", "", ".", "notlocalhost"] {
            assert_eq!(known(name), None, "{name}");
        }
    }

    #[test]
    fn short_names_are_searched_for() {
        let search: Name = "example.org".parse().unwrap();
        let names = |text| {
            let names = candidates(text, Some(&search)).unwrap();
            names
                .iter()
                .map(alloc::string::ToString::to_string)
                .collect::<Vec<_>>()
        };
        assert_eq!(names("www"), ["www.example.org.", "www."]);
        assert_eq!(names("www."), ["www."]);
        assert_eq!(names("a.b"), ["a.b."]);
        assert_eq!(candidates("www", None).unwrap().len(), 1);
        for wrong in ["", "a..b", &"a".repeat(64)] {
            assert_eq!(
                candidates(wrong, None).err(),
                Some(LookupError::InvalidName)
            );
        }
    }
}
