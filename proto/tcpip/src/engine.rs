// SPDX-License-Identifier: ISC
//! The protocols of a stack put together: which layer a packet goes to, and what is due when.
//!
//! Sans-IO: frames and the time come in as arguments, frames go out through the [`Link`] it is lent.
//! The layers do not know each other; what one has to tell another goes through here.

use alloc::{rc::Rc, vec::Vec};
use core::net::{IpAddr, SocketAddr};

use fata_device::NetInfo;
use fata_runtime::heap;

use crate::{
    address::AddressTable,
    config::{Config, Ipv4, Ipv6},
    dhcp::Dhcp,
    error::Error,
    ip::{Arrived, IcmpError, IcmpErrorKind, Input, Ip, Unreachable},
    link::{Link, Payload, Received, Shelf},
    packet::protocol,
    ping::Pings,
    raw::Raw,
    stack::Local,
    tcp::Tcp,
    time::earliest,
    udp::{Delivery, Udp},
};

/// How long only IPv6 must have an address before a stack that still asks DHCP counts as ready.
const DHCP_PATIENCE: u64 = 5_000_000_000;
/// Bytes that handshakes, fragments, and packets that wait for a neighbour may take: all of them are
/// bounded, but not by the size of the heap.
const OTHER_QUEUES: usize = 512 << 10;
/// First of the ports that are chosen for sockets (RFC 6335, section 6).
const FIRST_EPHEMERAL: u16 = 49152;
/// Random ports that are tried before giving up.
const PORT_ATTEMPTS: u32 = 1000;

/// Everything of a stack except its device.
pub(crate) struct Engine {
    pub(crate) ip: Ip,
    pub(crate) tcp: Tcp,
    pub(crate) udp: Udp,
    pub(crate) raw: Raw,
    pub(crate) pings: Pings,
    pub(crate) dhcp: Option<Dhcp>,
    pub(crate) config: Config,
    shelf: Rc<dyn Shelf>,
    random: fn() -> u64,
    started: u64,
    /// Of [`Ip::addresses`], when TCP last looked whether its addresses are still there.
    addresses_version: u32,
}

impl Engine {
    /// A stack that has done nothing yet.
    #[inline(never)]
    pub(crate) fn new(
        info: &NetInfo,
        config: Config,
        shelf: Rc<dyn Shelf>,
        random: fn() -> u64,
        now: u64,
    ) -> Self {
        let memory = config.tcp_memory.unwrap_or_else(half_of_heap);
        Self {
            ip: Ip::new(info, &config, random, now),
            tcp: Tcp::new(memory, random, now),
            udp: Udp::default(),
            raw: Raw::default(),
            pings: Pings::new(random() as u16),
            dhcp: (config.ipv4 == Ipv4::Dhcp)
                .then(|| Dhcp::new(info.mac, config.host_name.as_deref(), random, now)),
            config,
            shelf,
            random,
            started: now,
            addresses_version: 0,
        }
    }

    /// Takes in a frame that no responder has answered.
    pub(crate) fn receive(&mut self, link: &mut dyn Link, frame: &mut dyn Received, now: u64) {
        self.raw.receive_frame(frame.bytes());
        if let Some(dhcp) = &mut self.dhcp
            && dhcp.receive(frame, now)
        {
            return;
        }
        match self.ip.receive(link, frame, now) {
            Input::Nothing => {}
            Input::Transport(arrived) => self.deliver(link, frame, &arrived, now),
            Input::Reassembled(mut packet, arrived) => {
                self.deliver(link, &mut packet, &arrived, now);
            }
            Input::Error(error) => self.icmp(&error, now),
            Input::Echo(reply) => self.pings.receive(&reply),
        }
    }

    fn deliver(
        &mut self,
        link: &mut dyn Link,
        frame: &mut dyn Received,
        arrived: &Arrived,
        now: u64,
    ) {
        let packet = frame
            .bytes()
            .get(arrived.payload.clone())
            .unwrap_or_default();
        let raw = self.raw.receive_packet(packet, arrived);
        let missing = match arrived.protocol {
            protocol::TCP => {
                let payload = Payload::new(frame, arrived.payload.clone());
                self.tcp
                    .receive(&mut self.ip, &*self.shelf, arrived, payload, now);
                return;
            }
            protocol::UDP => match self.udp.receive(packet, arrived) {
                Delivery::Done => return,
                Delivery::Unwanted => Unreachable::Port,
            },
            _ => Unreachable::Protocol,
        };
        if !raw {
            self.ip
                .unreachable(link, frame.bytes(), arrived, missing, now);
        }
    }

    fn icmp(&mut self, error: &IcmpError, now: u64) {
        match error.protocol {
            protocol::TCP => self.tcp.icmp(&mut self.ip, &*self.shelf, error, now),
            protocol::UDP => {
                self.udp.icmp(error);
                // A datagram is cut to what the path carries, so the path is to be known. That the
                // message quotes one of our sockets is all that can be checked.
                if let IcmpErrorKind::TooBig(mtu) = error.kind
                    && self.udp.has_sent(error)
                {
                    self.ip.set_path_mtu(error.destination, mtu, now);
                }
            }
            protocol::ICMP | protocol::ICMPV6 => self.pings.icmp(error),
            _ => {}
        }
    }

