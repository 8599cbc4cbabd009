// SPDX-License-Identifier: ISC
//! What can go wrong with a socket, under the names of `std::io::ErrorKind`.

use core::fmt;

use embedded_io_async::ErrorKind;

/// Why an operation on a socket failed. The names are those of `std::io::ErrorKind`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Error {
    /// Another socket of this stack has that port and address.
    AddrInUse,
    /// The address is none of this stack's, or all ephemeral ports are taken.
    AddrNotAvailable,
    /// Nobody listens at the peer's port.
    ConnectionRefused,
    /// The peer, or this stack when it lost its address, ended the connection abruptly.
    ConnectionReset,
    /// The socket is not connected, and the operation needs a peer.
    NotConnected,
    /// Writing was shut down on this side.
    BrokenPipe,
    /// The peer did not answer in time.
    TimedOut,
    /// No route leads there: no address of that family, or no gateway.
    NetworkUnreachable,
    /// The network says that the peer cannot be reached, or it is a neighbour that does not answer.
    HostUnreachable,
    /// An argument is not usable: port zero, an unspecified peer, or a datagram that is too long.
    InvalidInput,
    /// No memory for the socket's buffers.
    OutOfMemory,
}

impl Error {
    /// The error in words.
    pub const fn message(self) -> &'static str {
        match self {
            Self::AddrInUse => "address in use",
            Self::AddrNotAvailable => "address not available",
            Self::ConnectionRefused => "connection refused",
            Self::ConnectionReset => "connection reset",
            Self::NotConnected => "not connected",
            Self::BrokenPipe => "broken pipe",
            Self::TimedOut => "timed out",
            Self::NetworkUnreachable => "network unreachable",
            Self::HostUnreachable => "host unreachable",
            Self::InvalidInput => "invalid input",
            Self::OutOfMemory => "out of memory",
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())
    }
}

impl core::error::Error for Error {}

impl embedded_io_async::Error for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::AddrInUse => ErrorKind::AddrInUse,
            Self::AddrNotAvailable => ErrorKind::AddrNotAvailable,
            Self::ConnectionRefused => ErrorKind::ConnectionRefused,
            Self::ConnectionReset => ErrorKind::ConnectionReset,
            Self::NotConnected => ErrorKind::NotConnected,
            Self::BrokenPipe => ErrorKind::BrokenPipe,
            Self::TimedOut => ErrorKind::TimedOut,
            Self::NetworkUnreachable | Self::HostUnreachable => ErrorKind::Other,
            Self::InvalidInput => ErrorKind::InvalidInput,
            Self::OutOfMemory => ErrorKind::OutOfMemory,
        }
    }
}
