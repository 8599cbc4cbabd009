// SPDX-License-Identifier: ISC
//! What can go wrong in the middle of an exchange.

use core::fmt;

use fata_device::flow::ErrorKind;

/// Why a message could not be read or written. The connection is of no use after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The flow below failed.
    Flow(ErrorKind),
    /// The peer was slower than the limits allow.
    TimedOut,
    /// The peer ended the connection in the middle of a message.
    UnexpectedEnd,
    /// The peer sent what is not HTTP.
    Malformed,
    /// The message is longer than the limits allow.
    TooLarge,
    /// The exchange was answered before, or more or less was written than was announced.
    WrongUse,
}

impl Error {
    /// The error in words.
    pub const fn message(self) -> &'static str {
        match self {
            Self::Flow(ErrorKind::ConnectionReset) => "connection reset",
            Self::Flow(_) => "connection failed",
            Self::TimedOut => "timed out",
            Self::UnexpectedEnd => "connection ended in the middle of a message",
            Self::Malformed => "malformed message",
            Self::TooLarge => "message too large: see the limits",
            Self::WrongUse => "answered twice, or not with as many bytes as announced",
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())
    }
}

impl core::error::Error for Error {}
