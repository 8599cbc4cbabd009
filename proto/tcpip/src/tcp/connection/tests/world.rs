// SPDX-License-Identifier: ISC
//! Two connections, a clock and a link with weather, all deterministic.
//!
//! While it runs, the world looks that every byte is read once and in order, that no right edge goes
//! back, that nothing is sent beyond the peer's, and that deadlines lead somewhere.

use core::{cell::RefCell, task::Poll};
use std::{collections::BTreeMap, format, string::String, sync::LazyLock, vec, vec::Vec};

use fata_device::net::Offload;

use crate::{
    config::TcpConfig,
    ip::Ecn,
    link::{Payload, Received, Shelf, Slot},
    tcp::{
        buffer::Budget,
        congestion::Algorithm,
        connection::{Connection, Env, Handshake, Limits, Setup, TcpCounters, Verdict, window},
        options::Options,
        segment::{Flags, Segment},
        seq::Seq,
    },
};

/// Nanoseconds in a millisecond.
pub(super) const MS: u64 = 1_000_000;

/// Frames that are kept.
#[derive(Default)]
pub(super) struct TestShelf(RefCell<Vec<Option<Vec<u8>>>>);

impl Shelf for TestShelf {
    fn with(&self, slot: &Slot, read: &mut dyn FnMut(&[u8])) {
        read(self.0.borrow()[usize::from(slot.0)].as_deref().unwrap());
    }

    fn release(&self, slot: Slot) {
        assert!(
            self.0.borrow_mut()[usize::from(slot.0)].take().is_some(),
            "released twice"
        );
    }
}

impl TestShelf {
    pub(super) fn held(&self) -> usize {
        self.0.borrow().iter().flatten().count()
    }
}

/// A frame that holds a segment.
pub(super) struct TestFrame<'a> {
    pub(super) bytes: Vec<u8>,
    pub(super) shelf: Option<&'a TestShelf>,
}

impl Received for TestFrame<'_> {
    fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn offload(&self) -> Offload {
        Offload::default()
    }

    fn keep(&mut self) -> Option<Slot> {
        let mut shelf = self.shelf?.0.borrow_mut();
        shelf.push(Some(core::mem::take(&mut self.bytes)));
        Some(Slot(shelf.len() as u16 - 1))
    }
}

/// What an end writes: as much as any test needs, worked out once.
static PATTERN: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let byte = |at: u64| (at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8;
    (0..8 << 20).map(byte).collect()
});

/// `len` bytes at `offset` of what an end writes.
fn pattern(offset: u64, len: usize) -> &'static [u8] {
    &PATTERN[offset as usize..][..len]
}

/// What the link does to packets.
#[derive(Clone, Copy)]
pub(super) struct Weather {
    /// Of 10,000 packets.
    pub(super) loss: u64,
    pub(super) duplicate: u64,
    pub(super) reorder: u64,
    /// Nanoseconds one way.
    pub(super) delay: u64,
    /// Bytes per second, and bytes that queue.
    pub(super) rate: u64,
    pub(super) queue: u64,
    /// Whether marks come before drops, when the queue is half full.
    pub(super) marks: bool,
    /// Larger packets vanish.
    pub(super) mtu: usize,
}

pub(super) const FAIR: Weather = Weather {
    loss: 0,
    duplicate: 0,
    reorder: 0,
    delay: 25 * MS,
    rate: 12_500_000,
    queue: 625_000,
    marks: false,
    mtu: usize::MAX,
};

/// What a program does.
#[derive(Clone, Copy)]
pub(super) struct Plan {
    /// Bytes to write, and to write at once at most.
    pub(super) total: u64,
    pub(super) chunk: usize,
    /// Bytes to read at once, and nanoseconds between reads.
    pub(super) read: usize,
    pub(super) pause: u64,
    /// Whether the connection stays open after that.
    pub(super) stays: bool,
}

pub(super) const BULK: Plan = Plan {
    total: 0,
    chunk: 65_536,
    read: 65_536,
    pause: 0,
    stays: false,
};

/// How an end is configured.
#[derive(Clone, Copy)]
pub(super) struct Side {
    pub(super) plan: Plan,
    pub(super) config: TcpConfig,
    pub(super) offload: u32,
    pub(super) keep: bool,
    pub(super) mss: u16,
    pub(super) ecn: bool,
    pub(super) algorithm: Algorithm,
}

