// SPDX-License-Identifier: ISC
//! What a server allows to whom.

use alloc::vec::Vec;
use core::{fmt, net::IpAddr, str::FromStr};

/// The rules of a server.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Who may transfer zones: nobody unless listed.
    pub transfer: Vec<Prefix>,
    /// Most bytes of a reply over UDP to a client that takes more than 512. 1232 passes every IPv6
    /// path unfragmented.
    pub udp_payload: u16,
    /// Whether positive answers come without the zone's name servers and without the addresses of
    /// hosts in them, which resolvers do not believe anyway.
    pub minimal: bool,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            transfer: Vec::new(),
            udp_payload: 1232,
            minimal: true,
        }
    }
}

impl Policy {
    pub(super) fn may_transfer(&self, peer: IpAddr) -> bool {
        self.transfer.iter().any(|prefix| prefix.contains(peer))
    }
}

/// Addresses that start with the same bits, written `192.0.2.0/24`, or a single one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefix {
    address: IpAddr,
    length: u8,
}

impl Prefix {
    /// The addresses whose first `length` bits are those of `address`.
    pub fn new(address: IpAddr, length: u8) -> Option<Self> {
        let most = if address.is_ipv4() { 32 } else { 128 };
        (length <= most).then_some(Self { address, length })
    }

    /// Whether it has `address` in it; an IPv4 address mapped to IPv6 counts as what it is.
    pub fn contains(&self, address: IpAddr) -> bool {
        let bits = |address: IpAddr| match address.to_canonical() {
            IpAddr::V4(v4) => (true, u128::from(u32::from(v4)) << 96),
            IpAddr::V6(v6) => (false, u128::from(v6)),
        };
        let (mine, other) = (bits(self.address), bits(address));
        let different = (mine.1 ^ other.1)
            .checked_shr(128 - u32::from(self.length))
            .unwrap_or(0);
        mine.0 == other.0 && different == 0
    }
}

/// The text is no prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PrefixError;

impl fmt::Display for PrefixError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected an address or a prefix such as `192.0.2.0/24`")
    }
}

impl core::error::Error for PrefixError {}

impl FromStr for Prefix {
    type Err = PrefixError;

    fn from_str(text: &str) -> Result<Self, PrefixError> {
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| PrefixError)?;
        let length = match length {
            Some(length) => length.parse().map_err(|_| PrefixError)?,
            None if address.is_ipv4() => 32,
            None => 128,
        };
        Self::new(address, length).ok_or(PrefixError)
    }
}
