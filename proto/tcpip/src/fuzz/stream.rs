// SPDX-License-Identifier: ISC
//! A model check of TCP: whatever arrives, a connection delivers the bytes that its peer sent in
//! order and no others, acknowledges nothing else, and sends what its program wrote, the same byte
//! for a sequence number each time and none outside of the window.
//!
//! The fuzzer is the peer. What it may say of its stream is fixed: each position has one byte, in
//! however many overlapping segments, in whatever order. All else that it says has the opposite of
//! those bytes and breaks a rule of RFC 9293 section 3.10.7.4, RFC 7323 or RFC 5961 that makes a
//! stack drop it; where such a byte is read, or such a segment's window used, a check is missing.
//! `model.rs` has what is checked.

use alloc::vec::Vec;
use core::task::Poll;

use fata_device::net::{Checksum, Offload, SegmentKind, Segmentation};

use super::{
    bytes::Bytes,
    host::{Host, LOCAL_PORT, PEER_PORT, Wire},
    model::Model,
};
use crate::{
    CongestionControl, TcpConfig,
    packet::protocol,
    tcp::{
        options::{Blocks, Options, Range},
        segment::{Flags, Segment},
        seq::Seq,
    },
};

/// Steps of one input.
const MAX_STEPS: usize = 300;
/// Segments that are kept to be sent again.
const MAX_KEPT: usize = 32;
/// Payload that fits in one packet, whatever the options.
const SMALL: usize = 1400;
/// Milliseconds of the peer's clock of timestamps when it begins.
const PEER_CLOCK: u32 = 0xffff_f000;

/// A peer that follows the fuzzer.
pub(super) struct Peer {
    host: Host,
    model: Model,
    /// What it agreed on in its SYN: timestamps, SACK, window scale.
    stamps: bool,
    sack: bool,
    scale: u8,
    /// What it acknowledged last, as a position.
    told: i64,
    kept: Vec<(Segment, Vec<u8>)>,
}

/// How a segment is wrong.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fault {
    Port,
    Checksum,
    Old,
    Beyond,
    EarlyAck,
    LateAck,
    OldStamp,
    NoStamp,
    NoAck,
    Syn,
    Reset,
    Length,
    Header,
    Address,
}

const FAULTS: [Fault; 14] = [
    Fault::Port,
    Fault::Checksum,
    Fault::Old,
    Fault::Beyond,
    Fault::EarlyAck,
    Fault::LateAck,
    Fault::OldStamp,
    Fault::NoStamp,
    Fault::NoAck,
    Fault::Syn,
    Fault::Reset,
    Fault::Length,
    Fault::Header,
    Fault::Address,
];

/// Runs the check on `input`.
///
/// Its first fifteen bytes say how both sides are set up, the next how they shake hands; after that
/// each step has a byte that says what it is, and what it needs.
///
/// # Panics
///
/// If the stack breaks one of the rules.
pub fn streams(input: &[u8]) {
    let mut input = Bytes::new(input);
    let Some(mut peer) = Peer::set_up(&mut input) else {
        return;
    };
    if !peer.shake_hands(&mut input) {
        return;
    }
    for _ in 0..MAX_STEPS {
        if input.is_empty() || peer.model.over {
            break;
        }
        peer.step(&mut input);
        peer.look();
    }
    peer.finish();
}

impl Peer {
    fn set_up(input: &mut Bytes<'_>) -> Option<Self> {
        let flags = input.byte();
        let sizes = input.byte();
        let options = input.byte();
        let scale = (options & 8 != 0).then(|| input.byte() % 15);
        let tcp = TcpConfig {
            receive_buffer: [4000, 65_535, 300_000, 4 << 20][usize::from(sizes & 3)],
            send_buffer: [3000, 65_536, 1 << 20, 1 << 20][usize::from(sizes >> 2 & 3)],
            ecn: flags & 1 != 0,
            nodelay: flags & 2 != 0,
            congestion: match flags & 4 {
                0 => CongestionControl::Cubic,
                _ => CongestionControl::Reno,
            },
            ..TcpConfig::default()
        };
        // The stack's first sequence number goes with the clock: any can be had.
        let start = 1_000_000_000 + u64::from(input.word()) * 4000;
        let host = Host::new(tcp, flags & 8 != 0, flags & 16 != 0, start)?;
        let irs = input.word();
        Some(Self {
            host,
            model: Model::new(irs),
            stamps: options & 1 != 0,
            sack: options & 2 != 0,
            scale: scale.unwrap_or(0),
            told: 0,
            kept: Vec::new(),
        })
        .map(|mut peer| {
            peer.model.peer_scale = scale;
            peer.model.mss = [536, 1000, 1440, 9000][usize::from(sizes >> 4 & 3)];
            peer.model.listens = flags & 32 == 0;
            peer
        })
    }

