// SPDX-License-Identifier: ISC
//! Claims to our own addresses: asking whether another host has one, and what follows if so.
//!
//! A machine that starts within milliseconds cannot wait seconds for an answer that hardly ever
//! comes, so an address is used while it is asked for: as RFC 4429 (optimistic duplicate address
//! detection) has it for IPv6, and in the same spirit for IPv4, where RFC 5227 would wait. An
//! address that another host turns out to have is given up, unless it was configured by hand for
//! IPv4: then it is defended (RFC 5227, section 2.4 c).
//!
//! An announcement is for neighbours that knew the address when another machine had it, which for a
//! unikernel is the one that ran before it: until then they send where nobody is. So an IPv4 address
//! that will be defended anyway is announced at once, any other as soon as the question is answered.
//! Read first: RFC 4862 section 5.4, RFC 5227 sections 2.1 to 2.4, RFC 4861 section 7.2.6, RFC 9131.

use crate::addr::Addr;
use alloc::vec::Vec;
use core::{fmt, net::IpAddr};

use super::SECOND;

/// An announcement defends an address at most that often (RFC 5227, section 1.1).
const DEFEND_INTERVAL: u64 = 10 * SECOND;
/// When there is nothing more to say.
const NEVER: u64 = u64::MAX;
/// Addresses that were given up and are not taken again.
const MAX_GIVEN_UP: usize = 8;
/// Conflicts that wait to be told of; it takes no time until they are.
const MAX_CONFLICTS: usize = 8;

/// What is said for an address, each after that many seconds. Answers to a question come within one
/// (RFC 4861, section 10), and announcements of a lease are two apart (RFC 5227, section 1.1).
type Script = [(u8, Message)];

const LEASED4: &Script = &[
    (0, Message::Probe),
    (1, Message::Probe),
    (1, Message::Announce),
    (2, Message::Announce),
];
/// Both twice: the first may be lost while a bridge finds out that its port has a link.
const FIXED4: &Script = &[
    (0, Message::Probe),
    (0, Message::Announce),
    (1, Message::Probe),
    (0, Message::Announce),
];
/// One question is enough (RFC 4862, section 5.1).
const ANY6: &Script = &[
    (0, Message::Probe),
    (0, Message::Introduce),
    (1, Message::Announce),
];

/// One of our addresses.
struct Claim {
    address: Addr,
    /// Configured by hand.
    fixed: bool,
    /// Asked for: an address is ours once we have said so.
    tentative: bool,
    /// Messages sent so far.
    sent: usize,
    /// When the next is due; never, once all is said.
    at: u64,
    defended: Option<u64>,
}

/// What to send for an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Message {
    /// The question whether anybody else has it.
    Probe,
    /// That we use it, for who asked before we were there and knows no other host that has it.
    Introduce,
    /// That we have it.
    Announce,
}

/// What a conflict leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing now.
    Ignore,
    /// Announce the address again.
    Defend,
    /// It is not ours any more.
    GiveUp,
}

/// Another host that has one of our addresses: `Display` tells the user, who alone can mend it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Conflict {
    pub(crate) address: Addr,
    /// The other host's address on the link, where it said it.
    pub(super) station: Option<[u8; 6]>,
    /// Whether we use the address all the same.
    pub(super) kept: bool,
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = IpAddr::from(self.address);
        write!(f, "{address} is also used by another host")?;
        let mut before = ", ";
        for byte in self.station.iter().flatten() {
            write!(f, "{before}{byte:02x}")?;
            before = ":";
        }
        f.write_str(if self.kept { "" } else { ": given up" })
    }
}

/// All claims, and those that failed.
#[derive(Default)]
pub(super) struct Claims {
    claims: Vec<Claim>,
    given_up: Vec<Addr>,
    /// Conflicts that nobody has been told of yet.
    conflicts: Vec<Conflict>,
}

impl Claims {
    /// Begins to ask for an address; `fixed` if it was configured by hand.
    pub(super) fn begin(&mut self, address: Addr, fixed: bool, now: u64) {
        self.end(address);
        self.claims.push(Claim {
            address,
            fixed,
            tentative: true,
            sent: 0,
            at: now,
            defended: None,
        });
    }

    /// Forgets an address that is not ours any more.
    pub(super) fn end(&mut self, address: Addr) {
        self.claims.retain(|claim| claim.address != address);
    }

    /// Lets an address be tried again that was given up before.
    pub(super) fn allow(&mut self, address: Addr) {
        self.given_up.retain(|other| *other != address);
    }

    /// Whether another host was found to have the address.
    pub(super) fn is_given_up(&self, address: Addr) -> bool {
        self.given_up.contains(&address)
    }

    /// Whether the question for the address is still open.
    pub(super) fn is_tentative(&self, address: Addr) -> bool {
        self.claims
            .iter()
            .any(|claim| claim.address == address && claim.tentative)
    }

    /// When something is to be sent.
    pub(super) fn deadline(&self) -> u64 {
        let ends = self.claims.iter().map(|claim| claim.at);
        ends.min().unwrap_or(u64::MAX)
    }

    /// The next message that is due; called until there is none.
    pub(super) fn due(&mut self, now: u64) -> Option<(Message, Addr)> {
        let claim = self.claims.iter_mut().find(|claim| claim.at <= now)?;
        let script = claim.script();
        let (_, message) = *script.get(claim.sent)?;
        claim.tentative &= message != Message::Announce;
        claim.sent += 1;
        let next = script.get(claim.sent);
        claim.at = next.map_or(NEVER, |(wait, _)| now + u64::from(*wait) * SECOND);
        Some((message, claim.address))
    }

