// SPDX-License-Identifier: ISC
//! Domain names in wire form: labels with a length byte before each, ended by the empty one.
//!
//! Names that are compared or hashed are in lower case (RFC 4343): [`Name::lower`] folds a whole
//! name at once, which is sound because a length byte, at most 63, is below `A`.
//!
//! Read first: RFC 1035 sections 2.3.4 and 3.1, RFC 4343 section 3.

use core::{fmt, str::FromStr};

/// Bytes of a name in wire form at most.
pub const MAX_NAME: usize = 255;
/// Bytes of a label at most.
pub const MAX_LABEL: usize = 63;
/// Labels in a name at most, the empty one aside.
pub(crate) const MAX_LABELS: usize = 127;

/// A name in wire form, uncompressed and complete. Holding one proves that its labels are within
/// their limits and that it ends with the empty label.
#[derive(Clone)]
pub struct Name {
    len: u8,
    bytes: [u8; MAX_NAME],
}

/// Why something is not a domain name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameError {
    /// A label has more than 63 bytes.
    LabelTooLong,
    /// The name has more than 255 bytes in wire form.
    NameTooLong,
    /// Two dots in a row, or one at the start.
    EmptyLabel,
    /// A backslash without a character or with digits that are no byte after it.
    Escape,
}

impl NameError {
    /// What is wrong, as a sentence.
    pub const fn text(self) -> &'static str {
        match self {
            Self::LabelTooLong => "a label of a name has at most 63 bytes",
            Self::NameTooLong => "a name has at most 255 bytes",
            Self::EmptyLabel => "a name has no empty label: remove the dot too many",
            Self::Escape => "a backslash needs a character or three digits up to 255 after it",
        }
    }
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl core::error::Error for NameError {}

impl Name {
    /// The root, `.`.
    pub const ROOT: Self = Self {
        len: 1,
        bytes: [0; MAX_NAME],
    };

    /// The wire form.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or(&[0])
    }

    /// Reads an uncompressed name from the start of `bytes`; what follows it is ignored.
    pub fn from_wire(bytes: &[u8]) -> Option<Self> {
        let len = wire_len(bytes)?;
        let mut name = Self::ROOT;
        name.bytes[..len].copy_from_slice(&bytes[..len]);
        name.len = len as u8;
        Some(name)
    }

    /// The name that `text` writes in a master file: relative to `origin` unless it ends with a
    /// dot, `@` being `origin` itself, with escapes (RFC 1035 section 5.1).
    ///
    /// # Errors
    ///
    /// The first rule that is broken.
    pub fn from_text(text: &[u8], origin: &Self) -> Result<Self, NameError> {
        match text {
            b"@" => return Ok(origin.clone()),
            b"." => return Ok(Self::ROOT),
            b"" => return Err(NameError::EmptyLabel),
            _ => {}
        }
        let mut name = Self::ROOT;
        let mut start = 0; // of the label being written, whose length byte is there
        let mut end = 1;
        let mut rest = text;
        while let Some((&byte, after)) = rest.split_first() {
            rest = after;
            if byte == b'.' {
                name.close_label(start, end)?;
                start = end;
                end += 1;
                continue;
            }
            let byte = if byte == b'\\' {
                unescape(&mut rest).ok_or(NameError::Escape)?
            } else {
                byte
            };
            *name.bytes.get_mut(end).ok_or(NameError::NameTooLong)? = byte;
            end += 1;
        }
        if end == start + 1 {
            // It ended with a dot: the label begun last is the empty one.
            *name.bytes.get_mut(start).ok_or(NameError::NameTooLong)? = 0;
            name.len = end as u8;
            return Ok(name);
        }
        name.close_label(start, end)?;
        let tail = origin.as_bytes();
        name.bytes
            .get_mut(end..end + tail.len())
            .ok_or(NameError::NameTooLong)?
            .copy_from_slice(tail);
        name.len = (end + tail.len()) as u8;
        Ok(name)
    }

    /// Writes the length of the label in `start + 1..end`.
    fn close_label(&mut self, start: usize, end: usize) -> Result<(), NameError> {
        match end - start - 1 {
            0 => Err(NameError::EmptyLabel),
            1..=MAX_LABEL => {
                self.bytes[start] = (end - start - 1) as u8;
                Ok(())
            }
            _ => Err(NameError::LabelTooLong),
        }
    }

    /// The same name in lower case.
    #[must_use]
    pub fn lower(&self) -> Self {
        let mut name = self.clone();
        name.bytes[..usize::from(name.len)].make_ascii_lowercase();
        name
    }
}

impl FromStr for Name {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        Self::from_text(text.as_bytes(), &Self::ROOT)
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes().eq_ignore_ascii_case(other.as_bytes())
    }
}

impl Eq for Name {}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&Text(self.as_bytes()), f)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&Text(self.as_bytes()), f)
    }
}

/// Shows a wire name as a master file writes it.
pub(crate) struct Text<'a>(pub &'a [u8]);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == [0] {
            return f.write_str(".");
        }
        for label in labels(self.0) {
            for &byte in label {
                match byte {
                    b'.' | b'\\' | b'"' | b';' | b'(' | b')' | b'@' | b'$' => {
                        write!(f, "\\{}", char::from(byte))?;
                    }
                    b'!'..=b'~' => write!(f, "{}", char::from(byte))?,
                    _ => write!(f, "\\{byte:03}")?,
                }
            }
            f.write_str(".")?;
        }
        Ok(())
    }
}

/// The labels of a wire name, first one first, without the empty one.
fn labels(mut name: &[u8]) -> impl Iterator<Item = &[u8]> {
    core::iter::from_fn(move || {
        let (&len, rest) = name.split_first()?;
        let (label, rest) = rest.split_at_checked(usize::from(len))?;
        name = rest;
        (len > 0).then_some(label)
    })
}

