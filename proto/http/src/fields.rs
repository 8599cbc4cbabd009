// SPDX-License-Identifier: ISC
//! The fields of a head, as places in the buffer that they were received in.
//!
//! Read first: RFC 9110 section 5, RFC 9112 section 5. The fields that decide anything are
//! recognised once, when the head is parsed; whether one of them is there is then one bit.

use alloc::vec::Vec;

/// Most fields that a head can have.
pub(crate) const MAX: usize = 128;

/// Fields that the library itself looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Known {
    Other,
    Connection,
    ContentLength,
    Expect,
    Host,
    IfMatch,
    IfModifiedSince,
    IfNoneMatch,
    IfRange,
    IfUnmodifiedSince,
    Location,
    Range,
    TransferEncoding,
}

impl Known {
    /// The field called `name`. Most requests have many fields that are none of these, so their
    /// length is asked first.
    fn of(name: &[u8]) -> Self {
        let (known, candidate) = match name.len() {
            4 => (&b"host"[..], Self::Host),
            5 => (&b"range"[..], Self::Range),
            6 => (&b"expect"[..], Self::Expect),
            8 if name.first().is_some_and(|first| first | 32 == b'l') => {
                (&b"location"[..], Self::Location)
            }
            8 if name.get(3).is_some_and(|byte| byte | 32 == b'm') => {
                (&b"if-match"[..], Self::IfMatch)
            }
            8 => (&b"if-range"[..], Self::IfRange),
            10 => (&b"connection"[..], Self::Connection),
            13 => (&b"if-none-match"[..], Self::IfNoneMatch),
            14 => (&b"content-length"[..], Self::ContentLength),
            17 if name.first().is_some_and(|first| first | 32 == b't') => {
                (&b"transfer-encoding"[..], Self::TransferEncoding)
            }
            17 => (&b"if-modified-since"[..], Self::IfModifiedSince),
            19 => (&b"if-unmodified-since"[..], Self::IfUnmodifiedSince),
            _ => return Self::Other,
        };
        if name.eq_ignore_ascii_case(known) {
            candidate
        } else {
            Self::Other
        }
    }

    const fn bit(self) -> u16 {
        1 << self as u8
    }
}

/// A place in a head.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Span {
    start: u16,
    len: u16,
}

impl Span {
    /// Where `part` lies in `whole`, of which it is a part and which has at most 65,535 bytes.
    pub(crate) fn of(part: &[u8], whole: &[u8]) -> Self {
        let start = (part.as_ptr() as usize).wrapping_sub(whole.as_ptr() as usize);
        Self {
            start: u16::try_from(start).unwrap_or_default(),
            len: u16::try_from(part.len()).unwrap_or_default(),
        }
    }

    /// What lies there.
    pub(crate) fn in_(self, whole: &[u8]) -> &[u8] {
        let start = usize::from(self.start);
        let end = start + usize::from(self.len);
        whole.get(start..end).unwrap_or_default()
    }
}

#[derive(Clone, Copy, Debug)]
struct Field {
    known: Known,
    name: Span,
    value: Span,
}

/// The fields of a head, in their order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fields {
    list: Vec<Field>,
    present: u16,
}

impl Fields {
    /// Takes in the fields of `head`, as they were parsed.
    pub(crate) fn set(&mut self, head: &[u8], headers: &[httparse::Header<'_>]) {
        self.list.clear();
        self.present = 0;
        for header in headers {
            let name = header.name.as_bytes();
            let known = Known::of(name);
            self.present |= known.bit();
            self.list.push(Field {
                known,
                name: Span::of(name, head),
                value: Span::of(header.value, head),
            });
        }
    }

    pub(crate) fn has(&self, known: Known) -> bool {
        self.present & known.bit() != 0
    }

    /// The value of the first field of that kind.
    pub(crate) fn first<'h>(&self, head: &'h [u8], known: Known) -> Option<&'h [u8]> {
        self.all(head, known).next()
    }

    /// The values of all fields of that kind.
    pub(crate) fn all<'s, 'h>(
        &'s self,
        head: &'h [u8],
        known: Known,
    ) -> impl Iterator<Item = &'h [u8]> + use<'s, 'h> {
        let some: &[Field] = if self.has(known) { &self.list } else { &[] };
        some.iter()
            .filter(move |field| field.known == known)
            .map(move |field| field.value.in_(head))
    }

    /// The value of the first field called `name`, in any case of letters.
    pub(crate) fn get<'h>(&self, head: &'h [u8], name: &str) -> Option<&'h [u8]> {
        self.iter(head)
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    /// Names and values, in order.
    pub(crate) fn iter<'s, 'h>(
        &'s self,
        head: &'h [u8],
    ) -> impl Iterator<Item = (&'h str, &'h [u8])> + use<'s, 'h> {
        self.list.iter().map(move |field| {
            let name = core::str::from_utf8(field.name.in_(head)).unwrap_or_default();
            (name, field.value.in_(head))
        })
    }
}

/// The members of a comma-separated list (RFC 9110 section 5.6.1), empty ones left out.
pub(crate) fn members(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value
        .split(|byte| *byte == b',')
        .map(<[u8]>::trim_ascii)
        .filter(|member| !member.is_empty())
}

/// What `connection` fields say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Persistence {
    pub(crate) close: bool,
    pub(crate) keep_alive: bool,
}

/// Reads the `connection` fields.
pub(crate) fn persistence(fields: &Fields, head: &[u8]) -> Persistence {
    let mut said = Persistence::default();
    for option in fields.all(head, Known::Connection).flat_map(members) {
        said.close |= option.eq_ignore_ascii_case(b"close");
        said.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
    }
    said
}
