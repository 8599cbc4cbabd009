// SPDX-License-Identifier: ISC
//! What a server gives, found to make sense before anybody uses it.
//!
//! Nobody on the link is authenticated, so a lease is taken only as far as it cannot do harm beyond
//! what the sender could do anyway. Read first: RFC 2132, RFC 3442.

use alloc::{string::String, vec::Vec};
use core::net::Ipv4Addr;

use crate::{
    FOREVER, is_host, is_host_of, mask,
    message::{Message, code},
};

/// Most routes, and most name servers, that are kept.
const MOST: usize = 16;
/// Smallest packet size that is taken over: what every host must accept (RFC 791 section 3.1).
const SMALLEST_MTU: u16 = 576;
/// Longest name of a domain.
const LONGEST_NAME: usize = 253;

/// A route beside the network of the address itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// First address of the network.
    pub network: Ipv4Addr,
    /// Length of its prefix, 0 to 32.
    pub prefix_len: u8,
    /// Who forwards to it; unspecified where its hosts are on the link (RFC 3442).
    pub router: Ipv4Addr,
}

/// A leased address and what came with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The address.
    pub address: Ipv4Addr,
    /// Length of the prefix of its network, 1 to 32.
    pub prefix_len: u8,
    /// The router for everything without a route of its own. It may be outside the network; it is
    /// on the link then.
    pub gateway: Option<Ipv4Addr>,
    /// Further routes.
    pub routes: Vec<Route>,
    /// Name servers, the preferred one first.
    pub dns_servers: Vec<Ipv4Addr>,
    /// Domain in which short names are looked up, without a dot at the end.
    pub domain: Option<String>,
    /// Largest packet of the link, at least 576.
    pub mtu: Option<u16>,
    /// The server.
    pub server: Ipv4Addr,
}

/// Times of a lease in seconds, as the server gave them.
#[derive(Clone, Copy, Default)]
pub(super) struct Times {
    pub(super) lease: u32,
    pub(super) renewal: Option<u32>,
    pub(super) rebinding: Option<u32>,
}

impl Lease {
    /// What an offer or an acknowledgement gives, if it makes sense.
    pub(super) fn read(message: &Message<'_>) -> Option<(Self, Times)> {
        let address = message.header().yours;
        let server = message.address(code::SERVER_ID)?;
        let prefix_len = match message.long(code::SUBNET_MASK) {
            Some(mask) => prefix_len(mask)?,
            None if message.has(code::SUBNET_MASK) => return None,
            None => classful(address),
        };
        if !is_host_of(address, prefix_len) || !is_host(server) || address == server {
            return None;
        }
        let (gateway, routes) = routes(message, address);
        let lease = Self {
            address,
            prefix_len,
            gateway,
            routes,
            dns_servers: addresses(message, code::DNS_SERVERS, address),
            domain: message.bytes(code::DOMAIN).and_then(domain),
            mtu: message.short(code::MTU).filter(|mtu| *mtu >= SMALLEST_MTU),
            server,
        };
        let times = Times {
            lease: message.long(code::LEASE_TIME).filter(|time| *time > 0)?,
            renewal: message.long(code::RENEWAL_TIME),
            rebinding: message.long(code::REBINDING_TIME),
        };
        Some((lease, times))
    }
}

impl Times {
    /// Seconds until renewal, rebinding and expiry, in this order; none for a lease without end.
    pub(super) fn seconds(self) -> Option<[u32; 3]> {
        let Self {
            lease,
            renewal,
            rebinding,
        } = self;
        if lease == FOREVER {
            return None;
        }
        // Defaults of RFC 2131 section 4.4.5, also for what is out of order.
        let t2 = rebinding.filter(|t2| *t2 < lease);
        let t2 = t2.unwrap_or(lease - lease / 8);
        let t1 = renewal.filter(|t1| *t1 < t2);
        Some([t1.unwrap_or((lease / 2).min(t2)), t2, lease])
    }
}

/// The length of a mask without holes.
fn prefix_len(mask: u32) -> Option<u8> {
    let ones = mask.leading_ones();
    (ones > 0 && mask.count_ones() == ones).then_some(ones as u8)
}

/// The network of an address that came without mask, by the rules of old (RFC 950).
fn classful(address: Ipv4Addr) -> u8 {
    match address.octets() {
        [..128, _, _, _] => 8,
        [..192, _, _, _] => 16,
        _ => 24,
    }
}

/// A list of addresses, without those that nobody can have and our own.
fn addresses(message: &Message<'_>, code: u8, own: Ipv4Addr) -> Vec<Ipv4Addr> {
    let bytes = message.bytes(code).unwrap_or_default();
    let (all, _) = bytes.as_chunks::<4>();
    let all = all.iter().map(|octets| Ipv4Addr::from(*octets));
    let usable = all.filter(|address| is_host(*address) && *address != own);
    usable.take(MOST).collect()
}

/// Gateway and routes: from the classless routes if there are any, and then from nothing else
/// (RFC 3442), otherwise from the list of routers.
fn routes(message: &Message<'_>, own: Ipv4Addr) -> (Option<Ipv4Addr>, Vec<Route>) {
    let classless = message.bytes(code::CLASSLESS_ROUTES);
    classless
        .and_then(|bytes| classless_routes(&bytes, own))
        .unwrap_or_else(|| {
            let routers = addresses(message, code::ROUTERS, own);
            (routers.first().copied(), Vec::new())
        })
}

fn classless_routes(mut bytes: &[u8], own: Ipv4Addr) -> Option<(Option<Ipv4Addr>, Vec<Route>)> {
    let mut gateway = None;
    let mut routes = Vec::new();
    while let Some((&prefix_len, rest)) = bytes.split_first() {
        if prefix_len > 32 {
            return None;
        }
        let (significant, rest) = rest.split_at_checked(usize::from(prefix_len.div_ceil(8)))?;
        let (router, rest) = rest.split_first_chunk::<4>()?;
        bytes = rest;
        let mut octets = [0; 4];
        for (octet, byte) in octets.iter_mut().zip(significant) {
            *octet = *byte;
        }
        let router = Ipv4Addr::from(*router);
        let is_router = is_host(router) && router != own;
        if prefix_len == 0 {
            if is_router && gateway.is_none() {
                gateway = Some(router);
            }
        } else if routes.len() < MOST && (is_router || router.is_unspecified()) {
            routes.push(Route {
                network: Ipv4Addr::from_bits(u32::from_be_bytes(octets) & mask(prefix_len)),
                prefix_len,
                router,
            });
        }
    }
    Some((gateway, routes))
}

/// A domain of letters, digits, hyphens and underscores; some servers end it with a zero or a dot.
fn domain(mut bytes: Vec<u8>) -> Option<String> {
    while let Some(0 | b'.') = bytes.last() {
        bytes.pop();
    }
    let fits = (1..=LONGEST_NAME).contains(&bytes.len());
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
    if !fits || !bytes.iter().all(is_plain) {
        return None;
    }
    String::from_utf8(bytes).ok()
}
