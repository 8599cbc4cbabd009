// SPDX-License-Identifier: ISC
//! What the program does with a connection: reads, writes, ends it, and waits (RFC 9293, section
//! 3.10).

use core::task::{Poll, Waker};

use super::{
    Connection, Info, Keepalive, State,
    types::{Env, Verdict},
};
use crate::{
    error::Error,
    ip::IcmpErrorKind,
    tcp::{
        segment::{Flags, Reset},
        seq::Seq,
    },
};

/// The send buffer holds at least that much when the configuration allows it.
const LEAST_SEND: u32 = 65_536;

/// Bytes in a nanosecond of the fastest line that a buffer is to fill: 100 Gb/s.
const FASTEST_LINE: u64 = 12;
/// Most bytes to send that are held for a peer however near.
const SHORT_PATH: u64 = 512 * 1024;

impl Connection {
    /// Reads into `buffer`; `Ok(0)` is the end, or an empty buffer. Not ready: [`Self::on_readable`].
    pub(crate) fn read(
        &mut self,
        env: &mut Env<'_>,
        buffer: &mut [u8],
    ) -> Poll<Result<usize, Error>> {
        let count = match self.peek(env, buffer) {
            Poll::Ready(Ok(count)) if count > 0 => count as u32,
            other => return other,
        };
        self.queue.consume(count, env.shelf, env.budget);
        let rtt = self.rtt.smoothed_ns();
        self.window
            .read(count, rtt, env.config, env.budget, env.now);
        let tell = self
            .window
            .worth_telling(self.queue.len(), u32::from(self.mss), env.budget);
        if tell && !self.peer_done() && self.state != State::Closed {
            self.owed.now = true;
            self.pending = true;
        }
        Poll::Ready(Ok(count as usize))
    }

    /// As [`Self::read`], but what was read stays.
    pub(crate) fn peek(&self, env: &Env<'_>, buffer: &mut [u8]) -> Poll<Result<usize, Error>> {
        let count = self.queue.peek(env.shelf, buffer);
        if count > 0 || buffer.is_empty() {
            return Poll::Ready(Ok(count));
        }
        match self.error {
            Some(error) => Poll::Ready(Err(error)),
            None if self.peer_done() || self.state == State::Closed => Poll::Ready(Ok(0)),
            None => Poll::Pending,
        }
    }

    /// Takes bytes to send, as many as there is room for. Not ready: [`Self::on_writable`].
    pub(crate) fn write(&mut self, env: &mut Env<'_>, bytes: &[u8]) -> Poll<Result<usize, Error>> {
        if let Some(error) = self.error {
            return Poll::Ready(Err(error));
        }
        if self.closing || self.state == State::Closed {
            return Poll::Ready(Err(Error::BrokenPipe));
        }
        if bytes.is_empty() {
            return Poll::Ready(Ok(0));
        }
        if !self.established() {
            return Poll::Pending;
        }
        let limit = self.send_limit(env);
        let count = self.send.push(bytes, limit, env.budget);
        if count == 0 {
            // Where something is under way, its acknowledgement makes room; else nothing would.
            return match self.send.len() {
                0 => Poll::Ready(Err(Error::OutOfMemory)),
                _ => Poll::Pending,
            };
        }
        self.pending = true;
        Poll::Ready(Ok(count))
    }

    /// Twice what may be under way, so that the next window is written while this one travels, but
    /// no more than the fastest of lines holds: without loss the window grows beyond all measure, and
    /// what waits in the peer's queue then leaves the caches before it is read.
    fn send_limit(&mut self, env: &Env<'_>) -> u32 {
        let line = self.rtt.minimum_ns().saturating_mul(FASTEST_LINE);
        let line = line.max(SHORT_PATH);
        let most = line.min(env.config.send_buffer.clamp(1, 1 << 30) as u64) as u32;
        let wanted = self.control.window.saturating_mul(2).max(LEAST_SEND);
        self.send_limit = if env.budget.exhausted() {
            LEAST_SEND
        } else {
            wanted
        }
        .min(most);
        self.send_limit
    }

