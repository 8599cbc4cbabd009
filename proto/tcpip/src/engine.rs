// SPDX-License-Identifier: ISC
//! The state behind a stack: smoltcp's interface and sockets, and what this crate adds to them.
//!
//! Sans-IO but for the [`Phy`] it is lent: frames and the time come in as arguments. One place
//! knows which sockets exist, so that their ends (half-open, lingering, in TIME-WAIT) are seen to
//! in [`Engine::poll`] and nowhere else.

use alloc::{rc::Rc, string::String};
use core::{cell::RefCell, net::IpAddr, task::Context};

use fata_device::{Net, net::Checksum};
use fata_runtime::heap;
use smoltcp::{
    iface::{self, Interface, SocketSet},
    time::Instant,
    wire::{EthernetAddress, HardwareAddress, IpCidr},
};

use crate::{
    address::{AddressTable, Prefix, is_host, link_local},
    config::{Config, Ipv4, Ipv6},
    dhcp::Dhcp,
    packet::{Packet, complete_checksum, ether, ether_type, protocol},
    phy::{Phy, Port},
    slaac::{SOLICITATION_LEN, Slaac},
    tcp::Table as TcpTable,
    udp::Table as UdpTable,
};

/// How long only IPv6 must have an address before a stack that still asks DHCP counts as ready.
const DHCP_PATIENCE: u64 = 5_000_000_000;

/// Everything of a stack except its device.
pub(crate) struct Engine {
    pub(crate) interface: Interface,
    pub(crate) sockets: SocketSet<'static>,
    pub(crate) tcp: TcpTable,
    pub(crate) udp: UdpTable,
    pub(crate) config: Config,
    /// Shared with the responders, which run while the engine is not borrowed.
    pub(crate) addresses: Rc<RefCell<AddressTable>>,
    pub(crate) dhcp: Option<Dhcp>,
    slaac: Option<Slaac>,
    mac: [u8; 6],
    started: u64,
    random: fn() -> u64,
}

/// Smoltcp's time for nanoseconds.
pub(crate) fn instant(now: u64) -> Instant {
    Instant::from_micros((now / 1000) as i64)
}

impl Engine {
    /// A stack that has done nothing yet.
    pub(crate) fn new<N: Net>(
        port: &mut Port<N>,
        cx: &mut Context<'_>,
        config: Config,
        random: fn() -> u64,
        now: u64,
    ) -> Self {
        let mac = port.net.info().mac;
        let mut interface_config =
            iface::Config::new(HardwareAddress::Ethernet(EthernetAddress(mac)));
        interface_config.random_seed = random();
        let mut phy = Phy {
            port,
            cx,
            received: None,
        };
        let interface = Interface::new(interface_config, &mut phy, instant(now));
        let mut sockets = SocketSet::new(alloc::vec::Vec::new());
        let dhcp = (config.ipv4 == Ipv4::Dhcp)
            .then(|| Dhcp::new(&mut sockets, config.host_name.as_deref()));
        let advertisements = match config.ipv6 {
            Ipv6::On {
                router_advertisements,
                ..
            } => router_advertisements,
            Ipv6::Off => false,
        };
        let mut engine = Self {
            interface,
            sockets,
            tcp: TcpTable::new(config.tcp_memory.unwrap_or_else(half_of_heap)),
            udp: UdpTable::default(),
            config,
            addresses: Rc::default(),
            dhcp,
            slaac: advertisements.then(|| Slaac::new(mac, now)),
            mac,
            started: now,
            random,
        };
        engine.update_addresses();
        engine
    }

    /// A random number.
    pub(crate) fn random(&self) -> u64 {
        (self.random)()
    }

    /// Takes in a frame that no responder has answered.
    pub(crate) fn receive<N: Net>(
        &mut self,
        port: &mut Port<N>,
        cx: &mut Context<'_>,
        frame: &mut [u8],
        checksum: Checksum,
        now: u64,
    ) {
        let wanted = match ether_type(frame) {
            Some(ether::IPV4 | ether::ARP) => self.config.ipv4 != Ipv4::Off,
            Some(ether::IPV6) => self.config.ipv6 != Ipv6::Off,
            _ => false,
        };
        if !wanted {
            return;
        }
        if let Checksum::Partial { start, offset } = checksum {
            complete_checksum(frame, start, offset);
        }
        if let Some(packet) = Packet::parse(frame) {
            let verify = checksum == Checksum::Unverified;
            if !self.inspect(&packet, verify, now) {
                return;
            }
        }
        let mut phy = Phy {
            port,
            cx,
            received: Some(frame),
        };
        self.interface
            .poll_ingress_single(instant(now), &mut phy, &mut self.sockets);
        self.tcp.settle(&mut self.sockets, now);
    }

    /// Does what has to be done before smoltcp sees a packet, and says whether it shall.
    fn inspect(&mut self, packet: &Packet<'_>, verify: bool, now: u64) -> bool {
        match packet.protocol {
            // Smoltcp has been told not to verify TCP, so nothing may reach it that was not
            // verified here: no fragment, and nothing behind an extension header.
            protocol::TCP => {
                !packet.fragment
                    && (!verify || packet.checksum_is_valid())
                    && self
                        .tcp
                        .admit(&mut self.sockets, packet, &self.addresses, now)
            }
            protocol::HOP_BY_HOP => packet.payload.first() != Some(&protocol::TCP),
            protocol::ICMPV6 => {
                if let Some(slaac) = &mut self.slaac
                    && slaac.receive(packet, now)
                {
                    self.update_addresses();
                }
                true
            }
            _ => true,
        }
    }

