// SPDX-License-Identifier: ISC
//! A response on its way: the head is written straight to where it leaves from.

use alloc::vec::Vec;

use fata_device::Flow;

use super::exchange::{Exchange, Sent};
use crate::{chunked, error::Error, number::push_decimal, status::Status};

/// Bytes that are gathered before they are written.
const GATHERED: usize = 16_384;

/// A response that was begun. Dropped before [`send`](Self::send) or [`stream`](Self::stream), it
/// never was.
#[must_use = "a response goes out with `send` or `stream`"]
pub struct Response<'e, 'c, F> {
    exchange: &'e mut Exchange<'c, F>,
    status: Status,
}

/// The text of a body that says a status.
pub(super) fn text(status: Status) -> &'static [u8] {
    match status.text() {
        b"" => b"unknown status",
        text => text,
    }
}

impl<'e, 'c, F: Flow> Response<'e, 'c, F> {
    pub(super) fn new(exchange: &'e mut Exchange<'c, F>, status: Status) -> Self {
        exchange.forget_begun();
        let output = &mut exchange.buffers.output;
        exchange.buffers.state.begun = Some(output.len());
        match status.line() {
            Some(line) => output.extend_from_slice(line),
            None => {
                output.extend_from_slice(b"HTTP/1.1 ");
                push_decimal(output, status.code().into());
                output.extend_from_slice(b" \r\n");
            }
        }
        exchange.shared.push_date(output);
        Self { exchange, status }
    }

    /// Adds a field. `date`, `connection`, `content-length` and `transfer-encoding` are the
    /// library's. A byte that cannot be in a field, such as a line break, becomes a space: a value
    /// that came from a peer writes no field of its own.
    pub fn header(self, name: &str, value: impl AsRef<[u8]>) -> Self {
        push_field(&mut self.exchange.buffers.output, name, value.as_ref());
        self
    }

    /// Adds fields that were prepared, each with CRLF.
    pub(super) fn fields(self, fields: &[u8]) -> Self {
        self.exchange.buffers.output.extend_from_slice(fields);
        self
    }

    /// Sends it with this body, which is left out where the request or the status wants none. A
    /// small one is joined with other responses; a large one is written from where it lies.
    ///
    /// # Errors
    ///
    /// [`Error::WrongUse`] if the request was answered before; [`Error::TimedOut`],
    /// [`Error::Flow`].
    pub async fn send(self, body: &[u8]) -> Result<(), Error> {
        if !self.status.is_bodiless() {
            push_length(&mut self.exchange.buffers.output, body.len() as u64);
        }
        self.send_prepared(b"", body).await
    }

    /// As [`send`](Self::send), after fields that were prepared, the length among them.
    pub(super) async fn send_prepared(self, fields: &[u8], body: &[u8]) -> Result<(), Error> {
        self.exchange.buffers.output.extend_from_slice(fields);
        self.exchange.depart(Sent::All)?;
        let exchange = self.exchange;
        let is_bodiless = exchange.buffers.state.is_head || self.status.is_bodiless();
        let body = if is_bodiless { b"" } else { body };
        if exchange.buffers.output.len() + body.len() <= GATHERED {
            exchange.buffers.output.extend_from_slice(body);
            return Ok(());
        }
        exchange.write_through(body).await
    }

    /// Sends the head, and leaves the body to be written: exactly `len` bytes, or as many as there
    /// are until [`BodyWriter::finish`].
    ///
    /// # Errors
    ///
    /// [`Error::WrongUse`] if the request was answered before.
    pub fn stream(self, len: Option<u64>) -> Result<BodyWriter<'e, 'c, F>, Error> {
        let Self { exchange, status } = self;
        let state = &mut exchange.buffers.state;
        let coding = match len {
            Some(len) => Coding::Length(len),
            None if state.is_old => Coding::UntilClose,
            None => Coding::Chunked,
        };
        // Without a length, an old peer knows the end of a body by the end of the connection.
        state.close |= coding == Coding::UntilClose;
        let is_discarded = state.is_head || status.is_bodiless();
        let output = &mut exchange.buffers.output;
        match coding {
            _ if status.is_bodiless() => {}
            Coding::Length(len) => push_length(output, len),
            Coding::Chunked => output.extend_from_slice(b"transfer-encoding: chunked\r\n"),
            Coding::UntilClose => {}
        }
        exchange.depart(Sent::Part)?;
        Ok(BodyWriter {
            exchange,
            coding,
            is_discarded,
        })
    }
}

