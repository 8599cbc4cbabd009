// SPDX-License-Identifier: ISC
//! The state of the Internet layer, its clock, and what the layers above ask of it.

use crate::addr::Addr;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use fata_device::{NetInfo, net::Capabilities};

use super::{
    claim::{Claims, Conflict, Message, Verdict},
    group::{ALL_HOSTS, Groups, solicited_node},
    hop::Hops,
    icmp_error::Bucket,
    neighbor::{Due, Neighbors, News},
    path_mtu::{FLOOR6, Paths},
    reassembly::Reassembly,
    send::Idents,
    slaac::Slaac,
};
use crate::{
    address::{AddressTable, Ipv4Prefix, Prefix, is_host, link_local},
    config::{Config, Ipv4, Ipv6},
    link::Link,
    statistics::IpCounters,
};

/// The Internet layer of one device.
pub(crate) struct Ip {
    pub(super) mac: [u8; 6],
    pub(super) mtu: u16,
    pub(super) offload: Capabilities,
    pub(super) random: fn() -> u64,
    pub(super) ipv4: Ipv4,
    pub(super) ipv6: Ipv6,
    pub(super) hops: Hops,
    pub(super) idents: Idents,
    /// The first twelve bytes of frames from ourselves, which nobody else knows.
    pub(super) token: [[u8; 6]; 2],
    pub(super) addresses: AddressTable,
    version: u32,
    lease: Option<(Ipv4Prefix, Option<Ipv4Addr>)>,
    pub(super) neighbors: Neighbors,
    pub(super) paths: Paths,
    pub(super) claims: Claims,
    pub(super) groups: Groups,
    pub(super) slaac: Option<Slaac>,
    pub(super) mld1_until: u64,
    pub(super) reassembly: Reassembly,
    pub(super) loopback: Vec<Vec<u8>>,
    pub(super) errors: Bucket,
    pub(super) counters: IpCounters,
}

impl Ip {
    /// The layer of a device; its first messages are due at once.
    #[inline(never)]
    pub(crate) fn new(info: &NetInfo, config: &Config, random: fn() -> u64, now: u64) -> Self {
        let ipv6 = if info.mtu < FLOOR6 {
            Ipv6::Off
        } else {
            config.ipv6
        };
        let advertisements = matches!(
            ipv6,
            Ipv6::On {
                router_advertisements: true,
                ..
            }
        );
        // No group's: such frames are looked at more closely.
        let [a, b, c, d, e, f, ..] =
            (random() & !u64::from_ne_bytes([1, 0, 0, 0, 0, 0, 0, 0])).to_ne_bytes();
        let [g, h, i, j, k, l, ..] = random().to_ne_bytes();
        let token = [[a, b, c, d, e, f], [g, h, i, j, k, l]];
        let mut ip = Self {
            mac: info.mac,
            mtu: info.mtu,
            offload: info.offload,
            random,
            ipv4: config.ipv4,
            ipv6,
            hops: Hops::new(),
            idents: Idents::new(random()),
            token,
            addresses: AddressTable::default(),
            version: 0,
            lease: None,
            neighbors: Neighbors::new(),
            paths: Paths::default(),
            claims: Claims::default(),
            groups: Groups::default(),
            slaac: advertisements.then(|| Slaac::new(info.mac, now)),
            mld1_until: 0,
            reassembly: Reassembly::default(),
            loopback: Vec::new(),
            errors: Bucket::new(now),
            counters: IpCounters::default(),
        };
        ip.update_addresses(now);
        ip
    }

    /// Does what is due.
    pub(crate) fn poll(&mut self, link: &mut dyn Link, now: u64) {
        if now < self.next_deadline() {
            return;
        }
        while let Some(frame) = self.reassembly.expired(now) {
            self.counters.fragments_lost += 1;
            self.reassembly_timed_out(link, &frame, now);
        }
        if self.paths.deadline() <= now {
            self.paths.expire(now);
            self.hops.clear();
        }
        if let Some(slaac) = &mut self.slaac {
            let solicits = slaac.solicits(now);
            if slaac.expire(now) {
                self.update_addresses(now);
            }
            if solicits {
                self.solicit_routers(link);
            }
        }
        while let Some((group, report)) = self.groups.due(now) {
            match group.ip() {
                IpAddr::V4(group) => self.igmp_report(link, group, report),
                IpAddr::V6(group) => self.mld_report(link, group, report, now),
            }
        }
        while let Some((message, address)) = self.claims.due(now) {
            match (message, address.ip()) {
                (Message::Probe, IpAddr::V4(address)) => self.arp_probe(link, address),
                (Message::Probe, IpAddr::V6(address)) => self.ndp_probe(link, address),
                (_, IpAddr::V4(address)) => self.arp_announce(link, address),
                (_, IpAddr::V6(address)) => {
                    self.ndp_announce(link, address, message == Message::Announce);
                }
            }
        }
        self.poll_neighbors(link, now);
    }

