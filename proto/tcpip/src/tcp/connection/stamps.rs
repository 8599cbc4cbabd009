// SPDX-License-Identifier: ISC
//! Timestamps and protection against wrapped sequence numbers (RFC 7323, sections 3 to 5). One tick
//! is a millisecond.

use crate::tcp::seq::Seq;

/// After that long without a segment the peer's clock may have wrapped (section 5.5): 24 days.
const OUTDATED: u64 = 24 * 24 * 3600 * 1_000_000_000;

/// Timestamps of one connection, if both sides send them.
pub(super) struct Stamps {
    pub(super) on: bool,
    /// Added to our clock (section 7.1).
    offset: u32,
    /// TS.Recent, and when it was noted.
    pub(super) recent: u32,
    noted: u64,
    /// Last.ACK.sent
    pub(super) acknowledged: Seq,
}

impl Stamps {
    pub(super) const fn new(offset: u32) -> Self {
        Self {
            on: false,
            offset,
            recent: 0,
            noted: 0,
            acknowledged: Seq(0),
        }
    }

    /// TSval of a segment that is sent at `time`.
    pub(super) const fn value(&self, time: u64) -> u32 {
        ((time / 1_000_000) as u32).wrapping_add(self.offset)
    }

    /// TSval and TSecr of a segment that is sent at `now`.
    pub(super) const fn pair(&self, now: u64) -> Option<(u32, u32)> {
        if self.on {
            Some((self.value(now), self.recent))
        } else {
            None
        }
    }

    /// Both sides send timestamps; the peer's SYN has `value`.
    pub(super) const fn agree(&mut self, value: u32, now: u64) {
        self.on = true;
        self.recent = value;
        self.noted = now;
    }

    /// Section 5.3, R1: whether a segment with `value` is too old.
    pub(super) const fn is_old(&self, value: u32, now: u64) -> bool {
        Seq(value).before(Seq(self.recent)) && now.saturating_sub(self.noted) < OUTDATED
    }

    /// Section 4.3, rule 2: remembers `value` of a segment that begins at `seq` if an
    /// acknowledgement would echo it.
    pub(super) const fn note(&mut self, value: u32, seq: Seq, now: u64) {
        if !seq.after(self.acknowledged) {
            self.recent = value;
            self.noted = now;
        }
    }

    /// How long ago, in nanoseconds, the segment left whose TSval is `echo`: to the millisecond.
    /// `None` if that cannot be.
    pub(super) const fn age(&self, echo: u32, now: u64) -> Option<u64> {
        let ticks = self.value(now).wrapping_sub(echo);
        if !self.on || ticks > 600_000 {
            return None;
        }
        Some(ticks as u64 * 1_000_000)
    }

    /// The peer's latest TSval and our offset.
    pub(super) const fn state(&self) -> Option<(u32, u32)> {
        if self.on {
            Some((self.recent, self.offset))
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{OUTDATED, Stamps};
    use crate::tcp::seq::Seq;

    /// RFC 7323 sections 4.3, 5.3 and 5.5.
    #[test]
    fn old_and_new() {
        let mut stamps = Stamps::new(5);
        assert_eq!(stamps.pair(9), None);
        stamps.agree(100, 0);
        stamps.acknowledged = Seq(1000);
        assert!(stamps.is_old(99, 1) && !stamps.is_old(100, 1));
        assert!(!stamps.is_old(99, OUTDATED));
        stamps.note(200, Seq(1001), 1);
        assert_eq!(stamps.recent, 100);
        stamps.note(200, Seq(1000), 1);
        assert_eq!(stamps.pair(7_000_000), Some((12, 200)));
        assert_eq!(stamps.age(10, 7_000_000), Some(2_000_000));
        assert_eq!(stamps.age(13, 7_000_000), None);
    }
}
