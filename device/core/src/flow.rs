// SPDX-License-Identifier: ISC
//! Flows: reliable byte streams in both directions, such as a TCP connection.
//!
//! Reading and writing are the traits of `embedded-io-async`, so everything written against those
//! works over a flow. This file adds what they leave open: how a flow ends.

pub use embedded_io_async::{Error, ErrorKind, ErrorType, Read, Write};

/// A byte stream in both directions. Each direction ends by itself.
///
/// - `read` waits until at least one byte is there and returns as many as are at hand, `Ok(0)` when
///   the peer has ended its direction (then always), or when the buffer is empty.
/// - `write` waits until at least one byte is taken and returns how many were; they need not have
///   left. `flush` waits until everything written is on its way; no later call is needed for it to
///   arrive.
/// - Dropping the future of one of them loses no byte and writes none twice: it has had its effect,
///   or none.
/// - Dropping the flow without [`shutdown`](Self::shutdown) may lose what was written, and lets the
///   peer see an error rather than an end.
///
/// # Errors
///
/// An error ends both directions; what was received before can be lost, and every later call
/// returns an error again. [`Error::kind`] tells apart what a caller can act upon:
/// [`ErrorKind::ConnectionReset`] and [`ErrorKind::ConnectionAborted`] (the peer, or this side,
/// gave up), [`ErrorKind::TimedOut`] (the peer no longer answers), and [`ErrorKind::BrokenPipe`]
/// (written after [`shutdown`](Self::shutdown), which does not end the reading direction).
pub trait Flow: Read + Write {
    /// Ends the writing direction: waits until everything written is on its way, then lets the
    /// peer read an end. Reading goes on. A second call does nothing and succeeds.
    ///
    /// # Errors
    ///
    /// As above.
    fn shutdown(&mut self) -> impl Future<Output = Result<(), Self::Error>>;

    /// Waits until a `read` would not: until a byte, the end or an error is there to be read.
    /// Takes nothing. For those who have many flows and lend a buffer only to one that has
    /// something to say; a flow that cannot tell is always ready.
    ///
    /// # Errors
    ///
    /// As above.
    fn readable(&mut self) -> impl Future<Output = Result<(), Self::Error>> {
        async { Ok(()) }
    }
}

impl<F: Flow + ?Sized> Flow for &mut F {
    async fn shutdown(&mut self) -> Result<(), Self::Error> {
        (**self).shutdown().await
    }

    async fn readable(&mut self) -> Result<(), Self::Error> {
        (**self).readable().await
    }
}
