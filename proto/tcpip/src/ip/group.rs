// SPDX-License-Identifier: ISC
//! The multicast groups that this stack receives, and when routers and switches are told of them.
//!
//! Reports are sent when a group is joined (twice, as one may be lost), when it is left, and some
//! random time after a router has asked. Which messages those are is the business of `igmp.rs` and
//! `mld.rs`. Others' reports do not silence ours: switches that listen want to hear all. Read first:
//! RFC 2236 section 3, RFC 3810 section 6.

use crate::addr::Addr;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::SECOND;

pub(super) const ALL_HOSTS: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 1);
pub(super) const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
/// Between the reports of a group that was joined (RFC 3810, section 9.11).
const UNSOLICITED_INTERVAL: u64 = SECOND;
/// Reports of a change (RFC 3810, section 9.1).
const ROBUSTNESS: u8 = 2;
const MAX_GROUPS: usize = 64;

struct Group {
    address: Addr,
    /// How many have joined; without any, its end is still to be reported.
    users: u16,
    /// Reports of joining that are left.
    changes: u8,
    /// When the next report is due.
    at: u64,
}

/// What a report is to say of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Report {
    Joined,
    Left,
    /// It is received; somebody has asked.
    Current,
}

/// The groups.
#[derive(Default)]
pub(super) struct Groups(Vec<Group>);

impl Groups {
    /// Whether what is sent to `group` is received. All hosts are always in theirs.
    pub(super) fn has(&self, group: Addr) -> bool {
        is_everybody(group)
            || self
                .0
                .iter()
                .any(|own| own.address == group && own.users > 0)
    }

    /// One more wants the group. Says whether there is room.
    pub(super) fn join(&mut self, address: Addr, now: u64) -> bool {
        if is_everybody(address) {
            return true;
        }
        let own = self.0.iter_mut().find(|own| own.address == address);
        match own {
            Some(group) if group.users > 0 => {
                group.users = group.users.saturating_add(1);
                return true;
            }
            Some(_) => self.0.retain(|own| own.address != address),
            None => {}
        }
        if !address.is_multicast() || self.0.len() >= MAX_GROUPS {
            return false;
        }
        self.0.push(Group {
            address,
            users: 1,
            changes: ROBUSTNESS,
            at: now,
        });
        true
    }

    /// One less wants the group.
    pub(super) fn leave(&mut self, address: Addr, now: u64) {
        let own = self.0.iter_mut().find(|own| own.address == address);
        if let Some(group) = own
            && group.users > 0
        {
            group.users -= 1;
            if group.users == 0 {
                group.at = now;
            }
        }
    }

    /// A router asks for the members of `group`, or of all groups of its family if that is
    /// unspecified, within `patience`.
    pub(super) fn query(&mut self, group: Addr, patience: u64, random: u64, now: u64) {
        let mut random = random;
        for own in &mut self.0 {
            let all = group.is_unspecified() && group.is_ipv4() == own.address.is_ipv4();
            if all || own.address == group {
                // Each at its own time.
                random = random.rotate_left(17).wrapping_mul(0x9e37_79b9_7f4a_7c15);
                own.at = own.at.min(now + random % patience.max(1));
            }
        }
    }

    /// When a report is due.
    pub(super) fn deadline(&self) -> u64 {
        let ends = self.0.iter().map(|group| group.at);
        ends.min().unwrap_or(u64::MAX)
    }

    /// The next report that is due; called until there is none.
    pub(super) fn due(&mut self, now: u64) -> Option<(Addr, Report)> {
        let place = self.0.iter().position(|group| group.at <= now)?;
        let group = self.0.get_mut(place)?;
        let address = group.address;
        if group.users == 0 {
            self.0.swap_remove(place);
            return Some((address, Report::Left));
        }
        let report = if group.changes > 0 {
            Report::Joined
        } else {
            Report::Current
        };
        group.changes = group.changes.saturating_sub(1);
        group.at = if group.changes > 0 {
            now + UNSOLICITED_INTERVAL
        } else {
            u64::MAX
        };
        Some((address, report))
    }
}

