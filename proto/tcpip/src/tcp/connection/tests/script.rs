// SPDX-License-Identifier: ISC
//! A connection and a peer that follows a script: what arrives and when, and what has to leave.
//! Sequence numbers of both sides count from their SYN, which is 0.

use core::task::Poll;
use std::{vec, vec::Vec};

use super::world::{MS, TestFrame, TestShelf};
use crate::{
    config::TcpConfig,
    error::Error,
    ip::Ecn,
    link::Payload,
    tcp::{
        buffer::Budget,
        congestion::Algorithm,
        connection::{Connection, Env, Handshake, Limits, Setup, TcpCounters, Transmit, Verdict},
        options::{Blocks, Options, Range},
        segment::{Flags, Segment},
        seq::Seq,
    },
};

const OURS: Seq = Seq(0xffff_ff00);
const THEIRS: Seq = Seq(0x7fff_fff0);

/// A segment of the peer.
pub(super) struct In {
    pub(super) flags: Flags,
    pub(super) seq: u32,
    pub(super) ack: u32,
    pub(super) len: usize,
    pub(super) window: u16,
    pub(super) sack: Vec<(u32, u32)>,
    pub(super) timestamps: Option<(u32, u32)>,
    pub(super) ecn: Ecn,
}

/// What left.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Out {
    pub(super) flags: Flags,
    pub(super) seq: u32,
    pub(super) ack: u32,
    pub(super) len: u32,
}

/// An acknowledgement from `seq` of everything before `ack`.
pub(super) fn ack(seq: u32, ack: u32) -> In {
    In {
        flags: Flags::ACK,
        seq,
        ack,
        len: 0,
        window: 60_000,
        sack: Vec::new(),
        timestamps: None,
        ecn: Ecn::NotCapable,
    }
}

/// The same with payload.
pub(super) fn data(seq: u32, len: usize, acked: u32) -> In {
    In {
        len,
        ..ack(seq, acked)
    }
}

pub(super) fn with(flags: Flags, segment: In) -> In {
    In { flags, ..segment }
}

pub(super) fn out(flags: Flags, seq: u32, len: u32, ack: u32) -> Out {
    Out {
        flags,
        seq,
        ack,
        len,
    }
}

pub(super) const ACK: Flags = Flags::ACK;
pub(super) const PUSH: Flags = Flags(Flags::ACK.0 | Flags::PSH.0);
pub(super) const FIN: Flags = Flags(Flags::ACK.0 | Flags::FIN.0);
pub(super) const RST: Flags = Flags(Flags::ACK.0 | Flags::RST.0);

/// The connection with what surrounds it.
pub(super) struct Script {
    pub(super) now: u64,
    pub(super) connection: Connection,
    pub(super) config: TcpConfig,
    pub(super) budget: Budget,
    pub(super) counters: TcpCounters,
    pub(super) offload: u32,
    pub(super) shelf: TestShelf,
}

pub(super) fn setup() -> Setup {
    Setup {
        local_port: 1,
        peer_port: 2,
        iss: OURS,
        mss: 1000,
        timestamp_offset: 0,
        ecn: false,
        algorithm: Algorithm::Reno,
    }
}

pub(super) fn handshake() -> Handshake {
    Handshake {
        irs: THEIRS,
        peer_mss: 1000,
        window_scale: None,
        window: 60_000,
        timestamp: None,
        sack: true,
        ecn: false,
        rtt: Some(100 * MS),
    }
}