/// The usual end with a program that writes `total` bytes.
pub(super) fn side(total: u64) -> Side {
    Side {
        plan: Plan { total, ..BULK },
        config: TcpConfig {
            receive_buffer: 4 << 20,
            send_buffer: 4 << 20,
            ..TcpConfig::default()
        },
        offload: 0,
        keep: false,
        mss: 1460,
        ecn: false,
        algorithm: Algorithm::Cubic,
    }
}

pub(super) struct End {
    pub(super) side: Side,
    pub(super) connection: Connection,
    pub(super) budget: Budget,
    pub(super) counters: TcpCounters,
    pub(super) shelf: TestShelf,
    pub(super) written: u64,
    pub(super) read: u64,
    pub(super) ended: bool,
    pub(super) over: bool,
    read_at: u64,
    edge: Option<Seq>,
    link_free: u64,
    /// Whether it waits for a SYN; the one that came.
    listens: bool,
    syn: Option<Segment>,
}

/// What travels: to which end, and what.
type Packet = (usize, Segment, Vec<u8>, Ecn);

/// Both ends and the link.
pub(super) struct World {
    pub(super) now: u64,
    pub(super) ends: [End; 2],
    pub(super) weather: Weather,
    /// Options that both SYNs lose: as if the other end did not know them.
    pub(super) strip: fn(&mut Segment),
    pub(super) packets: u64,
    air: BTreeMap<(u64, u64), Packet>,
    random: u64,
}

fn setup(side: &Side, ports: [u16; 2], iss: u32) -> Setup {
    Setup {
        local_port: ports[0],
        peer_port: ports[1],
        iss: Seq(iss),
        mss: side.mss,
        timestamp_offset: iss ^ 77,
        ecn: side.ecn,
        algorithm: side.algorithm,
    }
}

fn end(side: Side, ports: [u16; 2], iss: u32) -> End {
    let mut budget = Budget::new(64 << 20);
    let mut counters = TcpCounters::default();
    let shelf = TestShelf::default();
    let setup = setup(&side, ports, iss);
    let connection = Connection::connect(
        setup,
        &mut Env {
            now: 0,
            config: &side.config,
            budget: &mut budget,
            counters: &mut counters,
            shelf: &shelf,
        },
    );
    End {
        side,
        connection,
        budget,
        counters,
        shelf,
        written: 0,
        read: 0,
        ended: false,
        over: false,
        read_at: 0,
        edge: None,
        link_free: 0,
        listens: false,
        syn: None,
    }
}

impl End {
    pub(super) fn with<R>(
        &mut self,
        now: u64,
        act: impl FnOnce(&mut Connection, &mut Env<'_>) -> R,
    ) -> R {
        act(
            &mut self.connection,
            &mut Env {
                now,
                config: &self.side.config,
                budget: &mut self.budget,
                counters: &mut self.counters,
                shelf: &self.shelf,
            },
        )
    }

    /// The program: writes and reads what it can.
    fn run_program(&mut self, now: u64) {
        let plan = self.side.plan;
        while self.written < plan.total {
            let count = plan.chunk.min((plan.total - self.written) as usize);
            let bytes = pattern(self.written, count);
            match self.with(now, |connection, env| connection.write(env, bytes)) {
                Poll::Ready(Ok(count)) => self.written += count as u64,
                Poll::Ready(Err(error)) => panic!("write: {error}"),
                Poll::Pending => break,
            }
        }
        if self.written == plan.total && !plan.stays {
            self.connection.shutdown_write();
        }
        let mut buffer = vec![0; plan.read];
        while !self.ended && now >= self.read_at {
            match self.with(now, |connection, env| connection.read(env, &mut buffer)) {
                Poll::Ready(Ok(0)) => self.ended = true,
                Poll::Ready(Ok(count)) => {
                    let right = buffer[..count] == *pattern(self.read, count);
                    assert!(right, "at {}", self.read);
                    self.read += count as u64;
                    self.read_at = now + plan.pause;
                }
                Poll::Ready(Err(error)) => panic!("read: {error}"),
                Poll::Pending => break,
            }
        }
    }

    /// The right edge never goes back (RFC 7323, section 2.4).
    fn look_at_window(&mut self, segment: &Segment) {
        if !segment.flags.has(Flags::ACK) {
            return;
        }
        // A SYN is not scaled, and when it is sent again it says less than what came after it.
        let syn = segment.flags.has(Flags::SYN);
        let scale = if syn { 0 } else { self.connection.window.scale };
        let edge = segment.ack + (u32::from(segment.window) << scale);
        assert!(
            syn || self.edge.is_none_or(|old| !edge.before(old)),
            "the window shrank from {:?} to {edge:?}",
            self.edge
        );
        self.edge = Some(edge);
    }
}

impl World {
    /// The first end asks, the second listens.
    pub(super) fn new(sides: [Side; 2], weather: Weather, seed: u64) -> Self {
        let mut world = Self::simultaneous(sides, weather, seed);
        world.ends[1].listens = true;
        world
    }

