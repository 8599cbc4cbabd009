// SPDX-License-Identifier: ISC
//! Addresses with the length of their network, and which addresses a stack has.

use alloc::vec::Vec;
use core::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

use crate::addr::Addr;

/// An address and the length of the network prefix that it lies in: `10.0.0.2/24`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Prefix<A> {
    address: A,
    length: u8,
}

/// An IPv4 address with its network.
pub type Ipv4Prefix = Prefix<Ipv4Addr>;
/// An IPv6 address with its network.
pub type Ipv6Prefix = Prefix<Ipv6Addr>;
/// An address of either family with its network.
pub type IpPrefix = Prefix<IpAddr>;

/// An address of a family with a fixed number of bits.
pub trait Address: Copy + Into<Addr> {
    /// Bits of the address.
    fn bits(self) -> u8;
}

impl Address for Ipv4Addr {
    fn bits(self) -> u8 {
        32
    }
}

impl Address for Ipv6Addr {
    fn bits(self) -> u8 {
        128
    }
}

impl Address for IpAddr {
    fn bits(self) -> u8 {
        if self.is_ipv4() { 32 } else { 128 }
    }
}

impl Address for Addr {
    fn bits(self) -> u8 {
        if self.is_ipv4() { 32 } else { 128 }
    }
}

impl<A: Address> Prefix<A> {
    /// The address with a network of `length` bits, if the family has that many.
    pub fn new(address: A, length: u8) -> Option<Self> {
        (length <= address.bits()).then_some(Self { address, length })
    }

    /// The address itself.
    pub fn address(self) -> A {
        self.address
    }

    /// Bits of the network.
    pub fn length(self) -> u8 {
        self.length
    }

    /// Whether `other` lies in the same network.
    pub fn contains(self, other: IpAddr) -> bool {
        self.covers(other.into())
    }

    /// The same for an address as the stack keeps it.
    pub(crate) fn covers(self, other: Addr) -> bool {
        lies_in(other, self.address.into(), self.length)
    }

    /// The same prefix as the stack keeps it.
    pub(crate) fn into_addr(self) -> Prefix<Addr> {
        Prefix {
            address: self.address.into(),
            length: self.length,
        }
    }

    /// The same prefix with its family left open.
    pub fn into_ip(self) -> IpPrefix {
        Prefix {
            address: self.address.into().ip(),
            length: self.length,
        }
    }
}

/// Whether `address` lies in the network of `own`, whose prefix is `length` bits long.
fn lies_in(address: Addr, own: Addr, length: u8) -> bool {
    let shift = u32::from(own.bits() - length);
    let differing = (own.bits128() ^ address.bits128()).checked_shr(shift);
    own.is_ipv4() == address.is_ipv4() && differing.unwrap_or(0) == 0
}

impl<A: Address + FromStr> FromStr for Prefix<A> {
    type Err = NotAPrefix;

    fn from_str(text: &str) -> Result<Self, NotAPrefix> {
        let (address, length) = text.split_once('/').ok_or(NotAPrefix)?;
        let address = address.parse().map_err(|_| NotAPrefix)?;
        let length = length.parse().map_err(|_| NotAPrefix)?;
        Self::new(address, length).ok_or(NotAPrefix)
    }
}

impl<A: fmt::Display> fmt::Display for Prefix<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.length)
    }
}

/// The text is not an address, a slash and the length of its network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAPrefix;

impl fmt::Display for NotAPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected an address with the length of its network, as in `10.0.0.2/24`")
    }
}

impl core::error::Error for NotAPrefix {}

/// Whether `address` can be a host's: not unspecified, multicast, broadcast or loopback.
pub(crate) fn is_host(address: Addr) -> bool {
    !address.is_unspecified()
        && !address.is_multicast()
        && !address.is_loopback()
        && !address.is_broadcast()
}

