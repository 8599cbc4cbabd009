// SPDX-License-Identifier: ISC
//! CUBIC (RFC 9438) in integers: milliseconds and bytes.
//!
//! After a loss the window climbs fast to near where it was, lingers there, then probes further, and
//! all that by the clock instead of by round trips. C is 0.4 segments per second cubed, beta 0.7.

use super::{Congestion, Round};

/// Time since the epoch and K are cut here: 100 seconds, so that nothing below overflows.
const LONGEST: u64 = 100_000;

/// State of one epoch, which begins with congestion avoidance after a loss.
#[derive(Default)]
pub(super) struct Cubic {
    /// When the epoch began, in milliseconds; zero: it begins with the next acknowledgement.
    epoch: u64,
    /// `W_max` in bytes, and the one before the last reduction.
    max: u32,
    max_before: u32,
    /// The window when congestion was found: `cwnd_prior`.
    prior: u32,
    /// K in milliseconds.
    k: u32,
    /// `W_est`: where Reno would be (section 4.3), and the fraction of it not counted yet.
    reno: u32,
    reno_credit: u32,
    /// Bytes acknowledged that have not made the window grow yet.
    credit: u64,
}

impl Congestion for Cubic {
    fn grow(&mut self, window: u32, acked: u32, round: &Round) -> u32 {
        let now = round.now / 1_000_000;
        if self.epoch == 0 {
            self.begin(window, now, round.mss);
        }
        self.estimate(window, acked, round.mss);
        // Section 4.2: where the curve is one round trip later, between the window and 1.5 of it.
        let elapsed = now - self.epoch.min(now) + u64::from(round.rtt) / 1000;
        let target = self
            .curve(elapsed, round.mss)
            .clamp(window, window + window / 2);
        let mut grown = window;
        let step = u64::from(target - window) * u64::from(acked) + self.credit;
        grown += (step / u64::from(window.max(1))) as u32;
        self.credit = step % u64::from(window.max(1));
        // Section 4.3
        grown.max(self.reno)
    }

    fn reduce(&mut self, window: u32, _mss: u32) -> u32 {
        self.epoch = 0;
        self.max_before = self.max;
        self.prior = window;
        // Section 4.7: fast convergence.
        self.max = if window < self.max {
            tenths(window, 85)
        } else {
            window
        };
        // Section 4.6
        tenths(window, 70)
    }

    fn undo(&mut self) {
        self.epoch = 0;
        self.max = self.max_before;
    }
}

/// `percent` of `window`.
const fn tenths(window: u32, percent: u64) -> u32 {
    (window as u64 * percent / 100) as u32
}

impl Cubic {
    /// Congestion avoidance begins at `window`.
    fn begin(&mut self, window: u32, now: u64, mss: u32) {
        self.epoch = now.max(1);
        self.max = self.max.max(window);
        self.reno = window;
        self.reno_credit = 0;
        self.credit = 0;
        // Section 4.2: K = cbrt((W_max - cwnd_epoch) / C), here in milliseconds.
        let gap = u64::from(self.max - window);
        self.k = cube_root(gap * 2_500_000_000 / u64::from(mss.max(1))).min(LONGEST) as u32;
    }

    /// Section 4.2: `C * (t - K)^3 + W_max`, in bytes, with `elapsed` in milliseconds.
    fn curve(&self, elapsed: u64, mss: u32) -> u32 {
        let elapsed = elapsed.min(2 * LONGEST);
        let distance = elapsed.abs_diff(u64::from(self.k)).min(LONGEST);
        // 0.4 / 1000^3 = 4 / 10^10
        let bytes = distance.pow(3) / 10_000 * 4 * u64::from(mss) / 1_000_000;
        let bytes = bytes.min(1 << 30) as u32;
        if elapsed < u64::from(self.k) {
            self.max.saturating_sub(bytes)
        } else {
            self.max.saturating_add(bytes).min(1 << 30)
        }
    }

    /// Section 4.3: alpha is 3 * (1 - beta) / (1 + beta) = 9 / 17 of a segment per round, and one
    /// whole from `cwnd_prior` on.
    fn estimate(&mut self, window: u32, acked: u32, mss: u32) {
        let (numerator, denominator) = if self.reno < self.prior {
            (9, 17)
        } else {
            (1, 1)
        };
        let whole = u64::from(window.max(1)) * denominator;
        let step = u64::from(acked) * u64::from(mss) * numerator + u64::from(self.reno_credit);
        self.reno = self.reno.saturating_add((step / whole) as u32).min(1 << 30);
        self.reno_credit = (step % whole).min(u64::from(u32::MAX)) as u32;
    }
}

/// The cube root, rounded down.
fn cube_root(value: u64) -> u64 {
    let mut root = 0u64;
    let mut bit = 1 << 20;
    while bit > 0 {
        let next = root | bit;
        if next * next * next <= value {
            root = next;
        }
        bit >>= 1;
    }
    root
}

#[cfg(test)]
mod tests {
    use super::cube_root;

    #[test]
    fn cube_roots() {
        for (value, root) in [
            (0, 0),
            (1, 1),
            (7, 1),
            (8, 2),
            (26, 2),
            (27, 3),
            (1 << 60, 1 << 20),
        ] {
            assert_eq!(cube_root(value), root);
        }
    }
}
