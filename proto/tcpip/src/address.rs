// SPDX-License-Identifier: ISC
//! Addresses with the length of their network, and which addresses a stack has.

use alloc::vec::Vec;
use core::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

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
pub trait Address: Copy + FromStr + Into<IpAddr> {
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
        let own: IpAddr = self.address.into();
        let shift = 128 - u32::from(self.length) - if own.is_ipv4() { 96 } else { 0 };
        let differing = bits(own) ^ bits(other);
        own.is_ipv4() == other.is_ipv4() && differing.checked_shr(shift).unwrap_or(0) == 0
    }

    /// The same prefix with its family left open.
    pub fn into_ip(self) -> IpPrefix {
        Prefix {
            address: self.address.into(),
            length: self.length,
        }
    }
}

impl<A: Address> FromStr for Prefix<A> {
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
pub(crate) fn is_host(address: IpAddr) -> bool {
    !address.is_unspecified()
        && !address.is_multicast()
        && !address.is_loopback()
        && address != IpAddr::V4(Ipv4Addr::BROADCAST)
}

/// The address as a number; of IPv4 addresses, the one that is mapped into IPv6 (RFC 4291, section
/// 2.5.5.2), which is never on the wire.
pub(crate) fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().to_bits(),
        IpAddr::V6(v6) => v6.to_bits(),
    }
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
    pub(crate) prefixes: Vec<IpPrefix>,
    /// Networks of the link in which there is no address of ours (RFC 4861, section 5.1).
    pub(crate) on_link: Vec<IpPrefix>,
    /// Addresses that nothing new shall be sent from (RFC 4862, section 5.5.4).
    pub(crate) deprecated: Vec<Ipv6Addr>,
    pub(crate) gateway4: Option<Ipv4Addr>,
    /// Best first.
    pub(crate) gateways6: Vec<Ipv6Addr>,
}

impl AddressTable {
    /// Whether `address` is one of this stack's own.
    #[inline]
    pub(crate) fn has(&self, address: IpAddr) -> bool {
        self.prefixes.iter().any(|own| own.address == address)
    }

    /// Whether packets for `address` have somewhere to go.
    pub(crate) fn reaches(&self, address: IpAddr) -> bool {
        let to_all = match address {
            IpAddr::V4(v4) => v4.is_broadcast() || v4.is_multicast(),
            IpAddr::V6(v6) => v6.is_multicast(),
        };
        self.source_for(address).is_some() && (to_all || self.next_hop(address).is_some())
    }

    /// Who on the link takes packets for the host `address`.
    pub(crate) fn next_hop(&self, address: IpAddr) -> Option<IpAddr> {
        let on_link = |networks: &[IpPrefix]| networks.iter().any(|own| own.contains(address));
        if on_link(&self.prefixes) || on_link(&self.on_link) {
            return Some(address);
        }
        match address {
            IpAddr::V4(_) => self.gateway4.map(IpAddr::V4),
            IpAddr::V6(v6) if v6.is_unicast_link_local() => Some(address),
            IpAddr::V6(_) => self.gateways6.first().copied().map(IpAddr::V6),
        }
    }

    /// The best of our addresses to send to `address` from (RFC 6724, section 5): the same; one of
    /// fitting scope; one that is not deprecated; the one with most bits in common.
    pub(crate) fn source_for(&self, address: IpAddr) -> Option<IpAddr> {
        let candidates = self.prefixes.iter().map(|own| own.address);
        candidates
            .filter(|own| own.is_ipv4() == address.is_ipv4())
            .max_by_key(|own| {
                let deprecated = matches!(own, IpAddr::V6(v6) if self.deprecated.contains(v6));
                let fits = scope(*own) >= scope(address);
                // Of those that fit, the smallest scope; of those that do not, the largest.
                let closeness = 15 - scope(*own).abs_diff(scope(address));
                (
                    *own == address,
                    fits,
                    closeness,
                    !deprecated,
                    bits_in_common(*own, address),
                )
            })
    }

    /// Whether `address` is the broadcast address of one of the networks.
    pub(crate) fn is_broadcast(&self, address: Ipv4Addr) -> bool {
        self.prefixes.iter().any(|own| match own.address {
            IpAddr::V4(v4) if own.length < 31 => {
                v4.to_bits() | (u32::MAX >> own.length) == address.to_bits()
            }
            _ => false,
        })
    }
}

/// How far an address reaches, as multicast scopes are numbered (RFC 6724, section 3.1).
fn scope(address: IpAddr) -> u8 {
    const LINK: u8 = 2;
    const GLOBAL: u8 = 14;
    let link = match address {
        IpAddr::V4(v4) => v4.is_link_local() || v4.is_loopback(),
        IpAddr::V6(v6) if v6.is_multicast() => return v6.octets()[1] & 0x0f,
        IpAddr::V6(v6) => v6.is_unicast_link_local() || v6.is_loopback(),
    };
    if link { LINK } else { GLOBAL }
}

fn bits_in_common(a: IpAddr, b: IpAddr) -> u32 {
    (bits(a) ^ bits(b)).leading_zeros()
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
        table.prefixes.push(prefix("10.0.0.2/24"));
        assert!(table.reaches("10.0.0.1".parse().unwrap()));
        assert!(!table.reaches("192.0.2.1".parse().unwrap()));
        assert!(!table.reaches("fd00::1".parse().unwrap()));
        table.gateway4 = Some(Ipv4Addr::new(10, 0, 0, 1));
        assert!(table.reaches("192.0.2.1".parse().unwrap()));
        assert!(table.is_broadcast(Ipv4Addr::new(10, 0, 0, 255)));
        assert!(!table.is_broadcast(Ipv4Addr::new(10, 0, 0, 1)));
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
            table.prefixes.push(prefix(own));
        }
        let source = |table: &AddressTable, to: &str| {
            let source = table.source_for(to.parse().unwrap());
            source.map(|source| alloc::format!("{source}")).unwrap()
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