fn is_everybody(group: Addr) -> bool {
    group == Addr::v4(ALL_HOSTS) || group == Addr::v6(ALL_NODES)
}

/// The group that questions for the Ethernet address of `address` are sent to (RFC 4291, section
/// 2.7.1).
pub(super) fn solicited_node(address: Ipv6Addr) -> Ipv6Addr {
    let [.., a, b, c] = address.octets();
    let [c0, c1] = [u16::from(a) | 0xff00, u16::from_be_bytes([b, c])];
    Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, c0, c1)
}

/// The Ethernet address that packets to a group or to all are sent to (RFC 1112 section 6.4, RFC
/// 2464 section 7).
pub(super) fn ethernet(group: Addr) -> [u8; 6] {
    match group.ip() {
        IpAddr::V4(v4) if v4.is_multicast() => {
            let [_, a, b, c] = v4.octets();
            [0x01, 0x00, 0x5e, a & 0x7f, b, c]
        }
        IpAddr::V4(_) => [0xff; 6],
        IpAddr::V6(v6) => {
            let [.., a, b, c, d] = v6.octets();
            [0x33, 0x33, a, b, c, d]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joined_twice_and_left_twice() {
        let group = Addr::from([224, 0, 0, 251]);
        let mut groups = Groups::default();
        assert!(!groups.join(Addr::from([10, 0, 0, 1]), 0));
        assert!(groups.join(group, 0) && groups.join(group, 0));
        assert_eq!(groups.due(0), Some((group, Report::Joined)));
        assert_eq!(groups.due(0), None);
        assert_eq!(groups.deadline(), UNSOLICITED_INTERVAL);
        assert_eq!(groups.due(SECOND), Some((group, Report::Joined)));
        assert_eq!(groups.deadline(), u64::MAX);
        groups.leave(group, 2 * SECOND);
        assert!(groups.has(group));
        groups.leave(group, 3 * SECOND);
        assert!(!groups.has(group));
        assert_eq!(groups.due(3 * SECOND), Some((group, Report::Left)));
        assert_eq!(groups.deadline(), u64::MAX);
    }

    /// RFC 2236, section 3: an answer within the time that the question allows.
    #[test]
    fn answers_within_the_patience() {
        let group: Addr = "ff02::fb".parse().unwrap();
        let mut groups = Groups::default();
        groups.join(group, 0);
        while groups.due(0).is_some() {}
        while groups.due(SECOND).is_some() {}
        groups.query(Addr::v4(Ipv4Addr::UNSPECIFIED), SECOND, 7, 2 * SECOND);
        assert_eq!(groups.deadline(), u64::MAX);
        groups.query(Addr::v6(Ipv6Addr::UNSPECIFIED), SECOND, 7, 2 * SECOND);
        assert!((2 * SECOND..3 * SECOND).contains(&groups.deadline()));
        assert_eq!(groups.due(3 * SECOND), Some((group, Report::Current)));
    }

    #[test]
    fn addresses() {
        let own: Ipv6Addr = "fe80::211:22ff:fe33:4455".parse().unwrap();
        let group: Ipv6Addr = "ff02::1:ff33:4455".parse().unwrap();
        assert_eq!(solicited_node(own), group);
        assert_eq!(ethernet(group.into()), [0x33, 0x33, 0xff, 0x33, 0x44, 0x55]);
        let v4 = Addr::from([239, 129, 2, 3]);
        assert_eq!(ethernet(v4), [0x01, 0x00, 0x5e, 0x01, 0x02, 0x03]);
        assert_eq!(ethernet(Ipv4Addr::BROADCAST.into()), [0xff; 6]);
    }

    #[test]
    fn bounded() {
        let mut groups = Groups::default();
        for host in 0..=255 {
            groups.join(Addr::from([239, 0, 0, host]), 0);
        }
        assert_eq!(groups.0.len(), MAX_GROUPS);
    }
}