impl Script {
    /// Begins with what `open` gives, at one second.
    pub(super) fn new(open: impl FnOnce(&mut Env<'_>) -> Connection) -> Self {
        let config = TcpConfig {
            receive_buffer: 60_000,
            send_buffer: 1 << 20,
            ..TcpConfig::default()
        };
        let (mut budget, mut counters) = (Budget::new(1 << 24), TcpCounters::default());
        let shelf = TestShelf::default();
        let connection = open(&mut Env {
            now: 1000 * MS,
            config: &config,
            budget: &mut budget,
            counters: &mut counters,
            shelf: &shelf,
        });
        Self {
            now: 1000 * MS,
            connection,
            config,
            budget,
            counters,
            offload: 0,
            shelf,
        }
    }

    /// An established connection with SACK.
    pub(super) fn established() -> Self {
        Self::agreed(&handshake())
    }

    pub(super) fn agreed(handshake: &Handshake) -> Self {
        Self::new(|env| Connection::accepted(setup(), handshake, env))
    }

    pub(super) fn env<R>(&mut self, act: impl FnOnce(&mut Connection, &mut Env<'_>) -> R) -> R {
        act(
            &mut self.connection,
            &mut Env {
                now: self.now,
                config: &self.config,
                budget: &mut self.budget,
                counters: &mut self.counters,
                shelf: &self.shelf,
            },
        )
    }

    /// A segment arrives.
    pub(super) fn inject(&mut self, segment: &In) -> Verdict {
        let mut sack = Blocks::default();
        for (start, end) in &segment.sack {
            sack.push(Range {
                start: OURS + *start,
                end: OURS + *end,
            });
        }
        let header = Segment {
            source_port: 2,
            destination_port: 1,
            seq: THEIRS + segment.seq,
            ack: OURS + segment.ack,
            flags: segment.flags,
            window: segment.window,
            options: Options {
                timestamps: segment.timestamps,
                sack,
                sack_permitted: segment.flags.has(Flags::SYN),
                ..Options::default()
            },
            header_len: 20,
        };
        let bytes = (0..segment.len)
            .map(|n| (segment.seq as usize + n) as u8)
            .collect();
        let mut frame = TestFrame { bytes, shelf: None };
        let len = segment.len;
        let ecn = segment.ecn;
        self.env(|connection, env| {
            connection.receive(env, &header, Payload::new(&mut frame, 0..len), ecn, None)
        })
    }

    /// Arrives, and nothing follows beyond the connection.
    pub(super) fn takes(&mut self, segment: &In) {
        assert_eq!(self.inject(segment), Verdict::Nothing);
    }

    /// What leaves now, in full.
    pub(super) fn transmits(&mut self) -> Vec<Transmit> {
        let limits = Limits {
            offload: self.offload,
        };
        let mut all = vec![];
        while let Some(transmit) = self.env(|connection, env| connection.next(env, limits)) {
            self.env(|connection, env| connection.sent(env, &transmit));
            all.push(transmit);
            assert!(all.len() < 1000);
        }
        all
    }

    /// What leaves now.
    pub(super) fn sends(&mut self) -> Vec<Out> {
        let short = |transmit: Transmit| Out {
            flags: transmit.segment.flags,
            seq: transmit.segment.seq.0.wrapping_sub(OURS.0),
            ack: transmit.segment.ack.0.wrapping_sub(THEIRS.0),
            len: transmit.len,
        };
        self.transmits().into_iter().map(short).collect()
    }

    /// Time passes, and what is due happens at its time; what it leads to is sent and forgotten.
    pub(super) fn wait(&mut self, nanoseconds: u64) -> Verdict {
        let end = self.now + nanoseconds;
        while let Some(at) = self.connection.deadline().filter(|at| *at <= end) {
            self.now = at.max(self.now);
            let verdict = self.env(|connection, env| connection.expire(env));
            if verdict != Verdict::Nothing {
                return verdict;
            }
            self.transmits();
        }
        self.now = end;
        Verdict::Nothing
    }

    /// Goes to the next deadline; gives the milliseconds until then and what leaves.
    pub(super) fn alarm(&mut self) -> (u64, Vec<Out>) {
        let at = self.connection.deadline().expect("no deadline");
        let waited = at.saturating_sub(self.now) / MS;
        self.now = at;
        assert_eq!(
            self.env(|connection, env| connection.expire(env)),
            Verdict::Nothing
        );
        (waited, self.sends())
    }

    pub(super) fn write(&mut self, len: usize) {
        let bytes = vec![7; len];
        let written = self.env(|connection, env| connection.write(env, &bytes));
        assert_eq!(written, Poll::Ready(Ok(len)));
    }

    pub(super) fn read(&mut self, len: usize) -> Poll<Result<usize, Error>> {
        let mut bytes = vec![0; len];
        self.env(|connection, env| connection.read(env, &mut bytes))
    }
}