    /// Says whether there is a connection afterwards.
    fn shake_hands(&mut self, input: &mut Bytes<'_>) -> bool {
        let how = input.byte();
        if self.model.listens {
            let data = if how & 1 != 0 { 100 } else { 0 };
            self.syn(Flags::SYN, data);
            self.look();
        } else {
            self.host.connect();
            self.look();
            if how & 2 != 0 {
                // Somebody guesses.
                self.model.off_the_record = 77_777;
                self.syn(Flags::SYN.with(Flags::ACK), 0);
                self.model.off_the_record = 0;
                self.look();
            }
            let flags = match how & 4 {
                0 => Flags::SYN.with(Flags::ACK),
                _ => Flags::SYN,
            };
            self.syn(flags, 0);
            self.look();
        }
        if self.model.iss.is_none() {
            return false;
        }
        if how & 8 == 0 {
            self.acknowledge(1460, Blocks::default());
        } else {
            self.data(input);
        }
        self.look();
        self.host.accept();
        self.model.shaken = true;
        self.host.stream.is_some()
    }

    fn syn(&mut self, flags: Flags, data: usize) {
        let mut segment = self.header(flags, -1);
        segment.options = Options {
            mss: Some(self.model.mss),
            window_scale: self.model.peer_scale,
            timestamps: self.stamps.then(|| (self.stamp(), self.host.echo)),
            sack_permitted: self.sack,
            ..Options::default()
        };
        // The window of a SYN is not scaled.
        self.model.offer(0, u32::from(segment.window), 0);
        let payload = self.model.take_peer(0, data, false);
        self.host.send(Wire::new(&segment, &payload));
    }

    /// A segment of the peer that begins at `position`, and acknowledges all that was seen.
    fn header(&self, flags: Flags, position: i64) -> Segment {
        Segment {
            source_port: PEER_PORT,
            destination_port: self.host.port(),
            seq: self.model.peer_seq(position),
            ack: self.model.own_seq(self.model.seen) + self.model.off_the_record,
            flags,
            window: 65_535,
            options: Options {
                timestamps: self.stamps().then(|| (self.stamp(), self.host.echo)),
                ..Options::default()
            },
            header_len: 0,
        }
    }

    /// Whether segments have timestamps.
    fn stamps(&self) -> bool {
        self.stamps && self.model.stamps
    }

    fn stamp(&self) -> u32 {
        PEER_CLOCK.wrapping_add((self.host.now() / 1_000_000) as u32)
    }

    fn step(&mut self, input: &mut Bytes<'_>) {
        match input.byte() % 16 {
            0..=3 => self.data(input),
            4 | 5 => self.again(input),
            6 | 7 => self.forge(input),
            8 | 9 => self.report(input),
            10 => self.host.wait(1000 << (input.byte() % 28)),
            11 | 12 => drop(self.read(1 + usize::from(input.half()))),
            13 => self.write(usize::from(input.half()) + 1),
            14 => self.end(input.byte()),
            _ => self.icmp(input),
        }
    }

    /// Bytes of the stream: near what is acknowledged, and any number.
    fn data(&mut self, input: &mut Bytes<'_>) {
        let how = input.byte();
        let mut at = self.model.acked + i64::from(input.half() as i16);
        let mut len = usize::from(input.half());
        if how & 1 != 0 || !self.host.large {
            len %= SMALL + 1;
        }
        if how & 2 != 0 {
            at = self.model.acked;
        }
        let mut at = at.clamp(0, self.model.edge.max(0));
        // What was acknowledged or lies beyond the window is not looked at, so it may be wrong.
        let wrong = how & 4 != 0;
        let payload = self.model.take_peer(at, len.min(60_000), wrong);
        if payload.is_empty() {
            // No peer acknowledges from beyond what it has sent.
            at = at.min(self.model.top());
        }
        let fin = how & 0x38 == 0x38 && self.model.may_end(at + payload.len() as i64);
        let mut segment = self.header(Flags::ACK, at);
        if fin {
            segment.flags = segment.flags.with(Flags::FIN);
        }
        if how & 0x40 != 0 {
            segment.flags = segment.flags.with(Flags(Flags::PSH.0 | 0x20));
        }
        self.choose_ack(&mut segment, input);
        if !wrong && self.kept.len() < MAX_KEPT {
            self.kept.push((segment, payload.clone()));
        }
        // Some are kept for later and not sent now: so they are reordered.
        if how & 0x80 == 0 || wrong || fin {
            let mut wire = Wire::new(&segment, &payload);
            wire.offload = self.offload(payload.len(), input);
            self.host.send(wire);
        }
    }