    /// Both ends ask at once.
    pub(super) fn simultaneous(sides: [Side; 2], weather: Weather, seed: u64) -> Self {
        let [a, b] = sides;
        Self {
            now: 0,
            ends: [end(a, [1, 2], 0xffff_f000), end(b, [2, 1], 0x7fff_0000)],
            weather,
            strip: |_| {},
            packets: 0,
            air: BTreeMap::new(),
            random: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
        }
    }

    pub(super) fn random(&mut self, below: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random >> 11) % below
    }

    /// Puts a packet on the way.
    fn transmit(&mut self, from: usize, mut segment: Segment, bytes: Vec<u8>, mut ecn: Ecn) {
        self.packets += 1;
        let weather = self.weather;
        let len = bytes.len() as u64 + 52;
        if segment.flags.has(Flags::SYN) {
            (self.strip)(&mut segment);
        }
        let queued = self.ends[from].link_free.saturating_sub(self.now);
        let queued = queued * weather.rate / 1_000_000_000;
        if queued > weather.queue || bytes.len() > weather.mtu || self.random(10_000) < weather.loss
        {
            return;
        }
        if weather.marks && queued > weather.queue / 2 && ecn != Ecn::NotCapable {
            ecn = Ecn::Congested;
        }
        let start = self.ends[from].link_free.max(self.now);
        let sent = start + len * 1_000_000_000 / weather.rate;
        self.ends[from].link_free = sent;
        let mut at = sent + weather.delay;
        if self.random(10_000) < weather.reorder {
            at += self.random(5 * MS);
        }
        let copies = 1 + u64::from(self.random(10_000) < weather.duplicate);
        for copy in 0..copies {
            let key = (at + copy * MS, self.packets * 2 + copy);
            self.air
                .insert(key, (1 - from, segment, bytes.clone(), ecn));
        }
    }

    /// Lets an end send all it wants.
    fn flush(&mut self, from: usize) {
        let now = self.now;
        for round in 0.. {
            assert!(round < 10_000, "sends for ever");
            let limits = Limits {
                offload: self.ends[from].side.offload,
            };
            let end = &mut self.ends[from];
            let Some(transmit) = end.with(now, |connection, env| connection.next(env, limits))
            else {
                break;
            };
            let payload = end.connection.payload(&transmit).concat();
            assert_eq!(payload.len(), transmit.len as usize);
            end.with(now, |connection, env| connection.sent(env, &transmit));
            end.look_at_window(&transmit.segment);
            let mut buffer = [0; 60];
            let len = transmit.segment.emit(&mut buffer);
            let segment = Segment::parse(&buffer[..len]).unwrap();
            let size = transmit.segment_size.map_or(usize::MAX, usize::from);
            assert!(
                payload.len().min(size) + len <= usize::from(end.side.mss) + 20,
                "too long"
            );
            self.cut_up(from, segment, &payload, size, transmit.ecn);
        }
    }

    fn cut_up(&mut self, from: usize, mut segment: Segment, payload: &[u8], size: usize, ecn: Ecn) {
        if payload.len() <= size {
            return self.transmit(from, segment, payload.to_vec(), ecn);
        }
        let flags = segment.flags;
        let count = payload.len().div_ceil(size);
        for (n, part) in payload.chunks(size).enumerate() {
            let last = Flags::FIN.0 | Flags::PSH.0;
            segment.flags = if n + 1 == count {
                flags
            } else {
                Flags(flags.0 & !last)
            };
            if n > 0 {
                segment.flags.0 &= !Flags::CWR.0;
            }
            self.transmit(from, segment, part.to_vec(), ecn);
            segment.seq = segment.seq + part.len() as u32;
        }
    }

