// SPDX-License-Identifier: ISC
//! The time-stamp counter as a clock of nanoseconds.
//!
//! A tick is a fraction of a nanosecond, or several: a product of 128 bits, shifted, with as many bits
//! of the factor as a word holds. After a year it is off by less than a nanosecond, if the frequency
//! is what it is said to be.

use core::cell::Cell;

use crate::cpu;

const SECOND: u64 = 1_000_000_000;

/// The clock. It stands still at zero until it is started.
#[derive(Debug)]
pub struct Clock {
    nanoseconds: Cell<Factor>,
    start: Cell<u64>,
    last: Cell<u64>,
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock {
    /// A clock that was not started.
    pub const fn new() -> Self {
        Self {
            nanoseconds: Cell::new(Factor::ZERO),
            start: Cell::new(0),
            last: Cell::new(0),
        }
    }

    /// Starts the clock over a counter of `frequency` ticks a second, which is less than 2⁶³.
    pub fn start(&self, frequency: u64) {
        self.nanoseconds.set(Factor::new(SECOND, frequency));
        self.start.set(cpu::ticks());
        self.last.set(self.start.get());
    }

    /// Nanoseconds since the start. Never goes back, even where the counter does because the machine
    /// was moved to another host.
    pub fn now(&self) -> u64 {
        let last = self.last.get().max(cpu::ticks());
        self.last.set(last);
        self.nanoseconds.get().times(last - self.start.get())
    }
}

/// A fraction, to multiply with: `factor / 2^shift`, which is at most it.
#[derive(Clone, Copy, Debug)]
struct Factor {
    factor: u64,
    shift: u32,
}

impl Factor {
    const ZERO: Self = Self {
        factor: 0,
        shift: 0,
    };

    /// `numerator / denominator`, which are less than 2⁶³; nothing where that has no meaning.
    const fn new(numerator: u64, denominator: u64) -> Self {
        if denominator == 0 || (numerator | denominator) >> 63 != 0 {
            return Self::ZERO;
        }
        // Long division, bit by bit, while there is room for the result.
        let mut factor = numerator / denominator;
        let mut rest = numerator % denominator;
        let mut shift = 0;
        while factor >> 63 == 0 && shift < 63 {
            rest *= 2;
            let bit = rest >= denominator;
            if bit {
                rest -= denominator;
            }
            factor = factor << 1 | bit as u64;
            shift += 1;
        }
        Self { factor, shift }
    }

    /// As many times it, or the most that a word holds.
    fn times(self, count: u64) -> u64 {
        let product = (u128::from(count) * u128::from(self.factor)) >> self.shift;
        u64::try_from(product).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Frequencies of CPUs, of odd counters, and the ends of what is allowed.
    const FREQUENCIES: [u64; 9] = [
        1,
        32_768,
        1_000_000,
        24_000_000,
        1_000_000_000,
        2_299_998_000,
        3_792_874_123,
        5_800_000_001,
        (1 << 63) - 1,
    ];

    #[test]
    fn the_factor_is_the_fraction_but_for_a_nanosecond_in_a_year() {
        for frequency in FREQUENCIES {
            let to = Factor::new(SECOND, frequency);
            let year = u128::from(frequency) * 31_557_600;
            for ticks in [0, 1, 2, 999, year / 1000, year, year * 500] {
                let Ok(count) = u64::try_from(ticks) else {
                    continue;
                };
                let exact = ticks * u128::from(SECOND) / u128::from(frequency);
                let exact = u64::try_from(exact).unwrap_or(u64::MAX);
                let off = exact - to.times(count);
                assert!(
                    off <= 1 + count / frequency / 31_557_600,
                    "{frequency} {ticks}"
                );
            }
        }
    }

    #[test]
    fn it_runs_for_centuries_and_does_not_wrap() {
        let to = Factor::new(SECOND, 4_000_000_000);
        assert_eq!(to.times(u64::MAX), u64::MAX / 4);
        assert_eq!(Factor::new(SECOND, 1000).times(u64::MAX), u64::MAX);
    }

    #[test]
    fn a_counter_that_goes_back_stops_it() {
        let clock = Clock::new();
        assert_eq!(clock.now(), 0, "not started");
        clock.start(1_000_000_000);
        let first = clock.now();
        assert!(clock.now() >= first);
        clock.last.set(clock.last.get() + (1 << 40));
        let ahead = clock.now();
        assert!(ahead >= 1 << 40);
        assert_eq!(clock.now(), ahead);
    }

    #[test]
    fn a_frequency_that_is_none_makes_no_clock() {
        let clock = Clock::new();
        clock.start(0);
        assert_eq!(clock.now(), 0);
        clock.start(1 << 63);
        assert_eq!(clock.now(), 0);
    }
}
