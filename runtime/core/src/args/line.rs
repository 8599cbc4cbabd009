// SPDX-License-Identifier: ISC
//! Splitting a command line into words, as a shell would, without its expansions.
//!
//! [`Words`] allocates nothing, because the heap itself is laid out by two arguments.

use alloc::{string::String, vec::Vec};

/// The words of a command line, with their quotes still in them.
#[derive(Clone, Debug)]
pub struct Words<'a> {
    rest: &'a str,
}

impl<'a> Words<'a> {
    /// The words of `line`.
    pub const fn new(line: &'a str) -> Self {
        Self { rest: line }
    }
}

impl<'a> Iterator for Words<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let line = self.rest.trim_ascii_start();
        if line.is_empty() {
            return None;
        }
        // Quotes, backslash and blanks are ASCII, so bytes will do, and cuts fall between letters.
        let (mut quote, mut escaped) = (0, false);
        let end = line.bytes().position(|byte| {
            if escaped {
                escaped = false;
            } else if byte == b'\\' && quote != b'\'' {
                escaped = true;
            } else if quote != 0 {
                quote = if byte == quote { 0 } else { quote };
            } else if byte == b'\'' || byte == b'"' {
                quote = byte;
            } else {
                return byte.is_ascii_whitespace();
            }
            false
        });
        // Checked, because a panic that quotes text takes 6 KB in every image.
        let (word, rest) = line.split_at_checked(end.unwrap_or(line.len()))?;
        self.rest = rest;
        Some(word)
    }
}

/// A quotation without its end, or a backslash before nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuoteError;

/// A word without its quotes.
///
/// # Errors
///
/// If a quotation is not closed.
pub fn unquote(word: &str) -> Result<String, QuoteError> {
    let mut plain = Vec::with_capacity(word.len());
    let mut quote = 0;
    let mut bytes = word.bytes();
    while let Some(byte) = bytes.next() {
        if quote != 0 && byte == quote {
            quote = 0;
        } else if quote == 0 && (byte == b'\'' || byte == b'"') {
            quote = byte;
        } else if byte == b'\\' && quote != b'\'' {
            let next = bytes.next().ok_or(QuoteError)?;
            // Between double quotes a backslash is itself, except before what it can hide.
            if quote != 0 && next != b'"' && next != b'\\' {
                plain.push(byte);
            }
            plain.push(next);
        } else {
            plain.push(byte);
        }
    }
    if quote != 0 {
        return Err(QuoteError);
    }
    // Only ASCII was left out, so this is still text.
    String::from_utf8(plain).map_err(|_| QuoteError)
}
