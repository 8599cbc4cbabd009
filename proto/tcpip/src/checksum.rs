// SPDX-License-Identifier: ISC
//! The Internet checksum, fast enough to run on every received query.
//!
//! Sums are kept as `u64` in the byte order of the machine: the ones' complement sum does not care
//! (RFC 1071, section 2 B), so only the final 16 bits are looked at as bytes. Sections that are added
//! one after the other must have even length, except the last.

use crate::addr::Addr;

/// A sum of 16-bit words that has not been folded yet.
#[derive(Clone, Copy, Default)]
pub(crate) struct Sum(u64);

impl Sum {
    /// The sum of a pseudo header's protocol and length fields (RFC 768, RFC 8200 section 8.1);
    /// the addresses are added as bytes.
    pub(crate) const fn pseudo(protocol: u8, len: u16) -> Self {
        Self((protocol as u16).to_be() as u64 + len.to_be() as u64)
    }

    /// Adds bytes: eight at a time into sums of twice that width, which is an addition and one of its
    /// carry each. Two sums side by side wait for each other less than one would.
    #[inline]
    pub(crate) fn add(self, bytes: &[u8]) -> Self {
        let (mut one, mut other) = (u128::from(self.0), 0);
        let (blocks, tail) = bytes.as_chunks::<32>();
        for block in blocks {
            let (words, _) = block.as_chunks::<8>();
            if let [a, b, c, d] = words {
                one += u128::from(u64::from_ne_bytes(*a));
                other += u128::from(u64::from_ne_bytes(*b));
                one += u128::from(u64::from_ne_bytes(*c));
                other += u128::from(u64::from_ne_bytes(*d));
            }
        }
        let all = one + other;
        // 2^32 and 2^64 count as one (RFC 1071, section 2 B); afterwards there is room for more.
        let (high, low) = ((all >> 64) as u64, all as u64);
        let mut sum = high + (low >> 32) + (low & 0xffff_ffff);
        let (halves, last) = tail.as_chunks::<2>();
        for half in halves {
            sum += u64::from(u16::from_ne_bytes(*half));
        }
        if let [byte] = last {
            sum += u64::from(u16::from_ne_bytes([*byte, 0]));
        }
        Self(sum)
    }

    /// Adds an address. What an IPv4 address has before it is zero here: all ones, or nothing.
    pub(crate) const fn add_address(self, address: Addr) -> Self {
        const LOWER: u64 = 0xffff_ffff;
        let [high, low] = address.words();
        let [high, low] = [high.to_be(), low.to_be()];
        Self(self.0 + (high >> 32) + (high & LOWER) + (low >> 32) + (low & LOWER))
    }

    /// Adds four bytes.
    pub(crate) const fn add_word(self, bytes: [u8; 4]) -> Self {
        Self(self.0 + u32::from_ne_bytes(bytes) as u64)
    }

    /// Adds what was summed elsewhere.
    pub(crate) const fn add_sum(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }

    /// Adds pieces that follow each other, of any length: after an odd one the words of the next
    /// lie across the pieces, and its sum counts with its bytes swapped (RFC 1071, section 2 B).
    pub(crate) fn add_pieces(mut self, pieces: [&[u8]; 3]) -> Self {
        let mut odd = false;
        for piece in pieces {
            if odd {
                let sum = Self::default().add(piece).fold().swap_bytes();
                self.0 += u64::from(sum);
            } else {
                self = self.add(piece);
            }
            odd ^= piece.len() % 2 == 1;
        }
        self
    }

    /// Folds to 16 bits. All ones means: everything summed, checksum included, is right.
    pub(crate) const fn fold(self) -> u16 {
        let sum = (self.0 >> 32) + (self.0 & 0xffff_ffff);
        let sum = (sum >> 32) + (sum & 0xffff_ffff);
        let sum = (sum >> 16) + (sum & 0xffff);
        let sum = (sum >> 16) + (sum & 0xffff);
        sum as u16
    }

    /// Whether data that contains its checksum is intact.
    pub(crate) const fn is_valid(self) -> bool {
        self.fold() == 0xffff
    }

    /// The checksum field's bytes for data whose checksum field is zero.
    pub(crate) const fn finish(self) -> [u8; 2] {
        (!self.fold()).to_ne_bytes()
    }

    /// As [`finish`](Self::finish) for UDP, where zero stands for "none" and is sent as all ones.
    pub(crate) const fn finish_udp(self) -> [u8; 2] {
        match self.finish() {
            [0, 0] => [0xff, 0xff],
            sum => sum,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Sum;

    /// The definition in RFC 1071, word by word.
    fn plain(bytes: &[u8]) -> [u8; 2] {
        let mut sum = 0u32;
        for pair in bytes.chunks(2) {
            let word = u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)]);
            sum += u32::from(word);
            sum = (sum & 0xffff) + (sum >> 16);
        }
        (!(sum as u16)).to_be_bytes()
    }

    #[test]
    fn agrees_with_the_definition_at_every_length() {
        let mut bytes = [0u8; 2000];
        let mut state = 1u32;
        for byte in &mut bytes {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            *byte = (state >> 24) as u8;
        }
        for len in 0..bytes.len() {
            let sum = Sum::default().add(&bytes[..len]);
            assert_eq!(sum.finish(), plain(&bytes[..len]), "length {len}");
        }
    }

    #[test]
    fn pieces_add_up_wherever_they_are_cut() {
        let bytes: [u8; 41] = core::array::from_fn(|at| (at * 37 + 200) as u8);
        for first in 0..bytes.len() {
            for second in first..bytes.len() {
                let pieces = [&bytes[..first], &bytes[first..second], &bytes[second..]];
                let sum = Sum::default().add_pieces(pieces);
                assert_eq!(sum.finish(), plain(&bytes), "cut at {first} and {second}");
            }
        }
    }

    #[test]
    fn a_known_header() {
        // The example of RFC 1071, section 3.
        let sum = Sum::default().add(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]);
        assert_eq!(sum.finish(), [0x22, 0x0d]);
        assert!(Sum::default().add(&[0xff; 20]).is_valid());
    }
}