/// The link-local address that belongs to an Ethernet address (RFC 4291, appendix A).
pub(crate) fn link_local(mac: [u8; 6]) -> Ipv6Addr {
    with_interface_id([0xfe80, 0, 0, 0], mac)
}

/// Network bits and the modified EUI-64 of an Ethernet address.
pub(crate) fn with_interface_id(network: [u16; 4], mac: [u8; 6]) -> Ipv6Addr {
    let [a, b, c, d] = network;
    let [m0, m1, m2, m3, m4, m5] = mac;
    Ipv6Addr::new(
        a,
        b,
        c,
        d,
        u16::from_be_bytes([m0 ^ 2, m1]),
        u16::from_be_bytes([m2, 0xff]),
        u16::from_be_bytes([0xfe, m3]),
        u16::from_be_bytes([m4, m5]),
    )
}

/// The addresses that a stack answers to, and the ways out of its networks.
#[derive(Clone, Default)]
pub(crate) struct AddressTable {
    pub(crate) prefixes: Vec<Prefix<Addr>>,
    /// Networks of the link in which there is no address of ours (RFC 4861, section 5.1).
    pub(crate) on_link: Vec<Prefix<Addr>>,
    /// Addresses that nothing new shall be sent from (RFC 4862, section 5.5.4).
    pub(crate) deprecated: Vec<Addr>,
    pub(crate) gateway4: Option<Addr>,
    /// Best first.
    pub(crate) gateways6: Vec<Addr>,
}

impl AddressTable {
    /// Whether `address` is one of this stack's own.
    #[inline]
    pub(crate) fn has(&self, address: Addr) -> bool {
        self.prefixes.iter().any(|own| own.address == address)
    }

    /// Whether packets for `address` have somewhere to go.
    pub(crate) fn reaches(&self, address: Addr) -> bool {
        let to_all = address.is_broadcast() || address.is_multicast();
        self.source_for(address).is_some() && (to_all || self.next_hop(address).is_some())
    }

    /// Who on the link takes packets for the host `address`.
    pub(crate) fn next_hop(&self, address: Addr) -> Option<Addr> {
        let mut networks = self.prefixes.iter().chain(&self.on_link);
        if address.is_link_local6() || networks.any(|own| own.covers(address)) {
            return Some(address);
        }
        if address.is_ipv4() {
            self.gateway4
        } else {
            self.gateways6.first().copied()
        }
    }

    /// The best of our addresses to send to `address` from (RFC 6724, section 5): the same; one of
    /// fitting scope; one that is not deprecated; the one with most bits in common.
    pub(crate) fn source_for(&self, address: Addr) -> Option<Addr> {
        let wanted = scope(address);
        let mut best = None;
        let mut most = 0;
        for own in &self.prefixes {
            let own = own.address;
            if own.is_ipv4() != address.is_ipv4() {
                continue;
            }
            let scope = scope(own);
            // Of those that fit, the smallest scope; of those that do not, the largest.
            let closeness = 15 - scope.abs_diff(wanted);
            let common = (own.bits128() ^ address.bits128()).leading_zeros();
            // One number, in which what counts more stands higher.
            let points = u32::from(own == address) << 14
                | u32::from(scope >= wanted) << 13
                | u32::from(closeness) << 9
                | u32::from(!self.deprecated.contains(&own)) << 8
                | common;
            if points >= most {
                (best, most) = (Some(own), points);
            }
        }
        best
    }

    /// Whether `address` is the broadcast address of one of the networks.
    pub(crate) fn is_broadcast(&self, address: Addr) -> bool {
        self.prefixes.iter().any(|own| {
            own.address.is_ipv4()
                && own.length < 31
                && own.address.bits128() | u128::from(u32::MAX >> own.length) == address.bits128()
        })
    }
}

