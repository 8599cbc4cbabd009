// SPDX-License-Identifier: ISC
//! One request and the way to answer it.

use alloc::vec::Vec;

use fata_device::Flow;

use super::{
    Shared,
    connection::Next,
    response::{Response, text},
    shared::Buffers,
};
use crate::{
    body::Left,
    chunked::Chunked,
    clock::{self, Instant},
    error::Error,
    head::{Length, Request},
    io::{Deadline, Timed},
    method::Method,
    status::Status,
};

/// Bytes of a body that nobody wanted, which are read so that the connection can go on.
const DRAINED: u64 = 65_536;

/// A request that waits for its answer.
///
/// Responses leave in the order of their requests, and not before the peer has sent all that it
/// has at hand; a body that is streamed leaves as it is written.
pub struct Exchange<'c, F> {
    pub(super) shared: &'c Shared,
    pub(super) io: &'c mut Timed<F>,
    pub(super) buffers: &'c mut Buffers,
}

/// How far a response is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sent {
    Nothing,
    Part,
    All,
}

/// How far an exchange is.
pub(crate) struct State {
    pub(super) sent: Sent,
    /// Where a head begins in the output that is not on its way yet.
    pub(super) begun: Option<usize>,
    /// Whether the connection ends with this exchange.
    pub(super) close: bool,
    pub(super) is_head: bool,
    pub(super) is_old: bool,
    /// Whether the peer waits to be told to send the body.
    pub(super) expects: bool,
    pub(super) left: Left,
    /// Where the next byte of the body lies in the input, if it is there.
    at: usize,
    /// Bytes of the body that were handed on, and how many may be.
    received: u64,
    limit: u64,
    started: Instant,
    /// Why the body cannot be read.
    failed: Option<Error>,
    /// Whether something could not be written.
    broken: bool,
}

impl State {
    pub(super) fn new() -> Self {
        Self {
            sent: Sent::Nothing,
            begun: None,
            close: true,
            is_head: false,
            is_old: false,
            expects: false,
            left: Left::Bytes(0),
            at: 0,
            received: 0,
            limit: 0,
            started: Instant::NEVER,
            failed: None,
            broken: false,
        }
    }
}

impl<'c, F: Flow> Exchange<'c, F> {
    /// The exchange of the request whose head was just parsed.
    pub(super) fn new(
        shared: &'c Shared,
        io: &'c mut Timed<F>,
        buffers: &'c mut Buffers,
        is_last: bool,
    ) -> Self {
        let head = &buffers.head;
        buffers.state = State {
            close: is_last || !head.keep_alive,
            is_head: head.method == Method::Head,
            is_old: head.is_old,
            expects: head.expects,
            left: match head.body {
                Length::Known(len) => Left::Bytes(len),
                Length::Chunked => Left::Chunks(Chunked::new()),
            },
            at: buffers.start + head.len,
            limit: shared.limits.body,
            ..State::new()
        };
        Self {
            shared,
            io,
            buffers,
        }
    }

    /// An exchange of what is no request.
    pub(super) fn broken(
        shared: &'c Shared,
        io: &'c mut Timed<F>,
        buffers: &'c mut Buffers,
    ) -> Self {
        buffers.state = State::new();
        Self {
            shared,
            io,
            buffers,
        }
    }