    /// Delivers what arrives now.
    fn deliver(&mut self) {
        while let Some(entry) = self.air.first_entry()
            && entry.key().0 <= self.now
        {
            let (to, mut segment, mut bytes, ecn) = entry.remove();
            let mut size = None;
            // A device that puts together what belongs together.
            while self.ends[to].side.offload > 0 && !bytes.is_empty() && bytes.len() < 60_000 {
                let Some(next) = self.air.first_entry() else {
                    break;
                };
                let (other, following, more, other_ecn) = next.get();
                let fits = segment.seq + bytes.len() as u32 == following.seq
                    && *other == to
                    && *other_ecn == ecn
                    && next.key().0 <= self.now + MS
                    && !more.is_empty()
                    && more.len() <= size.unwrap_or(bytes.len())
                    && bytes.len() % size.unwrap_or(bytes.len()) == 0
                    && segment.flags == Flags::ACK
                    && following.options == segment.options
                    && following.ack == segment.ack;
                if !fits {
                    break;
                }
                size = size.or(Some(bytes.len()));
                segment.flags = following.flags;
                bytes.extend(more);
                next.remove();
            }
            self.hand_over(to, &segment, bytes, ecn, size);
        }
    }

    fn hand_over(
        &mut self,
        to: usize,
        segment: &Segment,
        bytes: Vec<u8>,
        ecn: Ecn,
        size: Option<usize>,
    ) {
        if self.ends[to].listens {
            self.listen(to, segment);
        }
        let now = self.now;
        let end = &mut self.ends[to];
        if end.over || end.listens {
            return;
        }
        let shelf = end.side.keep.then_some(&end.shelf);
        let len = bytes.len();
        let mut frame = TestFrame { bytes, shelf };
        let verdict = end.connection.receive(
            &mut Env {
                now,
                config: &end.side.config,
                budget: &mut end.budget,
                counters: &mut end.counters,
                shelf: &end.shelf,
            },
            segment,
            Payload::new(&mut frame, 0..len),
            ecn,
            size.map(|size| size as u16),
        );
        self.judge(to, verdict);
    }

    /// A listener without a queue: answers SYNs, and accepts who answers that.
    fn listen(&mut self, at: usize, segment: &Segment) {
        let now = self.now;
        let end = &mut self.ends[at];
        let config = end.side.config;
        let iss = Seq(0x7fff_0000);
        if segment.flags.has(Flags::SYN) {
            end.syn = Some(*segment);
            let ecn = end.side.ecn && segment.flags.has(Flags::ECE);
            let syn_ack = Segment {
                source_port: segment.destination_port,
                destination_port: segment.source_port,
                seq: iss,
                ack: segment.seq + 1,
                flags: Flags(Flags::SYN.0 | Flags::ACK.0 | if ecn { Flags::ECE.0 } else { 0 }),
                window: window::initial(&config),
                options: Options {
                    mss: Some(end.side.mss),
                    window_scale: segment
                        .options
                        .window_scale
                        .map(|_| window::scale_for(&config)),
                    timestamps: segment.options.timestamps.map(|(value, _)| {
                        (((now / MS) as u32).wrapping_add(0x7fff_0000 ^ 77), value)
                    }),
                    sack_permitted: segment.options.sack_permitted,
                    ..Options::default()
                },
                header_len: 0,
            };
            end.look_at_window(&syn_ack);
            return self.transmit(at, syn_ack, Vec::new(), Ecn::NotCapable);
        }
        let Some(syn) = end.syn.filter(|_| segment.ack == iss + 1) else {
            return;
        };
        let handshake = Handshake {
            irs: syn.seq,
            peer_mss: syn.options.mss.unwrap_or(536),
            window_scale: syn.options.window_scale,
            window: u32::from(syn.window),
            timestamp: syn.options.timestamps.map(|(value, _)| value),
            sack: syn.options.sack_permitted,
            ecn: end.side.ecn && syn.flags.has(Flags::ECE),
            rtt: None,
        };
        let setup = setup(&end.side, [2, 1], iss.0);
        end.connection = end.with(now, |_, env| Connection::accepted(setup, &handshake, env));
        end.listens = false;
    }

