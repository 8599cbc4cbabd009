// SPDX-License-Identifier: ISC
//! What was sent and not yet acknowledged: when, whether again, and whether SACK reported it or it
//! counts as lost (RFC 6675 section 3, RFC 8985 section 5.2).
//!
//! One record is what left at once, which may be many segments. SACK splits records at borders of
//! segments only, and reported neighbours become one record: their number follows the segments in
//! flight, whatever the peer reports.

use alloc::collections::VecDeque;

use super::{rack::Rack, stamps::Stamps};
use crate::tcp::{options::Range, seq::Seq};

/// Room for records that stays while nothing is in flight, so that requests and responses do not
/// allocate.
const KEPT: usize = 4;

/// What is thought of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    InFlight,
    Lost,
    Sacked,
}

/// Sequence numbers that left together.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record {
    pub(super) start: Seq,
    pub(super) end: Seq,
    /// When it was sent last.
    pub(super) sent: u64,
    /// Payload of each packet.
    pub(super) segment: u16,
    pub(super) mark: Mark,
    pub(super) again: bool,
}

impl Record {
    pub(super) const fn len(&self) -> u32 {
        self.end.since(self.start)
    }

    /// Where the segment begins that holds what precedes `seq`, or `seq` if that is a border.
    fn border_before(&self, seq: Seq) -> Seq {
        let offset = seq.since(self.start);
        self.start + (offset - offset % u32::from(self.segment.max(1)))
    }

    /// The border of segments at or after `seq`.
    fn border_after(&self, seq: Seq) -> Seq {
        let segment = u32::from(self.segment.max(1));
        let offset = seq.since(self.start).div_ceil(segment) * segment;
        (self.start + offset).min(self.end)
    }
}

/// What an acknowledgement says has arrived.
pub(super) struct Delivery {
    pub(super) now: u64,
    /// The echoed timestamp, if there is one.
    pub(super) echo: Option<u32>,
    pub(super) minimum_rtt: u64,
    /// Bytes that arrived and were not known to.
    pub(super) bytes: u32,
    /// When the first and the last of them left that were sent only once.
    pub(super) fresh: Option<(u64, u64)>,
    /// RFC 8985 section 6.2, step 2: time and end of what was sent last of all that arrived.
    pub(super) latest: Option<(u64, Seq)>,
    /// Whether something arrived that was not sent again, though something later had before.
    pub(super) reordered: bool,
}

impl Delivery {
    /// Counts a record in.
    fn note(&mut self, record: &Record, rack: &Rack, stamps: &Stamps) {
        self.bytes += record.len();
        if record.again {
            // Step 1 and 2: which of the transmissions was it?
            let early = match self.echo {
                Some(echo) => Seq(echo).before(Seq(stamps.value(record.sent))),
                None => self.now.saturating_sub(record.sent) < self.minimum_rtt,
            };
            if early {
                return;
            }
        } else {
            let (first, last) = self.fresh.unwrap_or((record.sent, record.sent));
            self.fresh = Some((first.min(record.sent), last.max(record.sent)));
            self.reordered |= rack.passed(record.end);
        }
        let later = self.latest.is_none_or(|(sent, end)| {
            record.sent > sent || record.sent == sent && record.end.after(end)
        });
        if later {
            self.latest = Some((record.sent, record.end));
        }
    }
}

/// All records, in the order of their sequence numbers, without gaps.
#[derive(Default)]
pub(super) struct Scoreboard {
    records: VecDeque<Record>,
    /// Bytes by mark.
    pub(super) in_flight: u32,
    pub(super) lost: u32,
    pub(super) sacked: u32,
    /// Whether something was sent again since nothing was outstanding.
    pub(super) repeated: bool,
}

impl Scoreboard {
    pub(super) fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    pub(super) fn first(&self) -> Option<&Record> {
        self.records.front()
    }

    fn count(&mut self, mark: Mark) -> &mut u32 {
        match mark {
            Mark::InFlight => &mut self.in_flight,
            Mark::Lost => &mut self.lost,
            Mark::Sacked => &mut self.sacked,
        }
    }

    /// Notes what was sent for the first time.
    pub(super) fn push(&mut self, start: Seq, end: Seq, now: u64, segment: u16) {
        self.in_flight += end.since(start);
        if let Some(last) = self.records.back_mut()
            && (last.sent, last.mark, last.again) == (now, Mark::InFlight, false)
            && last.segment == segment
            && last.len() % u32::from(segment.max(1)) == 0
        {
            last.end = end;
            return;
        }
        self.records.push_back(Record {
            start,
            end,
            sent: now,
            segment,
            mark: Mark::InFlight,
            again: false,
        });
    }

    /// All before `una` has arrived.
    pub(super) fn acknowledge(
        &mut self,
        una: Seq,
        seen: &mut Delivery,
        rack: &Rack,
        stamps: &Stamps,
    ) {
        while let Some(first) = self.records.front_mut() {
            let mut done = *first;
            done.end = done.end.min(una);
            if done.len() == 0 {
                break;
            }
            first.start = done.end;
            if first.len() == 0 {
                self.records.pop_front();
            }
            *self.count(done.mark) -= done.len();
            if done.mark != Mark::Sacked {
                seen.note(&done, rack, stamps);
            }
        }
        if self.records.is_empty() {
            self.repeated = false;
            if self.records.capacity() > KEPT {
                self.records.shrink_to(KEPT);
            }
        }
    }

