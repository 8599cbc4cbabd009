// SPDX-License-Identifier: ISC
//! Heads of requests: bytes in, meaning or a status out.
//!
//! Read first: RFC 9112 sections 2.2, 3, 5, 6 and 9.3. `httparse` takes lines apart; what makes a
//! message ambiguous is refused here.

use core::mem::MaybeUninit;

use crate::{
    fields::{self, Fields, Known, Span, members, persistence},
    limits::Limits,
    method::Method,
    number::decimal,
    status::Status,
};

/// How long the body of a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Length {
    /// So many bytes; zero without a body.
    Known(u64),
    /// As the chunked coding says.
    Chunked,
}

/// The head of a request, as places in the buffer in which it lies. Used again for the next.
#[derive(Debug)]
pub(crate) struct Head {
    /// Bytes of the head, with empty lines before it.
    pub(crate) len: usize,
    pub(crate) method: Method,
    /// Whether the peer speaks HTTP/1.0.
    pub(crate) is_old: bool,
    pub(crate) body: Length,
    /// Whether the connection may carry another request.
    pub(crate) keep_alive: bool,
    /// Whether the peer waits for `100 Continue` before it sends the body.
    pub(crate) expects: bool,
    target: Span,
    fields: Fields,
}

impl Head {
    pub(crate) fn new() -> Self {
        Self {
            len: 0,
            method: Method::Get,
            is_old: false,
            body: Length::Known(0),
            keep_alive: false,
            expects: false,
            target: Span::default(),
            fields: Fields::default(),
        }
    }

    /// Parses the head that `input` begins with; whether it is all there.
    ///
    /// # Errors
    ///
    /// The status that the peer is to be told before the connection is closed.
    pub(crate) fn parse(&mut self, input: &[u8], limits: &Limits) -> Result<bool, Status> {
        let most = limits.head.min(usize::from(u16::MAX));
        let bounded = input.get(..most).unwrap_or(input);
        let start = empty_lines(bounded);
        let text = bounded.get(start..).unwrap_or_default();
        if matches!(text, [b'\n', ..] | [b'\r', b'\r', ..]) {
            return Err(Status::BAD_REQUEST);
        }
        let mut room = [const { MaybeUninit::uninit() }; fields::MAX];
        let room = room.get_mut(..limits.fields).unwrap_or_default();
        let mut parsed = httparse::Request::new(&mut []);
        match parsed.parse_with_uninit_headers(text, room) {
            Ok(httparse::Status::Complete(len)) => {
                self.len = start + len;
                check_lines(text.get(..len).unwrap_or_default(), &parsed)?;
                self.understand(bounded, &parsed, limits)?;
                Ok(true)
            }
            Ok(httparse::Status::Partial) => {
                check_line_length(text, limits)?;
                if input.len() < most {
                    return Ok(false);
                }
                Err(Status::REQUEST_HEADER_FIELDS_TOO_LARGE)
            }
            Err(error) => Err(refusal(error, text, limits)),
        }
    }

    /// Takes in what was parsed.
    fn understand(
        &mut self,
        head: &[u8],
        parsed: &httparse::Request<'_, '_>,
        limits: &Limits,
    ) -> Result<(), Status> {
        let target = parsed.path.unwrap_or_default().as_bytes();
        let method = parsed.method.unwrap_or_default();
        if method.len() + target.len() + " HTTP/1.1 \r\n".len() > limits.request_line {
            return Err(Status::URI_TOO_LONG);
        }
        self.method = Method::parse(method).ok_or(Status::NOT_IMPLEMENTED)?;
        self.target = Span::of(target, head);
        self.is_old = parsed.version == Some(0);
        self.fields.set(head, parsed.headers);
        let said = persistence(&self.fields, head);
        self.keep_alive = !said.close && (!self.is_old || said.keep_alive);
        self.body = self.length(head)?;
        self.check_host(head)?;
        self.check_target(target)?;
        self.expects = self.expectation(head)?;
        Ok(())
    }

