// SPDX-License-Identifier: ISC
//! Dice that always fall the same way for the same seed.

use core::ops::RangeInclusive;

/// How often something happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chance {
    per_million: u32,
}

impl Chance {
    /// `percent` times out of a hundred; always, from 100 on.
    pub const fn percent(percent: u32) -> Self {
        Self::per_million(percent.saturating_mul(10_000))
    }

    /// `times` times out of a million; always, from a million on.
    pub const fn per_million(times: u32) -> Self {
        Self { per_million: times }
    }
}

/// A generator of numbers that look random and follow from a seed (SplitMix64: Steele, Lea and
/// Flood, "Fast splittable pseudorandom number generators", 2014). Not for secrets.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The numbers that follow from `seed`.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Numbers for frames received and for frames sent, which have nothing to do with each other:
    /// what happens in one direction does not depend on what passes in the other.
    pub(super) const fn pair(seed: u64) -> [Self; 2] {
        [Self(seed), Self(!seed)]
    }

    /// Any number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number in `range`.
    pub fn within(&mut self, range: RangeInclusive<u64>) -> u64 {
        let span = range.end().saturating_sub(*range.start());
        let high = (u128::from(self.number()) * (u128::from(span) + 1)) >> 64;
        range.start() + high as u64
    }

    /// Bytes without end, those of one number after the other.
    pub fn bytes(mut self) -> impl Iterator<Item = u8> {
        core::iter::repeat_with(move || self.number().to_le_bytes()).flatten()
    }

    /// Whether `chance` comes true this time.
    pub fn happens(&mut self, chance: Chance) -> bool {
        self.within(0..=999_999) < u64::from(chance.per_million)
    }
}

/// What comes true by chance, and how often it did.
pub(super) struct Dice {
    chance: Chance,
    random: Random,
    times: u64,
}

impl Dice {
    /// Dice for frames received and for frames sent.
    pub(super) const fn pair(chance: Chance, seed: u64) -> [Self; 2] {
        let [received, sent] = Random::pair(seed);
        [Self::new(chance, received), Self::new(chance, sent)]
    }

    const fn new(chance: Chance, random: Random) -> Self {
        Self {
            chance,
            random,
            times: 0,
        }
    }

    /// Whether it comes true this time.
    pub(super) fn fall(&mut self) -> bool {
        let happens = self.random.happens(self.chance);
        self.times += u64::from(happens);
        happens
    }

    /// A number in `range`, for what comes true.
    pub(super) fn within(&mut self, range: RangeInclusive<u64>) -> u64 {
        self.random.within(range)
    }

    /// How often it came true.
    pub(super) const fn times(&self) -> u64 {
        self.times
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_follow_from_the_seed() {
        // Reference values of SplitMix64 for seed 1234567.
        let mut random = Random::new(1_234_567);
        assert_eq!(random.number(), 6_457_827_717_110_365_317);
        assert_eq!(random.number(), 3_203_168_211_198_807_973);
        let bytes = Random::new(1_234_567).bytes().skip(8).take(8);
        assert!(bytes.eq(3_203_168_211_198_807_973_u64.to_le_bytes()));
    }

    #[test]
    fn chances_come_true_as_often_as_they_say() {
        let mut random = Random::new(1);
        let mut count = |chance| (0..100_000).filter(|_| random.happens(chance)).count();
        assert_eq!(count(Chance::percent(0)), 0);
        assert_eq!(count(Chance::percent(100)), 100_000);
        assert!((9_500..10_500).contains(&count(Chance::percent(10))));
        assert!((0..10_000).all(|_| (3..=5).contains(&random.within(3..=5))));
    }
}
