// SPDX-License-Identifier: ISC
//! Heads of responses: bytes in, meaning out. Read first: RFC 9112 sections 4 and 6.3.

use core::mem::MaybeUninit;

use crate::{
    body::Left,
    chunked::Chunked,
    error::Error,
    fields::{self, Fields, Known, members, persistence},
    limits::ClientLimits,
    method::Method,
    number::decimal,
    status::Status,
};

/// The head of a response, as places in the buffer in which it lies.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) len: usize,
    pub(crate) status: Status,
    pub(crate) body: Left,
    /// Whether the connection can carry another request behind this response.
    pub(crate) keep_alive: bool,
    pub(crate) fields: Fields,
}

impl Head {
    pub(crate) fn new() -> Self {
        Self {
            len: 0,
            status: Status::OK,
            body: Left::Bytes(0),
            keep_alive: false,
            fields: Fields::default(),
        }
    }

    /// Parses the head of the response to a request with `method` that `input` begins with;
    /// whether it is all there.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`], [`Error::TooLarge`].
    pub(crate) fn parse(
        &mut self,
        input: &[u8],
        method: Method,
        limits: &ClientLimits,
    ) -> Result<bool, Error> {
        let most = limits.head.min(usize::from(u16::MAX));
        let bounded = input.get(..most).unwrap_or(input);
        let mut room = [const { MaybeUninit::uninit() }; fields::MAX];
        let room = room.get_mut(..limits.fields).unwrap_or_default();
        let mut parsed = httparse::Response::new(&mut []);
        let parser = httparse::ParserConfig::default();
        match parser.parse_response_with_uninit_headers(&mut parsed, bounded, room) {
            Ok(httparse::Status::Complete(len)) => self.len = len,
            Ok(httparse::Status::Partial) if input.len() < most => return Ok(false),
            Ok(httparse::Status::Partial) | Err(httparse::Error::TooManyHeaders) => {
                return Err(Error::TooLarge);
            }
            Err(_) => return Err(Error::Malformed),
        }
        let code = parsed.code.and_then(Status::new);
        self.status = code.ok_or(Error::Malformed)?;
        self.fields.set(bounded, parsed.headers);
        let is_old = parsed.version == Some(0);
        let said = persistence(&self.fields, bounded);
        self.body = self.length(bounded, method, is_old)?;
        let has_end = !matches!(self.body, Left::UntilEnd);
        self.keep_alive = has_end && !said.close && (!is_old || said.keep_alive);
        Ok(true)
    }

    /// RFC 9112 section 6.3, for responses.
    fn length(&self, head: &[u8], method: Method, is_old: bool) -> Result<Left, Error> {
        let mut lengths = self.fields.all(head, Known::ContentLength);
        let length = lengths.next();
        // The same length twice does no harm to a client, and there are servers that send it.
        if lengths.any(|other| Some(other) != length) {
            return Err(Error::Malformed);
        }
        let length = match length {
            Some(digits) => Some(decimal(digits).ok_or(Error::Malformed)?),
            None => None,
        };
        if self.fields.has(Known::TransferEncoding) && (length.is_some() || is_old) {
            return Err(Error::Malformed);
        }
        if method == Method::Head || self.status.is_bodiless() {
            return Ok(Left::Bytes(0));
        }
        if self.fields.has(Known::TransferEncoding) {
            let codings = self.fields.all(head, Known::TransferEncoding);
            let mut codings = codings.flat_map(members);
            return match (codings.next(), codings.next()) {
                (Some(only), None) if only.eq_ignore_ascii_case(b"chunked") => {
                    Ok(Left::Chunks(Chunked::new()))
                }
                _ => Err(Error::Malformed),
            };
        }
        Ok(length.map_or(Left::UntilEnd, Left::Bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(input: &str, method: Method) -> Result<Option<Head>, Error> {
        let mut head = Head::new();
        let complete = head.parse(input.as_bytes(), method, &ClientLimits::default())?;
        Ok(complete.then_some(head))
    }

    fn with(lines: &str) -> Result<Head, Error> {
        let input = std::format!("HTTP/1.1 200 OK\r\n{lines}\r\n");
        parse(&input, Method::Get).map(|head| head.expect("all of it"))
    }

    /// Section 6.3.
    #[test]
    fn the_length_follows_the_rules() {
        let ends = |head: Head| matches!(head.body, Left::UntilEnd) && !head.keep_alive;
        assert!(ends(with("").unwrap()));
        let bytes = |head: Head| match head.body {
            Left::Bytes(len) if head.keep_alive => Some(len),
            _ => None,
        };
        assert_eq!(bytes(with("Content-Length: 5\r\n").unwrap()), Some(5));
        let twice = "Content-Length: 5\r\nContent-Length: 5\r\n";
        assert_eq!(bytes(with(twice).unwrap()), Some(5));
        let chunked = with("Transfer-Encoding: Chunked\r\n").unwrap();
        assert!(matches!(chunked.body, Left::Chunks(_)));
        let head = parse("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", Method::Head);
        assert_eq!(bytes(head.unwrap().unwrap()), Some(0));
        for status in ["204 No Content", "304 Not Modified"] {
            let input = std::format!("HTTP/1.1 {status}\r\nContent-Length: 5\r\n\r\n");
            assert_eq!(bytes(parse(&input, Method::Get).unwrap().unwrap()), Some(0));
        }
    }

    #[test]
    fn the_unclear_is_refused() {
        for lines in [
            "Content-Length: 5\r\nContent-Length: 6\r\n",
            "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
            "Content-Length: five\r\n",
            "Transfer-Encoding: gzip\r\n",
            "Transfer-Encoding: gzip, chunked\r\n",
            "A : b\r\n",
        ] {
            assert_eq!(with(lines).err(), Some(Error::Malformed), "{lines:?}");
        }
        for input in [
            "HTTP/2 200\r\n\r\n",
            "HTTP/1.1 99 x\r\n\r\n",
            "hello\r\n\r\n",
        ] {
            let result = parse(input, Method::Get);
            assert_eq!(result.err(), Some(Error::Malformed), "{input:?}");
        }
    }
}
