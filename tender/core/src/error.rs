// SPDX-License-Identifier: ISC
//! The error of everything that a person asked for and the host could not do.
//!
//! Nothing catches these: each is printed and ends the tender. So an error is two texts, what is
//! wrong and what to do about it, rather than a variant to match on.

use std::fmt;

/// What is wrong, and the next step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    message: String,
    hint: Option<String>,
}

impl Error {
    /// An error without a hint.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            hint: None,
        }
    }

    /// The same error with the step that gets the reader further.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// For `map_err`: what the host refused to do, as in "open `/dev/null`".
    pub fn cannot<E: fmt::Display>(what: impl fmt::Display) -> impl FnOnce(E) -> Self {
        move |why| Self::new(format!("cannot {what}: {why}"))
    }

    /// The same error where its message is what is wrong with `thing`, whose name comes before it.
    #[must_use]
    pub fn about(self, thing: impl fmt::Display) -> Self {
        let message = format!("`{thing}` {}", self.message);
        Self { message, ..self }
    }
}

impl fmt::Display for Error {
    /// The message; the hint, if there is one, on a line of its own.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.hint {
            Some(hint) => write!(f, "\nhint: {hint}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {}
