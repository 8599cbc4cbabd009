// SPDX-License-Identifier: ISC
//! The client: requests over a flow, one after the other.
//!
//! Read first: RFC 9112 sections 6.3 and 9.

mod head;
mod url;

use alloc::{string::String, vec, vec::Vec};

use fata_device::Flow;

pub(crate) use self::head::Head;
pub use self::url::{NotAUrl, Url};
use crate::{
    chunked,
    error::Error,
    fields::Known,
    io::{Deadline, Timed},
    limits::ClientLimits,
    method::Method,
    server::{push_field, push_length},
    status::Status,
};

/// Bytes of the input buffer at first.
const INPUT: usize = 4_096;

/// A connection to a server.
///
/// ```no_run
/// # use fata_http::{Client, ClientLimits, Error, Status};
/// # use fata_tcpip::TcpStream;
/// # async fn run(stream: TcpStream) -> Result<(), Error> {
/// let mut client = Client::new(stream, "192.0.2.1", ClientLimits::default());
/// let mut answer = client.get("/").await?;
/// assert_eq!(answer.status(), Status::OK);
/// let page = answer.read_all().await?;
/// # Ok(())
/// # }
/// ```
pub struct Client<F> {
    io: Timed<F>,
    /// What requests say in `host`.
    authority: String,
    limits: ClientLimits,
    /// Received: `start..filled` is not used up.
    input: Vec<u8>,
    start: usize,
    filled: usize,
    head: Head,
    /// Whether the connection is of use when the current body is read.
    keep_alive: bool,
}

impl<F: Flow> Client<F> {
    /// A client over a flow that was just connected. `authority` is the host, with its port unless
    /// that is 80.
    pub fn new(flow: F, authority: &str, limits: ClientLimits) -> Self {
        Self {
            io: Timed::new(flow),
            authority: authority.into(),
            limits,
            input: vec![0; INPUT],
            start: 0,
            filled: 0,
            head: Head::new(),
            keep_alive: true,
        }
    }

    /// Whether another request can be sent: the server keeps the connection, and the last body was
    /// read to its end.
    pub fn is_reusable(&self) -> bool {
        self.keep_alive && self.head.body.is_done()
    }

    /// Gets a resource.
    ///
    /// # Errors
    ///
    /// As [`request`](Self::request).
    pub async fn get(&mut self, target: &str) -> Result<Answer<'_, F>, Error> {
        self.request(Method::Get, target, &[], b"").await
    }

    /// Sends a request with fields and a body, and waits for the head of the answer. `host`,
    /// `content-length` and `transfer-encoding` are the library's.
    ///
    /// # Errors
    ///
    /// [`Error::WrongUse`] if the connection is not [reusable](Self::is_reusable) or `target` has a
    /// space or a control character; all others end it.
    pub async fn request(
        &mut self,
        method: Method,
        target: &str,
        fields: &[(&str, &str)],
        body: &[u8],
    ) -> Result<Answer<'_, F>, Error> {
        let mut output = self.begin(method, target, fields)?;
        if !body.is_empty() || matches!(method, Method::Post | Method::Put | Method::Patch) {
            push_length(&mut output, body.len() as u64);
        }
        output.extend_from_slice(b"\r\n");
        output.extend_from_slice(body);
        self.write(&output).await?;
        self.answer(method).await
    }

    /// Sends a request whose body is then written piece by piece, chunked.
    ///
    /// # Errors
    ///
    /// As [`request`](Self::request).
    pub async fn upload(
        &mut self,
        method: Method,
        target: &str,
        fields: &[(&str, &str)],
    ) -> Result<Upload<'_, F>, Error> {
        let mut output = self.begin(method, target, fields)?;
        output.extend_from_slice(b"transfer-encoding: chunked\r\n\r\n");
        self.write(&output).await?;
        Ok(Upload {
            client: self,
            method,
        })
    }

    /// The flow, for whoever wants to end it in order.
    pub fn into_flow(self) -> F {
        self.io.flow
    }

    fn begin(
        &mut self,
        method: Method,
        target: &str,
        fields: &[(&str, &str)],
    ) -> Result<Vec<u8>, Error> {
        let is_target = !target.is_empty() && target.bytes().all(|byte| byte.is_ascii_graphic());
        if !self.is_reusable() || !is_target {
            return Err(Error::WrongUse);
        }
        // Until the answer says otherwise: whoever gives up in between leaves it in disorder.
        self.keep_alive = false;
        let mut output = Vec::with_capacity(256);
        for part in [method.name(), " ", target, " HTTP/1.1\r\n"] {
            output.extend_from_slice(part.as_bytes());
        }
        push_field(&mut output, "host", self.authority.as_bytes());
        for (name, value) in fields {
            push_field(&mut output, name, value.as_bytes());
        }
        Ok(output)
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.io.write(bytes, self.limits.write_time).await
    }

    /// Waits for the head of the answer, past those that only say that it will come.
    async fn answer(&mut self, method: Method) -> Result<Answer<'_, F>, Error> {
        let mut deadline = Deadline::after(self.limits.head_time);
        loop {
            let received = self.input.get(self.start..self.filled);
            let received = received.unwrap_or_default();
            if self.head.parse(received, method, &self.limits)? {
                if !matches!(self.head.status.code(), 100..200) {
                    break;
                }
                // Another protocol (101) was not asked for.
                self.start += self.head.len;
                continue;
            }
            self.receive(&mut deadline).await?;
        }
        self.keep_alive = self.head.keep_alive;
        let at = self.start + self.head.len;
        Ok(Answer {
            client: self,
            at,
            received: 0,
        })
    }

    /// Receives more behind what is there, of a head.
    async fn receive(&mut self, deadline: &mut Deadline) -> Result<(), Error> {
        if self.start > 0 {
            self.input.copy_within(self.start..self.filled, 0);
            self.filled -= self.start;
            self.start = 0;
        }
        if self.filled == self.input.len() {
            self.input.resize(self.filled * 2, 0);
        }
        let room = self.input.get_mut(self.filled..).unwrap_or_default();
        match self.io.read(room, deadline).await? {
            0 => Err(Error::UnexpectedEnd),
            len => {
                self.filled += len;
                Ok(())
            }
        }
    }
}

