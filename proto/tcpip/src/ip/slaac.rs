// SPDX-License-Identifier: ISC
//! What the routers of the link say: networks, addresses made from them, routers, name servers, MTU.
//!
//! Sans-IO: advertisements and the time in, entries for the address table and the next deadline out.
//! Everything that is kept is bounded. Interface identifiers are made from the Ethernet address
//! (RFC 4291, appendix A): a unikernel is a server whose address should stay. Read first: RFC 4861
//! sections 4.2 and 6.3, RFC 4862 section 5.5, RFC 8106 section 5.1.

use crate::addr::Addr;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv6Addr};

use super::{SECOND, ndp};
use crate::address::{AddressTable, Prefix, is_host, with_interface_id};

/// Solicitations at start, and the time between them (RFC 4861, section 10).
const SOLICITATIONS: u8 = 3;
const SOLICITATION_INTERVAL: u64 = 4 * SECOND;
/// Networks, routers and name servers that are kept, so that advertisements cannot fill the memory.
const MAX_PREFIXES: usize = 4;
const MAX_ROUTERS: usize = 3;
const MAX_SERVERS: usize = 4;
/// An unauthenticated advertisement shortens no lifetime below this (RFC 4862, section 5.5.3 e).
const TWO_HOURS: u64 = 2 * 60 * 60 * SECOND;

const OPTION_PREFIX: u8 = 3;
const OPTION_MTU: u8 = 5;
const OPTION_DNS: u8 = 25;
/// Bytes of an advertisement before its options, and of the prefix option.
const ADVERTISEMENT: usize = 16;
const PREFIX_OPTION: usize = 32;

/// A network of the link.
struct Network {
    /// Its bits, all others zero.
    prefix: Prefix<Ipv6Addr>,
    /// How long its hosts can be reached without a router; zero if that was never said.
    on_link: u64,
    /// How long the address that we made in it is valid, and preferred.
    valid: u64,
    preferred: u64,
}

/// What the routers of the link have said.
pub(super) struct Slaac {
    mac: [u8; 6],
    networks: Vec<Network>,
    /// Routers, with when they end and whether they fell silent.
    routers: Vec<(Ipv6Addr, u64, bool)>,
    servers: Vec<(Ipv6Addr, u64)>,
    mtu: Option<u16>,
    solicitations_left: u8,
    solicit_at: u64,
    /// When something ends next.
    ends: u64,
}

impl Slaac {
    pub(super) fn new(mac: [u8; 6], now: u64) -> Self {
        Self {
            mac,
            networks: Vec::new(),
            routers: Vec::new(),
            servers: Vec::new(),
            mtu: None,
            solicitations_left: SOLICITATIONS,
            solicit_at: now,
            ends: u64::MAX,
        }
    }

    /// Whether a solicitation is due, which then counts as sent.
    pub(super) fn solicits(&mut self, now: u64) -> bool {
        if self.solicitations_left == 0 || now < self.solicit_at {
            return false;
        }
        self.solicitations_left -= 1;
        self.solicit_at = now + SOLICITATION_INTERVAL;
        true
    }

    /// When something is to be done next without an advertisement.
    pub(super) fn deadline(&self) -> u64 {
        match self.solicitations_left {
            0 => self.ends,
            _ => self.ends.min(self.solicit_at),
        }
    }

    /// Forgets what has expired, and says whether anything may have.
    pub(super) fn expire(&mut self, now: u64) -> bool {
        if now < self.ends {
            return false;
        }
        self.tidy(now);
        true
    }

    fn tidy(&mut self, now: u64) {
        self.networks
            .retain(|net| net.on_link > now || net.valid > now);
        self.routers.retain(|router| router.1 > now);
        self.servers.retain(|server| server.1 > now);
        let mut ends = u64::MAX;
        let mut ends_at = |at: u64| {
            if at > now {
                ends = ends.min(at);
            }
        };
        for net in &self.networks {
            ends_at(net.on_link);
            ends_at(net.valid);
            ends_at(net.preferred);
        }
        for router in &self.routers {
            ends_at(router.1);
        }
        for server in &self.servers {
            ends_at(server.1);
        }
        self.ends = ends;
    }

    /// Largest packet of the link, where a router has said so.
    pub(super) fn mtu(&self) -> Option<u16> {
        self.mtu
    }

    /// The name servers.
    pub(super) fn servers(&self) -> impl Iterator<Item = IpAddr> {
        self.servers.iter().map(|server| server.0.into())
    }

    /// Adds addresses, networks and routers to the table.
    pub(super) fn fill(&self, table: &mut AddressTable, now: u64) {
        for net in &self.networks {
            let on_link = net.on_link > now;
            if net.valid > now {
                let address = self.address(net);
                let length = if on_link { net.prefix.length() } else { 128 };
                table.prefixes.extend(Prefix::new(address.into(), length));
                if net.preferred <= now {
                    table.deprecated.push(address.into());
                }
            } else if on_link {
                table.on_link.push(net.prefix.into_addr());
            }
        }
        // A silent one comes last: it may have failed (RFC 4861, section 6.3.6).
        for silent in [false, true] {
            let routers = self.routers.iter().filter(|router| router.2 == silent);
            table
                .gateways6
                .extend(routers.map(|router| Addr::v6(router.0)));
        }
    }