/// Appends a field; a byte that cannot be in one is replaced.
pub(crate) fn push_field(output: &mut Vec<u8>, name: &str, value: &[u8]) {
    let is_token = |byte: u8| byte.is_ascii_graphic() && byte != b':';
    output.extend(
        name.bytes()
            .map(|byte| if is_token(byte) { byte } else { b'_' }),
    );
    output.extend_from_slice(b": ");
    let is_text = |byte: u8| byte == b'\t' || (byte >= b' ' && byte != 0x7f);
    output.extend(
        value
            .iter()
            .map(|&byte| if is_text(byte) { byte } else { b' ' }),
    );
    output.extend_from_slice(b"\r\n");
}

/// Appends the length of a body.
pub(crate) fn push_length(output: &mut Vec<u8>, len: u64) {
    output.extend_from_slice(b"content-length: ");
    push_decimal(output, len);
    output.extend_from_slice(b"\r\n");
}

impl<F: Flow> Exchange<'_, F> {
    /// Ends the head.
    fn depart(&mut self, sent: Sent) -> Result<(), Error> {
        let state = &mut self.buffers.state;
        if state.sent != Sent::Nothing {
            self.forget_begun();
            return Err(Error::WrongUse);
        }
        state.begun = None;
        state.sent = sent;
        // A peer that waits to be told may send its body or not: there is no telling what comes.
        let is_undecided = state.expects && !state.left.is_done();
        state.close |= is_undecided || self.shared.is_stopped();
        let persistence: &[u8] = match (state.close, state.is_old) {
            (true, _) => b"connection: close\r\n\r\n",
            (false, true) => b"connection: keep-alive\r\n\r\n",
            (false, false) => b"\r\n",
        };
        self.buffers.output.extend_from_slice(persistence);
        Ok(())
    }

    /// Takes back a head that was begun and never sent.
    pub(super) fn forget_begun(&mut self) {
        if let Some(start) = self.buffers.state.begun.take() {
            self.buffers.output.truncate(start);
        }
    }
}

/// How the end of a body is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Coding {
    /// So many bytes are left.
    Length(u64),
    Chunked,
    UntilClose,
}

/// The body of a response, as it is written. Writing waits when the peer does not read.
///
/// Dropped without [`finish`](Self::finish), it breaks the connection, so that the peer cannot
/// take a part for the whole.
#[must_use = "the body ends with `finish`"]
pub struct BodyWriter<'e, 'c, F> {
    exchange: &'e mut Exchange<'c, F>,
    coding: Coding,
    /// For a response whose head is all there is.
    is_discarded: bool,
}

impl<F: Flow> BodyWriter<'_, '_, F> {
    /// Writes all of `bytes`, which leave when enough of them were gathered.
    ///
    /// # Errors
    ///
    /// [`Error::WrongUse`] for more bytes than were announced; [`Error::TimedOut`],
    /// [`Error::Flow`].
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        if let Coding::Length(left) = &mut self.coding {
            let rest = left.checked_sub(bytes.len() as u64);
            *left = rest.ok_or(Error::WrongUse)?;
        }
        // A chunk of nothing would be the last.
        if self.is_discarded || bytes.is_empty() {
            return Ok(());
        }
        let output = &mut self.exchange.buffers.output;
        if self.coding == Coding::Chunked {
            chunked::push_start(output, bytes.len());
        }
        if output.len() + bytes.len() <= GATHERED {
            output.extend_from_slice(bytes);
        } else {
            self.exchange.write_through(bytes).await?;
        }
        if self.coding == Coding::Chunked {
            self.exchange.buffers.output.extend_from_slice(b"\r\n");
        }
        Ok(())
    }

    /// Lets what was written leave now.
    ///
    /// # Errors
    ///
    /// [`Error::TimedOut`], [`Error::Flow`].
    pub async fn flush(&mut self) -> Result<(), Error> {
        self.exchange.flush().await
    }

    /// Ends the body.
    ///
    /// # Errors
    ///
    /// [`Error::WrongUse`] if fewer bytes were written than announced.
    pub fn finish(self) -> Result<(), Error> {
        let buffers = &mut self.exchange.buffers;
        match self.coding {
            _ if self.is_discarded => {}
            Coding::Length(1..) => return Err(Error::WrongUse),
            Coding::Chunked => buffers.output.extend_from_slice(chunked::LAST),
            Coding::Length(0) | Coding::UntilClose => {}
        }
        buffers.state.sent = Sent::All;
        Ok(())
    }
}
