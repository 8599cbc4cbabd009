// SPDX-License-Identifier: ISC
//! One error type for programs, into which any other turns with `?`.

use alloc::{boxed::Box, string::String};
use core::fmt;

/// Any error, with what was being done when it came up. Prints as `outer: inner: innermost`.
pub struct Error(Box<dyn core::error::Error>);

impl Error {
    /// An error that is only a message. A message starts in lower case, names the thing and the
    /// next step.
    pub fn msg(message: impl Into<String>) -> Self {
        Self(Box::new(Message {
            text: message.into(),
            source: None,
        }))
    }

    /// The same error, told as the reason why `what` failed.
    #[must_use]
    pub fn context(self, what: impl Into<String>) -> Self {
        Self(Box::new(Message {
            text: what.into(),
            source: Some(self.0),
        }))
    }

    /// The error inside, if it is an `E`. Context hides it: ask before adding any.
    pub fn downcast_ref<E: core::error::Error + 'static>(&self) -> Option<&E> {
        self.0.downcast_ref()
    }
}

// `Error` itself does not implement `core::error::Error`, because this would then be its own.
impl<E: core::error::Error + 'static> From<E> for Error {
    fn from(error: E) -> Self {
        Self(Box::new(error))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)?;
        let mut source = self.0.source();
        while let Some(error) = source {
            f.write_str(": ")?;
            fmt::Display::fmt(error, f)?;
            source = error.source();
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

struct Message {
    text: String,
    source: Option<Box<dyn core::error::Error>>,
}

impl fmt::Debug for Message {
    // What would be derived takes 4 KB in every image, and says no more.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl core::error::Error for Message {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        self.source.as_deref()
    }
}

/// Adds to an error, or to a `None`, what was being done.
pub trait Context<T> {
    /// See [`Error::context`].
    ///
    /// # Errors
    ///
    /// The error of `self`, with context; for a `None`, the context alone.
    fn context(self, what: &str) -> Result<T, Error>;
}

impl<T, E: Into<Error>> Context<T> for Result<T, E> {
    fn context(self, what: &str) -> Result<T, Error> {
        self.map_err(|error| error.into().context(what))
    }
}

impl<T> Context<T> for Option<T> {
    fn context(self, what: &str) -> Result<T, Error> {
        self.ok_or_else(|| Error::msg(what))
    }
}