    /// Sends what is to be sent, and sees to everything that depends on time. Says whether there is
    /// more to do, after others have had their turn.
    pub(crate) fn poll(&mut self, link: &mut dyn Link, now: u64) -> bool {
        self.ip.poll(link, now);
        self.report_conflicts(now);
        self.poll_dhcp(link, now);
        self.pings.expire(now);
        if self.addresses_version != self.ip.addresses_version() {
            self.addresses_version = self.ip.addresses_version();
            self.tcp.addresses_changed(&self.ip, &*self.shelf, now);
        }
        self.tcp.poll(&mut self.ip, link, &*self.shelf, now);
        self.receive_looped(link, now)
    }

    /// Takes in what this stack sent to itself: as much as there is now. What comes of that waits
    /// for the next poll, so that two sockets that talk to each other do not keep all others away.
    /// Says whether there was any.
    fn receive_looped(&mut self, link: &mut dyn Link, now: u64) -> bool {
        let frames: Vec<_> = core::iter::from_fn(|| self.ip.take_loopback()).collect();
        let any = !frames.is_empty();
        for mut frame in frames {
            self.receive(link, &mut frame, now);
        }
        any
    }

    /// Tells who has to know that another host has one of our addresses.
    fn report_conflicts(&mut self, now: u64) {
        while let Some(conflict) = self.ip.take_conflict() {
            log::warn!("{}: {conflict}", self.config.label);
            if let Some(dhcp) = &mut self.dhcp {
                dhcp.conflict(conflict.address, now);
            }
        }
    }

    fn poll_dhcp(&mut self, link: &mut dyn Link, now: u64) {
        let Some(dhcp) = &mut self.dhcp else {
            return;
        };
        if dhcp.poll(&mut self.ip, link, now) {
            self.lease_changed(now);
        }
    }

    fn lease_changed(&mut self, now: u64) {
        let Some(dhcp) = &self.dhcp else {
            return;
        };
        self.ip.set_lease(dhcp.lease(), now);
        dhcp.log(&self.config.label);
    }

    /// When [`poll`](Self::poll) has to be called even if nothing happens until then.
    pub(crate) fn deadline(&mut self, now: u64) -> Option<u64> {
        let patience = self.started + DHCP_PATIENCE;
        let patience = (self.dhcp.is_some() && now < patience).then_some(patience);
        let dhcp = self.dhcp.as_ref().and_then(Dhcp::deadline);
        let all = [
            self.ip.deadline(),
            self.tcp.deadline(),
            self.pings.deadline(),
            dhcp,
            patience,
        ];
        earliest(&all)
    }

    /// Whether the addresses that were configured are there.
    pub(crate) fn is_configured(&self, now: u64) -> bool {
        let has_global = has_global(self.ip.addresses());
        match self.config.ipv4 {
            Ipv4::Static { .. } => true,
            Ipv4::Off => match self.config.ipv6 {
                Ipv6::On {
                    router_advertisements: false,
                    ..
                } => true,
                _ => has_global,
            },
            Ipv4::Dhcp => {
                let leased = self.dhcp.as_ref().is_some_and(Dhcp::has_lease);
                leased || has_global && now >= self.started + DHCP_PATIENCE
            }
        }
    }

    /// Checks an address to bind to.
    pub(crate) fn check_local(&self, local: Local) -> Result<(), Error> {
        match local.address {
            Some(address) if !self.ip.has(address.into()) && !address.is_multicast() => {
                Err(Error::AddrNotAvailable)
            }
            _ => Ok(()),
        }
    }

    /// Checks an address to send to.
    pub(crate) fn check_peer(&self, peer: SocketAddr) -> Result<(), Error> {
        if peer.port() == 0 || peer.ip().is_unspecified() {
            Err(Error::InvalidInput)
        } else if self.ip.reaches(peer.ip().into()) {
            Ok(())
        } else {
            Err(Error::NetworkUnreachable)
        }
    }

    /// A random port that is not `taken` (RFC 6056, section 3.3.2).
    pub(crate) fn random_port(&self, taken: impl Fn(&Self, u16) -> bool) -> Result<u16, Error> {
        (0..PORT_ATTEMPTS)
            .map(|_| FIRST_EPHEMERAL | (self.random)() as u16)
            .find(|port| !taken(self, *port))
            .ok_or(Error::AddrNotAvailable)
    }

    /// Name servers: given by hand, from DHCP, from routers.
    pub(crate) fn dns_servers(&self) -> Vec<IpAddr> {
        let mut servers = self.config.dns_servers.clone();
        if let Some(dhcp) = &self.dhcp {
            servers.extend(dhcp.dns_servers());
        }
        servers.extend(self.ip.dns_servers());
        servers
    }
}

/// Half of the heap, less what other queues may take; no limit where it has none.
fn half_of_heap() -> usize {
    match heap::statistics().size {
        0 => usize::MAX,
        size => (size.saturating_sub(OTHER_QUEUES) / 2).max(size / 8),
    }
}

/// Whether there is an address that others than neighbours can answer to.
fn has_global(table: &AddressTable) -> bool {
    let mut all = table.prefixes.iter();
    all.any(|prefix| !prefix.address().is_link_local6())
}
