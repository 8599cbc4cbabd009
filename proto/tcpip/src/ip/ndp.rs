// SPDX-License-Identifier: ISC
//! Neighbour discovery: who on the link has an IPv6 address.
//!
//! Questions and answers; what follows from them for the cache is in `neighbor.rs`, for our own
//! addresses in `claim.rs`, and router advertisements are the business of `slaac.rs`. Read first:
//! RFC 4861 sections 4.3, 4.4, 7.1 and 7.2, RFC 4862 section 5.4.

use crate::addr::Addr;
use core::net::Ipv6Addr;

use super::{
    Ip,
    group::{ALL_NODES, ethernet, solicited_node},
    neighbor::News,
};
use crate::{link::Link, packet::put};

pub(super) const ROUTER_ADVERTISEMENT: u8 = 134;
pub(super) const SOLICITATION: u8 = 135;
pub(super) const ADVERTISEMENT: u8 = 136;
pub(super) const SOURCE_LINK_LAYER: u8 = 1;
const TARGET_LINK_LAYER: u8 = 2;
/// Bytes before the options, and with the one option that we send.
const MESSAGE: usize = 24;
const WITH_OPTION: usize = MESSAGE + 8;
/// Flags of an advertisement.
const SOLICITED: u8 = 0x40;
const OVERRIDE: u8 = 0x20;

/// The options of a message: their types and bytes. Ends at the first that is malformed; such a
/// message counts as a whole as malformed (RFC 4861, section 4.6), see [`well_formed`].
pub(super) fn options(mut rest: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    core::iter::from_fn(move || {
        let [kind, units, ..] = *rest else {
            return None;
        };
        let len = usize::from(units) * 8;
        let (option, after) = rest.split_at_checked(len).filter(|_| len > 0)?;
        rest = after;
        Some((kind, option))
    })
}

/// Whether all of `rest` is options.
pub(super) fn well_formed(rest: &[u8]) -> bool {
    options(rest).map(|(_, option)| option.len()).sum::<usize>() == rest.len()
}

/// The Ethernet address that an option of this type gives.
pub(super) fn link_layer(rest: &[u8], kind: u8) -> Option<[u8; 6]> {
    let (_, option) = options(rest).find(|option| option.0 == kind)?;
    let mac: &[u8; 6] = option.get(2..)?.first_chunk()?;
    (mac[0] & 1 == 0).then_some(*mac)
}

impl Ip {
    /// Takes in a solicitation or an advertisement that came with hop limit 255.
    pub(super) fn ndp_input(
        &mut self,
        link: &mut dyn Link,
        addresses: [Ipv6Addr; 2],
        message: &[u8],
        now: u64,
    ) {
        let Some((head, options)) = message.split_first_chunk::<MESSAGE>() else {
            return;
        };
        let (targets, _) = head[8..].as_chunks::<16>();
        let target = Ipv6Addr::from(targets[0]);
        let unusable = target.is_multicast() || Addr::v6(target).is_ipv4();
        if head[1] != 0 || unusable || !well_formed(options) {
            return;
        }
        if head[0] == SOLICITATION {
            self.solicitation(link, addresses, target, options, now);
        } else {
            let solicited = head[4] & SOLICITED != 0;
            if solicited && addresses[1].is_multicast() {
                return;
            }
            let news = News {
                mac: link_layer(options, TARGET_LINK_LAYER),
                solicited,
                replaces: head[4] & OVERRIDE != 0,
                creates: false,
            };
            if self.addresses.has(target.into()) {
                self.conflict(link, target.into(), news.mac, now);
            } else {
                self.learned(link, target.into(), news, now);
            }
        }
    }

