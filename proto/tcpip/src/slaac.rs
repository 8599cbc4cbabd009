// SPDX-License-Identifier: ISC
//! IPv6 addresses from router advertisements: stateless address autoconfiguration.
//!
//! Sans-IO: advertisements and the time in, addresses, routers and the next deadline out. Ours and
//! not smoltcp's, because that one keeps a single prefix, loses the timers of all sockets while it
//! has none of its own, and asserts on what a router says. Read first: RFC 4861 sections 4.2 and
//! 6.3, RFC 4862 section 5.5. Duplicate address detection is not done: the address is made from
//! the Ethernet address, and two cards with the same one cannot work anyway.

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv6Addr};

use crate::{
    address::{AddressTable, Prefix, is_host, link_local, with_interface_id},
    checksum::Sum,
    packet::{ETHERNET, IPV6, Packet, ether, protocol},
};

const SECOND: u64 = 1_000_000_000;
/// Solicitations at start, and the time between them (RFC 4861, section 10).
const SOLICITATIONS: u8 = 3;
const SOLICITATION_INTERVAL: u64 = 4 * SECOND;
/// Prefixes and routers that are kept, so that advertisements cannot fill the memory.
const MAX_PREFIXES: usize = 4;
const MAX_ROUTERS: usize = 3;
/// An unauthenticated advertisement shortens no lifetime below this (RFC 4862, section 5.5.3 e).
const TWO_HOURS: u64 = 2 * 60 * 60 * SECOND;

const ROUTER_SOLICITATION: u8 = 133;
const ROUTER_ADVERTISEMENT: u8 = 134;
const OPTION_SOURCE_LINK_LAYER: u8 = 1;
const OPTION_PREFIX: u8 = 3;
const ALL_ROUTERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2);
/// Bytes of an advertisement before its options, and of the prefix option.
const ADVERTISEMENT: usize = 16;
const PREFIX_OPTION: usize = 32;

/// Length of a router solicitation as a frame.
pub(crate) const SOLICITATION_LEN: usize = ETHERNET + IPV6 + 16;

/// What the routers of the link have said.
pub(crate) struct Slaac {
    mac: [u8; 6],
    prefixes: Vec<(Ipv6Addr, u64)>,
    routers: Vec<(Ipv6Addr, u64)>,
    solicitations_left: u8,
    solicit_at: u64,
}

impl Slaac {
    pub(crate) fn new(mac: [u8; 6], now: u64) -> Self {
        Self {
            mac,
            prefixes: Vec::new(),
            routers: Vec::new(),
            solicitations_left: SOLICITATIONS,
            solicit_at: now,
        }
    }

    /// Whether a solicitation is due at `now`.
    pub(crate) fn wants_to_solicit(&self, now: u64) -> bool {
        self.solicitations_left > 0 && self.solicit_at <= now
    }

    /// Writes a router solicitation and counts it.
    pub(crate) fn solicit(&mut self, frame: &mut [u8; SOLICITATION_LEN], now: u64) {
        self.solicitations_left -= 1;
        self.solicit_at = now + SOLICITATION_INTERVAL;
        *frame = solicitation(self.mac);
    }

    /// When something is to be done next without an advertisement.
    pub(crate) fn deadline(&self) -> Option<u64> {
        let solicit = (self.solicitations_left > 0).then_some(self.solicit_at);
        let lists = self.prefixes.iter().chain(&self.routers);
        lists.map(|entry| entry.1).chain(solicit).min()
    }

    /// Forgets what has expired, and says whether anything did.
    pub(crate) fn expire(&mut self, now: u64) -> bool {
        let before = (self.prefixes.len(), self.routers.len());
        self.prefixes.retain(|entry| entry.1 > now);
        self.routers.retain(|entry| entry.1 > now);
        before != (self.prefixes.len(), self.routers.len())
    }

    /// Whether an address was made from an advertisement.
    pub(crate) fn has_address(&self) -> bool {
        !self.prefixes.is_empty()
    }

    /// Adds addresses and routers to the table.
    pub(crate) fn fill(&self, table: &mut AddressTable) {
        for (address, _) in &self.prefixes {
            table.prefixes.extend(Prefix::new(IpAddr::V6(*address), 64));
        }
        table
            .gateways6
            .extend(self.routers.iter().map(|entry| entry.0));
    }