    fn judge(&mut self, at: usize, verdict: Verdict) {
        match verdict {
            Verdict::Nothing => {}
            Verdict::Reply(segment) => {
                self.transmit(at, segment.into(), Vec::new(), Ecn::NotCapable)
            }
            Verdict::Closed => self.ends[at].over = true,
            Verdict::Reset(segment) => {
                self.ends[at].over = true;
                self.transmit(at, segment.into(), Vec::new(), Ecn::NotCapable);
            }
            Verdict::TimeWait(wait) => {
                self.ends[at].over = true;
                let ack = Segment {
                    source_port: at as u16 + 1,
                    destination_port: 2 - at as u16,
                    seq: wait.snd_nxt,
                    ack: wait.rcv_nxt,
                    flags: Flags::ACK,
                    window: wait.window,
                    ..Segment::default()
                };
                let mut ack = ack;
                ack.options.timestamps = wait.timestamps.map(|(recent, offset)| {
                    (((self.now / MS) as u32).wrapping_add(offset), recent)
                });
                // Never lost here, or the peer would need a real TIME-WAIT.
                let key = (self.now + self.weather.delay, u64::MAX);
                self.air
                    .insert(key, (1 - at, ack, Vec::new(), Ecn::NotCapable));
            }
        }
    }

    /// Goes on to the next event; says whether there was one.
    pub(super) fn step(&mut self) -> bool {
        self.deliver();
        for at in 0..2 {
            if self.ends[at].listens {
                continue;
            }
            if self.ends[at]
                .connection
                .deadline()
                .is_some_and(|deadline| deadline <= self.now)
            {
                let now = self.now;
                let verdict = self.ends[at].with(now, |connection, env| connection.expire(env));
                self.judge(at, verdict);
            }
            self.ends[at].run_program(self.now);
            self.flush(at);
            let deadline = self.ends[at].connection.deadline();
            assert!(
                deadline.is_none_or(|deadline| deadline > self.now),
                "a deadline that does nothing: {}",
                self.story()
            );
        }
        let events = self.ends.iter().flat_map(|end| {
            let read = (end.read_at > self.now && end.connection.readable()).then_some(end.read_at);
            [end.connection.deadline().filter(|_| !end.listens), read]
        });
        let air = self.air.keys().next().map(|(at, _)| *at);
        let Some(next) = events.chain([air]).flatten().min() else {
            return false;
        };
        self.now = next.max(self.now);
        true
    }

    /// Both programs have read all that the other has written, and its end.
    pub(super) fn done(&self) -> bool {
        let [a, b] = &self.ends;
        a.ended && b.ended && a.read == b.side.plan.total && b.read == a.side.plan.total
    }

    /// Runs until both have all; gives the nanoseconds that took.
    pub(super) fn run(&mut self) -> u64 {
        for _ in 0..20_000_000u64 {
            if self.done() {
                return self.now;
            }
            assert!(self.step() || self.done(), "stalled: {}", self.story());
            assert!(self.now < 36_000_000 * MS, "no end: {}", self.story());
        }
        panic!("busy: {}", self.story());
    }

    /// How things stand, for whoever has to find out why.
    fn story(&self) -> String {
        let mut story = format!("{} ms, {} packets", self.now / MS, self.packets);
        for end in &self.ends {
            let (plan, connection) = (&end.side.plan, &end.connection);
            story += &format!(
                "\n{:?} wrote {} of {}, read {}, ended {}, listens {}, {:?}\n{:?}",
                connection.state,
                end.written,
                plan.total,
                end.read,
                end.ended,
                end.listens,
                connection.info(),
                end.counters,
            );
        }
        story
    }

    /// Runs until both connections are over, and looks that all memory came back.
    pub(super) fn close(&mut self) {
        while !(self.ends[0].over && self.ends[1].over) && self.step() {}
        let now = self.now;
        for end in &mut self.ends {
            assert!(end.over && end.connection.closed(), "did not end");
            end.with(now, |connection, env| connection.discard(env));
            assert_eq!((end.budget.used(), end.shelf.held()), (0, 0));
        }
    }
}
