// SPDX-License-Identifier: ISC
//! One TCP connection, sans-IO (RFC 9293). It knows nothing of addresses or other connections.

mod counters;
mod types;
pub(crate) mod window;

use core::task::{Poll, Waker};

pub(crate) use self::types::{Env, Handshake, Limits, Setup, TimeWait, Transmit, Verdict};
pub use self::{
    counters::TcpCounters,
    types::{Info, Keepalive},
};
use super::segment::Segment;
use crate::{
    error::Error,
    ip::{Ecn, IcmpErrorKind},
    link::Payload,
    tcp::seq::Seq,
};

/// A connection.
pub(crate) struct Connection {
    setup: Setup,
}

impl Connection {
    /// Opens a connection: the SYN leaves with the next transmission.
    pub(crate) fn connect(setup: Setup, _env: &mut Env<'_>) -> Self {
        Self { setup }
    }

    /// A connection whose handshake was done elsewhere.
    pub(crate) fn accepted(setup: Setup, _handshake: &Handshake, _env: &mut Env<'_>) -> Self {
        Self { setup }
    }

    /// Takes a segment with its payload. `segment_size` is that of each packet, where the device put
    /// several together.
    pub(crate) fn receive(
        &mut self,
        _env: &mut Env<'_>,
        _segment: &Segment,
        _payload: Payload<'_>,
        _ecn: Ecn,
        _segment_size: Option<u16>,
    ) -> Verdict {
        Verdict::Nothing
    }

    /// What to send next, if anything. Nothing changes until [`Self::sent`].
    pub(crate) fn next(&mut self, _env: &mut Env<'_>, _limits: Limits) -> Option<Transmit> {
        None
    }

    /// The payload of a transmission.
    pub(crate) fn payload(&self, _transmit: &Transmit) -> [&[u8]; 2] {
        [&[], &[]]
    }

    /// The transmission went out.
    pub(crate) fn sent(&mut self, _env: &mut Env<'_>, _transmit: &Transmit) {}

    /// Whether [`Self::next`] may have something: cheap, and wrong only in saying so needlessly.
    pub(crate) fn wants_to_send(&self) -> bool {
        false
    }

    /// When to call [`Self::expire`].
    pub(crate) fn deadline(&self) -> Option<u64> {
        None
    }

    /// Does what is due now.
    pub(crate) fn expire(&mut self, _env: &mut Env<'_>) -> Verdict {
        Verdict::Nothing
    }

    /// An ICMP error about the segment with sequence number `seq`.
    pub(crate) fn icmp(&mut self, _env: &mut Env<'_>, _kind: IcmpErrorKind, _seq: Seq) -> Verdict {
        Verdict::Nothing
    }

    /// The path carries segments with at most `mss` bytes of payload and options.
    pub(crate) fn path_mss(&mut self, _env: &mut Env<'_>, _mss: u16) {}

    /// Reads into `buffer`; `Ok(0)` is the end, or an empty buffer. Not ready: [`Self::on_readable`].
    pub(crate) fn read(
        &mut self,
        _env: &mut Env<'_>,
        _buffer: &mut [u8],
    ) -> Poll<Result<usize, Error>> {
        Poll::Pending
    }

    /// As [`Self::read`], but what was read stays.
    pub(crate) fn peek(
        &self,
        _env: &mut Env<'_>,
        _buffer: &mut [u8],
    ) -> Poll<Result<usize, Error>> {
        Poll::Pending
    }

    /// Takes bytes to send, as many as there is room for. Not ready: [`Self::on_writable`].
    pub(crate) fn write(
        &mut self,
        _env: &mut Env<'_>,
        _bytes: &[u8],
    ) -> Poll<Result<usize, Error>> {
        Poll::Pending
    }

    /// Ends writing: what was written still leaves, then a FIN.
    pub(crate) fn shutdown_write(&mut self) {}

    /// The program is done with the connection: it ends in order, and nothing more is read. What
    /// arrives, or is unread already, makes it a reset (RFC 1122, section 4.2.2.13); so does a peer
    /// that keeps it open for long.
    pub(crate) fn orphan(&mut self, _env: &mut Env<'_>) -> Verdict {
        Verdict::Nothing
    }

    /// Ends the connection at once; the reset, if the peer should hear one.
    pub(crate) fn abort(&mut self, _env: &mut Env<'_>) -> Option<Segment> {
        None
    }

    /// Ends the connection with `error` for the program, and sends nothing.
    pub(crate) fn fail(&mut self, _env: &mut Env<'_>, _error: Error) {}

    /// Gives back all memory and frames. To be called before the connection is dropped.
    pub(crate) fn discard(&mut self, _env: &mut Env<'_>) {}

    /// Who is woken when there is something to read, the end, or an error. One at a time.
    pub(crate) fn on_readable(&mut self, _waker: &Waker) {}

    /// Who is woken when there is room to write, the connection is established, or an error.
    pub(crate) fn on_writable(&mut self, _waker: &Waker) {}

    /// Whether [`Self::read`] would say something.
    pub(crate) fn readable(&self) -> bool {
        false
    }

    /// Whether [`Self::write`] would say something.
    pub(crate) fn writable(&self) -> bool {
        false
    }

    /// Whether the handshake is done; true also of connections that ended later.
    pub(crate) fn established(&self) -> bool {
        false
    }

    /// Whether the connection is over (a verdict said so).
    pub(crate) fn closed(&self) -> bool {
        false
    }

    /// Whether all that was written, and the FIN if there is one, was acknowledged.
    pub(crate) fn flushed(&self) -> bool {
        false
    }

    /// Why the connection ended, if not in order.
    pub(crate) fn error(&self) -> Option<Error> {
        None
    }

    /// Whether small segments leave at once (RFC 9293, section 3.7.4).
    pub(crate) fn set_nodelay(&mut self, _nodelay: bool) {}

    /// Keep-alive probes, or none.
    pub(crate) fn set_keepalive(&mut self, _env: &mut Env<'_>, _keepalive: Option<Keepalive>) {}

    /// Milliseconds that sent bytes may stay unacknowledged; zero for the usual (RFC 5482).
    pub(crate) fn set_user_timeout(&mut self, _milliseconds: u32) {}

    /// How the connection does.
    pub(crate) fn info(&self) -> Info {
        let _ = self.setup;
        Info::default()
    }
}
