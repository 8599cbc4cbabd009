// SPDX-License-Identifier: ISC
//! Sequence numbers: points on a circle of 2^32, compared by the shorter way (RFC 9293, section 3.4).

use core::ops::Add;

/// A sequence number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seq(pub(crate) u32);

impl Seq {
    /// Bytes from `earlier` to here; zero if this is not after it.
    pub(crate) const fn since(self, earlier: Self) -> u32 {
        let distance = self.0.wrapping_sub(earlier.0);
        if distance as i32 > 0 { distance } else { 0 }
    }

    /// Whether this comes before `other`.
    pub(crate) const fn before(self, other: Self) -> bool {
        (self.0.wrapping_sub(other.0) as i32) < 0
    }

    /// Whether this comes after `other`.
    pub(crate) const fn after(self, other: Self) -> bool {
        other.before(self)
    }

    /// The later of both.
    pub(crate) const fn max(self, other: Self) -> Self {
        if self.before(other) { other } else { self }
    }

    /// The earlier of both.
    pub(crate) const fn min(self, other: Self) -> Self {
        if other.before(self) { other } else { self }
    }

    /// The number `count` before this one.
    pub(crate) const fn back(self, count: u32) -> Self {
        Self(self.0.wrapping_sub(count))
    }
}

impl Add<u32> for Seq {
    type Output = Self;

    fn add(self, count: u32) -> Self {
        Self(self.0.wrapping_add(count))
    }
}

#[cfg(test)]
mod tests {
    use super::Seq;

    /// RFC 9293, section 3.4: comparison goes by the shorter way round, also over the end.
    #[test]
    fn compares_over_the_wrap() {
        let (low, high) = (Seq(u32::MAX - 1), Seq(3));
        assert!(low.before(high) && high.after(low));
        assert!(!low.before(low) && !low.after(low));
        assert_eq!(high.since(low), 5);
        assert_eq!(low.since(high), 0);
        assert_eq!(low + 5, high);
        assert_eq!(high.back(5), low);
        assert_eq!(low.max(high), high);
        assert_eq!(low.min(high), low);
    }
}
