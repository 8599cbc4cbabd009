// SPDX-License-Identifier: ISC
//! TCP (RFC 9293): all connections of a stack, and the handles that programs have to them.
//!
//! - [`connection`]: one connection, which knows nothing of addresses or of others; with
//!   [`segment`], [`options`], [`seq`], [`buffer`] and [`congestion`].
//! - [`table`], [`hash`]: which connection a segment is for. `demux` acts upon that.
//! - [`listener`], [`syn_queue`], [`cookie`]: connections that peers begin. [`ports`]: those that
//!   begin here. [`isn`]: the numbers that both begin with.
//! - [`timers`], [`time_wait`]: connections that wait, and those that are over.
//! - [`stream`], [`accept`]: what a program holds.
//!
//! Receiving only notes what is to be sent; [`Tcp::poll`], once after a batch, sends it. No step
//! looks at more connections than those it is about, so that idle ones cost memory and nothing else.

pub(crate) mod accept;
pub(crate) mod buffer;
pub(crate) mod congestion;
pub(crate) mod connection;
mod cookie;
mod demux;
mod handshake;
mod hash;
mod isn;
mod listener;
pub(crate) mod options;
mod output;
mod ports;
mod program;
mod reply;
pub(crate) mod segment;
pub(crate) mod seq;
pub(crate) mod stream;

mod syn_queue;
mod table;
mod time_wait;
mod timers;

use alloc::{boxed::Box, collections::VecDeque, rc::Rc, vec::Vec};
use core::time::Duration;

use self::{
    buffer::Budget,
    congestion::Algorithm,
    connection::{Connection, Env, Keepalive, Setup, TcpCounters, Verdict},
    hash::{Key, Purpose, Tuple},
    listener::Listeners,
    output::Outbox,
    ports::Ports,
    reply::Limiter,
    segment::HEADER_LEN,
    seq::Seq,
    syn_queue::{HalfOpen, SynQueue},
    table::{Index, Place, Slab},
    time_wait::{Ended, TimeWait},
    timers::Timers,
};
use crate::{
    addr::Addr,
    config::{CongestionControl, TcpConfig},
    error::Error,
    ip::Ip,
    link::Shelf,
};

/// Bytes of memory that stand for one connection, where their number is limited: what an idle one
/// takes, and a test sees to it.
pub(crate) const CONNECTION_COST: usize = 1024;
/// Connections in TIME-WAIT at most, if memory allows. A client that asks thousands of times a second
/// through connections that the server ends is the only one to get there.
const MOST_TIME_WAIT: usize = 32_768;
/// Connections that end without a program at most; further ones are reset.
const MOST_ORPHANS: usize = 4096;

/// Probes for a sign of life, and milliseconds between them at most (RFC 9293, section 3.8.4).
const KEEPALIVE_PROBES: u8 = 9;
const KEEPALIVE_INTERVAL: u32 = 75_000;

/// Name of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ConnectionId {
    pub(crate) number: u32,
    pub(crate) generation: u32,
}

/// A connection among others.
struct Entry {
    connection: Connection,
    tuple: Tuple,
    config: Rc<TcpConfig>,
    generation: u32,
    hash: u32,
    /// When its timer fires; see [`Timers::arm`].
    armed: u64,
    /// Whether a program or an accept queue holds it.
    held: bool,
    /// Whether it is in the queue of those that want to send.
    queued: bool,
    /// Whether segments find it: until it is over.
    indexed: bool,
}

/// All TCP connections of a stack.
pub(crate) struct Tcp {
    key: Key,
    index: Index,
    connections: Slab<Box<Entry>>,
    listeners: Listeners,
    half_open: SynQueue,
    time_wait: TimeWait,
    timers: Timers,
    /// Connections that may have something to send; each is there once.
    ready: VecDeque<u32>,
    /// Segments that no connection sends, which leave first.
    outbox: Outbox,
    /// Whether the last round ended since the device had no buffer.
    starved: bool,
    ports: Ports,
    limiter: Limiter,
    budget: Budget,
    counters: TcpCounters,
    orphans: usize,
    /// The peer that the Internet layer was told of last, and when.
    confirmed: Option<(Addr, u64)>,
    /// Most connections, and most in TIME-WAIT.
    most: usize,
    most_time_wait: usize,
}