    /// Asks for neighbours, and gives up on those that do not answer.
    pub(super) fn poll_neighbors(&mut self, link: &mut dyn Link, now: u64) {
        while let Some(due) = self.neighbors.due(now) {
            // Whatever was decided by that entry is to be decided again.
            self.hops.clear();
            match due {
                Due::Ask(target, station) => match target.ip() {
                    IpAddr::V4(target) => self.arp_ask(link, target, station),
                    IpAddr::V6(target) => self.ndp_ask(link, target, station),
                },
                Due::Lost(address) => {
                    self.set_silent(address, true, now);
                    while let Some(parked) = self.neighbors.unpark(address) {
                        self.counters.unresolved += 1;
                        self.host_unreachable(link, &parked.frame, now);
                    }
                }
            }
        }
    }

    /// When [`poll`](Self::poll) has to be called next.
    pub(crate) fn deadline(&self) -> Option<u64> {
        Some(self.next_deadline()).filter(|at| *at != u64::MAX)
    }

    fn next_deadline(&self) -> u64 {
        let first = self.slaac.as_ref().map_or(u64::MAX, Slaac::deadline);
        let first = first
            .min(self.neighbors.deadline())
            .min(self.claims.deadline())
            .min(self.groups.deadline());
        first
            .min(self.reassembly.deadline())
            .min(self.paths.deadline())
    }

    /// Makes the table of addresses from all that says which there are.
    pub(super) fn update_addresses(&mut self, now: u64) {
        let mut table = AddressTable::default();
        let fixed = match self.ipv4 {
            Ipv4::Static { prefix, gateway } => Some((prefix, gateway)),
            Ipv4::Off | Ipv4::Dhcp => self.lease,
        };
        if let Some((prefix, gateway)) = fixed {
            table.prefixes.push(prefix.into_addr());
            table.gateway4 = gateway.map(Addr::v4);
        }
        if let Ipv6::On {
            prefix, gateway, ..
        } = self.ipv6
        {
            table.prefixes.extend(prefix.map(Prefix::into_addr));
            let local = Prefix::new(link_local(self.mac).into(), 64);
            table.prefixes.extend(local);
            table.gateways6.extend(gateway.map(Addr::v6));
        }
        if let Some(slaac) = &self.slaac {
            slaac.fill(&mut table, now);
        }
        table
            .prefixes
            .retain(|own| is_host(own.address()) && !self.claims.is_given_up(own.address()));
        core::mem::swap(&mut self.addresses, &mut table);
        self.hops.clear();
        self.version = self.version.wrapping_add(1);
        for gone in &table.prefixes {
            if !self.addresses.has(gone.address()) {
                self.claims.end(gone.address());
                self.groups.leave(questions_to(gone.address()), now);
            }
        }
        for own in &self.addresses.prefixes {
            if !table.has(own.address()) {
                let fixed = self.lease.is_none() || own.address().is_ipv6();
                self.claims.begin(own.address(), fixed, now);
                self.groups.join(questions_to(own.address()), now);
            }
        }
    }

    /// Takes in what was said of a neighbour, and sends what waited for it.
    pub(super) fn learned(&mut self, link: &mut dyn Link, address: Addr, news: News, now: u64) {
        if !self.neighbors.learn(address, news, now) {
            return;
        }
        self.hops.clear();
        self.set_silent(address, false, now);
        let Some(mac) = self.neighbors.station(address) else {
            return;
        };
        while let Some(mut parked) = self.neighbors.unpark(address) {
            if let Some(to) = parked.frame.first_chunk_mut() {
                *to = mac;
            }
            // Without a buffer the frame is lost, as it may be on the link.
            link.send(&parked.frame, [&[], &[]], parked.offload);
        }
    }

    /// Notes whether a router answers, as another one may be better.
    fn set_silent(&mut self, address: Addr, silent: bool, now: u64) {
        if let (Some(router), Some(slaac)) = (address.as_v6(), &mut self.slaac)
            && slaac.set_silent(router, silent)
        {
            self.update_addresses(now);
        }
    }

    /// Another host, at `station` if it said where, claims one of our addresses.
    pub(super) fn conflict(
        &mut self,
        link: &mut dyn Link,
        address: Addr,
        station: Option<[u8; 6]>,
        now: u64,
    ) {
        match self.claims.conflict(address, station, now) {
            Verdict::Defend => {
                if let Some(address) = address.as_v4() {
                    self.arp_announce(link, address);
                }
            }
            Verdict::GiveUp => self.update_addresses(now),
            Verdict::Ignore => {}
        }
    }

    /// A frame that this stack sent to itself, for [`receive`](Self::receive).
    pub(crate) fn take_loopback(&mut self) -> Option<Vec<u8>> {
        (!self.loopback.is_empty()).then(|| self.loopback.remove(0))
    }

