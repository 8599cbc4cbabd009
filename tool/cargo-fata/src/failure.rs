// SPDX-License-Identifier: ISC
//! Errors that carry their next step.
//!
//! An error's text names the thing; what to do about it is a hint, which is printed apart from it
//! so that neither grows into a paragraph. Everything else is plain `anyhow`.

use std::{error::Error, fmt};

/// A message for the person at the keyboard, with advice.
#[derive(Debug)]
pub struct Failure {
    message: String,
    hint: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for Failure {}

/// An error that says `message`, and `hint` apart from it.
pub fn failure(message: impl Into<String>, hint: impl Into<String>) -> anyhow::Error {
    anyhow::Error::new(Failure {
        message: message.into(),
        hint: hint.into(),
    })
}

/// The advice in `error` or its causes.
pub fn hint(error: &anyhow::Error) -> Option<&str> {
    error
        .downcast_ref::<Failure>()
        .or_else(|| error.chain().find_map(|cause| cause.downcast_ref()))
        .map(|failure| failure.hint.as_str())
}

/// Something else has said already what went wrong; only the status is left to give.
#[derive(Debug)]
pub struct Said(pub u8);

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "exit status {}", self.0)
    }
}

impl Error for Said {}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context;

    #[test]
    fn the_hint_survives_context() {
        let error = Err::<(), _>(failure("no bin", "add one"))
            .context("building")
            .unwrap_err();
        assert_eq!(hint(&error), Some("add one"));
        assert_eq!(format!("{error:#}"), "building: no bin");
        assert_eq!(hint(&anyhow::anyhow!("plain")), None);
    }
}
