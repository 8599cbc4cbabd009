// SPDX-License-Identifier: ISC
//! Which Ethernet address a neighbour has, and whether it still answers there.
//!
//! One cache for both families: entries learned by ARP are watched as those of neighbour discovery
//! are (RFC 1122, section 2.3.2.1 asks for something like it). The number of entries is bounded, and
//! so are those without an answer, so that neither a scan through us nor a flood of requests for us
//! pushes out a neighbour that answers. Frames for a neighbour that is asked for are parked, a
//! bounded number of the latest. Read first: RFC 4861 sections 5.1, 7.2 and 7.3.

use crate::addr::Addr;
use alloc::vec::Vec;

use fata_device::net::Offload;

use super::SECOND;

/// How long an answer counts (RFC 4861, section 10; what routers say of it is not looked at).
const REACHABLE_TIME: u64 = 30 * SECOND;
/// How long a transport has to show that an old entry still is right.
const DELAY: u64 = 5 * SECOND;
const RETRANSMISSION: u64 = SECOND;
const SOLICITATIONS: u8 = 3;
/// Entries, and those among them that nobody has answered for yet.
const MAX_ENTRIES: usize = 256;
const MAX_INCOMPLETE: usize = 64;
/// Frames that wait for an answer, and their bytes.
const MAX_PARKED: usize = 64;
const MAX_PARKED_BYTES: usize = 128 * 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Asked for; so many questions are left.
    Incomplete(u8),
    Reachable,
    Stale,
    /// Used while stale.
    Delay,
    /// Asked whether it is still there; so many questions are left.
    Probe(u8),
}

struct Entry {
    address: Addr,
    mac: [u8; 6],
    state: State,
    /// When the state ends; for a stale entry, when it was last heard of.
    at: u64,
}

/// A frame that waits for the Ethernet address that it goes to.
pub(crate) struct Parked {
    pub(crate) hop: Addr,
    pub(crate) frame: Vec<u8>,
    pub(crate) offload: Offload,
}

/// What the cache knows of a next hop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    /// Its Ethernet address, and how long that may be used without asking again.
    At([u8; 6], u64),
    /// It was asked for.
    Asked,
    /// There is no room to ask for it.
    Full,
}

/// What a message says of a neighbour.
#[derive(Clone, Copy)]
pub(crate) struct News {
    pub(crate) mac: Option<[u8; 6]>,
    /// Whether it answers our question.
    pub(crate) solicited: bool,
    /// Whether it replaces what is known.
    pub(crate) replaces: bool,
    /// Whether it is worth an entry of its own: the neighbour is about to hear from us.
    pub(crate) creates: bool,
}

/// What is due.
pub(crate) enum Due {
    /// Ask for an address: that station, or all.
    Ask(Addr, Option<[u8; 6]>),
    /// Nobody answered; what was parked for it is to be taken.
    Lost(Addr),
}

/// The cache.
#[derive(Default)]
pub(crate) struct Neighbors {
    /// By address.
    entries: Vec<Entry>,
    /// Oldest first.
    parked: Vec<Parked>,
    /// No state but a reachable one ends before this.
    next: u64,
}

impl Neighbors {
    pub(crate) fn new() -> Self {
        Self {
            next: u64::MAX,
            ..Self::default()
        }
    }

    fn find(&self, address: Addr) -> Result<usize, usize> {
        let address = address.bits128();
        self.entries
            .binary_search_by_key(&address, |entry| entry.address.bits128())
    }

    /// Where to send what goes to `address`; asks for it if that is not known.
    pub(crate) fn resolve(&mut self, address: Addr, now: u64) -> Known {
        let place = match self.find(address) {
            Ok(place) => place,
            Err(_) => match self.insert(address, State::Incomplete(SOLICITATIONS), now) {
                Some(place) => place,
                None => return Known::Full,
            },
        };
        let Some(entry) = self.entries.get_mut(place) else {
            return Known::Full;
        };
        match entry.state {
            State::Incomplete(_) => return Known::Asked,
            State::Reachable if now < entry.at => {}
            State::Reachable | State::Stale => {
                entry.state = State::Delay;
                entry.at = now + DELAY;
                self.next = self.next.min(entry.at);
            }
            State::Delay | State::Probe(_) => {}
        }
        Known::At(entry.mac, entry.at)
    }

    /// Makes an entry, or none if the cache is full of better ones.
    fn insert(&mut self, address: Addr, state: State, now: u64) -> Option<usize> {
        let incomplete = |entry: &Entry| matches!(entry.state, State::Incomplete(_));
        let asked = self.entries.iter().filter(|entry| incomplete(entry));
        let asking = matches!(state, State::Incomplete(_));
        let victim = if asking && asked.count() >= MAX_INCOMPLETE {
            Some(self.oldest(incomplete)?)
        } else if self.entries.len() >= MAX_ENTRIES {
            let unused = |entry: &Entry| match entry.state {
                State::Stale => true,
                State::Reachable => entry.at <= now,
                _ => false,
            };
            Some(self.oldest(unused)?)
        } else {
            None
        };
        if let Some(victim) = victim {
            let gone = self.entries.remove(victim);
            while self.unpark(gone.address).is_some() {}
        }
        let place = self.find(address).err()?;
        let entry = Entry {
            address,
            mac: [0; 6],
            state,
            at: now,
        };
        self.entries.insert(place, entry);
        if asking {
            self.next = self.next.min(now);
        }
        Some(place)
    }

