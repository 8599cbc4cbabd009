// SPDX-License-Identifier: ISC
//! Which address of a name to try when: both families in turn, the next one before the last has
//! failed, so that a family that does not work costs a quarter of a second and not a minute.
//!
//! No sockets and no clock. Read first: RFC 8305 sections 3 to 5.

use alloc::collections::VecDeque;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const MILLISECOND: u64 = 1_000_000;
/// How long the addresses of the preferred family are waited for once the others are there.
const RESOLUTION_DELAY: u64 = 50 * MILLISECOND;
/// Time between attempts.
const ATTEMPT_DELAY: u64 = 250 * MILLISECOND;

/// What to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Try this address beside those that are being tried.
    Start(IpAddr),
    /// Wait for what is under way, and until this time if there is one.
    Wait(Option<u64>),
    /// Everything has failed.
    Failed,
}

/// The attempts at one name.
pub(super) struct Eyeballs {
    v6: VecDeque<Ipv6Addr>,
    v4: VecDeque<Ipv4Addr>,
    /// When each family was found out.
    found6: Option<u64>,
    found4: Option<u64>,
    /// Whether IPv6 goes first, or is next.
    next6: bool,
    prefers6: bool,
    running: usize,
    started: bool,
    /// When the next attempt may start beside others.
    due: u64,
}

impl Eyeballs {
    /// Attempts that begin with IPv6 if it is preferred.
    pub(super) fn new(prefers6: bool) -> Self {
        Self {
            v6: VecDeque::new(),
            v4: VecDeque::new(),
            found6: None,
            found4: None,
            next6: prefers6,
            prefers6,
            running: 0,
            started: false,
            due: 0,
        }
    }

    /// Notes the IPv6 addresses, or that there are none.
    pub(super) fn found_v6(&mut self, addresses: impl Iterator<Item = Ipv6Addr>, now: u64) {
        self.v6.extend(addresses);
        self.found6 = Some(now);
    }

    /// Notes the IPv4 addresses, or that there are none.
    pub(super) fn found_v4(&mut self, addresses: impl Iterator<Item = Ipv4Addr>, now: u64) {
        self.v4.extend(addresses);
        self.found4 = Some(now);
    }

    /// Notes that an attempt has failed: the next one need not wait.
    pub(super) fn failed(&mut self, now: u64) {
        self.running = self.running.saturating_sub(1);
        self.due = now;
    }

    /// What to do now.
    pub(super) fn next(&mut self, now: u64) -> Next {
        if !self.started {
            let at = self.begins();
            if at.is_none_or(|at| now < at) {
                return Next::Wait(at);
            }
            self.started = true;
            self.due = now;
        }
        if self.v6.is_empty() && self.v4.is_empty() {
            let all_found = self.found6.is_some() && self.found4.is_some();
            return match self.running == 0 && all_found {
                true => Next::Failed,
                false => Next::Wait(None),
            };
        }
        if self.running > 0 && now < self.due {
            return Next::Wait(Some(self.due));
        }
        let v6 = |it: &mut Self| it.v6.pop_front().map(IpAddr::from);
        let v4 = |it: &mut Self| it.v4.pop_front().map(IpAddr::from);
        let address = match self.next6 {
            true => v6(self).or_else(|| v4(self)),
            false => v4(self).or_else(|| v6(self)),
        };
        let Some(address) = address else {
            return Next::Failed;
        };
        self.next6 = address.is_ipv4();
        self.running += 1;
        self.due = now + ATTEMPT_DELAY;
        Next::Start(address)
    }