    /// What the device says of the frame; it may lie about sizes.
    fn offload(&self, len: usize, input: &mut Bytes<'_>) -> Offload {
        let size = match self.host.large {
            true if len > SMALL => input.half(),
            _ => 0,
        };
        Self::cut(len, size)
    }

    fn cut(len: usize, size: u16) -> Offload {
        let kind = [SegmentKind::Tcp4, SegmentKind::Tcp6, SegmentKind::Udp][usize::from(size) % 3];
        let checksum = if len > SMALL {
            Checksum::Partial {
                start: 34,
                offset: 16,
            }
        } else {
            Checksum::Verified
        };
        Offload {
            checksum,
            segmentation: (len > SMALL).then_some(Segmentation {
                kind,
                size: size / 8,
                header_len: size,
            }),
        }
    }

    /// Sets acknowledgement and window to what a peer may say.
    fn choose_ack(&mut self, segment: &mut Segment, input: &mut Bytes<'_>) {
        let choice = input.byte();
        let back = i64::from(choice & 15) * 300;
        let ack = match choice >> 6 {
            0 => self.told,
            1 => (self.model.seen - back).max(self.told),
            2 => (self.model.seen - back).max(0),
            _ => self.model.seen,
        };
        segment.window = match choice >> 4 & 3 {
            0 => 65_535,
            1 => u16::from(input.byte()),
            2 => 0,
            _ => input.half(),
        };
        self.told = self.told.max(ack);
        segment.ack = self.model.own_seq(ack);
        self.model.offer(ack, segment.window.into(), self.scale);
    }

    /// Something that was sent before, or held back.
    fn again(&mut self, input: &mut Bytes<'_>) {
        let pick = usize::from(input.byte());
        let Some((segment, payload)) = self.kept.get(pick % self.kept.len().max(1)) else {
            return;
        };
        let mut wire = Wire::new(segment, payload);
        wire.offload = Self::cut(payload.len(), 1448);
        self.host.send(wire);
    }

    /// Acknowledgements, with whatever reports of arrivals.
    fn report(&mut self, input: &mut Bytes<'_>) {
        let mut blocks = Blocks::default();
        for _ in 0..input.byte() % 4 {
            let start = self.told + i64::from(input.half() as i16) * 8;
            let end = start + i64::from(input.half() as i16);
            blocks.push(Range {
                start: self.model.own_seq(start),
                end: self.model.own_seq(end),
            });
        }
        let mut segment = self.header(Flags::ACK, self.model.acked.max(0));
        segment.options.sack = blocks;
        self.choose_ack(&mut segment, input);
        if input.byte() & 15 == 0 {
            segment.flags = segment.flags.with(Flags::ECE);
        }
        self.host.send(Wire::new(&segment, &[]));
    }

    fn acknowledge(&mut self, window: u16, blocks: Blocks) {
        let mut segment = self.header(Flags::ACK, self.model.acked.max(0));
        segment.options.sack = blocks;
        segment.window = window;
        self.told = self.model.seen;
        self.model.offer(self.told, window.into(), self.scale);
        self.host.send(Wire::new(&segment, &[]));
    }

