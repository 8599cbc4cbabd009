// SPDX-License-Identifier: ISC
//! Congestion control: how many bytes may be under way.
//!
//! RFC 5681 (slow start, the window, section 4.1 on restart after idleness), RFC 6928 (initial
//! window). What grows and shrinks the window beyond slow start is a [`Congestion`]: `cubic.rs` or
//! `reno.rs`. When losses are found, and how the window is used meanwhile, is the connection's.

mod cubic;
mod reno;

use self::{cubic::Cubic, reno::Reno};

/// How fast to send.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Algorithm {
    /// RFC 9438
    #[default]
    Cubic,
    /// RFC 5681
    Reno,
}

/// Congestion avoidance.
trait Congestion {
    /// The window after `acked` bytes were acknowledged in congestion avoidance; not less than
    /// `window`.
    fn grow(&mut self, window: u32, acked: u32, round: &Round) -> u32;

    /// The slow start threshold after congestion at a window of `window` bytes.
    fn reduce(&mut self, window: u32, mss: u32) -> u32;

    /// Forgets the last reduction: it was for nothing.
    fn undo(&mut self);
}

/// What is known when an acknowledgement arrives.
pub(crate) struct Round {
    /// Nanoseconds.
    pub(crate) now: u64,
    /// Smoothed round-trip time in microseconds.
    pub(crate) rtt: u32,
    pub(crate) mss: u32,
}

/// The congestion window.
pub(crate) struct Control {
    pub(crate) window: u32,
    pub(crate) threshold: u32,
    state: State,
}

enum State {
    Cubic(Cubic),
    Reno(Reno),
}

/// A window larger than any that the sequence numbers allow.
const LARGEST: u32 = 1 << 30;

/// The initial window (RFC 6928, section 2).
pub(crate) const fn initial_window(mss: u32) -> u32 {
    let two = 2 * mss;
    let floor = if two > 14_600 { two } else { 14_600 };
    if 10 * mss < floor { 10 * mss } else { floor }
}

impl Control {
    pub(crate) fn new(algorithm: Algorithm, mss: u32) -> Self {
        Self {
            window: initial_window(mss),
            threshold: LARGEST,
            state: match algorithm {
                Algorithm::Cubic => State::Cubic(Cubic::default()),
                Algorithm::Reno => State::Reno(Reno::default()),
            },
        }
    }

    fn algorithm(&mut self) -> &mut dyn Congestion {
        match &mut self.state {
            State::Cubic(cubic) => cubic,
            State::Reno(reno) => reno,
        }
    }

    /// Whether the window grows exponentially.
    pub(crate) const fn slow_start(&self) -> bool {
        self.window < self.threshold
    }

    /// `acked` bytes were acknowledged while the window was in full use.
    pub(crate) fn acknowledged(&mut self, mut acked: u32, round: &Round) {
        if self.slow_start() {
            // RFC 5681 section 3.1, with L of RFC 3465 unbounded: bytes are counted, and pacing
            // keeps bursts away.
            let step = acked.min(self.threshold - self.window);
            self.window = (self.window + step).min(LARGEST);
            acked -= step;
        }
        if acked > 0 && !self.slow_start() {
            let window = self.window;
            let grown = self.algorithm().grow(window, acked, round);
            self.window = grown.clamp(window, LARGEST);
        }
    }

    /// Congestion: lowers the threshold, which the caller brings the window to.
    pub(crate) fn congested(&mut self, mss: u32) {
        let window = self.window;
        self.threshold = self.algorithm().reduce(window, mss).max(2 * mss);
    }

    /// Congestion was not: the window and threshold from before it.
    pub(crate) fn undo(&mut self, window: u32, threshold: u32) {
        self.window = self.window.max(window);
        self.threshold = self.threshold.max(threshold);
        self.algorithm().undo();
    }

    /// Nothing was sent for longer than a retransmission timeout (RFC 5681, section 4.1).
    pub(crate) fn restart(&mut self, mss: u32) {
        // What was known of the path is remembered for slow start (RFC 7661 has the reasons).
        self.threshold = self.threshold.max(self.window / 4 * 3);
        self.window = self.window.min(initial_window(mss));
        self.algorithm().undo();
    }
}