    /// When the first attempt may start: with the first address of the preferred family, or some
    /// time after those of the other, or when both families are known (section 3).
    fn begins(&self) -> Option<u64> {
        let (preferred, has_preferred, other) = match self.prefers6 {
            true => (self.found6, !self.v6.is_empty(), self.found4),
            false => (self.found4, !self.v4.is_empty(), self.found6),
        };
        let has_other = match self.prefers6 {
            true => !self.v4.is_empty(),
            false => !self.v6.is_empty(),
        };
        match (preferred, other) {
            (Some(at), _) if has_preferred => Some(at),
            (Some(one), Some(other)) => Some(one.max(other)),
            (None, Some(at)) if has_other => Some(at + RESOLUTION_DELAY),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v6(text: &str) -> Ipv6Addr {
        text.parse().unwrap()
    }

    fn v4(text: &str) -> Ipv4Addr {
        text.parse().unwrap()
    }

    fn start(text: &str) -> Next {
        Next::Start(text.parse().unwrap())
    }

    const MS: u64 = MILLISECOND;

    /// Section 3: at once with IPv6; 50 ms after IPv4 without it.
    #[test]
    fn resolution_delay() {
        let mut it = Eyeballs::new(true);
        assert_eq!(it.next(0), Next::Wait(None));
        it.found_v6([v6("2001:db8::1")].into_iter(), 10 * MS);
        assert_eq!(it.next(10 * MS), start("2001:db8::1"));

        let mut it = Eyeballs::new(true);
        it.found_v4([v4("192.0.2.1")].into_iter(), 10 * MS);
        assert_eq!(it.next(10 * MS), Next::Wait(Some(60 * MS)));
        assert_eq!(it.next(60 * MS), start("192.0.2.1"));
        // Late, but tried all the same.
        it.found_v6([v6("2001:db8::1")].into_iter(), 100 * MS);
        assert_eq!(it.next(100 * MS), Next::Wait(Some(310 * MS)));
        assert_eq!(it.next(310 * MS), start("2001:db8::1"));

        let mut it = Eyeballs::new(true);
        it.found_v4([v4("192.0.2.1")].into_iter(), 10 * MS);
        it.found_v6([].into_iter(), 20 * MS);
        assert_eq!(it.next(20 * MS), start("192.0.2.1"), "there is none");
    }

    /// Sections 4 and 5: families in turn, 250 ms apart, and at once after a failure.
    #[test]
    fn attempts_alternate() {
        let mut it = Eyeballs::new(true);
        it.found_v6(
            [v6("2001:db8::1"), v6("2001:db8::2"), v6("2001:db8::3")].into_iter(),
            0,
        );
        it.found_v4([v4("192.0.2.1")].into_iter(), 0);
        assert_eq!(it.next(0), start("2001:db8::1"));
        assert_eq!(it.next(0), Next::Wait(Some(250 * MS)));
        assert_eq!(it.next(250 * MS), start("192.0.2.1"));
        it.failed(300 * MS);
        assert_eq!(it.next(300 * MS), start("2001:db8::2"));
        assert_eq!(it.next(301 * MS), Next::Wait(Some(550 * MS)));
        assert_eq!(it.next(550 * MS), start("2001:db8::3"));
        assert_eq!(it.next(551 * MS), Next::Wait(None), "three are under way");
        for _ in 0..3 {
            it.failed(600 * MS);
        }
        assert_eq!(it.next(600 * MS), Next::Failed);
    }

    #[test]
    fn without_ipv6_the_other_goes_first() {
        let mut it = Eyeballs::new(false);
        it.found_v6([v6("2001:db8::1")].into_iter(), 0);
        assert_eq!(it.next(0), Next::Wait(Some(50 * MS)));
        it.found_v4([v4("192.0.2.1")].into_iter(), MS);
        assert_eq!(it.next(MS), start("192.0.2.1"));
        it.failed(2 * MS);
        assert_eq!(it.next(2 * MS), start("2001:db8::1"));
    }

    #[test]
    fn no_address_at_all() {
        let mut it = Eyeballs::new(true);
        it.found_v4([].into_iter(), 0);
        assert_eq!(it.next(0), Next::Wait(None));
        it.found_v6([].into_iter(), 5);
        assert_eq!(it.next(5), Next::Failed);
    }
}
