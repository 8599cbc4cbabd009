// SPDX-License-Identifier: ISC
//! An address of either family in two words, as the stack keeps them.
//!
//! The standard library's `IpAddr` is seventeen bytes whose meaning depends on the first: each copy
//! and each comparison of one is a dozen instructions, and a stack does little else. Here an IPv4
//! address is the IPv6 address that it is mapped to (RFC 4291, section 2.5.5.2). Those are never on
//! the wire: packets that have one are dropped where they are parsed.

use core::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

/// What is before the address in the lower word of a mapped one.
const MAPPED: u64 = 0xffff;

/// An IPv4 or IPv6 address.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Addr {
    high: u64,
    low: u64,
}

impl Addr {
    /// `0.0.0.0`
    pub(crate) const UNSPECIFIED4: Self = Self::v4(Ipv4Addr::UNSPECIFIED);

    /// The address that `v4` is.
    pub(crate) const fn v4(v4: Ipv4Addr) -> Self {
        Self {
            high: 0,
            low: MAPPED << 32 | v4.to_bits() as u64,
        }
    }

    /// The address that `v6` is.
    pub(crate) const fn v6(v6: Ipv6Addr) -> Self {
        let bits = v6.to_bits();
        Self {
            high: (bits >> 64) as u64,
            low: bits as u64,
        }
    }

    /// The address as a number: of IPv4 addresses, the one that is mapped.
    pub(crate) const fn bits128(self) -> u128 {
        (self.high as u128) << 64 | self.low as u128
    }

    /// The upper and the lower half of [`bits128`](Self::bits128).
    pub(crate) const fn words(self) -> [u64; 2] {
        [self.high, self.low]
    }

    pub(crate) const fn is_ipv4(self) -> bool {
        self.high == 0 && self.low >> 32 == MAPPED
    }

    pub(crate) const fn is_ipv6(self) -> bool {
        !self.is_ipv4()
    }

    /// The IPv4 address, if it is one.
    pub(crate) const fn as_v4(self) -> Option<Ipv4Addr> {
        if self.is_ipv4() {
            Some(Ipv4Addr::from_bits(self.low as u32))
        } else {
            None
        }
    }

    /// The IPv6 address, if it is one.
    pub(crate) const fn as_v6(self) -> Option<Ipv6Addr> {
        if self.is_ipv4() {
            None
        } else {
            Some(Ipv6Addr::from_bits(self.bits128()))
        }
    }

    /// The same for matching, and for programs.
    pub(crate) const fn ip(self) -> IpAddr {
        if self.is_ipv4() {
            IpAddr::V4(Ipv4Addr::from_bits(self.low as u32))
        } else {
            IpAddr::V6(Ipv6Addr::from_bits(self.bits128()))
        }
    }

    pub(crate) const fn is_unspecified(self) -> bool {
        self.high == 0 && (self.low == 0 || self.low == MAPPED << 32)
    }

    pub(crate) const fn is_loopback(self) -> bool {
        self.high == 0 && (self.low == 1 || self.low >> 24 == MAPPED << 8 | 127)
    }

    pub(crate) const fn is_multicast(self) -> bool {
        self.high >> 56 == 0xff || self.high == 0 && self.low >> 28 == MAPPED << 4 | 0xe
    }

    /// Whether it lies in `fe80::/10`.
    pub(crate) const fn is_link_local6(self) -> bool {
        self.high >> 54 == 0xfe80 >> 6
    }

    /// Whether it lies in `169.254.0.0/16`.
    pub(crate) const fn is_link_local4(self) -> bool {
        self.high == 0 && self.low >> 16 == MAPPED << 16 | 0xa9fe
    }

    /// Whether it is `255.255.255.255`.
    pub(crate) const fn is_broadcast(self) -> bool {
        self.high == 0 && self.low == MAPPED << 32 | 0xffff_ffff
    }
}

impl From<Ipv4Addr> for Addr {
    fn from(v4: Ipv4Addr) -> Self {
        Self::v4(v4)
    }
}

impl From<Ipv6Addr> for Addr {
    fn from(v6: Ipv6Addr) -> Self {
        Self::v6(v6)
    }
}

impl From<IpAddr> for Addr {
    fn from(ip: IpAddr) -> Self {
        match ip {
            IpAddr::V4(v4) => Self::v4(v4),
            IpAddr::V6(v6) => Self::v6(v6),
        }
    }
}

impl From<[u8; 4]> for Addr {
    fn from(octets: [u8; 4]) -> Self {
        Self::v4(octets.into())
    }
}

impl From<Addr> for IpAddr {
    fn from(address: Addr) -> Self {
        address.ip()
    }
}

impl fmt::Debug for Addr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.ip(), f)
    }
}

#[cfg(test)]
impl core::str::FromStr for Addr {
    type Err = core::net::AddrParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(|ip: IpAddr| ip.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the standard library says of an address is said here.
    #[test]
    fn agrees_with_the_standard_library() {
        for text in [
            "0.0.0.0",
            "0.0.0.1",
            "10.0.0.1",
            "126.255.255.255",
            "127.0.0.0",
            "127.255.0.1",
            "128.0.0.0",
            "223.255.255.255",
            "224.0.0.0",
            "239.255.255.255",
            "240.0.0.0",
            "255.255.255.255",
            "::",
            "::1",
            "::2",
            "::10.0.0.1",
            "::1:0:0",
            "::fffe:0:0",
            "169.253.9.9",
            "169.254.0.0",
            "169.254.255.255",
            "fe80::1",
            "febf::1",
            "fec0::",
            "fd00::2",
            "feff::",
            "ff00::",
            "ff02::1",
            "1::ffff:7f00:1",
            "ffff::",
        ] {
            let ip: IpAddr = text.parse().unwrap();
            let address = Addr::from(ip);
            assert_eq!(address.ip(), ip);
            assert_eq!(address.is_ipv4(), ip.is_ipv4(), "{ip}");
            assert_eq!(address.as_v4().is_some(), ip.is_ipv4(), "{ip}");
            assert_eq!(address.as_v6().is_some(), ip.is_ipv6(), "{ip}");
            assert_eq!(address.is_unspecified(), ip.is_unspecified(), "{ip}");
            assert_eq!(address.is_loopback(), ip.is_loopback(), "{ip}");
            assert_eq!(address.is_multicast(), ip.is_multicast(), "{ip}");
            let (link4, link6) = match ip {
                IpAddr::V4(v4) => (v4.is_link_local(), false),
                IpAddr::V6(v6) => (false, v6.is_unicast_link_local()),
            };
            assert_eq!(address.is_link_local4(), link4, "{ip}");
            assert_eq!(address.is_link_local6(), link6, "{ip}");
            assert_eq!(address.is_broadcast(), text == "255.255.255.255", "{ip}");
        }
    }
}