    /// Somebody asks for `target` (RFC 4861, section 7.2.3; RFC 4862, section 5.4.3).
    fn solicitation(
        &mut self,
        link: &mut dyn Link,
        [source, destination]: [Ipv6Addr; 2],
        target: Ipv6Addr,
        options: &[u8],
        now: u64,
    ) {
        if !self.addresses.has(target.into()) {
            return;
        }
        let tentative = self.claims.is_tentative(target.into());
        let mac = link_layer(options, SOURCE_LINK_LAYER);
        if source.is_unspecified() {
            // Another host is about to take the address.
            if destination != solicited_node(target) || mac.is_some() {
                return;
            }
            if tentative {
                self.conflict(link, target.into(), None, now);
            } else {
                self.ndp_announce(link, target, true);
            }
            return;
        }
        let near = self.addresses.next_hop(source.into()) == Some(source.into());
        if self.addresses.has(source.into()) || !near {
            return;
        }
        let news = News {
            mac,
            solicited: false,
            replaces: true,
            creates: true,
        };
        self.learned(link, source.into(), news, now);
        let known = self.neighbors.resolve(source.into(), now);
        if let (Some(station), _) | (None, super::neighbor::Known::At(station, _)) = (mac, known) {
            // Nobody's entry is replaced for an address that may not be ours (RFC 4429, section 3.3).
            let flags = if tentative {
                SOLICITED
            } else {
                SOLICITED | OVERRIDE
            };
            self.advertise(link, target, station, source, flags);
        }
    }

    /// Tells all that we have `address` (RFC 4861, section 7.2.6), also those who know another
    /// station that does if it is `settled` that we alone have it.
    pub(super) fn ndp_announce(&self, link: &mut dyn Link, address: Ipv6Addr, settled: bool) {
        let flags = if settled { OVERRIDE } else { 0 };
        let station = ethernet(ALL_NODES.into());
        self.advertise(link, address, station, ALL_NODES, flags);
    }

    /// Tells `to` that we have `target`.
    fn advertise(
        &self,
        link: &mut dyn Link,
        target: Ipv6Addr,
        station: [u8; 6],
        to: Ipv6Addr,
        flags: u8,
    ) {
        let mut message = [0; WITH_OPTION];
        message[0] = ADVERTISEMENT;
        message[4] = flags;
        self.finish(&mut message, target, TARGET_LINK_LAYER);
        self.send_local(link, station, [target, to], &mut message, false);
    }

    fn finish(&self, message: &mut [u8; WITH_OPTION], target: Ipv6Addr, option: u8) {
        put(message, 8, &target.octets());
        message[24] = option;
        message[25] = 1;
        put(message, 26, &self.mac);
    }

    /// Asks for `target`: all that may have it, or the one station that had it.
    pub(super) fn ndp_ask(&self, link: &mut dyn Link, target: Ipv6Addr, station: Option<[u8; 6]>) {
        let source = self.addresses.source_for(target.into());
        let Some(source) = source.and_then(Addr::as_v6) else {
            return;
        };
        let (station, to) = match station {
            Some(station) => (station, target),
            None => {
                let group = solicited_node(target);
                (ethernet(group.into()), group)
            }
        };
        let mut message = [0; WITH_OPTION];
        message[0] = SOLICITATION;
        self.finish(&mut message, target, SOURCE_LINK_LAYER);
        self.send_local(link, station, [source, to], &mut message, false);
    }

    /// Asks whether anybody has `address` already.
    pub(super) fn ndp_probe(&self, link: &mut dyn Link, address: Ipv6Addr) {
        let mut message = [0; MESSAGE];
        message[0] = SOLICITATION;
        put(&mut message, 8, &address.octets());
        let group = solicited_node(address);
        let addresses = [Ipv6Addr::UNSPECIFIED, group];
        self.send_local(link, ethernet(group.into()), addresses, &mut message, false);
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    /// RFC 4861, section 4.6: an option of length zero makes the message invalid.
    #[test]
    fn options_end_where_they_are_malformed() {
        let good = [1, 1, 2, 0, 0, 0, 0, 9, 5, 1, 0, 0, 0, 0, 5, 0xdc];
        assert_eq!(
            options(&good).map(|option| option.0).collect::<Vec<_>>(),
            [1, 5]
        );
        assert!(well_formed(&good));
        assert_eq!(link_layer(&good, 1), Some([2, 0, 0, 0, 0, 9]));
        assert_eq!(link_layer(&good, 2), None);
        assert!(!well_formed(&good[..15]));
        assert!(!well_formed(&[1, 0, 2, 0, 0, 0, 0, 9]));
        assert!(well_formed(&[]));
    }
}
