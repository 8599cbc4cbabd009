// SPDX-License-Identifier: ISC
//! One error type for programs, into which any other turns with `?`.

use alloc::{boxed::Box, string::String};
use core::{any::Any, fmt};

/// Any error, with what was being done when it came up. Prints as `outer: inner: innermost`.
pub struct Error(Box<dyn Cause>);

/// What is asked of an error in a box. A box of `core::error::Error` would bring its `Debug` into
/// the image too, which nobody calls, and with it several kilobytes of what `Debug` is made of.
trait Cause {
    /// Prints the error, and the errors behind it.
    fn tell(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result;
    /// The error itself.
    fn any(&self) -> &dyn Any;
}

impl Error {
    /// An error that is only a message. A message starts in lower case, names the thing and the
    /// next step.
    pub fn msg(message: impl Into<String>) -> Self {
        Self::with(message.into(), None)
    }

    /// The same error, told as the reason why `what` failed.
    #[must_use]
    pub fn context(self, what: impl Into<String>) -> Self {
        Self::with(what.into(), Some(self))
    }

    fn with(text: String, cause: Option<Self>) -> Self {
        Self(Box::new(Message { text, cause }))
    }

    /// The error inside, if it is an `E`. Context hides it: ask before adding any.
    pub fn downcast_ref<E: core::error::Error + 'static>(&self) -> Option<&E> {
        self.0.any().downcast_ref()
    }
}

// `Error` itself does not implement `core::error::Error`, because this would then be its own.
impl<E: core::error::Error + 'static> From<E> for Error {
    fn from(error: E) -> Self {
        Self(Box::new(error))
    }
}

impl<E: core::error::Error + 'static> Cause for E {
    fn tell(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)?;
        sources(self.source(), f)
    }

    fn any(&self) -> &dyn Any {
        self
    }
}

fn sources(
    mut source: Option<&(dyn core::error::Error + 'static)>,
    f: &mut fmt::Formatter<'_>,
) -> fmt::Result {
    while let Some(error) = source {
        f.write_str(": ")?;
        fmt::Display::fmt(error, f)?;
        source = error.source();
    }
    Ok(())
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.tell(f)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

struct Message {
    text: String,
    cause: Option<Error>,
}

impl Cause for Message {
    fn tell(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)?;
        match &self.cause {
            Some(cause) => {
                f.write_str(": ")?;
                cause.0.tell(f)
            }
            None => Ok(()),
        }
    }

    fn any(&self) -> &dyn Any {
        self
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
