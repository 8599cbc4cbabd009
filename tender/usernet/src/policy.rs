// SPDX-License-Identifier: ISC
//! Addresses of the user-mode network, and where the guest may go from it.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

use smoltcp::wire::EthernetAddress;

/// The guest.
pub const GUEST: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 15);
/// The gateway.
pub const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 2);
/// The name server.
pub const DNS: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 3);
/// Length of the network's prefix.
pub(crate) const PREFIX: u8 = 24;
/// Mask of the network.
pub(crate) const MASK: Ipv4Addr = Ipv4Addr::new(255, 255, 255, 0);
/// Gateway and name server on the wire: locally administered.
pub(crate) const ROUTER_MAC: EthernetAddress = EthernetAddress([0x02, 0xfa, 0x7a, 0, 2, 2]);

/// Whom the guest can reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Other machines.
    World,
    /// Other machines, and the loopback of the host at the gateway.
    WorldAndHost,
    /// Nobody: whatever is allowed leads to a port where nobody listens. For bytes that a fuzzer
    /// made up, which must not leave the machine.
    Nobody,
}

/// Port 9 of loopback: "discard" (RFC 863), where it exists at all.
const DISCARD: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 9);

/// What a packet of the guest asks to reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Destination {
    /// A socket address as the host sees it.
    Host(SocketAddr),
    /// One of the host's resolvers.
    Resolver,
    /// Nothing that the guest may reach.
    Nowhere,
}

/// Says what stands behind `address` for the guest.
pub(crate) fn destination(address: SocketAddrV4, reach: Reach) -> Destination {
    let ip = *address.ip();
    if ip == DNS && address.port() == 53 {
        Destination::Resolver
    } else if address.port() == 0 {
        Destination::Nowhere
    } else if ip == GATEWAY && reach == Reach::WorldAndHost {
        Destination::Host(SocketAddr::from((Ipv4Addr::LOCALHOST, address.port())))
    } else if is_forbidden(ip) {
        Destination::Nowhere
    } else if reach == Reach::Nobody {
        Destination::Host(SocketAddr::V4(DISCARD))
    } else {
        Destination::Host(SocketAddr::V4(address))
    }
}

fn is_forbidden(ip: Ipv4Addr) -> bool {
    ip.octets()[..3] == GATEWAY.octets()[..3]
        || ip.octets()[0] == 0
        || ip.octets()[0] >= 240
        || ip.is_loopback()
        || ip.is_link_local()
        || ip.is_multicast()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to(text: &str, reach: Reach) -> Destination {
        destination(text.parse().unwrap(), reach)
    }

    #[test]
    fn other_machines_are_reached_as_they_are() {
        let there = Destination::Host("192.0.2.1:443".parse().unwrap());
        assert_eq!(to("192.0.2.1:443", Reach::World), there);
    }

    #[test]
    fn the_host_itself_is_reached_only_when_asked_for() {
        assert_eq!(to("10.0.2.2:80", Reach::World), Destination::Nowhere);
        let loopback = Destination::Host("127.0.0.1:80".parse().unwrap());
        assert_eq!(to("10.0.2.2:80", Reach::WorldAndHost), loopback);
        assert_eq!(
            to("127.0.0.1:80", Reach::WorldAndHost),
            Destination::Nowhere
        );
    }

    #[test]
    fn special_addresses_lead_nowhere() {
        for text in [
            "10.0.2.7:80",
            "10.0.2.255:80",
            "10.0.2.3:80",
            "0.1.2.3:80",
            "224.0.0.251:5353",
            "255.255.255.255:67",
            "250.1.1.1:1",
            "169.254.169.254:80",
            "192.0.2.1:0",
        ] {
            assert_eq!(
                to(text, Reach::WorldAndHost),
                Destination::Nowhere,
                "{text}"
            );
        }
        assert_eq!(to("10.0.2.3:53", Reach::World), Destination::Resolver);
    }

    #[test]
    fn what_a_fuzzer_makes_up_stays_here() {
        for text in ["192.0.2.1:443", "8.0.0.8:53", "10.0.2.2:80", "127.0.0.1:80"] {
            let to = to(text, Reach::Nobody);
            assert!(matches!(to, Destination::Nowhere) || to == Destination::Host(DISCARD.into()));
        }
    }
}
