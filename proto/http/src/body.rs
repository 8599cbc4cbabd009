// SPDX-License-Identifier: ISC
//! What is left of a body, whoever sends it. Read first: RFC 9112 sections 6 and 7.

use crate::{
    chunked::{Chunked, Progress},
    error::Error,
};

/// What is left of a body.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Left {
    /// So many bytes.
    Bytes(u64),
    /// As the chunked coding says.
    Chunks(Chunked),
    /// All until the end of the connection.
    UntilEnd,
}

impl Left {
    /// Whether the body is over. One that ends with the connection never is.
    pub(crate) fn is_done(&self) -> bool {
        match self {
            Self::Bytes(left) => *left == 0,
            Self::Chunks(decoder) => decoder.is_done(),
            Self::UntilEnd => false,
        }
    }

    /// Takes what can be taken of `received`, and writes what it means.
    ///
    /// # Errors
    ///
    /// Those of the chunked coding.
    pub(crate) fn take(&mut self, received: &[u8], into: &mut [u8]) -> Result<Progress, Error> {
        let len = received.len().min(into.len());
        let len = match self {
            Self::Chunks(decoder) => return decoder.decode(received, into),
            Self::Bytes(left) => {
                let len = usize::try_from(*left).map_or(len, |left| left.min(len));
                *left -= len as u64;
                len
            }
            Self::UntilEnd => len,
        };
        if let (Some(into), Some(from)) = (into.get_mut(..len), received.get(..len)) {
            into.copy_from_slice(from);
        }
        Ok(Progress {
            read: len,
            written: len,
        })
    }

    /// How many bytes can be read straight to where they are wanted, if no coding is in the way.
    pub(crate) fn direct(&self, room: usize) -> Option<usize> {
        match self {
            Self::Bytes(left) => Some(usize::try_from(*left).map_or(room, |left| left.min(room))),
            Self::UntilEnd => Some(room),
            Self::Chunks(_) => None,
        }
    }

    /// Says that so many bytes were read that way; zero is the end of the connection.
    ///
    /// # Errors
    ///
    /// [`Error::UnexpectedEnd`].
    pub(crate) fn was_read(&mut self, len: usize) -> Result<(), Error> {
        match self {
            Self::UntilEnd if len == 0 => *self = Self::Bytes(0),
            _ if len == 0 => return Err(Error::UnexpectedEnd),
            Self::Bytes(left) => *left = left.saturating_sub(len as u64),
            Self::UntilEnd | Self::Chunks(_) => {}
        }
        Ok(())
    }
}
