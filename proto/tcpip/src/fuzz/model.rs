// SPDX-License-Identifier: ISC
//! What is right: both streams by position, what was sent of them, and what was promised.
//!
//! Positions count from the byte after the SYN; the SYN itself is at -1.

use core::task::Poll;
use std::{format, string::String, vec::Vec};

use super::stream::after;
use crate::{
    Error,
    tcp::{
        segment::{Flags, Segment},
        seq::Seq,
    },
};

/// What the device is to do with a large frame: payload of each segment, and its headers.
pub(super) type Cut = Option<(u16, u16)>;

/// Both streams.
pub(super) struct Model {
    /// The peer's first sequence number, and the stack's.
    irs: u32,
    pub(super) iss: Option<u32>,
    /// Who asks.
    pub(super) listens: bool,
    pub(super) shaken: bool,
    pub(super) peer_scale: Option<u8>,
    pub(super) mss: u16,
    /// Added to acknowledgements of guesses.
    pub(super) off_the_record: u32,
    /// Whether both sides send timestamps.
    pub(super) stamps: bool,
    /// The stack's window scale, if both sides scale.
    scale: u8,

    /// What the peer has sent, in ranges.
    ranges: Vec<(i64, i64)>,
    /// Where its FIN is, once it has sent one.
    pub(super) fin: Option<i64>,
    /// What the stack has acknowledged, FIN included, and the right edge that it offered.
    pub(super) acked: i64,
    pub(super) edge: i64,
    /// What the program has read, and whether it has seen the end.
    read: i64,
    ended: bool,
    pub(super) failed: bool,
    pub(super) reset_possible: bool,

    /// What the program wrote, and whether it has ended.
    written: i64,
    pub(super) closed: bool,
    /// The largest right edge that the peer has offered.
    limit: i64,
    /// What the stack has sent, FIN included.
    pub(super) seen: i64,
    /// The stack has reset the connection, or nobody holds it.
    pub(super) over: bool,
}

