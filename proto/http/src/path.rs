// SPDX-License-Identifier: ISC
//! Paths of requests: taking percent signs away without opening a door.
//!
//! Read first: RFC 3986 sections 2.1 and 3.3. A path is cut into segments *before* it is decoded,
//! so an encoded slash stays part of its segment's name and leads nowhere.

use alloc::{borrow::Cow, string::String, vec::Vec};
use core::fmt;

/// A part of a path that nothing is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("malformed path")
    }
}

impl core::error::Error for Malformed {}

/// One segment of a path, decoded.
///
/// # Errors
///
/// [`Malformed`] if a percent sign is not followed by two hexadecimal digits, if what comes out is
/// not UTF-8, has a slash, a backslash or NUL in it, or is `.` or `..`.
pub fn decode(segment: &str) -> Result<Cow<'_, str>, Malformed> {
    let decoded = if segment.contains('%') {
        Cow::Owned(String::from_utf8(percent(segment)?).map_err(|_| Malformed)?)
    } else {
        Cow::Borrowed(segment)
    };
    let strange = matches!(&*decoded, "." | "..") || decoded.contains(['/', '\\', '\0']);
    if strange { Err(Malformed) } else { Ok(decoded) }
}

fn percent(text: &str) -> Result<Vec<u8>, Malformed> {
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    let hexadecimal = |byte: Option<u8>| {
        let digit = char::from(byte?).to_digit(16)?;
        u8::try_from(digit).ok()
    };
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => {
                let high = hexadecimal(bytes.next()).ok_or(Malformed)?;
                let low = hexadecimal(bytes.next()).ok_or(Malformed)?;
                high << 4 | low
            }
            byte => byte,
        });
    }
    Ok(decoded)
}

/// A whole path, decoded: the segments joined again. Empty segments stay.
///
/// # Errors
///
/// As [`decode`], and if it does not begin with a slash.
pub(crate) fn decode_path(path: &str) -> Result<Cow<'_, str>, Malformed> {
    let rest = path.strip_prefix('/').ok_or(Malformed)?;
    let mut joined = String::new();
    for segment in rest.split('/') {
        let segment = decode(segment)?;
        joined.push('/');
        joined.push_str(&segment);
    }
    Ok(if joined == path {
        Cow::Borrowed(path)
    } else {
        Cow::Owned(joined)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_are_decoded() {
        assert_eq!(decode("plain").unwrap(), "plain");
        assert_eq!(decode("a%20b%C3%a9").unwrap(), "a bé");
        assert_eq!(decode("%2525").unwrap(), "%25", "once, not twice");
    }

    #[test]
    fn nothing_leads_out() {
        for segment in [
            "..", ".", "%2e%2e", "%2E.", "a%2fb", "a%5cb", "a\\b", "%00", "%", "%4", "%zz", "%ff",
            "%+1",
        ] {
            assert_eq!(decode(segment), Err(Malformed), "{segment}");
        }
        for path in ["/../x", "/a/%2e%2e/b", "a", "", "*"] {
            assert_eq!(decode_path(path), Err(Malformed), "{path}");
        }
        assert_eq!(decode_path("/a//b/").unwrap(), "/a//b/");
    }
}
