// SPDX-License-Identifier: ISC
//! The members of a JSON object, one after the other, as far as iperf3's parameters need it.
//!
//! Numbers and booleans of the outermost object are understood; strings, arrays and objects in it are
//! stepped over. There is no check that the rest is JSON: what is not understood is not there.
//! A crate would bring a parser for everything, many times as large. Read first: RFC 8259.

/// What a member holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value {
    /// A number, cut to a whole one that fits; negative ones are [`Other`](Self::Other).
    Number(u64),
    /// `true` or `false`.
    Bool(bool),
    /// Anything else.
    Other,
}

/// The members of the object that `text` begins with, until something is no member.
pub fn members(text: &[u8]) -> Members<'_> {
    let mut members = Members { rest: text };
    members.space();
    if members.expect(b'{').is_none() {
        members.rest = &[];
    }
    members
}

/// See [`members`].
pub struct Members<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Members<'a> {
    type Item = (&'a [u8], Value);

    fn next(&mut self) -> Option<Self::Item> {
        self.space();
        let key = self.string()?;
        self.space();
        self.expect(b':')?;
        self.space();
        let value = self.value()?;
        self.space();
        if self.expect(b',').is_none() {
            self.rest = &[];
        }
        Some((key, value))
    }
}

impl<'a> Members<'a> {
    fn space(&mut self) {
        self.rest = self.rest.trim_ascii_start();
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        let (first, rest) = self.rest.split_first()?;
        if *first != byte {
            return None;
        }
        self.rest = rest;
        Some(())
    }

    /// Takes `len` bytes.
    fn split(&mut self, len: usize) -> &'a [u8] {
        let (taken, rest) = self.rest.split_at_checked(len).unwrap_or((self.rest, &[]));
        self.rest = rest;
        taken
    }

    /// Takes a string, and gives what is between its quotes, as it is written.
    fn string(&mut self) -> Option<&'a [u8]> {
        self.expect(b'"')?;
        let mut escaped = false;
        let len = self.rest.iter().position(|&byte| {
            let end = byte == b'"' && !escaped;
            escaped = byte == b'\\' && !escaped;
            end
        })?;
        let string = self.split(len);
        self.expect(b'"')?;
        Some(string)
    }

    fn value(&mut self) -> Option<Value> {
        match self.rest.first()? {
            b'"' => self.string().map(|_| Value::Other),
            b'{' | b'[' => self.nested(),
            _ => Some(self.plain()),
        }
    }

    /// Steps over an array or an object.
    fn nested(&mut self) -> Option<Value> {
        let mut depth = 0_usize;
        loop {
            match self.rest.first()? {
                b'"' => {
                    self.string()?;
                    continue;
                }
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth -= 1,
                _ => {}
            }
            self.split(1);
            if depth == 0 {
                return Some(Value::Other);
            }
        }
    }

    fn plain(&mut self) -> Value {
        let end = |byte: &u8| matches!(byte, b',' | b'}' | b']') || byte.is_ascii_whitespace();
        let len = self.rest.iter().position(end).unwrap_or(self.rest.len());
        match self.split(len) {
            b"true" => Value::Bool(true),
            b"false" => Value::Bool(false),
            text => number(text).map_or(Value::Other, Value::Number),
        }
    }
}

/// A number such as `131072`, `2.5` or `1e+15`, cut to a whole one.
fn number(text: &[u8]) -> Option<u64> {
    let mut mantissa = 0_u64;
    let mut exponent = 0_i32;
    let mut fraction = false;
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first() {
        match byte {
            b'0'..=b'9' => {
                let digit = u64::from(byte - b'0');
                mantissa = mantissa.saturating_mul(10).saturating_add(digit);
                exponent = exponent.saturating_sub(i32::from(fraction));
            }
            b'.' if !fraction => fraction = true,
            b'e' | b'E' => {
                let shift: i32 = core::str::from_utf8(after).ok()?.parse().ok()?;
                exponent = exponent.saturating_add(shift);
                break;
            }
            _ => return None,
        }
        rest = after;
    }
    let factor = 10_u64.saturating_pow(exponent.unsigned_abs());
    Some(match exponent {
        ..0 => mantissa / factor,
        0.. => mantissa.saturating_mul(factor),
    })
    .filter(|_| text.first().is_some_and(u8::is_ascii_digit))
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;

    fn all(text: &str) -> Vec<(&str, Value)> {
        members(text.as_bytes())
            .map(|(key, value)| (core::str::from_utf8(key).unwrap(), value))
            .collect()
    }

    #[test]
    fn members_of_the_outermost_object() {
        let text = r#" { "tcp":true, "omit" : 0,"title":"a \"quoted\" , one}","a":[1,{"len":"]"}],
            "len":131072, "num":1e+15,"x":null,"n":-1 } "len":7"#;
        let expected = [
            ("tcp", Value::Bool(true)),
            ("omit", Value::Number(0)),
            ("title", Value::Other),
            ("a", Value::Other),
            ("len", Value::Number(131_072)),
            ("num", Value::Number(1_000_000_000_000_000)),
            ("x", Value::Other),
            ("n", Value::Other),
        ];
        assert_eq!(all(text), expected);
    }

    #[test]
    fn numbers_are_cut_and_saturate() {
        assert_eq!(number(b"2.9"), Some(2));
        assert_eq!(number(b"25e-1"), Some(2));
        assert_eq!(number(b"1e999"), Some(u64::MAX));
        assert_eq!(number(b"99999999999999999999"), Some(u64::MAX));
        for no in ["", ".", "e5", "1e", "-1", "1.2.3", "0x10"] {
            assert_eq!(number(no.as_bytes()), None, "{no}");
        }
    }

    #[test]
    fn what_is_no_object_has_no_members() {
        for text in [
            "",
            "[1]",
            "{",
            "{}",
            "{\"a\"",
            "{\"a\":",
            "{a:1}",
            "{\"a\":[1",
        ] {
            assert_eq!(all(text), [], "{text}");
        }
    }
}