    /// Another host, at `station` if it said where, says that it has `address`.
    pub(super) fn conflict(
        &mut self,
        address: Addr,
        station: Option<[u8; 6]>,
        now: u64,
    ) -> Verdict {
        let claim = self.claims.iter_mut().find(|own| own.address == address);
        let Some(claim) = claim else {
            return Verdict::Ignore;
        };
        let recently = claim
            .defended
            .is_some_and(|at| now < at.saturating_add(DEFEND_INTERVAL));
        let v4 = address.is_ipv4();
        let verdict = match (claim.fixed, claim.tentative) {
            (true, _) if v4 && recently => return Verdict::Ignore,
            (true, _) | (false, false) if v4 && !recently => Verdict::Defend,
            // Once it is ours, whoever else claims it is wrong or forges (RFC 4862, section 5.4.4).
            (_, false) if !v4 => return Verdict::Ignore,
            _ => Verdict::GiveUp,
        };
        claim.defended = Some(now);
        let fixed = claim.fixed;
        let kept = verdict != Verdict::GiveUp;
        if !kept {
            self.give_up(address);
        }
        if (!kept || fixed) && self.conflicts.len() < MAX_CONFLICTS {
            self.conflicts.push(Conflict {
                address,
                station,
                kept,
            });
        }
        verdict
    }

    fn give_up(&mut self, address: Addr) {
        if self.is_given_up(address) {
            return;
        }
        if self.given_up.len() >= MAX_GIVEN_UP {
            self.given_up.remove(0);
        }
        self.given_up.push(address);
    }

    /// The next conflict that nobody has been told of.
    pub(super) fn take_conflict(&mut self) -> Option<Conflict> {
        self.conflicts.pop()
    }
}

impl Claim {
    fn script(&self) -> &'static Script {
        match (self.address.is_ipv4(), self.fixed) {
            (true, true) => FIXED4,
            (true, false) => LEASED4,
            (false, _) => ANY6,
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    const STATION: Option<[u8; 6]> = Some([2, 0, 0, 0, 0, 0xab]);

    fn v4() -> Addr {
        Addr::from([10, 0, 0, 2])
    }

    fn v6() -> Addr {
        "fe80::2".parse().unwrap()
    }

    /// RFC 5227, sections 2.1.1 and 2.3, but for the waiting.
    #[test]
    fn ipv4_probes_then_announces() {
        let (probe, announce) = (Message::Probe, Message::Announce);
        let leased = [(0, probe), (1, probe), (2, announce), (4, announce)];
        assert_eq!(said(v4(), false), leased);
        let fixed = [(0, probe), (0, announce), (1, probe), (1, announce)];
        assert_eq!(said(v4(), true), fixed);
    }

    /// What is said of an address, and in which second.
    fn said(address: Addr, fixed: bool) -> Vec<(u64, Message)> {
        let mut claims = Claims::default();
        claims.begin(address, fixed, 0);
        let mut said = Vec::new();
        for second in 0..20 {
            while let Some((message, whose)) = claims.due(second * SECOND) {
                assert_eq!(whose, address);
                said.push((second, message));
            }
        }
        assert_eq!(claims.deadline(), NEVER);
        said
    }

    /// RFC 4862, section 5.4; RFC 4861, section 7.2.6; RFC 9131.
    #[test]
    fn ipv6_asks_once_and_gives_up() {
        let (introduce, announce) = (Message::Introduce, Message::Announce);
        let expected = [(0, Message::Probe), (0, introduce), (1, announce)];
        assert_eq!(said(v6(), true), expected);
        let mut claims = Claims::default();
        claims.begin(v6(), true, 0);
        assert_eq!(claims.due(0), Some((Message::Probe, v6())));
        assert_eq!(claims.due(0), Some((introduce, v6())));
        assert_eq!(claims.due(0), None);
        assert!(claims.is_tentative(v6()));
        assert_eq!(claims.conflict(v6(), None, 1), Verdict::GiveUp);
        assert!(claims.is_given_up(v6()));
        let told = claims.take_conflict().map(|conflict| conflict.to_string());
        let expected = "fe80::2 is also used by another host: given up";
        assert_eq!(told.as_deref(), Some(expected));
        claims.begin(v6(), false, 0);
        while claims.due(0).is_some() {}
        assert_eq!(claims.due(SECOND), Some((announce, v6())));
        assert!(!claims.is_tentative(v6()));
        assert_eq!(claims.conflict(v6(), None, SECOND), Verdict::Ignore);
    }

    /// RFC 5227, section 2.4: (b) for a lease, (c) for what was configured.
    #[test]
    fn ipv4_defends() {
        let second = |at: u64| 100 * SECOND + at * SECOND;
        for (fixed, again) in [(true, Verdict::Ignore), (false, Verdict::GiveUp)] {
            let mut claims = Claims::default();
            claims.begin(v4(), fixed, 0);
            for second in 0..10 {
                while claims.due(second * SECOND).is_some() {}
            }
            assert_eq!(claims.conflict(v4(), STATION, second(0)), Verdict::Defend);
            assert_eq!(claims.conflict(v4(), STATION, second(11)), Verdict::Defend);
            assert_eq!(claims.conflict(v4(), STATION, second(12)), again);
            let other = Addr::from([10, 0, 0, 3]);
            assert_eq!(claims.conflict(other, STATION, 0), Verdict::Ignore);
        }
    }
}