    /// Ends writing: what was written still leaves, then a FIN.
    pub(crate) fn shutdown_write(&mut self) {
        if self.closing {
            return;
        }
        self.closing = true;
        self.pending = true;
        match self.state {
            State::Established => self.state = State::FinWait1,
            State::CloseWait => self.state = State::LastAck,
            _ => {}
        }
    }

    /// The program is done with the connection: it ends in order, and nothing more is read. What
    /// arrives, or is unread already, makes it a reset (RFC 1122, section 4.2.2.13); so does a peer
    /// that makes no progress for a minute.
    pub(crate) fn orphan(&mut self, env: &mut Env<'_>) -> Verdict {
        self.reader = None;
        self.writer = None;
        if self.state == State::Closed {
            return Verdict::Closed;
        }
        let waiting = self
            .arrivals
            .as_ref()
            .is_some_and(|arrivals| !arrivals.assembly.is_empty());
        if self.queue.len() > 0 || waiting || self.syn_outstanding() {
            return self.abort(env).map_or(Verdict::Closed, Verdict::Reset);
        }
        self.shutdown_write();
        self.orphan = true;
        self.progress = env.now;
        Verdict::Nothing
    }

    /// Ends the connection at once; the reset, if the peer should hear one.
    pub(crate) fn abort(&mut self, env: &mut Env<'_>) -> Option<Reset> {
        let known = !matches!(self.state, State::Closed | State::SynSent);
        let reset = Reset {
            source_port: self.local_port,
            destination_port: self.peer_port,
            seq: self.nxt,
            ack: self.window.nxt,
            flags: Flags::RST.with(Flags::ACK),
        };
        self.fail(env, Error::ConnectionReset);
        self.queue.clear(env.shelf, env.budget);
        if known {
            env.counters.resets_out += 1;
        }
        known.then_some(reset)
    }

    /// Ends the connection with `error` for the program, and sends nothing.
    pub(crate) fn fail(&mut self, env: &mut Env<'_>, error: Error) {
        if self.state != State::Closed {
            self.error = Some(error);
            self.finish(env);
        }
    }

    /// The connection is over. What has arrived can still be read.
    pub(super) fn finish(&mut self, env: &mut Env<'_>) {
        self.state = State::Closed;
        self.alarm = super::timers::Alarm::None;
        self.pacer.waits = false;
        self.owed.deadline = None;
        self.pending = false;
        self.recovery = None;
        self.keepalive = None;
        self.board.clear();
        self.send.clear(env.budget);
        if let Some(mut arrivals) = self.arrivals.take() {
            arrivals.assembly.clear(env.shelf, env.budget);
        }
        self.wake_reader();
        self.wake_writer();
    }

    /// Gives back all memory and frames. To be called before the connection is dropped.
    pub(crate) fn discard(&mut self, env: &mut Env<'_>) {
        self.finish(env);
        self.queue.clear(env.shelf, env.budget);
    }

    /// Whether `seq` was sent and is not yet acknowledged.
    pub(crate) fn is_outstanding(&self, seq: Seq) -> bool {
        self.state != State::Closed && !seq.before(self.una) && seq.before(self.nxt)
    }

    /// An ICMP error about the segment with sequence number `seq`. Only a connection that is not yet
    /// established ends by it (RFC 5461, section 4.1); one about nothing outstanding is somebody
    /// else's invention (RFC 5927, section 4).
    pub(crate) fn icmp(&mut self, env: &mut Env<'_>, kind: IcmpErrorKind, seq: Seq) -> Verdict {
        if self.state == State::Closed || seq.before(self.una) || !seq.before(self.nxt) {
            return Verdict::Nothing;
        }
        let error = match kind {
            IcmpErrorKind::PortUnreachable => Error::ConnectionRefused,
            IcmpErrorKind::HostUnreachable | IcmpErrorKind::Prohibited => Error::HostUnreachable,
            IcmpErrorKind::TooBig(_) => return Verdict::Nothing,
        };
        if self.syn_outstanding() && kind != IcmpErrorKind::HostUnreachable {
            self.fail(env, error);
            return Verdict::Closed;
        }
        self.soft_error = Some(error);
        Verdict::Nothing
    }