#[cfg(test)]
mod tests {
    use super::{Algorithm, Control, Round, initial_window};

    const MSS: u32 = 1460;

    fn round(milliseconds: u64) -> Round {
        Round {
            now: milliseconds * 1_000_000,
            rtt: 50_000,
            mss: MSS,
        }
    }

    /// RFC 6928, section 2.
    #[test]
    fn initial_windows() {
        assert_eq!(initial_window(1460), 14_600);
        assert_eq!(initial_window(536), 5360);
        assert_eq!(initial_window(8960), 17_920);
    }

    /// RFC 5681, section 3.1: slow start doubles per round, and ends at the threshold.
    #[test]
    fn slow_start() {
        let mut control = Control::new(Algorithm::Reno, MSS);
        control.acknowledged(14_600, &round(50));
        assert_eq!(control.window, 29_200);
        control.threshold = 30_000;
        control.acknowledged(29_200, &round(100));
        assert!(control.window >= 30_000 && control.window < 30_000 + 2 * MSS);
    }

    /// RFC 5681 sections 3.1 and 3.2: half after a loss, then one segment per round.
    #[test]
    fn reno_saws() {
        let mut control = Control::new(Algorithm::Reno, MSS);
        control.window = 100 * MSS;
        control.congested(MSS);
        assert_eq!(control.threshold, 50 * MSS);
        control.window = control.threshold;
        for n in 0..50 {
            control.acknowledged(MSS, &round(n));
        }
        assert_eq!(control.window, 51 * MSS);
    }

    /// RFC 9438 sections 4.2 and 4.6: to 0.7, then back to where it was in K seconds, flat there,
    /// and beyond.
    #[test]
    fn cubic_climbs_back() {
        let mut control = Control::new(Algorithm::Cubic, MSS);
        control.window = 1000 * MSS;
        control.congested(MSS);
        assert_eq!(control.threshold, 700 * MSS);
        control.window = control.threshold;
        // K = cbrt(300 / 0.4) = 9.08 s
        let mut at = [0; 4];
        for (second, place) in at.iter_mut().enumerate() {
            let start = second as u64 * 4500;
            for n in 0..90 {
                let window = control.window;
                control.acknowledged(window, &round(start + n * 50));
            }
            *place = control.window / MSS;
        }
        // The concave half, the plateau, and the convex half.
        assert!((950..985).contains(&at[0]), "{at:?}");
        assert!((998..=1001).contains(&at[1]), "{at:?}");
        assert!((1015..1060).contains(&at[2]), "{at:?}");
        assert!((1200..1330).contains(&at[3]), "{at:?}");
    }

    /// RFC 9438, section 4.3: with short round trips, no slower than Reno.
    #[test]
    fn cubic_is_no_slower_than_reno() {
        let mut control = Control::new(Algorithm::Cubic, MSS);
        control.window = 20 * MSS;
        control.congested(MSS);
        control.window = control.threshold;
        let start = control.window;
        for n in 0..100 {
            let window = control.window;
            control.acknowledged(
                window,
                &Round {
                    now: n * 1_000_000,
                    rtt: 1000,
                    mss: MSS,
                },
            );
        }
        // 0.53 segments a round until the old window, one beyond.
        assert!(
            control.window > start + 60 * MSS,
            "{}",
            control.window / MSS
        );
    }

    /// An undo brings both back; a restart keeps the threshold.
    #[test]
    fn undone_and_restarted() {
        let mut control = Control::new(Algorithm::Cubic, MSS);
        control.window = 100 * MSS;
        let before = (control.window, control.threshold);
        control.congested(MSS);
        control.window = MSS;
        control.undo(before.0, before.1);
        assert_eq!((control.window, control.threshold), before);
        control.threshold = 10 * MSS;
        control.restart(MSS);
        assert_eq!((control.window, control.threshold), (10 * MSS, 75 * MSS));
    }
}
