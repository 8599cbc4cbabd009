// SPDX-License-Identifier: ISC
//! Putting fragments together again.
//!
//! Memory, packets and pieces are bounded; the oldest packet makes room. Fragments that overlap with
//! other bytes are an attack: the whole packet is refused, whatever else of it may still come. Read
//! first: RFC 791 section 3.2, RFC 1122 section 3.3.2, RFC 8200 section 4.5, RFC 5722 section 4.

use crate::addr::Addr;
use alloc::vec::Vec;

use super::{
    SECOND,
    send::{Fields, HEAD},
};
use crate::packet::{ETHERNET, Fragment, Header, IPV4, IPV6};

/// RFC 8200, section 4.5; RFC 1122 allows the same.
const TIMEOUT: u64 = 60 * SECOND;
const MAX_PACKETS: usize = 32;
const MAX_BYTES: usize = 256 * 1024;
/// Gaps in one packet. Whoever sends 64 KB in order has none.
const MAX_RANGES: usize = 32;
/// Bits of congestion notification (RFC 3168, section 5.3).
const CONGESTED: u8 = 3;

/// A packet of which not all is there.
struct Partial {
    source: Addr,
    destination: Addr,
    protocol: u8,
    ident: u32,
    /// Of the piece that came with the highest mark.
    traffic: u8,
    hop_limit: u8,
    /// Room for the headers, and what has come of the payload.
    frame: Vec<u8>,
    /// Which bytes of the payload have come: in order, with gaps between.
    ranges: Vec<(usize, usize)>,
    /// Bytes of the whole payload, once the last piece has come.
    len: Option<usize>,
    until: u64,
    /// It was attacked; further pieces of it are dropped.
    refused: bool,
}

/// Packets of which not all is there, oldest first.
#[derive(Default)]
pub(super) struct Reassembly(Vec<Partial>);

impl Reassembly {
    /// Takes in a fragment. Gives the frame with the whole packet, if this was the last piece.
    #[inline(never)]
    pub(super) fn add(
        &mut self,
        frame: &[u8],
        header: &Header,
        fragment: Fragment,
        now: u64,
    ) -> Option<Vec<u8>> {
        let piece = frame.get(header.payload.clone())?;
        let start = usize::from(fragment.offset);
        let end = start + piece.len();
        let ip_len = if header.source.is_ipv4() { IPV4 } else { 0 };
        let uneven = fragment.more && piece.len() % 8 != 0;
        if piece.is_empty() || uneven || end + ip_len > usize::from(u16::MAX) {
            return None;
        }
        let place = match self.0.iter().position(|own| own.is_of(header, fragment)) {
            Some(place) => place,
            None => {
                self.0.push(Partial::new(frame, header, fragment, now));
                self.0.len() - 1
            }
        };
        let place = self.make_room(place, end)?;
        let partial = self.0.get_mut(place)?;
        if partial.refused {
            return None;
        }
        if header.traffic & CONGESTED == CONGESTED {
            partial.traffic |= CONGESTED;
        }
        if start == 0 {
            // The first piece says what the whole is (RFC 8200, section 4.5).
            partial.protocol = header.protocol;
        }
        if !partial.fits(start, end, fragment.more) || !partial.put(start, piece) {
            partial.refuse();
            return None;
        }
        if !fragment.more {
            partial.len = Some(end);
        }
        let len = partial.len?;
        if partial.ranges != [(0, len)] {
            return None;
        }
        self.0.remove(place).finish()
    }

    /// Drops the oldest packets until there is room for the one at `place` to have `end` bytes, and
    /// says where that one is then.
    fn make_room(&mut self, mut place: usize, end: usize) -> Option<usize> {
        let mut bytes: usize = self.0.iter().map(|own| own.frame.len()).sum();
        while self.0.len() > MAX_PACKETS || bytes + end > MAX_BYTES {
            // The oldest other one.
            let victim = usize::from(place == 0);
            if victim >= self.0.len() {
                return None;
            }
            bytes -= self.0.remove(victim).frame.len();
            place = place.saturating_sub(1);
        }
        Some(place)
    }

    /// When the oldest packet is given up.
    pub(super) fn deadline(&self) -> u64 {
        self.0.first().map_or(u64::MAX, |own| own.until)
    }