/// How far an address reaches, as multicast scopes are numbered (RFC 6724, section 3.1).
fn scope(address: Addr) -> u8 {
    const LINK: u8 = 2;
    const GLOBAL: u8 = 14;
    if address.is_ipv6() && address.is_multicast() {
        return (address.words()[0] >> 48) as u8 & 0x0f;
    }
    let link = address.is_link_local4() || address.is_link_local6() || address.is_loopback();
    if link { LINK } else { GLOBAL }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix(text: &str) -> IpPrefix {
        text.parse().unwrap()
    }

    #[test]
    fn parses_and_prints() {
        for text in ["10.0.0.2/24", "0.0.0.0/0", "fd00::2/64", "::1/128"] {
            assert_eq!(alloc::format!("{}", prefix(text)), text);
        }
        for text in [
            "10.0.0.2",
            "10.0.0.2/33",
            "::/129",
            "/24",
            "10.0.0.2/x",
            "10.0.0/8",
        ] {
            assert_eq!(text.parse::<IpPrefix>(), Err(NotAPrefix), "{text}");
        }
        assert!("fd00::1/64".parse::<Ipv4Prefix>().is_err());
    }

    #[test]
    fn knows_its_network() {
        assert!(prefix("10.0.0.2/24").contains("10.0.0.255".parse().unwrap()));
        assert!(!prefix("10.0.0.2/24").contains("10.0.1.0".parse().unwrap()));
        assert!(prefix("10.0.0.2/0").contains("192.0.2.1".parse().unwrap()));
        assert!(prefix("fd00::2/64").contains("fd00::ffff:0:0:1".parse().unwrap()));
        assert!(!prefix("::/0").contains("10.0.0.1".parse().unwrap()));
    }

    #[test]
    fn interface_identifier_is_eui64() {
        let expected: Ipv6Addr = "fe80::211:22ff:fe33:4455".parse().unwrap();
        assert_eq!(link_local([0x00, 0x11, 0x22, 0x33, 0x44, 0x55]), expected);
    }

    #[test]
    fn reachability() {
        let mut table = AddressTable::default();
        assert!(!table.reaches("10.0.0.1".parse().unwrap()));
        table.prefixes.push(prefix("10.0.0.2/24").into_addr());
        assert!(table.reaches("10.0.0.1".parse().unwrap()));
        assert!(!table.reaches("192.0.2.1".parse().unwrap()));
        assert!(!table.reaches("fd00::1".parse().unwrap()));
        table.gateway4 = Some([10, 0, 0, 1].into());
        assert!(table.reaches("192.0.2.1".parse().unwrap()));
        assert!(table.is_broadcast([10, 0, 0, 255].into()));
        assert!(!table.is_broadcast([10, 0, 0, 1].into()));
    }

    /// RFC 6724, section 5, rules 1, 2, 3 and 8.
    #[test]
    fn sources() {
        let mut table = AddressTable::default();
        for own in [
            "fe80::2/64",
            "2001:db8:1::2/64",
            "fd00::2/64",
            "10.0.0.2/24",
        ] {
            table.prefixes.push(prefix(own).into_addr());
        }
        let source = |table: &AddressTable, to: &str| {
            let source = table.source_for(to.parse().unwrap());
            source.map(|source| alloc::format!("{source:?}")).unwrap()
        };
        assert_eq!(source(&table, "fe80::9"), "fe80::2");
        assert_eq!(source(&table, "ff02::1"), "fe80::2");
        assert_eq!(source(&table, "2001:db8:2::1"), "2001:db8:1::2");
        assert_eq!(source(&table, "fd00:1::1"), "fd00::2");
        assert_eq!(source(&table, "fd00::2"), "fd00::2");
        assert_eq!(source(&table, "192.0.2.1"), "10.0.0.2");
        table.deprecated.push("2001:db8:1::2".parse().unwrap());
        assert_eq!(source(&table, "2001:db8:2::1"), "fd00::2");
        assert_eq!(source(&table, "2001:db8:1::2"), "2001:db8:1::2");
    }
}
