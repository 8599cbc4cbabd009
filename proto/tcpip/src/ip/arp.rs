// SPDX-License-Identifier: ISC
//! ARP: who on the link has an IPv4 address.
//!
//! Read first: RFC 826, and RFC 5227 for what may be claimed.

use crate::addr::Addr;
use core::net::Ipv4Addr;

use super::{Ip, neighbor::News};
use crate::{
    link::Link,
    packet::{ETHERNET, ether, put},
};

const REQUEST: u8 = 1;
const REPLY: u8 = 2;
const LEN: usize = 28;
/// Ethernet and IPv4, with addresses of their lengths.
const KIND: [u8; 7] = [0, 1, 0x08, 0x00, 6, 4, 0];

impl Ip {
    /// Takes in an ARP packet; `to_us` if it was not sent to all.
    pub(super) fn arp_input(&mut self, link: &mut dyn Link, packet: &[u8], to_us: bool, now: u64) {
        let Some(packet) = packet.first_chunk::<LEN>() else {
            return;
        };
        let operation = packet[7];
        if packet[..7] != KIND || !matches!(operation, REQUEST | REPLY) {
            return;
        }
        let Some(mac) = packet[8..].first_chunk::<6>() else {
            return;
        };
        let address =
            |at: usize| Ipv4Addr::new(packet[at], packet[at + 1], packet[at + 2], packet[at + 3]);
        let (sender, target) = (address(14), address(24));
        // A group is nobody's address.
        if mac[0] & 1 != 0 || *mac == self.mac || sender.is_multicast() || sender.is_broadcast() {
            return;
        }
        let for_us = self.addresses.has(target.into());
        let probe = sender.is_unspecified();
        let tentative = probe && self.claims.is_tentative(target.into());
        if tentative || self.addresses.has(sender.into()) {
            let claimed = if tentative { target } else { sender };
            self.conflict(link, claimed.into(), Some(*mac), now);
            return;
        }
        if !probe {
            let news = News {
                mac: Some(*mac),
                solicited: operation == REPLY && to_us && for_us,
                replaces: true,
                creates: operation == REQUEST && for_us && self.is_near(sender),
            };
            self.learned(link, sender.into(), news, now);
        }
        if operation == REQUEST && for_us {
            self.send_arp(link, *mac, REPLY, target, (*mac, sender));
        }
    }

    /// Whether `address` lies in one of our networks, as who asks for us should.
    fn is_near(&self, address: Ipv4Addr) -> bool {
        self.addresses.next_hop(address.into()) == Some(address.into())
    }

    /// Asks for `target`: all, or the one station that had it.
    pub(super) fn arp_ask(&self, link: &mut dyn Link, target: Ipv4Addr, station: Option<[u8; 6]>) {
        let source = self.addresses.source_for(target.into());
        let source = source
            .and_then(Addr::as_v4)
            .unwrap_or(Ipv4Addr::UNSPECIFIED);
        let to = station.unwrap_or([0xff; 6]);
        self.send_arp(link, to, REQUEST, source, ([0; 6], target));
    }

    /// Asks whether anybody has `address` already (RFC 5227, section 2.1.1).
    pub(super) fn arp_probe(&self, link: &mut dyn Link, address: Ipv4Addr) {
        let nobody = Ipv4Addr::UNSPECIFIED;
        self.send_arp(link, [0xff; 6], REQUEST, nobody, ([0; 6], address));
    }

    /// Tells all that we have `address` (RFC 5227, section 2.3).
    pub(super) fn arp_announce(&self, link: &mut dyn Link, address: Ipv4Addr) {
        self.send_arp(link, [0xff; 6], REQUEST, address, ([0; 6], address));
    }

    fn send_arp(
        &self,
        link: &mut dyn Link,
        to: [u8; 6],
        operation: u8,
        source: Ipv4Addr,
        target: ([u8; 6], Ipv4Addr),
    ) {
        let mut frame = [0; ETHERNET + LEN];
        put(&mut frame, 0, &to);
        put(&mut frame, 6, &self.mac);
        put(&mut frame, 12, &ether::ARP);
        put(&mut frame, 14, &KIND);
        frame[21] = operation;
        put(&mut frame, 22, &self.mac);
        put(&mut frame, 28, &source.octets());
        put(&mut frame, 32, &target.0);
        put(&mut frame, 38, &target.1.octets());
        link.send(&frame, [&[], &[]], Default::default());
    }
}
