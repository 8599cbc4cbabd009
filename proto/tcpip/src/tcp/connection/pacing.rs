// SPDX-License-Identifier: ISC
//! Pacing: spreads a window over the round trip instead of sending it in one burst, which queues on
//! the way would drop. Twice the window per round trip in slow start and 1.2 times it afterwards, so
//! that pacing itself never limits; about a millisecond's worth leaves at once.

/// Shorter round trips are not paced: timers would cost more than bursts do.
const SHORTEST_RTT: u32 = 1000;
/// What leaves at once is a millisecond's worth, in microseconds.
const BURST: u32 = 1000;
/// Time that is made up for when a timer came late, in nanoseconds.
const LATE: u64 = 2_000_000;

/// When the next segment may leave.
#[derive(Default)]
pub(super) struct Pacer {
    at: u64,
    /// Whether something waits for that.
    pub(super) waits: bool,
}

impl Pacer {
    /// Whether to send now.
    pub(super) const fn ready(&mut self, now: u64) -> bool {
        self.waits = now < self.at;
        !self.waits
    }

    /// When to go on, if something waits.
    pub(super) const fn deadline(&self) -> Option<u64> {
        if self.waits { Some(self.at) } else { None }
    }

    /// How much may leave at once.
    pub(super) fn burst(window: u32, rtt: u32, mss: u32) -> u32 {
        if rtt < SHORTEST_RTT {
            return u32::MAX;
        }
        let worth = u64::from(window) * u64::from(2 * BURST) / u64::from(rtt);
        (worth as u32).clamp(2 * mss, 65_536)
    }

    /// `len` bytes left.
    pub(super) fn sent(&mut self, len: u32, window: u32, rtt: u32, slow_start: bool, now: u64) {
        if rtt < SHORTEST_RTT {
            self.at = 0;
            return;
        }
        let tenths = if slow_start { 20 } else { 12 };
        let rate = (u64::from(window) * tenths).max(1);
        let time = u64::from(len) * u64::from(rtt) * 10_000 / rate;
        // Never longer than a round trip, whatever was sent against the pace.
        let latest = now + u64::from(rtt) * 1000;
        self.at = (self.at.max(now.saturating_sub(LATE)) + time).min(latest);
    }
}

#[cfg(test)]
mod tests {
    use super::Pacer;

    /// A window leaves within 1 / 1.2 of a round trip; a late timer is made up for.
    #[test]
    fn spreads_a_window() {
        let mut pacer = Pacer::default();
        let (window, rtt) = (100_000, 50_000);
        let burst = Pacer::burst(window, rtt, 1460);
        assert_eq!(burst, 4000);
        let mut now = 1_000_000_000;
        let start = now;
        let mut sent = 0;
        while sent < window {
            if pacer.ready(now) {
                pacer.sent(burst, window, rtt, false, now);
                sent += burst;
            } else {
                now = pacer.deadline().unwrap() + 300_000;
            }
        }
        let took = (now - start) / 1000;
        assert!((36_000..43_000).contains(&took), "{took}");
        assert!(Pacer::burst(window, 900, 1460) > window);
    }
}