/// A request whose body is being written.
#[must_use = "the request ends with `finish`"]
pub struct Upload<'c, F> {
    client: &'c mut Client<F>,
    method: Method,
}

impl<'c, F: Flow> Upload<'c, F> {
    /// Writes a piece of the body.
    ///
    /// # Errors
    ///
    /// [`Error::TimedOut`], [`Error::Flow`].
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        if bytes.is_empty() {
            return Ok(());
        }
        let mut chunk = Vec::with_capacity(bytes.len() + 20);
        chunked::push_start(&mut chunk, bytes.len());
        chunk.extend_from_slice(bytes);
        chunk.extend_from_slice(b"\r\n");
        self.client.write(&chunk).await
    }

    /// Ends the body and waits for the answer.
    ///
    /// # Errors
    ///
    /// As [`Client::request`].
    pub async fn finish(self) -> Result<Answer<'c, F>, Error> {
        self.client.write(chunked::LAST).await?;
        self.client.answer(self.method).await
    }
}

/// The answer to a request: its head, and its body as it comes in.
pub struct Answer<'c, F> {
    client: &'c mut Client<F>,
    /// Where the next byte of the body lies in the input, if it is there.
    at: usize,
    received: u64,
}

impl<F: Flow> Answer<'_, F> {
    /// The status.
    pub fn status(&self) -> Status {
        self.client.head.status
    }

    /// The value of the first field called `name`, in any case of letters.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.client.head.fields.get(self.head(), name)
    }

    /// Names and values of all fields, in order.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.client.head.fields.iter(self.head())
    }

    /// Where a redirect leads, for [`Url::join`].
    pub fn location(&self) -> Option<&str> {
        let location = self
            .client
            .head
            .fields
            .first(self.head(), Known::Location)?;
        let is_redirect = self.status().is_redirect();
        core::str::from_utf8(location).ok().filter(|_| is_redirect)
    }

    /// Waits for bytes of the body and gives how many there are; zero at its end.
    ///
    /// # Errors
    ///
    /// [`Error::UnexpectedEnd`] if a part is missing; [`Error::Malformed`], [`Error::TimedOut`],
    /// [`Error::Flow`].
    pub async fn read(&mut self, into: &mut [u8]) -> Result<usize, Error> {
        let result = self.read_some(into).await;
        match result {
            Ok(len) => self.received += len as u64,
            Err(_) => self.client.keep_alive = false,
        }
        result
    }

    /// The whole body.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read), and [`Error::TooLarge`].
    pub async fn read_all(&mut self) -> Result<Vec<u8>, Error> {
        const STEP: usize = 4_096;
        let mut whole = Vec::new();
        loop {
            let len = whole.len();
            whole.resize(len + STEP, 0);
            let read = self.read(whole.get_mut(len..).unwrap_or_default()).await?;
            whole.truncate(len + read);
            if read == 0 {
                return Ok(whole);
            }
            if self.received > self.client.limits.body {
                self.client.keep_alive = false;
                return Err(Error::TooLarge);
            }
        }
    }

    fn head(&self) -> &[u8] {
        let client = &*self.client;
        let end = client.start + client.head.len;
        client.input.get(client.start..end).unwrap_or_default()
    }

    async fn read_some(&mut self, into: &mut [u8]) -> Result<usize, Error> {
        let deadline = &mut Deadline::after(self.client.limits.idle_time);
        loop {
            let client = &mut *self.client;
            let left = &mut client.head.body;
            if into.is_empty() || left.is_done() {
                return Ok(0);
            }
            let received = client.input.get(self.at..client.filled);
            let progress = left.take(received.unwrap_or_default(), into)?;
            self.at += progress.read;
            if progress.written > 0 || left.is_done() {
                return Ok(progress.written);
            }
            if let Some(most) = left.direct(into.len()) {
                let into = into.get_mut(..most).unwrap_or_default();
                let len = client.io.read(into, deadline).await?;
                left.was_read(len)?;
                return Ok(len);
            }
            // All that was received is used up; the head stays.
            let head_end = client.start + client.head.len;
            if client.input.len() - head_end < INPUT / 2 {
                client.input.resize(head_end + INPUT, 0);
            }
            (self.at, client.filled) = (head_end, head_end);
            let room = client.input.get_mut(head_end..).unwrap_or_default();
            let len = client.io.read(room, deadline).await?;
            if len == 0 {
                return Err(Error::UnexpectedEnd);
            }
            client.filled += len;
        }
    }
}

impl<F> Drop for Answer<'_, F> {
    /// Leaves an answer that was read to its end behind.
    fn drop(&mut self) {
        if self.client.head.body.is_done() {
            self.client.start = self.at;
        }
    }
}
