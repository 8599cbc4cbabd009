// SPDX-License-Identifier: ISC
//! Congestion control.

/// How fast to send.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Algorithm {
    /// RFC 9438
    #[default]
    Cubic,
    /// RFC 5681
    Reno,
}
