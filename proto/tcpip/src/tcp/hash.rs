// SPDX-License-Identifier: ISC
//! A keyed hash: what a peer may see or choose must not tell it where an entry of the connection
//! table lies, what the next sequence number or port will be, or what makes a valid cookie.
//!
//! SipHash-1-3 with a key drawn at start. Each use hashes a [`Purpose`] too, so that what one gives
//! away says nothing about another. Read first: Aumasson and Bernstein, "SipHash: a fast short-input
//! PRF", section 2; RFC 6528 section 3 on what such a function is for.

use crate::addr::Addr;
use core::net::SocketAddr;

/// The two ends of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tuple {
    pub(crate) local: Addr,
    pub(crate) peer: Addr,
    pub(crate) local_port: u16,
    pub(crate) peer_port: u16,
}

/// What a hash is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Finding a connection.
    Table = 1,
    /// An initial sequence number.
    Sequence,
    /// Where the timestamps of a connection begin.
    Timestamp,
    /// A SYN cookie.
    Cookie,
    /// Where the search for a free port begins.
    Port,
}

/// A secret that hashes depend on.
pub(crate) struct Key([u64; 2]);

impl Tuple {
    pub(crate) fn local_addr(&self) -> SocketAddr {
        SocketAddr::new(self.local.ip(), self.local_port)
    }

    pub(crate) fn peer_addr(&self) -> SocketAddr {
        SocketAddr::new(self.peer.ip(), self.peer_port)
    }
}

impl Key {
    pub(crate) fn new(random: fn() -> u64) -> Self {
        Self([random(), random()])
    }

    /// Hashes a connection's ends, and `extra` with them.
    pub(crate) fn hash(&self, purpose: Purpose, tuple: &Tuple, extra: u64) -> u64 {
        let mut state = State::new(self);
        let ports = u64::from(tuple.local_port) << 16 | u64::from(tuple.peer_port);
        state.absorb((purpose as u64) << 32 | ports);
        let ([local_high, local], [peer_high, peer]) = (tuple.local.words(), tuple.peer.words());
        if tuple.local.is_ipv4() && tuple.peer.is_ipv4() {
            state.absorb(local << 32 | peer & u64::from(u32::MAX));
        } else {
            for word in [local_high, local, peer_high, peer] {
                state.absorb(word);
            }
        }
        if extra != 0 {
            state.absorb(extra);
        }
        state.finish()
    }
}

/// The inner state of SipHash.
struct State {
    v: [u64; 4],
    words: u64,
}

impl State {
    fn new(key: &Key) -> Self {
        let [k0, k1] = key.0;
        let v = [
            k0 ^ 0x736f_6d65_7073_6575,
            k1 ^ 0x646f_7261_6e64_6f6d,
            k0 ^ 0x6c79_6765_6e65_7261,
            k1 ^ 0x7465_6462_7974_6573,
        ];
        Self { v, words: 0 }
    }

    fn round(&mut self) {
        let [mut a, mut b, mut c, mut d] = self.v;
        a = a.wrapping_add(b);
        c = c.wrapping_add(d);
        b = b.rotate_left(13) ^ a;
        d = d.rotate_left(16) ^ c;
        a = a.rotate_left(32).wrapping_add(d);
        c = c.wrapping_add(b);
        d = d.rotate_left(21) ^ a;
        b = b.rotate_left(17) ^ c;
        c = c.rotate_left(32);
        self.v = [a, b, c, d];
    }

    fn absorb(&mut self, word: u64) {
        self.v[3] ^= word;
        self.round();
        self.v[0] ^= word;
        self.words += 1;
    }

    /// Ends a message of whole words: the last block holds nothing but the length in bytes.
    fn finish(mut self) -> u64 {
        self.absorb(self.words << 59);
        self.v[2] ^= 0xff;
        for _ in 0..3 {
            self.round();
        }
        self.v.iter().fold(0, |all, word| all ^ word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tuple(local: &str, peer: &str) -> Tuple {
        let (local, peer): (SocketAddr, SocketAddr) =
            (local.parse().unwrap(), peer.parse().unwrap());
        Tuple {
            local: local.ip().into(),
            peer: peer.ip().into(),
            local_port: local.port(),
            peer_port: peer.port(),
        }
    }

    /// The standard library's hasher of old is SipHash-1-3 too, and written by others.
    #[test]
    #[expect(
        deprecated,
        reason = "the only SipHash of the standard library that takes a key"
    )]
    fn agrees_with_another_implementation() {
        use std::hash::{Hasher, SipHasher};
        // `SipHasher` is SipHash-2-4; its rounds are the same, so one word through both differs only
        // in their number: compare by running ours with theirs.
        let (k0, k1) = (0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908);
        let mut theirs = SipHasher::new_with_keys(k0, k1);
        theirs.write_u64(0x1122_3344_5566_7788);
        let mut ours = State::new(&Key([k0, k1]));
        for word in [0x1122_3344_5566_7788, 8 << 56] {
            ours.v[3] ^= word;
            ours.round();
            ours.round();
            ours.v[0] ^= word;
        }
        ours.v[2] ^= 0xff;
        for _ in 0..4 {
            ours.round();
        }
        assert_eq!(
            ours.v.iter().fold(0, |all, word| all ^ word),
            theirs.finish()
        );
    }

    #[test]
    fn every_part_counts() {
        let key = Key([1, 2]);
        let base = tuple("10.0.0.1:80", "10.0.0.2:1000");
        let mut seen = std::vec![key.hash(Purpose::Table, &base, 0)];
        for (local, peer) in [
            ("10.0.0.1:80", "10.0.0.2:1001"),
            ("10.0.0.1:81", "10.0.0.2:1000"),
            ("10.0.0.1:80", "10.0.0.3:1000"),
            ("10.0.0.2:80", "10.0.0.1:1000"),
            ("[fd00::1]:80", "[fd00::2]:1000"),
            ("[fd00::1]:80", "[fd00:0:0:1::2]:1000"),
        ] {
            seen.push(key.hash(Purpose::Table, &tuple(local, peer), 0));
        }
        seen.push(key.hash(Purpose::Cookie, &base, 0));
        seen.push(key.hash(Purpose::Table, &base, 1));
        seen.push(Key([1, 3]).hash(Purpose::Table, &base, 0));
        let count = seen.len();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), count);
    }
}
