// SPDX-License-Identifier: ISC
//! One message of a client: who it is, what it gets, and the answer that says so.
//!
//! Read first: RFC 2131 sections 4.3.1 to 4.3.5, with table 3 for what stands in an answer.

use alloc::vec::Vec;
use core::net::Ipv4Addr;

use super::{
    config::{Config, Identity, Network},
    leases::{Leases, State},
};
use crate::{
    FOREVER, SECOND,
    message::{Builder, Header, Kind, Message, code},
};

/// How long an offer is kept for its client.
pub(super) const OFFER: u64 = 60 * SECOND;
/// How long a declined address is given to nobody.
pub(super) const DECLINED: u64 = 3600 * SECOND;
/// Shortest lease that a client gets by asking for it, in seconds, unless the usual one is shorter.
const SHORTEST: u32 = 60;
/// Longest message that every client takes: section 2, less the headers of IP and UDP.
const EVERYBODY: usize = 576 - HEADERS;
const HEADERS: usize = 28;

/// A message with what it comes from.
pub(super) struct Request<'a> {
    config: &'a Config,
    network: &'a Network,
    message: &'a Message<'a>,
    header: &'a Header,
    client: Identity,
}

/// What to say to a client.
pub(super) struct Reply {
    pub(super) kind: Kind,
    pub(super) address: Ipv4Addr,
    /// Lease time, where the address is leased or offered.
    seconds: Option<u32>,
    rapid: bool,
}

impl<'a> Request<'a> {
    /// Finds out which network the client is in: the relay's, or the one of the address that it
    /// has, or else the server's.
    pub(super) fn new(message: &'a Message<'a>, config: &'a Config) -> Option<Self> {
        let header = message.header();
        let find = |address: Ipv4Addr| {
            let mut networks = config.networks.iter();
            networks.find(|network| network.contains(address))
        };
        let network = if header.relay.is_unspecified() {
            find(header.client).or_else(|| find(config.address))?
        } else {
            find(header.relay)?
        };
        let id = message.bytes(code::CLIENT_ID).filter(|id| id.len() >= 2);
        let client = match id {
            Some(id) => Identity::ClientId(id.into_boxed_slice()),
            None => Identity::Hardware(header.hardware),
        };
        Some(Self {
            config,
            network,
            message,
            header,
            client,
        })
    }

    /// What the client gets, as far as it is told.
    pub(super) fn decide(&self, leases: &mut Leases, now: u64) -> Option<Reply> {
        match self.header.kind {
            Kind::Discover => self.discover(leases, now),
            Kind::Request => self.request(leases, now),
            Kind::Decline => {
                let address = self.message.address(code::REQUESTED_ADDRESS)?;
                if self.is_for_us() && self.has(leases, address) {
                    leases.decline(address, now.saturating_add(DECLINED));
                }
                None
            }
            Kind::Release => {
                if self.is_for_us() && self.has(leases, self.header.client) {
                    leases.end(self.header.client, now);
                }
                None
            }
            Kind::Inform => self.network.contains(self.header.client).then_some(Reply {
                kind: Kind::Ack,
                address: Ipv4Addr::UNSPECIFIED,
                seconds: None,
                rapid: false,
            }),
            Kind::Offer | Kind::Ack | Kind::Nak => None,
        }
    }

    fn discover(&self, leases: &mut Leases, now: u64) -> Option<Reply> {
        let address = self.pick(leases, now)?;
        if self.config.rapid_commit && self.message.has(code::RAPID_COMMIT) {
            return Some(Reply {
                rapid: true,
                ..self.grant(leases, address, now)
            });
        }
        let has_lease = leases.of(&self.client).is_some_and(|(theirs, binding)| {
            theirs == address && binding.state == State::Leased && binding.is_current(now)
        });
        if !has_lease {
            let end = now.saturating_add(OFFER);
            leases.set(address, &self.client, State::Offered, end);
        }
        Some(Reply {
            kind: Kind::Offer,
            address,
            seconds: Some(self.seconds()),
            rapid: false,
        })
    }