    /// RFC 9112 section 6.3, for requests.
    fn length(&self, head: &[u8]) -> Result<Length, Status> {
        let mut lengths = self.fields.all(head, Known::ContentLength);
        let length = lengths.next();
        if lengths.next().is_some() {
            return Err(Status::BAD_REQUEST);
        }
        if self.fields.has(Known::TransferEncoding) {
            if length.is_some() || self.is_old {
                return Err(Status::BAD_REQUEST);
            }
            return self.coding(head);
        }
        match length {
            None => Ok(Length::Known(0)),
            Some(length) => decimal(length)
                .map(Length::Known)
                .ok_or(Status::BAD_REQUEST),
        }
    }

    /// `chunked`, once and alone: no other coding is known here.
    fn coding(&self, head: &[u8]) -> Result<Length, Status> {
        let codings = || self.fields.all(head, Known::TransferEncoding);
        let is_chunked = |coding: &[u8]| coding.eq_ignore_ascii_case(b"chunked");
        if let Some(only) = codings().next()
            && is_chunked(only)
            && codings().count() == 1
        {
            return Ok(Length::Chunked);
        }
        let is_last = codings().flat_map(members).last().is_some_and(is_chunked);
        let times = codings()
            .flat_map(members)
            .filter(|coding| is_chunked(coding))
            .count();
        // Another coding below it could be understood by somebody; anything else by nobody.
        Err(if is_last && times == 1 {
            Status::NOT_IMPLEMENTED
        } else {
            Status::BAD_REQUEST
        })
    }

    /// RFC 9112 section 3.2: one host, which HTTP/1.0 may leave out.
    fn check_host(&self, head: &[u8]) -> Result<(), Status> {
        let mut hosts = self.fields.all(head, Known::Host);
        let is_fine = match (hosts.next(), hosts.next()) {
            (None, _) => self.is_old,
            (Some(host), None) => host
                .iter()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:[]%".contains(byte)),
            (Some(_), Some(_)) => false,
        };
        is_fine.then_some(()).ok_or(Status::BAD_REQUEST)
    }

    /// RFC 9112 section 3.2: a path, an address with one, or for `OPTIONS` a star.
    fn check_target(&self, target: &[u8]) -> Result<(), Status> {
        let is_fine = match target {
            [b'/', ..] => true,
            b"*" => self.method == Method::Options,
            _ if self.method == Method::Connect => return Err(Status::NOT_IMPLEMENTED),
            _ => origin_form(target).is_some(),
        };
        let is_fine = is_fine && target.iter().all(|byte| byte.is_ascii_graphic());
        is_fine.then_some(()).ok_or(Status::BAD_REQUEST)
    }

    /// RFC 9110 section 10.1.1.
    fn expectation(&self, head: &[u8]) -> Result<bool, Status> {
        match self.fields.first(head, Known::Expect) {
            None => Ok(false),
            Some(expected) if expected.eq_ignore_ascii_case(b"100-continue") => {
                Ok(!self.is_old && self.body != Length::Known(0))
            }
            Some(_) => Err(Status::EXPECTATION_FAILED),
        }
    }
}

/// Bytes of empty lines before a request (RFC 9112 section 2.2).
fn empty_lines(mut input: &[u8]) -> usize {
    let whole = input.len();
    while let Some(rest) = input.strip_prefix(b"\r\n") {
        input = rest;
    }
    whole - input.len()
}

/// Whether every line of a head ends with CRLF. `httparse` takes a bare LF, and has seen that no CR
/// stands elsewhere.
fn check_lines(head: &[u8], parsed: &httparse::Request<'_, '_>) -> Result<(), Status> {
    let is_after_line = |at: usize| {
        let end = at.checked_sub(2).and_then(|end| head.get(end..at));
        end == Some(b"\r\n")
    };
    let starts = parsed
        .headers
        .iter()
        .map(|header| (header.name.as_ptr() as usize).wrapping_sub(head.as_ptr() as usize));
    let is_fine = head.ends_with(b"\r\n\r\n") && starts.into_iter().all(is_after_line);
    is_fine.then_some(()).ok_or(Status::BAD_REQUEST)
}

