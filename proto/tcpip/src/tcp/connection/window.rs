// SPDX-License-Identifier: ISC
//! The receive window: what may arrive, and how that follows what the program reads.
//!
//! The right edge never goes back: a window that the scale cannot express is rounded up, and what
//! was offered once is accepted (RFC 7323, section 2.4). It moves in steps worth a segment (RFC 9293,
//! section 3.8.6.2.2). The limit begins at 64 KB and follows the bytes that the program reads per
//! round trip, up to what the configuration allows ("dynamic right-sizing").

use crate::{
    config::TcpConfig,
    tcp::{buffer::Budget, seq::Seq},
};

/// The first window offered, if the configuration allows that much.
const INITIAL: usize = 65_535;
/// What a connection gets when memory is short.
const LEAST: u32 = 8192;

/// The window scale to send in a SYN: the smallest that can express the largest window.
pub(crate) fn scale_for(config: &TcpConfig) -> u8 {
    let mut scale = 0;
    while scale < 14 && (65_535 << scale) < config.receive_buffer {
        scale += 1;
    }
    scale
}

/// The window to offer in a SYN, which is never scaled (RFC 7323, section 2.2).
pub(crate) fn initial(config: &TcpConfig) -> u16 {
    config.receive_buffer.min(INITIAL) as u16
}

/// What may arrive.
pub(super) struct Window {
    /// RCV.NXT
    pub(super) nxt: Seq,
    /// The right edge that was offered.
    pub(super) edge: Seq,
    /// Bytes that may be unread.
    pub(super) limit: u32,
    pub(super) scale: u8,
    /// Bytes read since `round`, the time when a round trip began.
    copied: u32,
    round: u64,
    /// Round trip as seen by the receiver, in nanoseconds; zero: unknown.
    rtt: u64,
}

impl Window {
    pub(super) fn new(config: &TcpConfig, now: u64) -> Self {
        Self {
            nxt: Seq(0),
            edge: Seq(0),
            limit: u32::from(initial(config)),
            scale: 0,
            copied: 0,
            round: now,
            rtt: 0,
        }
    }

    /// The peer's SYN has the sequence number `irs`, and a window of `offered` was promised.
    pub(super) fn open(&mut self, irs: Seq, offered: u32) {
        self.nxt = irs + 1;
        self.edge = self.nxt + offered;
    }

    /// Bytes that may arrive.
    pub(super) const fn len(&self) -> u32 {
        self.edge.since(self.nxt)
    }

    /// The edge to offer while `unread` bytes are unread; `mss` is the size of segments.
    fn target(&self, unread: u32, mss: u32, budget: &Budget) -> Seq {
        let limit = if budget.exhausted() {
            self.limit.min(LEAST)
        } else {
            self.limit
        };
        let wanted = self.nxt + limit.saturating_sub(unread);
        let step = mss.min(limit / 2).max(1);
        if wanted.since(self.edge) >= step {
            wanted
        } else {
            self.edge
        }
    }

    /// The window for a header.
    pub(super) fn offer(&self, unread: u32, mss: u32, budget: &Budget) -> u16 {
        let target = self.target(unread, mss, budget);
        let units = target.since(self.nxt).div_ceil(1 << self.scale);
        units.min(65_535) as u16
    }

    /// A header with `window` was sent.
    pub(super) fn offered(&mut self, window: u16) {
        self.edge = self.edge.max(self.nxt + (u32::from(window) << self.scale));
    }

    /// Whether the window has grown enough to tell the peer although nothing arrived: to twice what
    /// it knows of, or by a quarter of all.
    pub(super) fn worth_telling(&self, unread: u32, mss: u32, budget: &Budget) -> bool {
        let gain = self.target(unread, mss, budget).since(self.edge);
        let enough = self.len().min(self.limit / 4).max(mss.min(self.limit / 2));
        gain >= enough.max(1)
    }

    /// A timestamp tells that the peer answered within `rtt` nanoseconds.
    pub(super) const fn measured(&mut self, rtt: u64) {
        self.rtt = if self.rtt == 0 || rtt < self.rtt {
            rtt
        } else {
            self.rtt - self.rtt / 8 + rtt / 8
        };
    }

    /// The program has read `count` bytes.
    pub(super) fn read(
        &mut self,
        count: u32,
        rtt: u64,
        config: &TcpConfig,
        budget: &Budget,
        now: u64,
    ) {
        self.copied = self.copied.saturating_add(count);
        let rtt = if self.rtt > 0 { self.rtt } else { rtt }.max(1_000_000);
        let elapsed = now.saturating_sub(self.round);
        // What is read in one round trip, at the least: a round trip that is not over counts too, since
        // a peer in slow start sends twice as much while this one is read, and twice that next.
        let copied = u64::from(self.copied) * rtt / elapsed.max(rtt);
        let wanted = (4 * copied).min(config.receive_buffer as u64).min(1 << 30) as u32;
        if wanted > self.limit && !budget.tight() {
            self.limit = wanted;
        }
        if elapsed < rtt {
            return;
        }
        self.copied = 0;
        self.round = now;
    }
}