    /// An address in the order of section 4.3.1: what the client has or had, what it asks for, any.
    fn pick(&self, leases: &Leases, now: u64) -> Option<Ipv4Addr> {
        let had = leases.of(&self.client).map(|(address, _)| address);
        let asked = self.message.address(code::REQUESTED_ADDRESS);
        let mut wishes = [self.fixed(), had, asked].into_iter().flatten();
        wishes
            .find(|address| self.can_have(leases, *address, now))
            .or_else(|| {
                let reserved = |address| self.is_reserved(address);
                leases.choose(self.network, &self.client, now, &reserved)
            })
    }

    fn request(&self, leases: &mut Leases, now: u64) -> Option<Reply> {
        let asked = self.message.address(code::REQUESTED_ADDRESS);
        let can_have = |leases: &Leases, address| self.can_have(leases, address, now);
        if self.message.has(code::SERVER_ID) {
            if !self.is_for_us() {
                // It chose another server.
                self.forget_offer(leases, now);
                return None;
            }
            let address = asked?;
            return Some(if self.has(leases, address) && can_have(leases, address) {
                self.grant(leases, address, now)
            } else {
                refuse(address)
            });
        }
        let address = match self.header.client {
            Ipv4Addr::UNSPECIFIED => asked?,
            address => address,
        };
        if !self.network.contains(address) {
            return Some(refuse(address));
        }
        let known = leases.of(&self.client).map(|(theirs, _)| theirs);
        if known.is_none() && !self.config.authoritative {
            // Another server may know it.
            return None;
        }
        // Who is known by another address has asked for a wrong one; but the record of an ended
        // lease is no reason to refuse what is free.
        let has_other = leases.of(&self.client).is_some_and(|(theirs, binding)| {
            theirs != address && binding.state == State::Leased && binding.is_current(now)
        });
        Some(if !has_other && can_have(leases, address) {
            self.grant(leases, address, now)
        } else {
            refuse(address)
        })
    }

    fn forget_offer(&self, leases: &mut Leases, now: u64) {
        let offered = leases.of(&self.client);
        if let Some((address, binding)) = offered
            && binding.state == State::Offered
        {
            leases.end(address, now);
        }
    }

    fn grant(&self, leases: &mut Leases, address: Ipv4Addr, now: u64) -> Reply {
        let seconds = self.seconds();
        let end = match seconds {
            FOREVER => u64::MAX,
            _ => now.saturating_add(u64::from(seconds) * SECOND),
        };
        leases.set(address, &self.client, State::Leased, end);
        Reply {
            kind: Kind::Ack,
            address,
            seconds: Some(seconds),
            rapid: false,
        }
    }

    /// The lease time that the client asks for, within limits, or the usual one.
    fn seconds(&self) -> u32 {
        let usual = self.config.lease_seconds;
        let longest = self.config.longest_lease_seconds;
        let asked = self.message.long(code::LEASE_TIME);
        asked.map_or(usual, |asked| asked.clamp(SHORTEST.min(usual), longest))
    }

    /// The address that is kept for this client.
    fn fixed(&self) -> Option<Ipv4Addr> {
        let mut fixed = self.config.fixed.iter().filter(|fixed| {
            fixed.client == self.client || fixed.client == Identity::Hardware(self.header.hardware)
        });
        let here = fixed.find(|fixed| self.network.contains(fixed.address));
        here.map(|fixed| fixed.address)
    }

    /// Whether nobody gets the address from a pool: it is kept for somebody, or somebody's already.
    fn is_reserved(&self, address: Ipv4Addr) -> bool {
        let mut fixed = self.config.fixed.iter();
        address == self.config.address
            || self.network.routers.contains(&address)
            || self.network.dns_servers.contains(&address)
            || fixed.any(|fixed| fixed.address == address)
    }