/// Bytes of the uncompressed name that starts `bytes`.
pub(crate) fn wire_len(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        let len = usize::from(*bytes.get(at)?);
        if len > MAX_LABEL {
            return None;
        }
        at += 1 + len;
        if at > MAX_NAME {
            return None;
        }
        if len == 0 {
            return Some(at);
        }
    }
}

/// The name without its first label; the root has no such rest.
pub(crate) fn parent(name: &[u8]) -> Option<&[u8]> {
    let len = usize::from(*name.first()?);
    if len == 0 { None } else { name.get(1 + len..) }
}

/// The byte that the escape after a backslash means, taken off `rest`: `\DDD` or `\X`.
pub(crate) fn unescape(rest: &mut &[u8]) -> Option<u8> {
    let (&first, after) = rest.split_first()?;
    if !first.is_ascii_digit() {
        *rest = after;
        return Some(first);
    }
    let (digits, after) = rest.split_first_chunk::<3>()?;
    let mut value = 0_u32;
    for digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        value = value * 10 + u32::from(digit - b'0');
    }
    *rest = after;
    u8::try_from(value).ok()
}

/// A name in lower case with the places of its labels: what a search needs.
pub(crate) struct Folded {
    bytes: [u8; MAX_NAME],
    len: u8,
    /// Where each label starts, the empty one last.
    starts: [u8; MAX_LABELS + 1],
    /// Labels, the empty one aside.
    count: u8,
}

impl Folded {
    pub(crate) const EMPTY: Self = Self {
        bytes: [0; MAX_NAME],
        len: 1,
        starts: [0; MAX_LABELS + 1],
        count: 0,
    };

    /// Reads the uncompressed name that starts `wire`.
    pub(crate) fn set(&mut self, wire: &[u8]) -> Option<()> {
        let mut at = 0;
        let mut count = 0;
        loop {
            let len = usize::from(*wire.get(at)?);
            if len > MAX_LABEL || at + 1 + len > MAX_NAME {
                return None;
            }
            *self.starts.get_mut(count)? = at as u8;
            at += 1 + len;
            if len == 0 {
                break;
            }
            count += 1;
        }
        let bytes = &mut self.bytes[..at];
        bytes.copy_from_slice(&wire[..at]);
        bytes.make_ascii_lowercase();
        self.len = at as u8;
        self.count = count as u8;
        Some(())
    }

    pub(crate) fn len(&self) -> usize {
        usize::from(self.len)
    }

    pub(crate) fn count(&self) -> usize {
        usize::from(self.count)
    }

    /// The name without its first `labels` labels.
    pub(crate) fn suffix(&self, labels: usize) -> &[u8] {
        &self.bytes[self.start(labels)..self.len()]
    }

    /// Where that suffix starts in the name.
    pub(crate) fn start(&self, labels: usize) -> usize {
        usize::from(self.starts[labels.min(self.count())])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::{string::ToString, vec::Vec};

    fn name(text: &str) -> Result<Name, NameError> {
        Name::from_text(text.as_bytes(), &"example.org".parse().unwrap())
    }

    /// RFC 1035 section 5.1: `@`, relative and absolute names, both escapes.
    #[test]
    fn text_form() {
        assert_eq!(name("@").unwrap().to_string(), "example.org.");
        assert_eq!(name("www").unwrap().to_string(), "www.example.org.");
        assert_eq!(name("www.").unwrap().to_string(), "www.");
        assert_eq!(name(".").unwrap().as_bytes(), [0]);
        assert_eq!(name("a\\.b").unwrap().as_bytes()[..4], *b"\x03a.b");
        assert_eq!(name("\\097\\000.").unwrap().as_bytes(), b"\x02a\0\0");
        assert_eq!(name("\\097\\000.").unwrap().to_string(), "a\\000.");
    }

    /// RFC 1035 section 2.3.4: 63 bytes a label, 255 a name.
    #[test]
    fn limits() {
        let label = "a".repeat(63);
        assert!(name(&label).is_ok());
        assert_eq!(name(&"a".repeat(64)), Err(NameError::LabelTooLong));
        assert_eq!(name("a..b"), Err(NameError::EmptyLabel));
        assert_eq!(name(".a"), Err(NameError::EmptyLabel));
        assert_eq!(name("a\\"), Err(NameError::Escape));
        assert_eq!(name("a\\256"), Err(NameError::Escape));
        let longest = [&label[..], &label, &label, &label[..61]].join(".") + ".";
        assert_eq!(name(&longest).unwrap().as_bytes().len(), 255);
        let longer = [&label[..], &label, &label, &label[..62]].join(".") + ".";
        assert_eq!(name(&longer), Err(NameError::NameTooLong));
        assert_eq!(name(&longest[..253]), Err(NameError::NameTooLong));
    }

    #[test]
    fn folded_keeps_the_places_of_labels() {
        let mut folded = Folded::EMPTY;
        folded.set(b"\x03WwW\x02Ex\0rest").unwrap();
        assert_eq!(folded.suffix(0), b"\x03www\x02ex\0");
        assert_eq!(folded.suffix(1), b"\x02ex\0");
        assert_eq!(folded.suffix(2), b"\0");
        assert_eq!(folded.count(), 2);
        assert!(folded.set(b"\x03ww").is_none());
        assert!(folded.set(b"\xc0\x0c").is_none());
        let deepest: Vec<u8> = [&b"\x01a".repeat(127)[..], b"\0"].concat();
        assert_eq!(folded.set(&deepest).map(|()| folded.count()), Some(127));
        let deeper: Vec<u8> = [&b"\x01a".repeat(128)[..], b"\0"].concat();
        assert!(folded.set(&deeper).is_none());
    }
}
