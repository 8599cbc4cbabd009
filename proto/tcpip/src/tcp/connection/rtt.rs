// SPDX-License-Identifier: ISC
//! Round-trip time and the retransmission timeout (RFC 6298). Microseconds, except where it says
//! nanoseconds.

/// Lower bound of the timeout. RFC 6298 section 2.4 says one second and why; 200 ms is what is
/// deployed, and F-RTO or Eifel undo what it gets wrong.
const MIN_TIMEOUT: u32 = 200_000;
/// Upper bound (section 2.5).
const MAX_TIMEOUT: u32 = 60_000_000;
/// Before the first measurement (section 2.1).
const INITIAL_TIMEOUT: u32 = 1_000_000;
/// Granularity of timers (section 2.2).
const GRANULARITY: u32 = 1000;
/// How long the minimum is trusted, in nanoseconds.
const MINIMUM_AGE: u64 = 300_000_000_000;

/// What was measured.
pub(super) struct Rtt {
    /// Smoothed; zero before the first measurement.
    pub(super) smoothed: u32,
    pub(super) variation: u32,
    timeout: u32,
    minimum: u32,
    minimum_at: u64,
}

impl Rtt {
    pub(super) const fn new() -> Self {
        Self {
            smoothed: 0,
            variation: 0,
            timeout: INITIAL_TIMEOUT,
            minimum: u32::MAX,
            minimum_at: 0,
        }
    }

    /// Takes a measurement in nanoseconds (section 2.2 and 2.3).
    pub(super) fn measured(&mut self, nanoseconds: u64, now: u64) {
        let sample = (nanoseconds / 1000).clamp(1, u64::from(MAX_TIMEOUT)) as u32;
        if sample <= self.minimum || now.saturating_sub(self.minimum_at) > MINIMUM_AGE {
            self.minimum = sample;
            self.minimum_at = now;
        }
        if self.smoothed == 0 {
            self.smoothed = sample;
            self.variation = sample / 2;
        } else {
            let error = self.smoothed.abs_diff(sample);
            self.variation = self.variation - self.variation / 4 + error / 4;
            self.smoothed = (self.smoothed - self.smoothed / 8 + sample / 8).max(1);
        }
        let margin = (4 * self.variation).max(GRANULARITY);
        self.timeout = (self.smoothed + margin).clamp(MIN_TIMEOUT, MAX_TIMEOUT);
    }

    /// The timeout after `backoff` expiries, in nanoseconds (section 5.5).
    pub(super) fn timeout(&self, backoff: u8) -> u64 {
        let timeout = u64::from(self.timeout) << backoff.min(16);
        timeout.min(u64::from(MAX_TIMEOUT)) * 1000
    }

    /// Section 5.7: the SYN was sent again, so its round trip is not known.
    pub(super) fn syn_repeated(&mut self) {
        if self.smoothed == 0 {
            self.timeout = 3 * INITIAL_TIMEOUT;
        }
    }

    /// Nanoseconds; zero before the first measurement.
    pub(super) fn smoothed_ns(&self) -> u64 {
        u64::from(self.smoothed) * 1000
    }

    /// The least of late, in nanoseconds; zero before the first measurement.
    pub(super) fn minimum_ns(&self) -> u64 {
        if self.minimum == u32::MAX {
            0
        } else {
            u64::from(self.minimum) * 1000
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Rtt;

    const MS: u64 = 1_000_000;

    /// RFC 6298, sections 2.1 to 2.5 and 5.5.
    #[test]
    fn timeout() {
        let mut rtt = Rtt::new();
        assert_eq!(rtt.timeout(0), 1000 * MS);
        rtt.measured(100 * MS, 0);
        assert_eq!((rtt.smoothed, rtt.variation), (100_000, 50_000));
        assert_eq!(rtt.timeout(0), 300 * MS);
        assert_eq!(rtt.timeout(2), 1200 * MS);
        assert_eq!(rtt.timeout(200), 60_000 * MS);
        for _ in 0..100 {
            rtt.measured(100 * MS, 0);
        }
        assert_eq!(rtt.timeout(0), 200 * MS);
        rtt.measured(40 * MS, 0);
        assert_eq!(rtt.minimum_ns(), 40 * MS);
    }

    /// RFC 6298, section 5.7.
    #[test]
    fn after_a_lost_syn() {
        let mut rtt = Rtt::new();
        rtt.syn_repeated();
        assert_eq!(rtt.timeout(0), 3000 * MS);
    }
}
