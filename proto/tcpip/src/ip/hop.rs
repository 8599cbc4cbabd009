// SPDX-License-Identifier: ISC
//! The last decisions where packets go, so that a flow decides once and not for each packet.
//!
//! Few entries, found by a hash of the destination; one more flow with the same hash only costs the
//! long way. Everything is forgotten whenever anything changes that a decision was made from.

use crate::addr::Addr;

const ENTRIES: usize = 16;

/// A decision.
#[derive(Clone, Copy)]
struct Hop {
    destination: Addr,
    mac: [u8; 6],
    mtu: u16,
    /// It holds before this moment.
    until: u64,
}

/// The last decisions.
pub(super) struct Hops([Hop; ENTRIES]);

impl Hops {
    pub(super) const fn new() -> Self {
        let none = Hop {
            destination: Addr::UNSPECIFIED4,
            mac: [0; 6],
            mtu: 0,
            until: 0,
        };
        Self([none; ENTRIES])
    }

    /// Where packets for `destination` go, and how long they may be.
    #[inline]
    pub(super) fn get(&self, destination: Addr, now: u64) -> Option<([u8; 6], u16)> {
        let hop = &self.0[place(destination)];
        (now < hop.until && hop.destination == destination).then_some((hop.mac, hop.mtu))
    }

    /// Until when the decision for `destination` holds; zero without one.
    #[inline]
    pub(super) fn until(&self, destination: Addr) -> u64 {
        let hop = &self.0[place(destination)];
        if hop.destination == destination {
            hop.until
        } else {
            0
        }
    }

    pub(super) fn set(&mut self, destination: Addr, mac: [u8; 6], mtu: u16, until: u64) {
        self.0[place(destination)] = Hop {
            destination,
            mac,
            mtu,
            until,
        };
    }

    #[inline(never)]
    pub(super) fn clear(&mut self) {
        for hop in &mut self.0 {
            hop.until = 0;
        }
    }
}

#[inline]
fn place(destination: Addr) -> usize {
    let [high, low] = destination.words();
    let bits = (high ^ low) as u32;
    // Fibonacci hashing: neighbouring addresses spread evenly.
    (bits.wrapping_mul(0x9e37_79b9) >> 28) as usize % ENTRIES
}