    /// A segment that no stack may take anything of.
    fn forge(&mut self, input: &mut Bytes<'_>) {
        let fault = FAULTS[usize::from(input.byte()) % FAULTS.len()];
        let by = i64::from(input.half()) + 1;
        let len = usize::from(input.half()) % SMALL + 1;
        let stamped = self.stamps();
        let mut at = self.model.acked.max(0);
        match fault {
            Fault::Old => at -= by + len as i64,
            Fault::Beyond => at = self.model.edge + by,
            _ => at = (at + by % 4000 - 1000).max(0),
        }
        let mut segment = self.header(Flags::ACK, at);
        let mut wire_fault = None;
        match fault {
            Fault::Port => segment.source_port = PEER_PORT + 1,
            Fault::EarlyAck => segment.ack = self.model.own_seq(self.model.seen + by),
            Fault::LateAck => {
                let window = 65_535 << 14;
                segment.ack = self.model.own_seq(-2 - by - window);
            }
            Fault::OldStamp if stamped => {
                let old = self.host.echoed.wrapping_sub(by as u32);
                segment.options.timestamps = Some((old, self.host.echo));
            }
            Fault::NoStamp if stamped => segment.options.timestamps = None,
            Fault::OldStamp | Fault::NoStamp => return,
            Fault::NoAck => segment.flags = Flags(by as u8 & 8),
            Fault::Syn => segment.flags = segment.flags.with(Flags::SYN),
            Fault::Reset => {
                segment.flags = segment.flags.with(Flags::RST);
                self.model.reset_possible |= at >= self.model.acked && at <= self.model.edge;
            }
            _ => wire_fault = Some(fault),
        }
        let payload = Model::wrong(at, len);
        let mut wire = Wire::new(&segment, &payload);
        match wire_fault {
            Some(Fault::Checksum) => wire.break_checksum = true,
            Some(Fault::Length) => wire.break_length = true,
            Some(Fault::Header) => wire.break_header = true,
            Some(Fault::Address) => wire.break_address = true,
            _ => {}
        }
        self.host.send(wire);
    }

    /// The program reads once; says whether there was something.
    fn read(&mut self, len: usize) -> bool {
        let peek = len.is_multiple_of(5);
        let outcome = self.host.read(len, peek);
        let more = matches!(&outcome, Poll::Ready(Ok(bytes)) if !bytes.is_empty());
        self.model.read(outcome, peek);
        more
    }

    fn write(&mut self, len: usize) {
        let bytes = self.model.own_bytes(len);
        let outcome = self.host.write(&bytes);
        self.model.wrote(outcome);
    }

    fn end(&mut self, how: u8) {
        match how % 8 {
            0..=3 => {
                self.host.shutdown();
                self.model.closed = true;
            }
            4 => {
                self.model.closed = true;
                self.model.over = true;
                self.host.stream = None;
            }
            _ => self.host.wait(u64::from(how) << 22),
        }
    }

    /// An ICMP error about something that the stack has sent, or not.
    fn icmp(&mut self, input: &mut Bytes<'_>) {
        let kind = input.byte();
        let position = self.told + i64::from(input.half() as i16);
        let seq = self.model.own_seq(position);
        let mtu = input.half();
        self.host.icmp(kind, mtu, seq);
    }

    /// Takes what the stack has sent, and checks it.
    fn look(&mut self) {
        for frame in self.host.take() {
            let Some((segment, payload, cut)) = self.host.dissect(&frame) else {
                continue;
            };
            if let Some((value, echo)) = segment.options.timestamps {
                self.host.echo = value;
                if segment.flags.has(Flags::ACK) && !segment.flags.has(Flags::RST) {
                    self.host.echoed = echo;
                }
            }
            self.model.sent(&segment, payload, cut);
        }
    }

    /// From now on the peer behaves: all that it has sent is read in the end, and what the program
    /// wrote arrives.
    fn finish(&mut self) {
        for _ in 0..200 {
            if self.model.over || self.model.failed || self.model.reset_possible {
                break;
            }
            if self.model.done() {
                return;
            }
            let at = self.model.acked.max(0);
            let payload = self
                .model
                .take_peer_until(at, self.model.top(), SMALL as i64);
            let mut segment = self.header(Flags::ACK, at);
            if self.model.fin == Some(at + payload.len() as i64) {
                segment.flags = segment.flags.with(Flags::FIN);
            }
            self.told = self.model.seen;
            self.model.offer(self.told, 65_535, self.scale);
            self.host.send(Wire::new(&segment, &payload));
            self.look();
            self.acknowledge(65_535, Blocks::default());
            self.look();
            while self.read(30_001) {}
            self.look();
            self.host.wait(2_000_000_000);
            self.look();
        }
        let idle = self.model.over || self.model.failed || self.model.reset_possible;
        assert!(idle, "does not get on: {}", self.model.story());
    }
}

/// The protocol that is looked at.
pub(super) const TCP: u8 = protocol::TCP;
/// The first sequence number that counts: that of the byte after a SYN.
pub(super) fn after(syn: u32) -> Seq {
    Seq(syn) + 1
}

const _: () = assert!(LOCAL_PORT != PEER_PORT);
