// SPDX-License-Identifier: ISC
//! What has gone through a stream.
//!
//! Loss and jitter of datagrams are counted as RFC 3550, section 6.4.1 and appendix A.8 have it, and
//! as iperf3 does: a number that was left out counts as lost until it comes late.

use core::cell::Cell;

use crate::wire::Header;

/// Counts one stream. Its parts are cells because a task counts while another reads.
#[derive(Debug, Default)]
pub struct Meter {
    bytes: Cell<u64>,
    /// The largest number of a datagram so far.
    packets: Cell<u64>,
    lost: Cell<u64>,
    /// Nanoseconds.
    jitter: Cell<u64>,
    /// What the last datagram had been under way for, by two clocks that do not agree.
    transit: Cell<Option<i64>>,
    omitted_packets: Cell<u64>,
    omitted_lost: Cell<u64>,
}

/// A meter as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tally {
    /// Bytes of the application.
    pub bytes: u64,
    /// Datagrams, those omitted at the start included.
    pub packets: u64,
    /// Those of them that did not arrive.
    pub lost: u64,
    /// Datagrams of the time that is not counted.
    pub omitted_packets: u64,
    /// Those of them that did not arrive.
    pub omitted_lost: u64,
    /// Nanoseconds.
    pub jitter: u64,
    /// How long it was counted, in microseconds.
    pub micros: u64,
}

impl Meter {
    /// Counts bytes of a stream.
    pub fn add(&self, bytes: usize) {
        self.bytes.set(self.bytes.get() + bytes as u64);
    }

    /// Bytes since the start or the last [`omit`](Self::omit).
    pub fn bytes(&self) -> u64 {
        self.bytes.get()
    }

    /// Counts a datagram that was sent, and gives its number.
    pub fn sent(&self, bytes: usize) -> u64 {
        self.add(bytes);
        self.packets.set(self.packets.get() + 1);
        self.packets.get()
    }

    /// Counts a datagram that came at the microsecond `now`.
    pub fn received(&self, bytes: usize, header: Header, now: u64) {
        self.add(bytes);
        let last = self.packets.get();
        if header.number > last {
            let missing = header.number - last - 1;
            self.lost.set(self.lost.get().saturating_add(missing));
            self.packets.set(header.number);
        } else {
            self.lost.set(self.lost.get().saturating_sub(1));
        }
        let transit = now.wrapping_sub(header.sent) as i64;
        if let Some(before) = self.transit.replace(Some(transit)) {
            let change = transit.abs_diff(before).saturating_mul(1000);
            let jitter = self.jitter.get();
            let jitter = jitter - jitter / 16 + change / 16;
            self.jitter.set(jitter);
        }
    }

    /// Forgets what was counted, and goes on.
    pub fn omit(&self) {
        self.bytes.set(0);
        self.jitter.set(0);
        self.omitted_packets.set(self.packets.get());
        self.omitted_lost.set(self.lost.get());
    }

    /// Reads the meter after `micros` of counting.
    pub fn tally(&self, micros: u64) -> Tally {
        Tally {
            bytes: self.bytes.get(),
            packets: self.packets.get(),
            lost: self.lost.get(),
            omitted_packets: self.omitted_packets.get(),
            omitted_lost: self.omitted_lost.get(),
            jitter: self.jitter.get(),
            micros,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn datagram(meter: &Meter, number: u64, sent: u64, now: u64) {
        meter.received(100, Header { sent, number }, now);
    }

    #[test]
    fn a_late_datagram_is_not_lost() {
        let meter = Meter::default();
        for number in [1, 2, 5, 3] {
            datagram(&meter, number, 0, 0);
        }
        let tally = meter.tally(0);
        assert_eq!((tally.packets, tally.lost, tally.bytes), (5, 1, 400));
    }

    #[test]
    fn a_steady_delay_is_no_jitter() {
        let meter = Meter::default();
        for number in 1..100 {
            // The clocks differ by more than the delay.
            datagram(&meter, number, 1_000_000 + number * 10, number * 10);
        }
        assert_eq!(meter.tally(0).jitter, 0);
        datagram(&meter, 100, 1_001_000, 1_160);
        assert_eq!(meter.tally(0).jitter, 10_000);
    }

    #[test]
    fn numbers_out_of_all_bounds_do_not_overflow() {
        let meter = Meter::default();
        for number in [u64::MAX, 0, u64::MAX] {
            datagram(&meter, number, u64::MAX, 0);
        }
        assert_eq!(meter.tally(0).packets, u64::MAX);
    }

    #[test]
    fn what_is_omitted_is_said() {
        let meter = Meter::default();
        datagram(&meter, 3, 0, 0);
        meter.omit();
        datagram(&meter, 4, 0, 0);
        let tally = meter.tally(0);
        assert_eq!((tally.bytes, tally.packets, tally.lost), (100, 4, 2));
        assert_eq!((tally.omitted_packets, tally.omitted_lost), (3, 2));
    }
}