    fn oldest(&self, counts: impl Fn(&Entry) -> bool) -> Option<usize> {
        let entries = self.entries.iter().enumerate();
        let oldest = entries
            .filter(|(_, entry)| counts(entry))
            .min_by_key(|(_, entry)| entry.at)?;
        Some(oldest.0)
    }

    /// Takes in what was said of `address` (RFC 4861, section 7.2.5 and appendix C). Says whether
    /// anything that was known has changed.
    pub(crate) fn learn(&mut self, address: Addr, news: News, now: u64) -> bool {
        let place = match (self.find(address), news.mac) {
            (Ok(place), _) => place,
            (Err(_), Some(_)) if news.creates => match self.insert(address, State::Stale, now) {
                Some(place) => place,
                None => return false,
            },
            _ => return false,
        };
        let Some(entry) = self.entries.get_mut(place) else {
            return false;
        };
        let known = !matches!(entry.state, State::Incomplete(_));
        let Some(mac) = news.mac.or(known.then_some(entry.mac)) else {
            return false;
        };
        let same = known && mac == entry.mac;
        if known && !same && !news.replaces {
            // Somebody else claims the address, and does not insist: ask again at the next use.
            if entry.state == State::Reachable {
                entry.state = State::Stale;
                entry.at = now;
            }
            return true;
        }
        entry.mac = mac;
        if news.solicited {
            entry.state = State::Reachable;
            entry.at = now + REACHABLE_TIME;
        } else if !same {
            entry.state = State::Stale;
            entry.at = now;
        } else {
            return false;
        }
        true
    }

    /// Takes a transport's word that `address` answers. Says whether that was news.
    pub(crate) fn confirm(&mut self, address: Addr, now: u64) -> bool {
        let place = self.find(address);
        let Some(entry) = place.ok().and_then(|place| self.entries.get_mut(place)) else {
            return false;
        };
        match entry.state {
            State::Incomplete(_) => return false,
            State::Reachable if entry.at > now + REACHABLE_TIME / 2 => return false,
            _ => {}
        }
        entry.state = State::Reachable;
        entry.at = now + REACHABLE_TIME;
        true
    }

    /// Parks a frame until `hop` has answered; the oldest frames make room.
    pub(crate) fn park(&mut self, hop: Addr, frame: Vec<u8>, offload: Offload) {
        self.parked.push(Parked {
            hop,
            frame,
            offload,
        });
        let mut bytes: usize = self.parked.iter().map(|parked| parked.frame.len()).sum();
        while self.parked.len() > MAX_PARKED || bytes > MAX_PARKED_BYTES {
            bytes -= self.parked.remove(0).frame.len();
        }
    }

    /// Takes the next frame that was parked for `hop`.
    pub(crate) fn unpark(&mut self, hop: Addr) -> Option<Parked> {
        let place = self.parked.iter().position(|parked| parked.hop == hop)?;
        Some(self.parked.remove(place))
    }

    /// The Ethernet address of `address`, if it is known.
    pub(crate) fn station(&self, address: Addr) -> Option<[u8; 6]> {
        let entry = self.entries.get(self.find(address).ok()?)?;
        (!matches!(entry.state, State::Incomplete(_))).then_some(entry.mac)
    }

    /// When something is due next.
    pub(crate) fn deadline(&self) -> u64 {
        self.next
    }

    /// The next thing that is due at `now`.
    pub(crate) fn due(&mut self, now: u64) -> Option<Due> {
        if now < self.next {
            return None;
        }
        self.next = u64::MAX;
        let mut lost = None;
        for (place, entry) in self.entries.iter_mut().enumerate() {
            match entry.state {
                State::Reachable | State::Stale => continue,
                _ if now < entry.at => {
                    self.next = self.next.min(entry.at);
                    continue;
                }
                _ => {}
            }
            // There may be more that is due, so this is called again.
            self.next = now;
            let (left, to) = match entry.state {
                State::Incomplete(left) => (left, None),
                State::Probe(left) => (left, Some(entry.mac)),
                _ => (SOLICITATIONS, Some(entry.mac)),
            };
            let Some(left) = left.checked_sub(1) else {
                lost = Some(place);
                break;
            };
            entry.at = now + RETRANSMISSION;
            entry.state = match to {
                None => State::Incomplete(left),
                Some(_) => State::Probe(left),
            };
            return Some(Due::Ask(entry.address, to));
        }
        Some(Due::Lost(self.entries.remove(lost?).address))
    }

    /// How many neighbours are known or asked for.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }
}

#[cfg(test)]
mod tests;