    /// Sends what is to be sent, and sees to everything that depends on time.
    pub(crate) fn poll<N: Net>(&mut self, port: &mut Port<N>, cx: &mut Context<'_>, now: u64) {
        self.interface.poll_maintenance(instant(now));
        self.poll_slaac(port, cx, now);
        let mut phy = Phy {
            port,
            cx,
            received: None,
        };
        // One round sends at most one packet of each socket.
        while self
            .interface
            .poll_egress(instant(now), &mut phy, &mut self.sockets)
            != iface::PollResult::None
        {}
        if let Some(dhcp) = &mut self.dhcp
            && dhcp.poll(&mut self.sockets)
        {
            self.log_lease();
            self.update_addresses();
        }
        self.tcp.tend(&mut self.sockets, now);
        self.udp.tend(&mut self.sockets, now);
    }

    fn poll_slaac<N: Net>(&mut self, port: &mut Port<N>, cx: &mut Context<'_>, now: u64) {
        let Some(slaac) = &mut self.slaac else {
            return;
        };
        if slaac.wants_to_solicit(now)
            && let Some(mut frame) = port.take(cx)
        {
            match frame.first_chunk_mut() {
                Some(head) => {
                    slaac.solicit(head, now);
                    port.send(frame, SOLICITATION_LEN);
                }
                None => port.put_back(frame),
            }
        }
        if slaac.expire(now) {
            self.update_addresses();
        }
    }

    /// When [`poll`](Self::poll) has to be called even if nothing happens until then.
    pub(crate) fn deadline(&mut self, now: u64) -> Option<u64> {
        let sockets = self.interface.poll_at(instant(now), &self.sockets);
        let sockets = sockets.map(|at| (at.total_micros().max(0) as u64).saturating_mul(1000));
        let patience = self.started + DHCP_PATIENCE;
        let patience = (self.dhcp.is_some() && now < patience).then_some(patience);
        let mut first = u64::MAX;
        for deadline in [
            sockets,
            self.slaac.as_ref().and_then(Slaac::deadline),
            self.tcp.deadline(),
            self.udp.deadline(),
            patience,
        ] {
            first = first.min(deadline.unwrap_or(u64::MAX));
        }
        (first != u64::MAX).then_some(first)
    }

    /// Whether the addresses that were configured are there.
    pub(crate) fn is_configured(&self, now: u64) -> bool {
        let slaac = self.slaac.as_ref().is_some_and(Slaac::has_address);
        let fixed6 = match self.config.ipv6 {
            Ipv6::On {
                prefix,
                router_advertisements,
                ..
            } => prefix.is_some() || !router_advertisements,
            Ipv6::Off => false,
        };
        match (self.config.ipv4, &self.dhcp) {
            (Ipv4::Static { .. }, _) => true,
            (Ipv4::Off, _) => fixed6 || slaac,
            (Ipv4::Dhcp, dhcp) => {
                let leased = dhcp.as_ref().is_some_and(|dhcp| dhcp.lease.is_some());
                let patient = now < self.started + DHCP_PATIENCE;
                leased || has_global(&self.addresses.borrow()) && !patient
            }
        }
    }

    /// Makes the table from all sources, and the interface from the table.
    fn update_addresses(&mut self) {
        let mut table = AddressTable::default();
        if let Ipv4::Static { prefix, gateway } = self.config.ipv4 {
            table.prefixes.push(prefix.into_ip());
            table.gateway4 = gateway;
        }
        if let Some(lease) = self.dhcp.as_ref().and_then(|dhcp| dhcp.lease.as_ref()) {
            table.prefixes.push(lease.prefix.into_ip());
            table.gateway4 = lease.gateway;
        }
        if let Ipv6::On {
            prefix, gateway, ..
        } = self.config.ipv6
        {
            let local = Prefix::new(link_local(self.mac).into(), 64);
            table
                .prefixes
                .extend(prefix.map(Prefix::into_ip).into_iter().chain(local));
            table.gateways6.extend(gateway);
        }
        if let Some(slaac) = &self.slaac {
            slaac.fill(&mut table);
        }
        // Smoltcp asserts this.
        table.prefixes.retain(|prefix| is_host(prefix.address()));
        apply(&table, &mut self.interface);
        *self.addresses.borrow_mut() = table;
    }

    fn log_lease(&self) {
        let label: &String = &self.config.label;
        match self.dhcp.as_ref().and_then(|dhcp| dhcp.lease.as_ref()) {
            Some(lease) => log::info!("{label}: leased {} from {}", lease.prefix, lease.server),
            None => log::warn!("{label}: lost the address, asking DHCP again"),
        }
    }
}

/// Half of the heap; no limit where it has none.
fn half_of_heap() -> usize {
    match heap::statistics().size {
        0 => usize::MAX,
        size => size / 2,
    }
}

/// Whether there is an address that others than neighbours can answer to.
fn has_global(table: &AddressTable) -> bool {
    table.prefixes.iter().any(|prefix| match prefix.address() {
        IpAddr::V4(_) => true,
        IpAddr::V6(v6) => !v6.is_unicast_link_local(),
    })
}

/// Gives the addresses and routes of `table` to smoltcp, as many as it has room for.
fn apply(table: &AddressTable, interface: &mut Interface) {
    interface.update_ip_addrs(|addresses| {
        addresses.clear();
        for prefix in &table.prefixes {
            // Full means that the rest is not used.
            let _ = addresses.push(IpCidr::new(prefix.address().into(), prefix.length()));
        }
    });
    let routes = interface.routes_mut();
    routes.update(|routes| routes.clear());
    // Two of four places: there is room.
    if let Some(gateway) = table.gateway4 {
        let _ = routes.add_default_ipv4_route(gateway);
    }
    if let Some(gateway) = table.gateways6.first() {
        let _ = routes.add_default_ipv6_route(*gateway);
    }
}
