// SPDX-License-Identifier: ISC
//! The chunked transfer coding: bytes in, body out. Read first: RFC 9112 section 7.1.
//!
//! Strict, because a chunk that two readers see differently smuggles a request: lines end with
//! CRLF, a size is hexadecimal digits directly before CRLF or `;`. Extensions and trailers are
//! skipped.

use alloc::vec::Vec;

use crate::{error::Error, number::push_hexadecimal};

/// Bytes of all extensions and trailers of a body together.
const SKIPPED: u16 = 16_384;

/// A decoder in the middle of a body.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chunked {
    state: State,
    /// Bytes of the current chunk that are to come; its size while that is read.
    left: u64,
    /// Bytes that may still be skipped.
    skippable: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// At the first digit of a size.
    Start,
    /// Behind a digit.
    Size,
    /// In an extension.
    Extension,
    /// Behind the CR of a size.
    SizeEnd,
    /// In a chunk, or at its end.
    Data,
    /// Behind the CR of a chunk.
    DataEnd,
    /// At the start of a trailer or the last line.
    Trailer,
    /// In a trailer.
    InTrailer,
    /// Behind the CR of a trailer.
    TrailerEnd,
    /// Behind the CR of the last line.
    LastEnd,
    Done,
}

/// What a call of [`Chunked::decode`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    /// Bytes of the input that were used up.
    pub(crate) read: usize,
    /// Bytes of the body that were written.
    pub(crate) written: usize,
}

impl Chunked {
    pub(crate) const fn new() -> Self {
        Self {
            state: State::Start,
            left: 0,
            skippable: SKIPPED,
        }
    }

    /// Whether the last chunk and its trailers were read.
    pub(crate) fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Decodes `input` into `body` until one of them is used up or the body ends.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`], [`Error::TooLarge`] for extensions or trailers.
    pub(crate) fn decode(&mut self, input: &[u8], body: &mut [u8]) -> Result<Progress, Error> {
        let mut done = Progress::default();
        while let Some(&byte) = input.get(done.read)
            && self.state != State::Done
        {
            if self.state == State::Data && self.left > 0 {
                let from = input.get(done.read..).unwrap_or_default();
                let into = body.get_mut(done.written..).unwrap_or_default();
                let len = from.len().min(into.len());
                let len = usize::try_from(self.left).map_or(len, |left| left.min(len));
                if len == 0 {
                    break;
                }
                if let (Some(into), Some(from)) = (into.get_mut(..len), from.get(..len)) {
                    into.copy_from_slice(from);
                }
                self.left -= len as u64;
                done.read += len;
                done.written += len;
            } else {
                self.state = self.step(byte)?;
                done.read += 1;
            }
        }
        Ok(done)
    }

    /// What state a byte between chunks leads to.
    fn step(&mut self, byte: u8) -> Result<State, Error> {
        Ok(match (self.state, byte) {
            (State::Start | State::Size, _) if byte.is_ascii_hexdigit() => {
                let digit = char::from(byte).to_digit(16).unwrap_or_default();
                if self.left >> 60 != 0 {
                    return Err(Error::Malformed);
                }
                self.left = self.left << 4 | u64::from(digit);
                State::Size
            }
            (State::Size | State::Extension, b'\r') => State::SizeEnd,
            (State::Size, b';') => State::Extension,
            (State::SizeEnd, b'\n') if self.left == 0 => State::Trailer,
            (State::SizeEnd, b'\n') => State::Data,
            (State::Data, b'\r') => State::DataEnd,
            (State::DataEnd, b'\n') => State::Start,
            (State::Trailer, b'\r') => State::LastEnd,
            (State::LastEnd, b'\n') => State::Done,
            (State::InTrailer, b'\r') => State::TrailerEnd,
            (State::TrailerEnd, b'\n') => State::Trailer,
            // A line that begins with space would be a folded one.
            (State::Trailer, b' ' | b'\t') => return Err(Error::Malformed),
            (State::Extension, b'\t' | b' '..=b'~' | 0x80..) => self.skip(State::Extension)?,
            (State::Trailer | State::InTrailer, b'\t' | b' '..=b'~' | 0x80..) => {
                self.skip(State::InTrailer)?
            }
            _ => return Err(Error::Malformed),
        })
    }

    fn skip(&mut self, state: State) -> Result<State, Error> {
        self.skippable = self.skippable.checked_sub(1).ok_or(Error::TooLarge)?;
        Ok(state)
    }
}

/// Appends what comes before a chunk of `len` bytes, which is not zero; CRLF comes after it.
pub(crate) fn push_start(out: &mut Vec<u8>, len: usize) {
    push_hexadecimal(out, len as u64);
    out.extend_from_slice(b"\r\n");
}

/// The last chunk, without trailers.
pub(crate) const LAST: &[u8] = b"0\r\n\r\n";

#[cfg(test)]
mod tests {
    use std::{vec, vec::Vec};

    use super::*;

    /// Decodes `input` in pieces of `step` bytes into a buffer of `room`.
    fn decode(input: &[u8], step: usize, room: usize) -> Result<(Vec<u8>, usize, bool), Error> {
        let mut decoder = Chunked::new();
        let (mut body, mut at) = (Vec::new(), 0);
        let mut buffer = vec![0; room];
        while at < input.len() && !decoder.is_done() {
            let end = input.len().min(at + step);
            let progress = decoder.decode(&input[at..end], &mut buffer)?;
            body.extend_from_slice(&buffer[..progress.written]);
            at += progress.read;
        }
        Ok((body, at, decoder.is_done()))
    }

    #[test]
    fn a_body_comes_out_however_it_is_cut() {
        let input = b"4\r\nWiki\r\n6;a=\"b c\";d\r\npedia \r\nE\r\nin \r\n\r\nchunks.\r\n0\r\nA: b\r\n\r\nGET";
        for step in 1..input.len() {
            for room in [1, 3, 100] {
                let (body, at, done) = decode(input, step, room).unwrap();
                assert_eq!(body, b"Wikipedia in \r\n\r\nchunks.");
                assert_eq!((at, done), (input.len() - 3, true));
            }
        }
    }

    #[test]
    fn the_unclear_is_refused() {
        for input in [
            "\r\n",
            "4\nWiki\r\n0\r\n\r\n",
            "4 \r\nWiki\r\n",
            " 4\r\nWiki\r\n",
            "+4\r\nWiki\r\n",
            "0x4\r\nWiki\r\n",
            "-1\r\n",
            "4\r\nWikis\r\n",
            "4\r\nWiki\n",
            "4\r\nWiki0\r\n\r\n",
            "4;a\nb\r\nWiki\r\n",
            "4\r\r\nWiki",
            "10000000000000000\r\n",
            "0\r\n folded: x\r\n\r\n",
            "0\r\nA: b\n\r\n",
            "0\r\n\n",
        ] {
            let result = decode(input.as_bytes(), 100, 100);
            assert_eq!(result, Err(Error::Malformed), "{input:?}");
        }
    }

    #[test]
    fn extensions_have_an_end() {
        let mut input = std::string::String::new();
        for _ in 0..2_000 {
            input.push_str("1;0123456789\r\nx\r\n");
        }
        assert_eq!(decode(input.as_bytes(), 1000, 100), Err(Error::TooLarge));
    }
}
