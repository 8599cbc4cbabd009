// SPDX-License-Identifier: ISC
//! Parts of a resource. Read first: RFC 9110 section 14.
//!
//! One range at a time: a request for several is answered with the whole, which section 14.2 allows
//! and which many small ranges cannot make expensive.

use core::ops::Range;

use crate::number::decimal;

/// What a `range` field asks of a resource of known length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// Everything: it cannot be read, or asks for several parts.
    Whole,
    /// A part, which is not empty.
    Part(Range<usize>),
    /// Nothing that is there.
    Nothing,
}

/// What `value` asks of `len` bytes.
pub(crate) fn asked(value: &[u8], len: usize) -> Asked {
    part(value, len).unwrap_or(Asked::Whole)
}

fn part(value: &[u8], len: usize) -> Option<Asked> {
    let (unit, set) = value.split_at_checked(6)?;
    if !unit.eq_ignore_ascii_case(b"bytes=") {
        return None;
    }
    let set = set.trim_ascii();
    let dash = set.iter().position(|byte| *byte == b'-')?;
    let (first, last) = (set.get(..dash)?, set.get(dash + 1..)?);
    let range = match (first, last) {
        // The last so many.
        (b"", suffix) => {
            let suffix = usize::try_from(decimal(suffix)?).unwrap_or(usize::MAX);
            len.saturating_sub(suffix)..len
        }
        (first, last) => {
            let first = decimal(first)?;
            let last = match last {
                b"" => u64::MAX,
                last => decimal(last)?,
            };
            if last < first {
                return None;
            }
            let end = usize::try_from(last.saturating_add(1)).unwrap_or(usize::MAX);
            usize::try_from(first).unwrap_or(usize::MAX)..end.min(len)
        }
    };
    Some(if range.is_empty() {
        Asked::Nothing
    } else {
        Asked::Part(range)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_ten_bytes() {
        for (value, expected) in [
            ("bytes=0-0", Asked::Part(0..1)),
            ("bytes=2-5", Asked::Part(2..6)),
            ("Bytes=2-", Asked::Part(2..10)),
            ("bytes=-3", Asked::Part(7..10)),
            ("bytes=-30", Asked::Part(0..10)),
            ("bytes=9-99999999999999999", Asked::Part(9..10)),
            ("bytes=0-18446744073709551615", Asked::Part(0..10)),
            ("bytes=10-", Asked::Nothing),
            ("bytes=-0", Asked::Nothing),
            ("bytes=5-2", Asked::Whole),
            ("bytes=0-1,3-4", Asked::Whole),
            ("bytes=", Asked::Whole),
            ("bytes=-", Asked::Whole),
            ("bytes=a-b", Asked::Whole),
            ("bytes=0-99999999999999999999999", Asked::Whole),
            ("lines=0-1", Asked::Whole),
            ("", Asked::Whole),
        ] {
            assert_eq!(asked(value.as_bytes(), 10), expected, "{value}");
        }
        assert_eq!(asked(b"bytes=0-", 0), Asked::Nothing);
    }
}
