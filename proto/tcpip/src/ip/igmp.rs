// SPDX-License-Identifier: ISC
//! IGMP: telling routers and switches which IPv4 groups are received here.
//!
//! Reports are those of version 2, which routers of version 3 take (RFC 3376, section 7.3.2);
//! questions are understood from both. Read first: RFC 2236 sections 2 and 3.

use crate::addr::Addr;
use core::net::Ipv4Addr;

use super::{
    Ip, SECOND,
    group::{ALL_HOSTS, Report, ethernet},
};
use crate::{
    checksum::Sum,
    link::Link,
    packet::{ETHERNET, ether, protocol, put},
};

const QUERY: u8 = 0x11;
const REPORT: u8 = 0x16;
const LEAVE: u8 = 0x17;
const ALL_ROUTERS: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 2);
const MESSAGE: usize = 8;
/// An IPv4 header with the router alert option (RFC 2113).
const HEADER: usize = 24;
const TENTH: u64 = SECOND / 10;
/// What a question of version 1, which names no time, allows for its answer.
const PATIENCE_V1: u64 = 100;

impl Ip {
    /// Takes in an IGMP message, which is of interest only if it is a question.
    pub(super) fn igmp_input(&mut self, message: &[u8], now: u64) {
        let Some(head) = message.first_chunk::<MESSAGE>() else {
            return;
        };
        if head[0] != QUERY || !Sum::default().add(message).is_valid() {
            return;
        }
        let group = Ipv4Addr::new(head[4], head[5], head[6], head[7]);
        let tenths = match (head[1], message.len()) {
            (0, _) => PATIENCE_V1,
            // Version 3 has a little floating point (RFC 3376, section 4.1.1).
            (code @ 128.., 12..) => u64::from(code & 15 | 16) << ((code >> 4 & 7) + 3),
            (code, _) => u64::from(code),
        };
        if group.is_unspecified() || group.is_multicast() {
            let random = (self.random)();
            self.groups.query(group.into(), tenths * TENTH, random, now);
        }
    }

    /// Sends a report on `group`.
    pub(super) fn igmp_report(&mut self, link: &mut dyn Link, group: Ipv4Addr, report: Report) {
        let (kind, to) = match report {
            Report::Left => (LEAVE, ALL_ROUTERS),
            Report::Joined | Report::Current => (REPORT, group),
        };
        let source = self.addresses.source_for(ALL_HOSTS.into());
        let source = source
            .and_then(Addr::as_v4)
            .unwrap_or(Ipv4Addr::UNSPECIFIED);
        let mut frame = [0; ETHERNET + HEADER + MESSAGE];
        put(&mut frame, 0, &ethernet(to.into()));
        put(&mut frame, 6, &self.mac);
        put(&mut frame, 12, &ether::IPV4);
        let (ip, message) = frame[ETHERNET..].split_at_mut(HEADER);
        ip[0] = 0x46;
        ip[3] = (HEADER + MESSAGE) as u8;
        ip[8] = 1;
        ip[9] = protocol::IGMP;
        put(ip, 12, &source.octets());
        put(ip, 16, &to.octets());
        ip[20] = 0x94;
        ip[21] = 4;
        let sum = Sum::default().add(ip).finish();
        put(ip, 10, &sum);
        message[0] = kind;
        put(message, 4, &group.octets());
        let sum = Sum::default().add(message).finish();
        put(message, 2, &sum);
        link.send(&frame, [&[], &[]], Default::default());
    }
}