    fn can_have(&self, leases: &Leases, address: Ipv4Addr, now: u64) -> bool {
        match self.fixed() {
            // One machine may call itself differently while it boots.
            Some(fixed) => fixed == address && !leases.is_declined(address, now),
            None => {
                self.network.in_pool(address)
                    && !self.is_reserved(address)
                    && leases.is_free(address, &self.client, now)
            }
        }
    }

    fn has(&self, leases: &Leases, address: Ipv4Addr) -> bool {
        let theirs = leases.of(&self.client);
        theirs.is_some_and(|(theirs, _)| theirs == address)
    }

    fn is_for_us(&self) -> bool {
        self.message.address(code::SERVER_ID) == Some(self.config.address)
    }

    /// Writes an answer; what it can do without is left out where the client has no room for it.
    pub(super) fn write(&self, said: &Reply, buffer: &mut [u8]) -> Option<usize> {
        let is_refusal = said.kind == Kind::Nak;
        let mut header = Header::new(said.kind, self.header.xid, self.header.hardware);
        header.relay = self.header.relay;
        // A client that is refused may have an address that it must not answer for (section 4.3.2).
        header.broadcast = self.header.broadcast || is_refusal;
        if !is_refusal {
            header.yours = said.address;
            if said.kind == Kind::Ack {
                header.client = self.header.client;
            }
        }
        let mut builder = Builder::new(buffer, &header);
        builder.address(code::SERVER_ID, self.config.address);
        if let Some(id) = self.message.bytes(code::CLIENT_ID) {
            builder.option(code::CLIENT_ID, &id);
        }
        let relay_agent = self.message.bytes(code::RELAY_AGENT);
        if !is_refusal {
            let kept = relay_agent.as_ref().map_or(0, |value| value.len() + 4);
            self.write_parameters(&mut builder, said, self.limit().saturating_sub(kept));
        }
        if let Some(value) = relay_agent {
            // As it came, and at the end (RFC 3046 section 2.2).
            builder.option(code::RELAY_AGENT, &value);
        }
        builder.finish()
    }

    fn write_parameters(&self, builder: &mut Builder<'_>, said: &Reply, limit: usize) {
        if let Some(seconds) = said.seconds {
            builder.option(code::LEASE_TIME, &seconds.to_be_bytes());
            if seconds != FOREVER {
                builder.option(code::RENEWAL_TIME, &(seconds / 2).to_be_bytes());
                let rebinding = seconds - seconds / 8;
                builder.option(code::REBINDING_TIME, &rebinding.to_be_bytes());
            }
        }
        if said.rapid {
            builder.option(code::RAPID_COMMIT, &[]);
        }
        let wanted = self.message.bytes(code::PARAMETERS);
        let is_wanted = |code| wanted.as_ref().is_none_or(|wanted| wanted.contains(&code));
        let network = self.network;
        builder.address(code::SUBNET_MASK, network.mask());
        for (code, addresses) in [
            (code::ROUTERS, &network.routers),
            (code::DNS_SERVERS, &network.dns_servers),
        ] {
            let octets: Vec<[u8; 4]> = addresses.iter().map(Ipv4Addr::octets).collect();
            if is_wanted(code) && !octets.is_empty() {
                builder.optional(code, octets.as_flattened(), limit);
            }
        }
        if let Some(domain) = &network.domain
            && is_wanted(code::DOMAIN)
        {
            builder.optional(code::DOMAIN, domain.as_bytes(), limit);
        }
        if let Some(mtu) = network.mtu
            && is_wanted(code::MTU)
        {
            builder.optional(code::MTU, &mtu.to_be_bytes(), limit);
        }
    }

    /// Bytes of the longest answer that the client takes.
    fn limit(&self) -> usize {
        let size = self.message.short(code::MAX_SIZE).unwrap_or(0);
        usize::from(size).saturating_sub(HEADERS).max(EVERYBODY)
    }
}

fn refuse(address: Ipv4Addr) -> Reply {
    Reply {
        kind: Kind::Nak,
        address,
        seconds: None,
        rapid: false,
    }
}