fn peer_byte(position: i64) -> u8 {
    ((position as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8
}

fn own_byte(position: i64) -> u8 {
    ((position as u64).wrapping_mul(0xd1b5_4a32_d192_ed03) >> 56) as u8
}

impl Model {
    pub(super) const fn new(irs: u32) -> Self {
        Self {
            irs,
            iss: None,
            listens: true,
            shaken: false,
            peer_scale: None,
            mss: 536,
            off_the_record: 0,
            stamps: false,
            scale: 0,
            ranges: Vec::new(),
            fin: None,
            acked: 0,
            edge: 0,
            read: 0,
            ended: false,
            failed: false,
            reset_possible: false,
            written: 0,
            closed: false,
            limit: 0,
            seen: 0,
            over: false,
        }
    }

    pub(super) fn peer_seq(&self, position: i64) -> Seq {
        Seq(after(self.irs).0.wrapping_add(position as u32))
    }

    pub(super) fn own_seq(&self, position: i64) -> Seq {
        Seq(after(self.iss.unwrap_or(0)).0.wrapping_add(position as u32))
    }

    /// The peer offers a window.
    pub(super) fn offer(&mut self, ack: i64, window: u32, scale: u8) {
        let scale = if self.scaled() { scale } else { 0 };
        self.limit = self.limit.max(ack + (i64::from(window) << scale));
    }

    /// Whether both SYNs had a window scale; before the stack's was seen, the peer's alone.
    fn scaled(&self) -> bool {
        self.peer_scale.is_some()
    }

    /// Bytes of the peer's stream, which count as sent from now on. With `wrong` those that are not
    /// looked at are others.
    pub(super) fn take_peer(&mut self, at: i64, len: usize, wrong: bool) -> Vec<u8> {
        let end = (at + len as i64).min(self.fin.unwrap_or(i64::MAX)).max(at);
        let (first, last) = if wrong {
            (self.acked.clamp(at, end), self.edge.clamp(at, end))
        } else {
            (at, end)
        };
        if first < last {
            self.ranges.push((first, last));
        }
        let byte = |position| match (first..last).contains(&position) {
            true => peer_byte(position),
            false => !peer_byte(position),
        };
        (at..end).map(byte).collect()
    }

    /// The same, up to `end`, and `most` bytes.
    pub(super) fn take_peer_until(&mut self, at: i64, end: i64, most: i64) -> Vec<u8> {
        let end = end.min(self.edge).min(at + most);
        self.take_peer(at, (end - at).max(0) as usize, false)
    }

    /// Bytes that nobody sent.
    pub(super) fn wrong(at: i64, len: usize) -> Vec<u8> {
        (at..at + len as i64).map(|at| !peer_byte(at)).collect()
    }

    /// Whether the peer's stream may end at `position`; then it does.
    pub(super) fn may_end(&mut self, position: i64) -> bool {
        let ends = self.fin.unwrap_or(position) == position && position >= self.top();
        if ends {
            self.fin = Some(position);
        }
        ends
    }

    /// The end of what the peer has sent.
    pub(super) fn top(&self) -> i64 {
        let ends = self.ranges.iter().map(|range| range.1);
        ends.chain(self.fin).max().unwrap_or(0)
    }

    /// The end of what it has sent without a gap.
    fn prefix(&mut self) -> i64 {
        self.ranges.sort_unstable();
        let mut end = 0;
        for (from, to) in &self.ranges {
            if *from <= end {
                end = end.max(*to);
            }
        }
        self.ranges.retain(|range| range.1 > end);
        self.ranges.push((0, end));
        end
    }

    /// The program has read, or `peeked`.
    pub(super) fn read(&mut self, outcome: Poll<Result<Vec<u8>, Error>>, peeked: bool) {
        match outcome {
            Poll::Pending => assert!(!self.ended, "reading waits after the end"),
            Poll::Ready(Err(error)) => {
                assert!(
                    error != Error::ConnectionReset || self.reset_possible || self.over,
                    "reset by what must not reset it"
                );
                self.failed = true;
            }
            Poll::Ready(Ok(bytes)) if bytes.is_empty() => {
                assert!(
                    self.fin == Some(self.read) || self.over || self.reset_possible || self.failed,
                    "the end after {} of {:?}",
                    self.read,
                    self.fin
                );
                self.ended = true;
            }
            Poll::Ready(Ok(bytes)) => {
                let end = self.read + bytes.len() as i64;
                assert!(end <= self.prefix(), "read {end}, which was not sent");
                for (byte, at) in bytes.iter().zip(self.read..) {
                    assert_eq!(*byte, peer_byte(at), "at {at}");
                }
                if !peeked {
                    self.read = end;
                }
            }
        }
    }

    pub(super) fn own_bytes(&self, len: usize) -> Vec<u8> {
        let end = self.written + len as i64;
        (self.written..end).map(own_byte).collect()
    }

    pub(super) fn wrote(&mut self, outcome: Poll<Result<usize, Error>>) {
        match outcome {
            Poll::Ready(Ok(len)) => self.written += len as i64,
            Poll::Ready(Err(_)) => self.failed |= !self.closed,
            Poll::Pending => {}
        }
    }

    /// The stack has sent a segment.
    pub(super) fn sent(&mut self, segment: &Segment, payload: &[u8], cut: Cut) {
        if segment.flags.has(Flags::RST) {
            self.over |= self.shaken;
            return;
        }
        if segment.flags.has(Flags::SYN) {
            self.sent_syn(segment, payload);
            return;
        }
        let Some(iss) = self.iss else {
            return;
        };
        assert!(segment.flags.has(Flags::ACK), "no acknowledgement");
        self.check_ack(segment);
        let at = i64::from(segment.seq.0.wrapping_sub(after(iss).0).cast_signed());
        let fin = segment.flags.has(Flags::FIN);
        let end = at + payload.len() as i64;
        let taken = end + i64::from(fin);
        assert!(
            at >= -1 && end <= self.written || taken == at && at == self.seen,
            "sent {at} to {end} of {}",
            self.written
        );
        for (byte, at) in payload.iter().zip(at..) {
            assert_eq!(*byte, own_byte(at), "sent at {at}");
        }
        if fin {
            assert!(self.closed && end == self.written, "ends too early");
        }
        if taken > at {
            assert!(
                taken <= self.limit,
                "sent up to {taken}, and the window ends at {}",
                self.limit
            );
        }
        self.seen = self.seen.max(taken);
        self.check_size(segment, payload.len(), cut);
    }

    fn sent_syn(&mut self, segment: &Segment, payload: &[u8]) {
        assert!(payload.is_empty(), "data with a SYN");
        if self.shaken {
            // A connection after this one.
            self.over = true;
            return;
        }
        assert!(
            self.iss.is_none_or(|iss| iss == segment.seq.0),
            "another first sequence number"
        );
        self.iss = Some(segment.seq.0);
        if segment.flags.has(Flags::ACK) || !self.listens {
            self.scale = match self.peer_scale {
                Some(_) => segment.options.window_scale.unwrap_or(0),
                None => 0,
            };
            self.stamps = segment.options.timestamps.is_some();
            self.edge = self.edge.max(i64::from(segment.window));
        }
    }

    /// No more is acknowledged than was sent, and neither that nor the window goes back.
    fn check_ack(&mut self, segment: &Segment) {
        let first = after(self.irs).0;
        let ack = i64::from(segment.ack.0.wrapping_sub(first).cast_signed());
        let prefix = self.prefix();
        let sent = prefix + i64::from(self.fin == Some(prefix));
        assert!(ack <= sent, "acknowledged {ack} of {sent}");
        assert!(ack >= self.acked, "acknowledged {ack} after {}", self.acked);
        self.acked = ack;
        let edge = ack + (i64::from(segment.window) << self.scale);
        assert!(
            edge >= self.edge.min(sent),
            "the window went back from {} to {edge}",
            self.edge
        );
        self.edge = self.edge.max(edge);
    }

    /// No packet is larger than the peer or the link takes, and what is left to the device is right.
    fn check_size(&self, segment: &Segment, len: usize, cut: Cut) {
        let mut buffer = [0; 60];
        let header = segment.emit(&mut buffer);
        let size = cut.map_or(len, |(size, _)| usize::from(size));
        assert!(
            size + header <= usize::from(self.mss).min(1460) + 20,
            "{size} bytes in a packet"
        );
        if let Some((size, headers)) = cut {
            assert!(
                usize::from(size) < len && size > 0,
                "nothing to cut: {size} of {len}"
            );
            assert!(
                [34, 54].contains(&(usize::from(headers) - header)),
                "headers of {headers}"
            );
        }
    }

    /// Whether all has arrived at both sides.
    pub(super) fn done(&self) -> bool {
        let received = match self.fin {
            Some(fin) => self.ended && self.read == fin && self.acked == fin + 1,
            None => self.read == self.top(),
        };
        received && self.seen == self.written + i64::from(self.closed)
    }

    pub(super) fn story(&self) -> String {
        format!(
            "read {} and {} of {} and {:?}, acknowledged {}, window to {}; sent {} of {}, ended {}, \
             window to {}",
            self.read,
            self.ended,
            self.top(),
            self.fin,
            self.acked,
            self.edge,
            self.seen,
            self.written,
            self.closed,
            self.limit
        )
    }
}
