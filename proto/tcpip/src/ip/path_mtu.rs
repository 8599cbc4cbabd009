// SPDX-License-Identifier: ISC
//! Paths that carry less than the link does.
//!
//! Learned from ICMP errors about packets that this stack sent; never below what every path has to
//! carry, and forgotten after a while, so that a forged error or a path that got better does not
//! hold for ever. Read first: RFC 1191 sections 3, 6 and 7, RFC 8201 sections 4 and 5.

use crate::addr::Addr;
use alloc::vec::Vec;

use super::SECOND;

/// No path to an IPv4 host is taken to carry less, whatever a router says: a smaller value would
/// only serve who forges it (RFC 1191 section 3 has 68; Linux has this one).
pub(super) const FLOOR4: u16 = 552;
/// Every IPv6 link carries that (RFC 8200, section 5).
pub(super) const FLOOR6: u16 = 1280;
/// RFC 1191, section 6.3; RFC 8201, section 4.
const AGE: u64 = 600 * SECOND;
const MAX_PATHS: usize = 64;
/// Lengths that routers are known to stop at (RFC 1191, section 7).
const PLATEAUS: [u16; 8] = [32000, 17914, 8166, 4352, 2002, 1492, 1006, FLOOR4];

struct Path {
    destination: Addr,
    mtu: u16,
    until: u64,
}

/// The paths.
#[derive(Default)]
pub(super) struct Paths(Vec<Path>);

/// The most that a path may carry on which a packet of `len` bytes got stuck, where the router is
/// too old to say.
pub(super) fn plateau_below(len: u16) -> u16 {
    let below = PLATEAUS.iter().find(|plateau| **plateau < len);
    below.copied().unwrap_or(FLOOR4)
}

impl Paths {
    /// What the path is known to carry.
    pub(super) fn get(&self, destination: Addr) -> Option<u16> {
        let path = self.0.iter().find(|path| path.destination == destination)?;
        Some(path.mtu)
    }

    /// Notes that the path carries no more than `mtu`. What it is known to carry less of stays: to
    /// raise it takes time, and not a packet.
    pub(super) fn lower(&mut self, destination: Addr, mtu: u16, now: u64) {
        let floor = if destination.is_ipv4() {
            FLOOR4
        } else {
            FLOOR6
        };
        let new = Path {
            destination,
            mtu: mtu.max(floor),
            until: now + AGE,
        };
        let known = self
            .0
            .iter_mut()
            .find(|path| path.destination == destination);
        match known {
            Some(path) if path.mtu <= new.mtu => {}
            Some(path) => *path = new,
            None => {
                if self.0.len() >= MAX_PATHS {
                    let paths = self.0.iter().enumerate();
                    let oldest = paths.min_by_key(|(_, path)| path.until);
                    self.0.swap_remove(oldest.map_or(0, |(place, _)| place));
                }
                self.0.push(new);
            }
        }
    }

    /// When something is forgotten next.
    pub(super) fn deadline(&self) -> u64 {
        let ends = self.0.iter().map(|path| path.until);
        ends.min().unwrap_or(u64::MAX)
    }

    /// Forgets what is old.
    pub(super) fn expire(&mut self, now: u64) {
        self.0.retain(|path| now < path.until);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8201, section 4: never raised by a message, never below 1280, forgotten by time.
    #[test]
    fn only_time_raises() {
        let mut paths = Paths::default();
        let to: Addr = "2001:db8::1".parse().unwrap();
        assert_eq!(paths.get(to), None);
        paths.lower(to, 1400, 0);
        paths.lower(to, 1450, SECOND);
        assert_eq!(paths.get(to), Some(1400));
        paths.lower(to, 68, 2 * SECOND);
        assert_eq!(paths.get(to), Some(FLOOR6));
        assert_eq!(paths.deadline(), AGE + 2 * SECOND);
        paths.expire(AGE + 2 * SECOND);
        assert_eq!(paths.get(to), None);
        assert_eq!(paths.deadline(), u64::MAX);
    }

    #[test]
    fn bounded() {
        let mut paths = Paths::default();
        for host in 0..200u8 {
            paths.lower(Addr::from([10, 0, 0, host]), 1000, host.into());
        }
        assert_eq!(paths.0.len(), MAX_PATHS);
        assert_eq!(paths.get(Addr::from([10, 0, 0, 0])), None);
        assert_eq!(paths.get(Addr::from([10, 0, 0, 199])), Some(1000));
    }

    /// RFC 1191, section 7.1.
    #[test]
    fn plateaus() {
        assert_eq!(plateau_below(1500), 1492);
        assert_eq!(plateau_below(1492), 1006);
        assert_eq!(plateau_below(500), FLOOR4);
        assert_eq!(plateau_below(65535), 32000);
    }
}