/// What a request line that does not end is told.
fn check_line_length(text: &[u8], limits: &Limits) -> Result<(), Status> {
    match text.get(..limits.request_line) {
        Some(line) if !line.contains(&b'\n') => Err(Status::URI_TOO_LONG),
        _ => Ok(()),
    }
}

/// The status for what `httparse` does not take.
fn refusal(error: httparse::Error, text: &[u8], limits: &Limits) -> Status {
    match error {
        httparse::Error::TooManyHeaders => Status::REQUEST_HEADER_FIELDS_TOO_LARGE,
        httparse::Error::Version => {
            let line = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
            let mut parts = line.split(|byte| *byte == b' ').skip(2);
            match parts.next().filter(|_| parts.next().is_none()) {
                Some(
                    [
                        b'H',
                        b'T',
                        b'T',
                        b'P',
                        b'/',
                        b'0'..=b'9',
                        b'.',
                        b'0'..=b'9',
                        b'\r',
                    ],
                ) => Status::HTTP_VERSION_NOT_SUPPORTED,
                _ => Status::BAD_REQUEST,
            }
        }
        _ => check_line_length(text, limits)
            .err()
            .unwrap_or(Status::BAD_REQUEST),
    }
}

/// The path and query of a target that is a whole address.
fn origin_form(target: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = target.split_at_checked(7)?;
    if !scheme.eq_ignore_ascii_case(b"http://") {
        return None;
    }
    let path = rest.iter().position(|byte| matches!(byte, b'/' | b'?'));
    let (authority, path) = rest.split_at(path.unwrap_or(rest.len()));
    // `http://host` asks for `/`; a query without a path has nowhere to go here.
    (!authority.is_empty() && !path.starts_with(b"?")).then_some(if path.is_empty() {
        b"/"
    } else {
        path
    })
}

/// A request: what is asked for, and the fields that came with it.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    head: &'a Head,
    bytes: &'a [u8],
}

impl<'a> Request<'a> {
    /// The request whose head was parsed from `bytes`.
    pub(crate) fn new(head: &'a Head, bytes: &'a [u8]) -> Self {
        Self { head, bytes }
    }

    /// What is to be done.
    pub fn method(&self) -> Method {
        self.head.method
    }

    /// Path and query as they were sent, or `*`.
    pub fn target(&self) -> &'a str {
        let target = self.head.target.in_(self.bytes);
        let target = match target {
            [b'/' | b'*', ..] => target,
            _ => origin_form(target).unwrap_or(b"/"),
        };
        core::str::from_utf8(target).unwrap_or_default()
    }

    /// The path, still with percent signs; [`decode`](crate::decode) takes them from a segment.
    pub fn path(&self) -> &'a str {
        let target = self.target();
        target.split_once('?').map_or(target, |(path, _)| path)
    }

    /// What follows the first question mark.
    pub fn query(&self) -> Option<&'a str> {
        self.target().split_once('?').map(|(_, query)| query)
    }

    /// Whether the peer speaks HTTP/1.0.
    pub fn is_http_1_0(&self) -> bool {
        self.head.is_old
    }

    /// The value of the first field called `name`, in any case of letters, without space around
    /// it.
    pub fn header(&self, name: &str) -> Option<&'a [u8]> {
        self.head.fields.get(self.bytes, name)
    }

    /// Names and values of all fields, in order.
    pub fn headers(&self) -> impl Iterator<Item = (&'a str, &'a [u8])> {
        self.head.fields.iter(self.bytes)
    }

    /// Bytes of the body, if the peer has said how many.
    pub fn content_length(&self) -> Option<u64> {
        match self.head.body {
            Length::Known(len) => Some(len),
            Length::Chunked => None,
        }
    }

    pub(crate) fn has(&self, known: Known) -> bool {
        self.head.fields.has(known)
    }

    pub(crate) fn first(&self, known: Known) -> Option<&'a [u8]> {
        self.head.fields.first(self.bytes, known)
    }

    pub(crate) fn all(&self, known: Known) -> impl Iterator<Item = &'a [u8]> {
        self.head.fields.all(self.bytes, known)
    }
}

#[cfg(test)]
mod tests;
