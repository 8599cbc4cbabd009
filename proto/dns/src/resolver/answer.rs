// SPDX-License-Identifier: ISC
//! The records that a lookup has found, and what their data says.

use alloc::{boxed::Box, vec::Vec};
use core::net::{Ipv4Addr, Ipv6Addr};

use crate::{name::Name, types::Type};

/// The data of all records of one type that a name has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Their type.
    pub rtype: Type,
    /// The data of each, names in it without compression.
    pub data: Vec<Box<[u8]>>,
    /// Seconds for which they may be remembered.
    pub ttl: u32,
}

/// A host that takes mail (RFC 1035 section 3.3.9).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mx {
    /// Lower ones are to be tried first.
    pub preference: u16,
    /// The host; the root means that there is none (RFC 7505).
    pub exchange: Name,
}

/// A host that offers a service (RFC 2782).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Srv {
    /// Lower ones are to be tried first.
    pub priority: u16,
    /// Among those of one priority, the share of clients that should choose it.
    pub weight: u16,
    /// The port.
    pub port: u16,
    /// The host; the root means that there is none.
    pub target: Name,
}

impl Answer {
    /// The data of records of type `wanted`, as far as it is what such records have.
    fn read<'a, T>(
        &'a self,
        wanted: Type,
        read: impl Fn(&'a [u8]) -> Option<T> + 'a,
    ) -> impl Iterator<Item = T> + 'a {
        let is_wanted = self.rtype == wanted;
        let data = self.data.iter().filter(move |_| is_wanted);
        data.filter_map(move |data| read(data))
    }

    /// The addresses of A records.
    pub fn ipv4(&self) -> impl Iterator<Item = Ipv4Addr> + '_ {
        self.read(Type::A, |data| Some(Ipv4Addr::from(*as_array(data)?)))
    }

    /// The addresses of AAAA records.
    pub fn ipv6(&self) -> impl Iterator<Item = Ipv6Addr> + '_ {
        self.read(Type::AAAA, |data| {
            Some(Ipv6Addr::from(*as_array::<16>(data)?))
        })
    }

    /// The hosts of MX records.
    pub fn mx(&self) -> impl Iterator<Item = Mx> + '_ {
        self.read(Type::MX, |data| {
            let (preference, exchange) = data.split_first_chunk()?;
            Some(Mx {
                preference: u16::from_be_bytes(*preference),
                exchange: Name::from_wire(exchange)?,
            })
        })
    }

    /// The hosts of SRV records.
    pub fn srv(&self) -> impl Iterator<Item = Srv> + '_ {
        self.read(Type::SRV, |data| {
            let (&[p0, p1, w0, w1, n0, n1], target) = data.split_first_chunk()?;
            Some(Srv {
                priority: u16::from_be_bytes([p0, p1]),
                weight: u16::from_be_bytes([w0, w1]),
                port: u16::from_be_bytes([n0, n1]),
                target: Name::from_wire(target)?,
            })
        })
    }

    /// The texts of TXT records, the pieces of each put together.
    pub fn texts(&self) -> impl Iterator<Item = Vec<u8>> + '_ {
        self.read(Type::TXT, |mut data| {
            let mut text = Vec::new();
            while let Some((&len, rest)) = data.split_first() {
                let (piece, rest) = rest.split_at_checked(len.into())?;
                text.extend_from_slice(piece);
                data = rest;
            }
            Some(text)
        })
    }

    /// The names of records whose data is one: NS, CNAME, PTR, DNAME.
    pub fn names(&self) -> impl Iterator<Item = Name> + '_ {
        let wanted = match self.rtype {
            Type::NS | Type::CNAME | Type::PTR | Type::DNAME => self.rtype,
            _ => Type(0),
        };
        self.read(wanted, Name::from_wire)
    }

    /// Bytes that it takes in memory, about.
    pub(super) fn weight(&self) -> usize {
        let data = self.data.iter();
        data.map(|data| data.len() + size_of_val(data)).sum()
    }
}

fn as_array<const N: usize>(data: &[u8]) -> Option<&[u8; N]> {
    data.try_into().ok()
}
