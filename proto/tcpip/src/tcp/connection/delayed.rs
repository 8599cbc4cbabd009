// SPDX-License-Identifier: ISC
//! When to acknowledge: every second full segment, at the latest after 40 ms; at once at the start of
//! a bulk transfer, when something is out of order, and for a while after that, when small segments
//! wait for a millisecond (RFC 9293 section 3.8.6.3, RFC 5681 section 4.2). What is due leaves with
//! data if there is some, and else once per batch of arrivals.

/// The longest delay, in nanoseconds; RFC 9293 allows 500 ms.
const DELAY: u64 = 40_000_000;
/// The delay where others acknowledge at once: a peer with Nagle's algorithm may hold back the rest of
/// its request, and most programs have answered by then.
const SHORT: u64 = 1_000_000;
/// Full segments that are acknowledged at once at the start and after a loss, when the peer's window
/// is small and each acknowledgement makes it send.
const QUICK: u8 = 16;

/// What is owed to the peer.
pub(super) struct Owed {
    /// Due now.
    pub(super) now: bool,
    /// Further acknowledgements that are due, each for its own segment: peers without SACK count
    /// duplicates.
    pub(super) copies: u8,
    /// How many segments more are not kept waiting.
    quick: u8,
    /// Bytes that arrived since the last acknowledgement.
    bytes: u32,
    /// Size of full segments, as far as seen.
    full: u16,
    /// When it is due if nothing else happens.
    pub(super) deadline: Option<u64>,
}

impl Owed {
    pub(super) const fn new() -> Self {
        Self {
            now: false,
            copies: 0,
            quick: QUICK,
            bytes: 0,
            full: 536,
            deadline: None,
        }
    }

    /// `len` bytes arrived in order, in segments of `segment` bytes.
    pub(super) fn arrived(&mut self, len: u32, segment: u16, now: u64) {
        self.full = self.full.max(segment);
        self.bytes = self.bytes.saturating_add(len);
        let full = u32::from(self.full);
        if len >= full && self.quick > 0 {
            self.quick -= 1;
            self.now = true;
        } else if self.bytes >= 2 * full {
            self.now = true;
        } else if self.deadline.is_none() {
            let delay = if self.quick > 0 { SHORT } else { DELAY };
            self.quick = self.quick.saturating_sub(1);
            self.deadline = Some(now + delay);
        }
    }

    /// Something arrived that has to be answered on its own.
    pub(super) const fn at_once(&mut self, counts_duplicates: bool) {
        if counts_duplicates && self.now {
            self.copies = self.copies.saturating_add(1);
        }
        self.quick = QUICK;
        self.now = true;
    }

    /// An acknowledgement left, with data or without.
    pub(super) const fn sent(&mut self, with_data: bool) {
        if with_data && self.bytes > 0 {
            // The program answers: no need to hurry.
            self.quick = 0;
        }
        if self.copies > 0 {
            self.copies -= 1;
        } else {
            self.now = false;
        }
        self.bytes = 0;
        self.deadline = None;
    }
}

#[cfg(test)]
mod tests {
    use super::{DELAY, Owed, SHORT};

    /// RFC 5681, section 4.2: at least every second full segment, and within half a second.
    #[test]
    fn every_second() {
        let mut owed = Owed::new();
        owed.quick = 0;
        owed.arrived(1460, 1460, 0);
        assert!(!owed.now && owed.deadline == Some(40_000_000));
        owed.arrived(1460, 1460, 10);
        assert!(owed.now);
        owed.sent(false);
        assert!(!owed.now && owed.deadline.is_none());
        // One that the device put together counts as its segments.
        owed.arrived(2920, 1460, 0);
        assert!(owed.now);
    }

    /// Quick again after a loss: a delay would hold up a peer whose window is small.
    #[test]
    fn quick_after_a_loss() {
        let mut owed = Owed::new();
        owed.quick = 0;
        owed.at_once(false);
        owed.sent(false);
        owed.arrived(1460, 1460, 0);
        assert!(owed.now);
    }

    /// Quick at the start, but with a short delay for small segments; and no longer once the program answers.
    #[test]
    fn quick_at_the_start() {
        let mut owed = Owed::new();
        owed.arrived(100, 100, 0);
        assert!(!owed.now && owed.deadline == Some(SHORT));
        owed.arrived(1460, 1460, 0);
        assert!(owed.now);
        owed.sent(true);
        owed.arrived(1460, 1460, 0);
        assert!(!owed.now && owed.deadline == Some(DELAY));
    }
}