    /// Gives up the oldest packet if its time is over: what has come of it in one piece from its
    /// beginning, as a frame, which is empty if that is nothing.
    pub(super) fn expired(&mut self, now: u64) -> Option<Vec<u8>> {
        if now < self.deadline() {
            return None;
        }
        let mut oldest = self.0.remove(0);
        let first = oldest.ranges.first().filter(|range| range.0 == 0);
        let Some((_, end)) = first else {
            return Some(Vec::new());
        };
        oldest.frame.truncate(oldest.headers() + end);
        Some(oldest.finish().unwrap_or_default())
    }
}

impl Partial {
    fn new(frame: &[u8], header: &Header, fragment: Fragment, now: u64) -> Self {
        Self {
            source: header.source,
            destination: header.destination,
            protocol: header.protocol,
            ident: fragment.ident,
            traffic: header.traffic,
            hop_limit: header.hop_limit,
            frame: frame.get(..ETHERNET).unwrap_or(&[]).to_vec(),
            ranges: Vec::new(),
            len: None,
            until: now + TIMEOUT,
            refused: false,
        }
    }

    fn is_of(&self, header: &Header, fragment: Fragment) -> bool {
        self.ident == fragment.ident
            && self.source == header.source
            && self.destination == header.destination
            && (self.source.is_ipv6() || self.protocol == header.protocol)
    }

    /// Bytes before the payload.
    fn headers(&self) -> usize {
        ETHERNET + if self.source.is_ipv4() { IPV4 } else { IPV6 }
    }

    /// Whether a piece agrees with what is known of the packet's end.
    fn fits(&self, start: usize, end: usize, more: bool) -> bool {
        let came = self.ranges.last().map_or(0, |range| range.1);
        match (self.len, more) {
            (Some(len), false) => len == end,
            (Some(len), true) => end <= len,
            (None, false) => came <= end,
            (None, true) => start < end,
        }
    }

    /// Puts a piece where it belongs, unless it overlaps with other bytes or there are too many gaps.
    /// A piece that came before is no attack.
    fn put(&mut self, start: usize, piece: &[u8]) -> bool {
        let end = start + piece.len();
        let headers = self.headers();
        let (from, to) = (headers + start, headers + end);
        // The first range that is not wholly before the piece: it may touch it.
        let mut next = self.ranges.partition_point(|range| range.1 < start);
        if let Some((begin, stop)) = self.ranges.get(next).copied() {
            if begin <= start && end <= stop {
                return self.frame.get(from..to) == Some(piece);
            }
            next += usize::from(stop == start);
        }
        if self.ranges.get(next).is_some_and(|range| range.0 < end) {
            return false;
        }
        if self.frame.len() < to {
            self.frame.resize(to, 0);
        }
        let Some(place) = self.frame.get_mut(from..to) else {
            return false;
        };
        place.copy_from_slice(piece);
        self.note(next, start, end);
        self.ranges.len() <= MAX_RANGES
    }

    /// Notes that a piece has come before the range `next`, and joins what lies side by side.
    fn note(&mut self, next: usize, mut start: usize, mut end: usize) {
        let mut place = next;
        if let Some(before) = next.checked_sub(1)
            && let Some(range) = self.ranges.get(before)
            && range.1 == start
        {
            start = range.0;
            place = before;
        }
        if let Some(range) = self.ranges.get(next)
            && range.0 == end
        {
            end = range.1;
            self.ranges.remove(next);
        }
        match self.ranges.get_mut(place) {
            Some(range) if place < next => *range = (start, end),
            _ => self.ranges.insert(place, (start, end)),
        }
    }

    fn refuse(&mut self) {
        self.refused = true;
        self.frame = Vec::new();
        self.ranges = Vec::new();
    }

    /// The frame with its headers, as if it had come whole.
    fn finish(self) -> Option<Vec<u8>> {
        let headers = self.headers();
        let mut frame = self.frame;
        let mut head = [0; HEAD];
        head[..ETHERNET].copy_from_slice(frame.get(..ETHERNET)?);
        let fields = Fields {
            source: self.source,
            destination: self.destination,
            protocol: self.protocol,
            traffic: self.traffic,
            hop_limit: self.hop_limit,
            ident: 0,
            fragment: 0,
        };
        fields.emit(&mut head, frame.len().checked_sub(headers)?)?;
        let place = frame.get_mut(..headers)?;
        place.copy_from_slice(head.get(..headers)?);
        Some(frame)
    }
}

#[cfg(test)]
mod tests;
