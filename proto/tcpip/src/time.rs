// SPDX-License-Identifier: ISC
//! Moments: nanoseconds on a clock that begins anywhere and never goes back.

/// The first of several moments. A loop, because it runs for every segment, and iterators
/// cost more where code is made small.
pub(crate) fn earliest(moments: &[Option<u64>]) -> Option<u64> {
    let mut first = u64::MAX;
    for moment in moments {
        first = first.min(moment.unwrap_or(u64::MAX));
    }
    (first != u64::MAX).then_some(first)
}