    /// Who is woken when there is something to read, the end, or an error. One at a time.
    pub(crate) fn on_readable(&mut self, waker: &Waker) {
        register(&mut self.reader, waker);
    }

    /// Who is woken when there is room to write, the connection is established, or an error.
    pub(crate) fn on_writable(&mut self, waker: &Waker) {
        register(&mut self.writer, waker);
    }

    pub(super) fn wake_reader(&mut self) {
        if let Some(waker) = self.reader.take() {
            waker.wake();
        }
    }

    /// Wakes who wants to write, once a good part of the buffer is free.
    pub(super) fn wake_writer(&mut self) {
        if self.writer.is_some()
            && (self.state == State::Closed || self.flushed() || self.has_room())
            && let Some(waker) = self.writer.take()
        {
            waker.wake();
        }
    }

    fn has_room(&self) -> bool {
        self.send.len() <= self.send_limit / 4 * 3
    }

    /// Whether [`Self::read`] would say something.
    pub(crate) fn readable(&self) -> bool {
        self.queue.len() > 0 || self.peer_done() || self.state == State::Closed
    }

    /// Whether [`Self::write`] would say something.
    pub(crate) fn writable(&self) -> bool {
        self.state == State::Closed || self.closing || self.established() && self.has_room()
    }

    /// Whether the handshake is done; true also of connections that ended later.
    pub(crate) fn established(&self) -> bool {
        !self.syn_outstanding() && (self.state != State::Closed || self.una != self.iss)
    }

    /// Whether the connection is over (a verdict said so).
    pub(crate) fn closed(&self) -> bool {
        self.state == State::Closed
    }

    /// Whether all that was written, and the FIN if there is one, was acknowledged.
    pub(crate) fn flushed(&self) -> bool {
        self.send.len() == 0 && self.una == self.nxt && (self.fin_sent || !self.closing)
    }

    /// Why the connection ended, if not in order.
    pub(crate) fn error(&self) -> Option<Error> {
        self.error
    }

    /// Whether small segments leave at once (RFC 9293, section 3.7.4).
    pub(crate) fn set_nodelay(&mut self, nodelay: bool) {
        self.nodelay = nodelay;
        self.pending = true;
    }

    /// Keep-alive probes, or none.
    pub(crate) fn set_keepalive(&mut self, env: &Env<'_>, keepalive: Option<Keepalive>) {
        self.keepalive = keepalive.map(alloc::boxed::Box::new);
        self.heard = env.now;
        self.unanswered = 0;
    }

    /// Milliseconds that sent bytes may stay unacknowledged; zero for the usual (RFC 5482).
    pub(crate) fn set_user_timeout(&mut self, milliseconds: u32) {
        self.user_timeout = milliseconds;
    }

    /// How the connection does.
    pub(crate) fn info(&self) -> Info {
        Info {
            rtt: self.rtt.smoothed,
            rtt_variation: self.rtt.variation,
            congestion_window: self.control.window,
            in_flight: self.pipe(),
            peer_window: (self.una + self.peer_window).since(self.nxt),
            unacknowledged: self.send.len(),
            unread: self.queue.len(),
            receive_window: self.window.limit,
            segment_size: self.mss,
        }
    }
}

/// Remembers whom to wake.
fn register(place: &mut Option<Waker>, waker: &Waker) {
    match place {
        Some(old) => old.clone_from(waker),
        None => *place = Some(waker.clone()),
    }
}
