// SPDX-License-Identifier: ISC
//! What a server gives to whom, checked before it gives anything.

use alloc::{boxed::Box, string::String, vec::Vec};
use core::{fmt, net::Ipv4Addr};

use crate::{is_host, is_host_of, mask};

/// What a server is set up with.
#[derive(Clone)]
pub struct Config {
    /// The server's own address, by which clients tell servers apart.
    pub address: Ipv4Addr,
    /// The networks that are served: the one that the address is in, and those behind relays.
    pub networks: Vec<Network>,
    /// Addresses kept for certain clients, in a pool or not.
    pub fixed: Vec<Fixed>,
    /// Lease time in seconds where the client asks for none.
    pub lease_seconds: u32,
    /// Longest lease time in seconds that a client gets when it asks for one.
    pub longest_lease_seconds: u32,
    /// Whether this is the only server of its networks. It then confirms free addresses to clients
    /// that it does not remember, as after a restart, and refuses wrong ones at once; without it,
    /// such clients are left to the server that knows them.
    pub authoritative: bool,
    /// Whether clients that offer it get their lease in two messages instead of four (RFC 4039);
    /// only for networks with one server.
    pub rapid_commit: bool,
}

impl Config {
    /// A server with this address and one network, leases of an hour, and nobody else beside it.
    pub fn new(address: Ipv4Addr, network: Network) -> Self {
        Self {
            address,
            networks: Vec::from([network]),
            fixed: Vec::new(),
            lease_seconds: 3600,
            longest_lease_seconds: 24 * 3600,
            authoritative: true,
            rapid_commit: true,
        }
    }
}

/// A network, the addresses in it that are given away, and what is said about it.
#[derive(Clone)]
pub struct Network {
    /// Any address in it.
    pub address: Ipv4Addr,
    /// Length of its prefix, 1 to 31.
    pub prefix_len: u8,
    /// First and last address of each range to give away.
    pub pools: Vec<(Ipv4Addr, Ipv4Addr)>,
    /// Routers, the preferred one first.
    pub routers: Vec<Ipv4Addr>,
    /// Name servers, the preferred one first.
    pub dns_servers: Vec<Ipv4Addr>,
    /// Domain for short names.
    pub domain: Option<String>,
    /// Largest packet.
    pub mtu: Option<u16>,
}

impl Network {
    /// A network that gives away nothing yet.
    pub fn new(address: Ipv4Addr, prefix_len: u8) -> Self {
        Self {
            address,
            prefix_len,
            pools: Vec::new(),
            routers: Vec::new(),
            dns_servers: Vec::new(),
            domain: None,
            mtu: None,
        }
    }

    /// Whether the address is in it.
    pub fn contains(&self, address: Ipv4Addr) -> bool {
        let different = self.address.to_bits() ^ address.to_bits();
        different & mask(self.prefix_len) == 0
    }

    pub(super) fn mask(&self) -> Ipv4Addr {
        Ipv4Addr::from_bits(mask(self.prefix_len))
    }

    pub(super) fn in_pool(&self, address: Ipv4Addr) -> bool {
        let mut pools = self.pools.iter();
        pools.any(|(first, last)| (*first..=*last).contains(&address))
    }
}

/// Who a client is: what it calls itself, or its hardware address (RFC 2131 section 2, RFC 2132
/// section 9.14).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Identity {
    /// The Ethernet address.
    Hardware([u8; 6]),
    /// The whole client identifier, its type byte included.
    ClientId(Box<[u8]>),
}

/// An address for one client alone.
#[derive(Clone)]
pub struct Fixed {
    /// Who gets it. A hardware address fits whatever client identifier comes with it.
    pub client: Identity,
    /// The address, in one of the networks.
    pub address: Ipv4Addr,
}

/// What is wrong with a [`Config`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigError {
    /// No host can have the server's address.
    Server(Ipv4Addr),
    /// A network has no prefix of 1 to 31 bits.
    PrefixLength(u8),
    /// A pool has an end that is no host of its network, or ends before it begins.
    Pool(Ipv4Addr, Ipv4Addr),
    /// A fixed address is no host of any network.
    Fixed(Ipv4Addr),
    /// Two clients have the same fixed address.
    Twice(Ipv4Addr),
    /// The lease time is zero, or longer than the longest one.
    LeaseTime(u32),
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server(address) => write!(f, "no host can have the server's address: {address}"),
            Self::PrefixLength(len) => write!(f, "no prefix of 1 to 31 bits: {len}"),
            Self::Pool(first, last) => {
                write!(f, "no range of hosts in its network: {first}-{last}")
            }
            Self::Fixed(address) => write!(f, "no host of any network that is served: {address}"),
            Self::Twice(address) => write!(f, "given to two clients: {address}"),
            Self::LeaseTime(seconds) => {
                write!(
                    f,
                    "a lease time must be between 1 s and the longest: {seconds}"
                )
            }
        }
    }
}

impl core::error::Error for ConfigError {}

/// Checks everything that a server relies on.
pub(super) fn check(config: &Config) -> Result<(), ConfigError> {
    if !is_host(config.address) {
        return Err(ConfigError::Server(config.address));
    }
    if config.lease_seconds == 0 || config.lease_seconds > config.longest_lease_seconds {
        return Err(ConfigError::LeaseTime(config.lease_seconds));
    }
    for network in &config.networks {
        if !(1..=31).contains(&network.prefix_len) {
            return Err(ConfigError::PrefixLength(network.prefix_len));
        }
        let is_inside = |address| is_host_in(network, address);
        for &(first, last) in &network.pools {
            if first > last || !is_inside(first) || !is_inside(last) {
                return Err(ConfigError::Pool(first, last));
            }
        }
    }
    for (index, fixed) in config.fixed.iter().enumerate() {
        let mut networks = config.networks.iter();
        if !networks.any(|network| is_host_in(network, fixed.address)) {
            return Err(ConfigError::Fixed(fixed.address));
        }
        let mut earlier = config.fixed.iter().take(index);
        if earlier.any(|other| other.address == fixed.address) {
            return Err(ConfigError::Twice(fixed.address));
        }
    }
    Ok(())
}

fn is_host_in(network: &Network, address: Ipv4Addr) -> bool {
    network.contains(address) && is_host_of(address, network.prefix_len)
}