impl Tcp {
    /// No connections; `memory` bytes for the buffers of all.
    #[inline(never)]
    pub(crate) fn new(memory: usize, random: fn() -> u64, now: u64) -> Self {
        Self {
            key: Key::new(random),
            index: Index::default(),
            connections: Slab::new(),
            listeners: Listeners::default(),
            half_open: SynQueue::new(),
            time_wait: TimeWait::default(),
            timers: Timers::default(),
            ready: VecDeque::new(),
            outbox: Outbox::default(),
            starved: false,
            ports: Ports::default(),
            limiter: Limiter::new(now),
            budget: Budget::new(memory),
            counters: TcpCounters::default(),
            orphans: 0,
            confirmed: None,
            // Half of it; the other half is for their buffers. What a program has for a connection
            // is mostly as much again, and has to fit in the heap too.
            most: (memory / 2 / CONNECTION_COST).max(16),
            // One sixteenth of the memory, as each takes some 80 bytes.
            most_time_wait: (memory / 16 / 80).clamp(64, MOST_TIME_WAIT),
        }
    }

    /// What happened so far.
    pub(crate) fn counters(&self) -> &TcpCounters {
        &self.counters
    }

    /// Bytes that the buffers of all connections take.
    pub(crate) fn buffered(&self) -> usize {
        self.budget.used()
    }

    /// Bytes that are kept for the buffers of further connections.
    pub(crate) fn spare(&self) -> usize {
        self.budget.spare()
    }

    /// How many connections there are, how many handshakes under way, and how many in TIME-WAIT.
    pub(crate) fn population(&self) -> (usize, usize, usize) {
        let (half_open, time_wait) = (self.half_open.len(), self.time_wait.len());
        (self.connections.len(), half_open, time_wait)
    }

    /// The SYN queue, to be made smaller.
    #[cfg(test)]
    pub(crate) fn syn_queue(&mut self) -> &mut SynQueue {
        &mut self.half_open
    }

    /// Breaks the connections from addresses that are this stack's no more.
    pub(crate) fn addresses_changed(&mut self, ip: &Ip, shelf: &dyn Shelf, now: u64) {
        let numbers: Vec<u32> = self.connections.numbers().collect();
        for number in numbers {
            let Some(entry) = self.connections.get(number) else {
                continue;
            };
            if entry.indexed && !ip.has(entry.tuple.local) {
                let id = ConnectionId {
                    number,
                    generation: entry.generation,
                };
                self.with(id, shelf, now, |connection, env| {
                    connection.fail(env, Error::ConnectionReset);
                });
                self.settle(number, Verdict::Closed, shelf, now);
            }
        }
        let gone = |half_open: &HalfOpen| !ip.has(half_open.tuple.local);
        while let Some(number) = self.half_open.find(gone) {
            self.forget_half_open(number);
        }
    }

    /// Draws the consequences of what a connection said, and sees that it is looked at again.
    fn settle(&mut self, number: u32, verdict: Verdict, shelf: &dyn Shelf, now: u64) {
        let Some(entry) = self.connections.get_mut(number) else {
            return;
        };
        let (over, reset) = match &verdict {
            Verdict::Nothing => (false, None),
            Verdict::Reply(reset) => (false, Some(*reset)),
            Verdict::Reset(reset) => (true, Some(*reset)),
            Verdict::Closed | Verdict::TimeWait(_) => (true, None),
        };
        if let Some(reset) = reset {
            self.outbox.push(&entry.tuple, &reset.into());
        }
        if !over {
            return self.touch(number);
        }
        let (hash, tuple, held) = (entry.hash, entry.tuple, entry.held);
        if core::mem::take(&mut entry.indexed) {
            self.index.remove(hash, Place::Connection(number));
            if let Verdict::TimeWait(state) = verdict {
                let ended = Ended::new(tuple, state, now);
                if state.acknowledge {
                    self.outbox.push(&tuple, &ended.acknowledgement(now));
                }
                self.remember(hash, ended, now);
            }
        }
        if !held {
            self.orphans -= 1;
            self.drop_entry(number, shelf, now);
        }
    }

    /// Puts a connection in TIME-WAIT, if there is memory for it.
    fn remember(&mut self, hash: u32, ended: Ended, now: u64) {
        if let Some(number) = self.time_wait.push(ended, now)
            && !self.index.insert(hash, Place::TimeWait(number))
        {
            self.time_wait.remove(number);
        }
    }

    fn forget_half_open(&mut self, number: u32) {
        if let Some(half_open) = self.half_open.remove(number) {
            let hash = self.hash(&half_open.tuple);
            self.index.remove(hash, Place::HalfOpen(number));
        }
    }

