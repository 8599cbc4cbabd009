// SPDX-License-Identifier: ISC
//! The IPv4 address from a DHCP server: smoltcp's client, and what its answers mean for a stack.
//!
//! Read first: RFC 2131 sections 3.1 and 4.4, RFC 2132 section 3.14 (host name).

use alloc::{boxed::Box, vec::Vec};
use core::net::Ipv4Addr;

use smoltcp::{
    iface::{SocketHandle, SocketSet},
    socket::dhcpv4,
    time::Duration,
    wire::DhcpOption,
};

use crate::address::{Ipv4Prefix, Prefix, is_host};

/// Option 12 of RFC 2132.
const HOST_NAME: u8 = 12;
/// Longest name that is sent: that of a DNS label.
const LONGEST_NAME: usize = 63;

/// What a DHCP server gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Lease {
    pub(crate) prefix: Ipv4Prefix,
    pub(crate) gateway: Option<Ipv4Addr>,
    pub(crate) server: Ipv4Addr,
    pub(crate) dns_servers: Vec<Ipv4Addr>,
}

/// The client of one stack.
pub(crate) struct Dhcp {
    handle: SocketHandle,
    pub(crate) lease: Option<Lease>,
}

impl Dhcp {
    /// Starts asking.
    pub(crate) fn new(sockets: &mut SocketSet<'static>, host_name: Option<&str>) -> Self {
        let mut socket = dhcpv4::Socket::new();
        let mut retry = socket.get_retry_config();
        // The first broadcast after a start is often lost, while a bridge learns its ports.
        retry.discover_timeout = Duration::from_secs(2);
        retry.initial_request_timeout = Duration::from_secs(2);
        socket.set_retry_config(retry);
        if let Some(name) = host_name.filter(|name| is_simple(name)) {
            // The socket borrows its options for ever, and there is one of it in a stack's life.
            let data = Box::leak(Box::<[u8]>::from(name.as_bytes()));
            let kind = HOST_NAME;
            socket.set_outgoing_options(Box::leak(Box::new([DhcpOption { kind, data }])));
        }
        Self {
            handle: sockets.add(socket),
            lease: None,
        }
    }

    /// Takes over what the client has learnt, and says whether the lease changed.
    pub(crate) fn poll(&mut self, sockets: &mut SocketSet<'static>) -> bool {
        let lease = match sockets.get_mut::<dhcpv4::Socket<'_>>(self.handle).poll() {
            None => return false,
            Some(dhcpv4::Event::Deconfigured) => None,
            Some(dhcpv4::Event::Configured(config)) => lease_of(&config),
        };
        let changed = lease != self.lease;
        self.lease = lease;
        changed
    }
}

fn lease_of(config: &dhcpv4::Config<'_>) -> Option<Lease> {
    let prefix = Prefix::new(config.address.address(), config.address.prefix_len())?;
    is_host(prefix.address().into()).then(|| Lease {
        prefix,
        gateway: config.router.filter(|router| is_host((*router).into())),
        server: config.server.identifier,
        dns_servers: config.dns_servers.iter().copied().collect(),
    })
}

/// Whether a name is a DNS label, which every server understands.
fn is_simple(name: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    (1..=LONGEST_NAME).contains(&name.len())
        && name.bytes().all(inner)
        && !name.starts_with('-')
        && !name.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::is_simple;

    #[test]
    fn only_labels_are_sent() {
        assert!(is_simple("resolver-1"));
        for name in ["", "-a", "a-", "a.b", "a b", "ä", &"a".repeat(64)] {
            assert!(!is_simple(name), "{name}");
        }
    }
}