    /// SACK reports `range`.
    pub(super) fn sack(&mut self, range: Range, seen: &mut Delivery, rack: &Rack, stamps: &Stamps) {
        let mut at = self
            .records
            .partition_point(|record| !record.end.after(range.start));
        while let Some(record) = self.records.get(at)
            && record.start.before(range.end)
        {
            let start = record.border_after(range.start.max(record.start));
            let mut end = range.end.min(record.end);
            if end != record.end {
                end = record.border_before(end);
            }
            if record.mark != Mark::Sacked && end.after(start) {
                at = self.isolate(at, start, end);
                self.set(at, Mark::Sacked);
                if let Some(record) = self.records.get(at) {
                    seen.note(record, rack, stamps);
                }
                at = self.join(at);
            }
            at += 1;
        }
    }

    /// Makes `start` to `end`, which lies in the record `at`, a record of its own; gives its index.
    fn isolate(&mut self, mut at: usize, start: Seq, end: Seq) -> usize {
        if self.split(at, start) {
            at += 1;
        }
        self.split(at, end);
        at
    }

    /// Splits the record `at` before `seq`; says whether that made two.
    fn split(&mut self, at: usize, seq: Seq) -> bool {
        let Some(record) = self.records.get_mut(at) else {
            return false;
        };
        if !seq.after(record.start) || !seq.before(record.end) {
            return false;
        }
        let mut second = *record;
        record.end = seq;
        second.start = seq;
        self.records.insert(at + 1, second);
        true
    }

    /// Changes the mark of the record `at`.
    fn set(&mut self, at: usize, mark: Mark) {
        if let Some(record) = self.records.get_mut(at) {
            let (old, len) = (record.mark, record.len());
            record.mark = mark;
            *self.count(old) -= len;
            *self.count(mark) += len;
        }
    }

    /// Joins the reported record `at` with reported neighbours; gives its index.
    fn join(&mut self, mut at: usize) -> usize {
        for place in [at + 1, at] {
            let Some(before) = place.checked_sub(1) else {
                continue;
            };
            if let (Some(first), Some(second)) = (self.records.get(before), self.records.get(place))
                && (first.mark, second.mark) == (Mark::Sacked, Mark::Sacked)
            {
                let end = second.end;
                self.records.remove(place);
                if let Some(first) = self.records.get_mut(before) {
                    first.end = end;
                }
                if place == at {
                    at = before;
                }
            }
        }
        at
    }

    /// The first record that counts as lost.
    pub(super) fn first_lost(&self) -> Option<&Record> {
        if self.lost == 0 {
            return None;
        }
        self.records.iter().find(|record| record.mark == Mark::Lost)
    }

    /// The last segment of the last record that no SACK reported (RFC 8985, section 7.3).
    pub(super) fn tail(&self) -> Option<(Seq, Seq)> {
        let record = self
            .records
            .iter()
            .rev()
            .find(|record| record.mark != Mark::Sacked)?;
        Some((record.border_before(record.end.back(1)), record.end))
    }

    /// `start` to `end`, which lie in one record, were sent again.
    pub(super) fn repeat(&mut self, start: Seq, end: Seq, now: u64, segment: u16) {
        let at = self
            .records
            .partition_point(|record| !record.end.after(start));
        let at = self.isolate(at, start, end);
        self.set(at, Mark::InFlight);
        self.repeated = true;
        if let Some(record) = self.records.get_mut(at) {
            record.sent = now;
            record.segment = segment;
            record.again = true;
        }
    }

    /// Marks as lost every record in flight for which `lost` says so.
    pub(super) fn lose(&mut self, lost: &mut dyn FnMut(&Record) -> bool) -> u32 {
        let before = self.lost;
        for at in 0..self.records.len() {
            if self
                .records
                .get(at)
                .is_some_and(|record| record.mark == Mark::InFlight && lost(record))
            {
                self.set(at, Mark::Lost);
            }
        }
        self.lost - before
    }

    /// Marks the first `len` bytes as lost, if they are in flight.
    pub(super) fn lose_first(&mut self, len: u32) {
        let Some(first) = self.records.front() else {
            return;
        };
        if first.mark == Mark::InFlight {
            let seq = first.start + len;
            self.split(0, seq);
            self.set(0, Mark::Lost);
        }
    }

    /// Takes all reports back: the peer dropped what it had reported (RFC 2018, section 8).
    pub(super) fn renege(&mut self) {
        for at in 0..self.records.len() {
            if self
                .records
                .get(at)
                .is_some_and(|record| record.mark == Mark::Sacked)
            {
                self.set(at, Mark::Lost);
            }
        }
    }

    /// What counts as lost was not.
    pub(super) fn restore(&mut self) {
        for at in 0..self.records.len() {
            if self
                .records
                .get(at)
                .is_some_and(|record| record.mark == Mark::Lost)
            {
                self.set(at, Mark::InFlight);
            }
        }
    }

    /// Bytes on the heap.
    #[cfg(test)]
    pub(super) fn heap(&self) -> usize {
        self.records.capacity() * size_of::<Record>()
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}