    fn address(&self, net: &Network) -> Ipv6Addr {
        let [a, b, c, d, ..] = net.prefix.address().segments();
        with_interface_id([a, b, c, d], self.mac)
    }

    /// Notes whether a router answers. Says whether there is such a router and this is news.
    pub(super) fn set_silent(&mut self, router: Ipv6Addr, silent: bool) -> bool {
        let entry = self.routers.iter_mut().find(|entry| entry.0 == router);
        match entry {
            Some(entry) if entry.2 != silent => {
                entry.2 = silent;
                true
            }
            _ => false,
        }
    }

    /// Takes in a router advertisement that was found valid (RFC 4861, section 6.1.2) but for what
    /// is looked at here. Says whether it was.
    pub(super) fn receive(&mut self, router: Ipv6Addr, message: &[u8], now: u64) -> bool {
        let Some((head, options)) = message.split_first_chunk::<ADVERTISEMENT>() else {
            return false;
        };
        if head[1] != 0 || !router.is_unicast_link_local() || !ndp::well_formed(options) {
            return false;
        }
        let lifetime = u64::from(u16::from_be_bytes([head[6], head[7]])) * SECOND;
        self.set_router(router, lifetime, now);
        for (kind, option) in ndp::options(options) {
            match (kind, option.first_chunk::<PREFIX_OPTION>(), option) {
                (OPTION_PREFIX, Some(option), _) => self.read_prefix(option, now),
                (OPTION_MTU, _, [_, _, _, _, 0, 0, high, low]) => {
                    self.mtu = Some(u16::from_be_bytes([*high, *low]));
                }
                (OPTION_DNS, _, option) => self.read_servers(option, now),
                _ => {}
            }
        }
        if lifetime > 0 {
            self.solicitations_left = 0;
        }
        self.tidy(now);
        true
    }

    fn set_router(&mut self, router: Ipv6Addr, lifetime: u64, now: u64) {
        let full = self.routers.len() >= MAX_ROUTERS;
        match self.routers.iter_mut().find(|entry| entry.0 == router) {
            Some(entry) => *entry = (router, now + lifetime, false),
            None if lifetime > 0 && !full => self.routers.push((router, now + lifetime, false)),
            None => {}
        }
    }

    /// RFC 4861 section 6.3.4, and RFC 4862 section 5.5.3.
    fn read_prefix(&mut self, option: &[u8; PREFIX_OPTION], now: u64) {
        let (on_link, autonomous) = (option[3] & 0x80 != 0, option[3] & 0x40 != 0);
        let (words, _) = option.as_chunks::<4>();
        let seconds = |word: usize| u64::from(u32::from_be_bytes(words[word]));
        let (valid, preferred) = (seconds(1), seconds(2));
        let bits = u128::from(Ipv6Addr::from_octets(core::array::from_fn(|at| {
            option[16 + at]
        })));
        let mask = !u128::MAX.checked_shr(option[2].into()).unwrap_or(0);
        let network = Ipv6Addr::from_bits(bits & mask);
        let Some(prefix) = Prefix::new(network, option[2]) else {
            return;
        };
        let autonomous = autonomous && prefix.length() == 64 && preferred <= valid;
        let usable = !network.is_unicast_link_local()
            && prefix.length() > 0
            && (network.is_unspecified() || is_host(network.into()))
            && network.to_ipv4_mapped().is_none();
        if !usable || !on_link && !autonomous {
            return;
        }
        let full = self.networks.len() >= MAX_PREFIXES;
        let known = self.networks.iter().position(|net| net.prefix == prefix);
        let place = match known {
            Some(place) => place,
            None if valid > 0 && !full => {
                self.networks.push(Network {
                    prefix,
                    on_link: 0,
                    valid: 0,
                    preferred: 0,
                });
                self.networks.len() - 1
            }
            None => return,
        };
        let Some(net) = self.networks.get_mut(place) else {
            return;
        };
        let end = |seconds: u64| now + seconds * SECOND;
        if on_link {
            net.on_link = end(valid);
        }
        if autonomous {
            net.valid = end(valid).max(net.valid.min(now + TWO_HOURS));
            net.preferred = end(preferred);
        }
    }

    /// RFC 8106, section 5.1.
    fn read_servers(&mut self, option: &[u8], now: u64) {
        let Some((head, rest)) = option.split_first_chunk::<8>() else {
            return;
        };
        let seconds = u32::from_be_bytes([head[4], head[5], head[6], head[7]]);
        let until = now + u64::from(seconds) * SECOND;
        for octets in rest.as_chunks::<16>().0 {
            let server = Ipv6Addr::from(*octets);
            let full = self.servers.len() >= MAX_SERVERS;
            match self.servers.iter_mut().find(|entry| entry.0 == server) {
                Some(entry) => entry.1 = until,
                None if seconds > 0 && !full && is_host(server.into()) => {
                    self.servers.push((server, until));
                }
                None => {}
            }
        }
    }
}

#[cfg(test)]
mod tests;