    /// The request.
    pub fn request(&self) -> Request<'_> {
        Request::new(&self.buffers.head, self.buffers.received())
    }

    /// The connection below, to ask it who the peer is.
    pub fn flow(&self) -> &F {
        &self.io.flow
    }

    /// Allows the body of this request another length than [`Limits::body`](crate::Limits::body).
    pub fn limit_body(&mut self, bytes: u64) {
        self.buffers.state.limit = bytes;
    }

    /// The body of the request.
    pub fn body(&mut self) -> Body<'_, 'c, F> {
        Body { exchange: self }
    }

    /// Begins the response.
    pub fn response(&mut self, status: Status) -> Response<'_, 'c, F> {
        Response::new(self, status)
    }

    /// Answers with a line of text that says `status`, without keeping the peer from caching or
    /// from asking again.
    ///
    /// # Errors
    ///
    /// As [`Response::send`].
    pub async fn refuse(&mut self, status: Status) -> Result<(), Error> {
        let body = text(status);
        let response = self.response(status);
        response
            .header("content-type", "text/plain")
            .send(body)
            .await
    }

    /// Closes the connection behind this exchange, which the response says if it was not begun.
    pub fn close_after(&mut self) {
        self.buffers.state.close = true;
    }

    pub(super) fn sent(&self) -> Sent {
        self.buffers.state.sent
    }

    pub(super) fn failed(&self) -> Option<Error> {
        self.buffers.state.failed
    }

    /// Whether the peer missed something that was written.
    pub(super) fn is_broken(&self) -> bool {
        self.buffers.state.broken
    }

    pub(super) fn body_is_read(&self) -> bool {
        self.buffers.state.left.is_done()
    }

    /// Whether what is left of the body is worth being read for the next request's sake.
    pub(super) fn may_drain(&self) -> bool {
        let state = &self.buffers.state;
        let is_short = !matches!(state.left, Left::Bytes(DRAINED..));
        !state.close && !state.expects && state.failed.is_none() && is_short
    }

    /// Reads what is left of the body.
    pub(super) async fn drain(&mut self) -> Result<(), Error> {
        let state = &mut self.buffers.state;
        state.limit = state.received.saturating_add(DRAINED);
        let mut waste = [0; 512];
        while self.read(&mut waste).await? > 0 {}
        Ok(())
    }

    /// Leaves the request behind.
    pub(super) fn end(&mut self) -> Next {
        self.forget_begun();
        self.buffers.start = self.buffers.state.at;
        if self.buffers.state.close {
            Next::Close
        } else {
            Next::More
        }
    }

    async fn read(&mut self, into: &mut [u8]) -> Result<usize, Error> {
        if let Some(error) = self.failed() {
            return Err(error);
        }
        let result = self.read_some(into).await;
        match result {
            Ok(len) => self.buffers.state.received += len as u64,
            Err(error) => return Err(self.fail(error)),
        }
        if self.buffers.state.received > self.buffers.state.limit {
            return Err(self.fail(Error::TooLarge));
        }
        result
    }

    /// Gives the body up, and with it the connection.
    fn fail(&mut self, error: Error) -> Error {
        self.buffers.state.failed = Some(error);
        self.buffers.state.close = true;
        error
    }

    async fn read_some(&mut self, into: &mut [u8]) -> Result<usize, Error> {
        loop {
            if into.is_empty() || self.body_is_read() {
                return Ok(0);
            }
            self.check_limit()?;
            let taken = self.take_received(into)?;
            if taken > 0 || self.body_is_read() {
                return Ok(taken);
            }
            self.ask_for_body().await?;
            let deadline = &mut Deadline::at(self.body_deadline());
            if let Some(most) = self.buffers.state.left.direct(into.len()) {
                // Straight to where it is wanted.
                let into = into.get_mut(..most).unwrap_or_default();
                let len = self.io.read(into, deadline).await?;
                self.buffers.state.left.was_read(len)?;
                return Ok(len);
            }
            let room = self.buffers.body_room();
            let len = self.io.read(room, deadline).await?;
            if len == 0 {
                return Err(Error::UnexpectedEnd);
            }
            self.buffers.filled += len;
        }
    }

    /// Hands on what was received with the head or with other chunks.
    fn take_received(&mut self, into: &mut [u8]) -> Result<usize, Error> {
        let Buffers {
            input,
            filled,
            state,
            ..
        } = &mut *self.buffers;
        let received = input.get(state.at..*filled).unwrap_or_default();
        let progress = state.left.take(received, into)?;
        state.at += progress.read;
        Ok(progress.written)
    }

    fn check_limit(&self) -> Result<(), Error> {
        let state = &self.buffers.state;
        let known = match state.left {
            Left::Bytes(left) => left,
            Left::Chunks(_) | Left::UntilEnd => 0,
        };
        if state.received.saturating_add(known) > state.limit {
            return Err(Error::TooLarge);
        }
        Ok(())
    }

    /// Writes what the peer may be waiting for before it sends more: earlier responses, and
    /// `100 Continue` (RFC 9110 section 10.1.1).
    async fn ask_for_body(&mut self) -> Result<(), Error> {
        let state = &mut self.buffers.state;
        if state.started == Instant::NEVER {
            state.started = clock::recent();
        }
        if core::mem::take(&mut state.expects) && state.sent == Sent::Nothing {
            let output = &mut self.buffers.output;
            output.extend_from_slice(Status::CONTINUE.line().unwrap_or_default());
            output.extend_from_slice(b"\r\n");
        }
        self.flush().await
    }

    /// When the body, at the lowest rate that is allowed, should have gone on.
    fn body_deadline(&self) -> Instant {
        let limits = &self.shared.limits;
        let state = &self.buffers.state;
        let earned = state.received / u64::from(limits.body_rate.max(1));
        state.started + limits.body_grace + core::time::Duration::from_secs(earned)
    }

    /// Writes what was gathered.
    pub(super) async fn flush(&mut self) -> Result<(), Error> {
        self.forget_begun();
        let time = self.shared.limits.write_time;
        let result = self.io.write(&self.buffers.output, time).await;
        self.buffers.output.clear();
        self.buffers.state.broken |= result.is_err();
        result
    }

    /// Writes what was gathered, and `bytes` from where they lie.
    pub(super) async fn write_through(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.flush().await?;
        let time = self.shared.limits.write_time;
        let result = self.io.write(bytes, time).await;
        self.buffers.state.broken |= result.is_err();
        result
    }
}

impl Buffers {
    /// Room for a body behind the head, which stays, when all that was received is used up.
    fn body_room(&mut self) -> &mut [u8] {
        const LEAST: usize = 1_024;
        let head_end = self.start + self.head.len;
        (self.filled, self.state.at) = (head_end, head_end);
        if self.input.len() - head_end < LEAST {
            self.input.resize(head_end + LEAST, 0);
        }
        self.input.get_mut(head_end..).unwrap_or_default()
    }
}

/// The body of a request, as it comes in. The peer is slowed down to the pace of the reader.
pub struct Body<'e, 'c, F> {
    exchange: &'e mut Exchange<'c, F>,
}

impl<F: Flow> Body<'_, '_, F> {
    /// Waits for bytes of the body and gives how many there are; zero at its end.
    ///
    /// # Errors
    ///
    /// [`Error::TooLarge`], [`Error::TimedOut`], [`Error::Malformed`]: the handler can pass them on,
    /// and the peer is told. [`Error::UnexpectedEnd`], [`Error::Flow`]: nobody is left to be told.
    pub async fn read(&mut self, into: &mut [u8]) -> Result<usize, Error> {
        self.exchange.read(into).await
    }

    /// The whole body.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    pub async fn read_all(&mut self) -> Result<Vec<u8>, Error> {
        const STEP: usize = 2_048;
        let mut whole = Vec::new();
        loop {
            let len = whole.len();
            whole.resize(len + STEP, 0);
            let read = self.read(whole.get_mut(len..).unwrap_or_default()).await?;
            whole.truncate(len + read);
            if read == 0 {
                return Ok(whole);
            }
        }
    }
}