    /// The address to send to `destination` from (RFC 6724, section 5); without one, no route.
    pub(crate) fn source_for(&self, destination: Addr) -> Option<Addr> {
        if destination.is_loopback() {
            return Some(destination);
        }
        self.addresses
            .source_for(destination)
            .filter(|_| self.addresses.reaches(destination))
    }

    /// Whether packets for `destination` have somewhere to go.
    pub(crate) fn reaches(&self, destination: Addr) -> bool {
        destination.is_loopback() || self.addresses.reaches(destination)
    }

    /// Whether `address` is one of this stack's own, loopback included.
    pub(crate) fn has(&self, address: Addr) -> bool {
        address.is_loopback() || self.addresses.has(address)
    }

    /// Whether `address` means all hosts of a network, or of the link.
    pub(crate) fn is_broadcast(&self, address: Addr) -> bool {
        address.is_broadcast() || self.addresses.is_broadcast(address)
    }

    /// The addresses, networks and routers.
    pub(crate) fn addresses(&self) -> &AddressTable {
        &self.addresses
    }

    /// Changes whenever [`addresses`](Self::addresses) may have.
    pub(crate) fn addresses_version(&self) -> u32 {
        self.version
    }

    /// What became of packets that went no further.
    pub(crate) fn counters(&self) -> &IpCounters {
        &self.counters
    }

    /// Largest packet that the path to `destination` is known to carry.
    pub(crate) fn mtu(&self, destination: Addr) -> u16 {
        if self.has(destination) {
            return u16::MAX;
        }
        let link = match &self.slaac {
            Some(slaac) if destination.is_ipv6() => match slaac.mtu() {
                Some(mtu @ FLOOR6..) => mtu.min(self.mtu),
                _ => self.mtu,
            },
            _ => self.mtu,
        };
        let path = self.paths.get(destination);
        path.map_or(link, |path| path.min(link))
    }

    /// Notes what an ICMP error said, after the transport found that it quotes what it sent.
    pub(crate) fn set_path_mtu(&mut self, destination: Addr, mtu: u16, now: u64) {
        if mtu < self.mtu(destination) {
            self.paths.lower(destination, mtu, now);
            self.hops.clear();
        }
    }

    /// Sets what DHCP has leased: address with network, and router.
    pub(crate) fn set_lease(&mut self, lease: Option<(Ipv4Prefix, Option<Ipv4Addr>)>, now: u64) {
        if let Some((prefix, _)) = lease {
            self.claims.allow(prefix.address().into());
        }
        self.lease = lease;
        self.update_addresses(now);
    }

    /// Takes the next address that another host was found to have too. A lease is not used any more
    /// then, nor is an IPv6 address; an IPv4 address configured by hand is.
    pub(crate) fn take_conflict(&mut self) -> Option<Conflict> {
        self.claims.take_conflict()
    }

    /// A transport's hint that `destination` answers (RFC 4861, section 7.3.1).
    #[inline]
    pub(crate) fn confirm(&mut self, destination: Addr, now: u64) {
        const SOON: u64 = 15 * super::SECOND;
        // Nothing to tell while the last decision holds for long.
        if self.hops.until(destination) < now + SOON {
            self.confirm_hop(destination, now);
        }
    }

    #[inline(never)]
    fn confirm_hop(&mut self, destination: Addr, now: u64) {
        if !self.has(destination)
            && let Some(hop) = self.addresses.next_hop(destination)
            && self.neighbors.confirm(hop, now)
        {
            self.hops.clear();
        }
    }

    /// Receives what is sent to `group` from now on; false if it is no group, or there are too many.
    /// Joined twice, it has to be left twice.
    pub(crate) fn join(&mut self, group: Addr, now: u64) -> bool {
        self.groups.join(group, now)
    }

    /// Undoes one [`join`](Self::join).
    pub(crate) fn leave(&mut self, group: Addr, now: u64) {
        self.groups.leave(group, now);
    }

    /// Name servers that routers advertised (RFC 8106).
    pub(crate) fn dns_servers(&self) -> Vec<IpAddr> {
        let slaac = self.slaac.iter();
        slaac.flat_map(Slaac::servers).collect()
    }

    /// The link-local address, or none while it is asked for or lost.
    pub(super) fn settled_local(&self) -> Option<Ipv6Addr> {
        let local = link_local(self.mac);
        let settled = self.addresses.has(local.into()) && !self.claims.is_tentative(local.into());
        settled.then_some(local)
    }
}

/// The group that an address makes us a member of: for IPv4, that of all hosts.
fn questions_to(address: Addr) -> Addr {
    match address.as_v6() {
        None => ALL_HOSTS.into(),
        Some(address) => solicited_node(address).into(),
    }
}
