// SPDX-License-Identifier: ISC
//! MLD: telling routers and switches which IPv6 groups are received here.
//!
//! Version 2, one group a report, without a choice of sources; version 1 while a router that speaks
//! only that has asked. Read first: RFC 3810 sections 5 and 8.2.1, RFC 2710 section 3.

use core::net::Ipv6Addr;

use super::{
    Ip, SECOND,
    group::{ALL_NODES, Report, ethernet},
};
use crate::{address::link_local, link::Link, packet::put};

pub(super) const QUERY: u8 = 130;
const REPORT_V1: u8 = 131;
const DONE_V1: u8 = 132;
const REPORT_V2: u8 = 143;
const ALL_ROUTERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2);
const ALL_MLD2_ROUTERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x16);
/// Record types (RFC 3810, section 5.2.12).
const IS_EXCLUDE: u8 = 2;
const TO_INCLUDE: u8 = 3;
const TO_EXCLUDE: u8 = 4;
/// Bytes of a message of version 1, and at least of a question of version 2.
const MESSAGE_V1: usize = 24;
const QUERY_V2: usize = 28;
const MILLISECOND: u64 = SECOND / 1000;
/// How long a router of version 1 is remembered (RFC 3810, section 9.12).
const OLDER_VERSION: u64 = 260 * SECOND;

impl Ip {
    /// Takes in a question, which a router of this link has sent.
    pub(super) fn mld_query(&mut self, message: &[u8], now: u64) {
        let Some(head) = message.first_chunk::<MESSAGE_V1>() else {
            return;
        };
        let (addresses, _) = head[8..].as_chunks::<16>();
        let group = Ipv6Addr::from(addresses[0]);
        let code = u16::from_be_bytes([head[4], head[5]]);
        let patience = if message.len() < QUERY_V2 {
            self.mld1_until = now + OLDER_VERSION;
            u64::from(code)
        } else if code >= 0x8000 {
            u64::from(code & 0xfff | 0x1000) << ((code >> 12 & 7) + 3)
        } else {
            code.into()
        };
        let random = (self.random)();
        self.groups
            .query(group.into(), patience * MILLISECOND, random, now);
    }

    /// Sends a report on `group`.
    pub(super) fn mld_report(
        &mut self,
        link: &mut dyn Link,
        group: Ipv6Addr,
        report: Report,
        now: u64,
    ) {
        let mut message = [0; QUERY_V2];
        let (to, len) = if now < self.mld1_until {
            message[0] = if report == Report::Left {
                DONE_V1
            } else {
                REPORT_V1
            };
            put(&mut message, 8, &group.octets());
            let to = if report == Report::Left {
                ALL_ROUTERS
            } else {
                group
            };
            (to, MESSAGE_V1)
        } else {
            message[0] = REPORT_V2;
            message[7] = 1;
            message[8] = match report {
                Report::Joined => TO_EXCLUDE,
                Report::Left => TO_INCLUDE,
                Report::Current => IS_EXCLUDE,
            };
            put(&mut message, 12, &group.octets());
            (ALL_MLD2_ROUTERS, QUERY_V2)
        };
        // An address that is still asked for serves, but not one that we have lost (RFC 3590).
        let own = link_local(self.mac);
        let source = match self.addresses.source_for(ALL_NODES.into()) {
            Some(source) if source == own.into() => own,
            _ => Ipv6Addr::UNSPECIFIED,
        };
        let station = ethernet(to.into());
        if let Some(message) = message.get_mut(..len) {
            self.send_local(link, station, [source, to], message, true);
        }
    }
}