    /// Takes in `packet` if it is a router advertisement as RFC 4861 section 6.1.2 wants it, and
    /// says whether addresses or routers changed.
    pub(crate) fn receive(&mut self, packet: &Packet<'_>, now: u64) -> bool {
        let IpAddr::V6(router) = packet.source else {
            return false;
        };
        let Some((head, options)) = packet.payload.split_first_chunk::<ADVERTISEMENT>() else {
            return false;
        };
        let valid = packet.protocol == protocol::ICMPV6
            && head[..2] == [ROUTER_ADVERTISEMENT, 0]
            && packet.hop_limit == 255
            && router.is_unicast_link_local()
            && packet.checksum_is_valid();
        if !valid {
            return false;
        }
        let before = (self.prefixes.len(), self.routers.len());
        let lifetime = u64::from(u16::from_be_bytes([head[6], head[7]])) * SECOND;
        self.set_router(router, lifetime, now);
        self.read_options(options, now);
        if lifetime > 0 {
            self.solicitations_left = 0;
        }
        // Entries change only by coming and going; what went was forgotten by `expire`.
        self.expire(now) || before != (self.prefixes.len(), self.routers.len())
    }

    fn set_router(&mut self, router: Ipv6Addr, lifetime: u64, now: u64) {
        let full = self.routers.len() >= MAX_ROUTERS;
        match self.routers.iter_mut().find(|entry| entry.0 == router) {
            Some(entry) => entry.1 = now + lifetime,
            None if lifetime > 0 && !full => self.routers.push((router, now + lifetime)),
            None => {}
        }
    }

    fn read_options(&mut self, mut options: &[u8], now: u64) {
        while let [kind, units, ..] = *options {
            let len = usize::from(units) * 8;
            let Some((option, rest)) = options.split_at_checked(len).filter(|_| len > 0) else {
                return;
            };
            if kind == OPTION_PREFIX
                && let Some(option) = option.first_chunk()
            {
                self.read_prefix(option, now);
            }
            options = rest;
        }
    }

    /// RFC 4862, section 5.5.3.
    fn read_prefix(&mut self, option: &[u8; PREFIX_OPTION], now: u64) {
        let autonomous = option[3] & 0x40 != 0;
        let seconds = |at: usize| {
            u32::from_be_bytes([option[at], option[at + 1], option[at + 2], option[at + 3]])
        };
        let (valid, preferred) = (seconds(4), seconds(8));
        let word = |at: usize| u16::from_be_bytes([option[at], option[at + 1]]);
        let network = [word(16), word(18), word(20), word(22)];
        let address = with_interface_id(network, self.mac);
        let usable = autonomous
            && option[2] == 64
            && preferred <= valid
            && is_host(address.into())
            && !address.is_unicast_link_local();
        if !usable {
            return;
        }
        let until = now + u64::from(valid) * SECOND;
        let full = self.prefixes.len() >= MAX_PREFIXES;
        match self.prefixes.iter_mut().find(|entry| entry.0 == address) {
            Some(entry) => entry.1 = until.max(entry.1.min(now + TWO_HOURS)),
            None if valid > 0 && !full => self.prefixes.push((address, until)),
            None => {}
        }
    }
}

/// A router solicitation from the link-local address of `mac` (RFC 4861, section 4.1).
fn solicitation(mac: [u8; 6]) -> [u8; SOLICITATION_LEN] {
    let mut frame = [0; SOLICITATION_LEN];
    frame[..6].copy_from_slice(&[0x33, 0x33, 0, 0, 0, 2]);
    frame[6..12].copy_from_slice(&mac);
    frame[12..14].copy_from_slice(&ether::IPV6);
    let (ip, icmp) = frame[ETHERNET..].split_at_mut(IPV6);
    ip[0] = 0x60;
    ip[5] = icmp.len() as u8;
    ip[6] = protocol::ICMPV6;
    ip[7] = 255;
    ip[8..24].copy_from_slice(&link_local(mac).octets());
    ip[24..40].copy_from_slice(&ALL_ROUTERS.octets());
    icmp[0] = ROUTER_SOLICITATION;
    icmp[8] = OPTION_SOURCE_LINK_LAYER;
    icmp[9] = 1;
    icmp[10..16].copy_from_slice(&mac);
    let sum = Sum::pseudo(protocol::ICMPV6, icmp.len() as u16)
        .add(&ip[8..40])
        .add(icmp);
    icmp[2..4].copy_from_slice(&sum.finish());
    frame
}