    /// Sees that a connection sends what it has, and is looked at when it wants to be.
    fn touch(&mut self, number: u32) {
        let Some(entry) = self
            .connections
            .get_mut(number)
            .filter(|entry| entry.indexed)
        else {
            return;
        };
        let id = ConnectionId {
            number,
            generation: entry.generation,
        };
        self.timers
            .arm(id, &mut entry.armed, entry.connection.deadline());
        if !entry.queued && entry.connection.wants_to_send() {
            entry.queued = true;
            self.ready.push_back(number);
        }
    }

    fn entry(&mut self, id: ConnectionId) -> Option<&mut Entry> {
        let entry = self.connections.get_mut(id.number)?;
        (entry.generation == id.generation).then_some(entry)
    }

    /// Adds a connection that somebody holds and that no segment finds yet.
    fn add(
        &mut self,
        connection: Connection,
        tuple: Tuple,
        config: Rc<TcpConfig>,
    ) -> Option<ConnectionId> {
        let entry = Box::new(Entry {
            hash: self.hash(&tuple),
            connection,
            tuple,
            config,
            generation: 0,
            armed: u64::MAX,
            held: true,
            queued: false,
            indexed: false,
        });
        let (number, generation) = self.connections.insert(entry)?;
        self.connections.get_mut(number)?.generation = generation;
        self.count();
        Some(ConnectionId { number, generation })
    }

    /// Gives back everything of a connection that is over and that nobody holds.
    fn drop_entry(&mut self, number: u32, shelf: &dyn Shelf, now: u64) {
        if let Some(mut entry) = self.connections.remove(number) {
            entry.connection.discard(&mut Env {
                now,
                config: &entry.config,
                budget: &mut self.budget,
                counters: &mut self.counters,
                shelf,
            });
        }
        self.count();
    }

    /// Lets the budget know how many connections there are.
    fn count(&mut self) {
        let bytes = self.connections.len() * CONNECTION_COST;
        self.budget.set_fixed(bytes);
    }

    fn hash(&self, tuple: &Tuple) -> u32 {
        self.key.hash(Purpose::Table, tuple, 0) as u32
    }

    /// What a connection between these ends begins with.
    fn setup(&self, tuple: &Tuple, iss: Seq, config: &TcpConfig, ip: &Ip) -> Setup {
        Setup {
            local_port: tuple.local_port,
            peer_port: tuple.peer_port,
            iss,
            mss: largest_segment(ip.mtu(tuple.peer), tuple.peer),
            timestamp_offset: isn::timestamp_offset(&self.key, tuple),
            ecn: false,
            algorithm: match config.congestion {
                CongestionControl::Cubic => Algorithm::Cubic,
                CongestionControl::Reno => Algorithm::Reno,
            },
        }
    }
}

/// Lets a connection behave as configured.
fn configure(connection: &mut Connection, env: &Env<'_>) {
    let config = env.config;
    connection.set_nodelay(config.nodelay);
    if config.keepalive.is_some() {
        connection.set_keepalive(env, keepalive(config.keepalive));
    }
    connection.set_user_timeout(config.user_timeout.map_or(0, milliseconds));
}

/// Asks for a sign of life after so long a silence.
fn keepalive(idle: Option<Duration>) -> Option<Keepalive> {
    idle.map(milliseconds).map(|idle| Keepalive {
        idle,
        interval: idle.min(KEEPALIVE_INTERVAL),
        probes: KEEPALIVE_PROBES,
    })
}

fn milliseconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis())
        .unwrap_or(u32::MAX)
        .max(1)
}

/// Payload and options that fit in a packet (RFC 9293, section 3.7.1).
fn largest_segment(mtu: u16, peer: Addr) -> u16 {
    let ip = if peer.is_ipv4() { 20 } else { 40 };
    mtu.saturating_sub(ip + HEADER_LEN as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What an idle connection takes, with its places in slab, index and timers at their emptiest,
    /// and what its program holds.
    #[test]
    fn an_idle_connection_takes_less_than_a_kilobyte() {
        let entry = size_of::<Entry>();
        let places = size_of::<Box<Entry>>() + 16 + 3 * size_of::<u64>() + 2 * 24;
        let held = stream::HELD_SIZE;
        assert!(
            entry + places + held <= CONNECTION_COST,
            "{entry} + {places} + {held}"
        );
    }
}
