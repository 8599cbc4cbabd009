// SPDX-License-Identifier: ISC
//! Boot arguments: typed values out of the command line that the image is started with.
//!
//! A program declares its arguments as a type with [`#[derive(Args)]`](macro@crate::Args); the
//! names, defaults and help of all types of an image stand in it once, as data
//! ([`fata_abi::image`]). Here the command line is split, checked against that data and handed to
//! the types as [`Values`]. The code is deliberately not generic: an image pays for it once.
//!
//! # Syntax
//!
//! `--name=value` or `--name value`; a flag is `--name`, or `--name=false` to take back one that
//! was compiled in. Words are separated by blanks; single quotes, double quotes and backslash
//! work as in a shell. Several values are given by repeating the argument or with commas.

mod help;
mod line;
mod nearest;
#[cfg(test)]
mod tests;
mod value;

use alloc::{format, rc::Rc, string::String, vec::Vec};
use core::fmt;

use fata_abi::image::{Argument, ArgumentTree, Image, REPEATED};

pub(crate) use self::help::{print_help, print_version};
pub use self::line::{QuoteError, Words, unquote};
pub use self::value::{Size, Value};

/// A type whose fields are boot arguments; made by [`#[derive(Args)]`](macro@crate::Args).
pub trait Arguments: Sized {
    /// What the arguments are called and what they are for.
    const TREE: ArgumentTree;

    /// Takes the values of the fields.
    ///
    /// # Errors
    ///
    /// The first value that is missing or wrong.
    fn parse(values: &Values) -> Result<Self, ArgError>;
}

impl Arguments for () {
    const TREE: ArgumentTree = ArgumentTree::EMPTY;

    fn parse(_: &Values) -> Result<Self, ArgError> {
        Ok(())
    }
}

/// What is wrong with the boot arguments, in words for the person who started the image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArgError(String);

impl ArgError {
    /// An error with the given message.
    pub fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

impl fmt::Display for ArgError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl core::error::Error for ArgError {}

/// Why the program is not started.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    Help,
    Version,
    Error(ArgError),
}

/// An argument as it was given.
#[derive(Debug)]
struct Given {
    name: String,
    value: Option<String>,
}

/// The arguments that were given, split and known to be among those that the image understands.
#[derive(Clone, Debug)]
pub struct Values {
    given: Rc<Vec<Given>>,
    prefix: String,
}

impl Values {
    /// Reads the arguments compiled into `image` and then those of `command_line`, which override
    /// them. `own` are understood beside those of the image.
    pub(crate) fn read(
        image: &Image,
        own: &'static ArgumentTree,
        command_line: &str,
    ) -> Result<Self, Stop> {
        let mut known = Vec::new();
        for tree in [image.arguments, own] {
            visit(tree, &mut |name, argument, _| {
                known.push((String::from(name), argument));
            });
        }
        let mut given = split(command_line, &known, true)?;
        if image.sealed != 0 && !given.is_empty() {
            return Err(Stop::Error(ArgError::new(
                "this image is sealed: its boot arguments were compiled in, and only `--help` and \
                 `--version` may be given",
            )));
        }
        let mut compiled = split(image.boot_arguments.get(), &known, false)?;
        compiled.retain(|c| !given.iter().any(|g| g.name == c.name));
        given.append(&mut compiled);
        Ok(Self {
            given: Rc::new(given),
            prefix: String::new(),
        })
    }

    /// The same values as seen by a part whose arguments have the prefix `prefix-` in their names.
    /// An empty prefix changes nothing.
    #[must_use]
    pub fn under(&self, prefix: &str) -> Self {
        let mut inner = self.clone();
        if !prefix.is_empty() {
            inner.prefix.push_str(prefix);
            inner.prefix.push('-');
        }
        inner
    }

    /// The value of `name` if it was given.
    ///
    /// # Errors
    ///
    /// If the value is not a `T`.
    pub fn optional<T: Value>(&self, name: &str) -> Result<Option<T>, ArgError> {
        self.last(name).map(|text| self.one(name, text)).transpose()
    }

    /// The value of `name`, which must be given.
    ///
    /// # Errors
    ///
    /// If it was not given, or is not a `T`.
    pub fn required<T: Value>(&self, name: &str) -> Result<T, ArgError> {
        match self.last(name) {
            Some(text) => self.one(name, text),
            None => Err(self.missing(name, T::NAME)),
        }
    }

    /// The value of `name`, or `default` as it would be typed.
    ///
    /// # Errors
    ///
    /// If it is not a `T`.
    pub fn or_default<T: Value>(&self, name: &str, default: &str) -> Result<T, ArgError> {
        self.one(name, self.last(name).unwrap_or(default))
    }

    /// All values of `name`, or those of `default` as they would be typed.
    ///
    /// # Errors
    ///
    /// The first that is not a `T`.
    pub fn list<T: Value>(&self, name: &str, default: &str) -> Result<Vec<T>, ArgError> {
        let mut all = Vec::new();
        let full = self.full(name);
        for given in self.given.iter().filter(|g| g.name == full) {
            self.items(name, given.value.as_deref().unwrap_or_default(), &mut all)?;
        }
        if self.last(name).is_none() {
            self.items(name, default, &mut all)?;
        }
        Ok(all)
    }

    /// Whether the flag `name` was given, and not taken back with `=false`.
    ///
    /// # Errors
    ///
    /// If it was given a value that is no truth value.
    pub fn flag(&self, name: &str) -> Result<bool, ArgError> {
        match self.last(name) {
            None => Ok(false),
            Some("") => Ok(true),
            Some(text) => self.one(name, text),
        }
    }

    fn items<T: Value>(&self, name: &str, text: &str, all: &mut Vec<T>) -> Result<(), ArgError> {
        for item in text.split(',').filter(|item| !item.is_empty()) {
            all.push(self.one(name, item)?);
        }
        Ok(())
    }

    fn one<T: Value>(&self, name: &str, text: &str) -> Result<T, ArgError> {
        T::parse(text).ok_or_else(|| self.wrong(name, text, T::EXPECTED))
    }

    /// The argument `name` as it is typed after the two hyphens: with the prefix of this part. For
    /// messages about arguments that do not go together.
    pub fn full(&self, name: &str) -> String {
        let mut full = self.prefix.clone();
        full.push_str(name);
        full
    }

    fn last(&self, name: &str) -> Option<&str> {
        let full = self.full(name);
        let given = self.given.iter().rfind(|g| g.name == full)?;
        Some(given.value.as_deref().unwrap_or_default())
    }

    fn wrong(&self, name: &str, text: &str, expected: &str) -> ArgError {
        let name = self.full(name);
        ArgError(format!("value of `--{name}` is not {expected}: `{text}`"))
    }

    fn missing(&self, name: &str, value: &str) -> ArgError {
        let name = self.full(name);
        ArgError(format!("`--{name}` is required: add `--{name}={value}`"))
    }
}

/// Splits `text` into arguments, each one of `known`. Only on the command line are help and
/// version understood.
fn split(
    text: &str,
    known: &[(String, &'static Argument)],
    command_line: bool,
) -> Result<Vec<Given>, Stop> {
    let mut given: Vec<Given> = Vec::new();
    let mut words = Words::new(text);
    while let Some(word) = words.next() {
        let word = plain(word)?;
        if command_line && given.is_empty() && word.starts_with("--solo5:") {
            continue;
        }
        match &*word {
            "--help" if command_line => return Err(Stop::Help),
            "--version" if command_line => return Err(Stop::Version),
            _ => {}
        }
        let Some(body) = word.strip_prefix("--").filter(|body| !body.is_empty()) else {
            return stop(format!(
                "unexpected word `{word}`: an argument is given as `--name=value`"
            ));
        };
        let (name, mut value) = match body.split_once('=') {
            Some((name, value)) => (name, Some(String::from(value))),
            None => (body, None),
        };
        let Some((_, argument)) = known.iter().find(|(known, _)| known == name) else {
            return stop(nearest::unknown(name, known));
        };
        if value.is_none() && !argument.value.get().is_empty() {
            let next = words.next().map(plain).transpose()?;
            match next.filter(|next| !next.starts_with("--")) {
                Some(next) => value = Some(next),
                None => {
                    let value = argument.value.get();
                    return stop(format!("`--{name}` needs a value: `--{name}={value}`"));
                }
            }
        }
        if argument.flags & REPEATED == 0 && given.iter().any(|g| g.name == name) {
            return stop(format!("`--{name}` is given twice"));
        }
        given.push(Given {
            name: String::from(name),
            value,
        });
    }
    Ok(given)
}

fn plain(word: &str) -> Result<String, Stop> {
    unquote(word).or_else(|QuoteError| stop(format!("quotation is not closed: {word}")))
}

fn stop<T>(message: String) -> Result<T, Stop> {
    Err(Stop::Error(ArgError(message)))
}

/// Calls `f` with the full name of each argument below `tree`, and with how deep it lies.
fn visit(tree: &'static ArgumentTree, f: &mut dyn FnMut(&str, &'static Argument, usize)) {
    visit_below(tree, &mut String::new(), 0, f);
}

fn visit_below(
    tree: &'static ArgumentTree,
    name: &mut String,
    depth: usize,
    f: &mut dyn FnMut(&str, &'static Argument, usize),
) {
    let outer = name.len();
    let prefix = tree.prefix.get();
    if !prefix.is_empty() {
        name.push_str(prefix);
        name.push('-');
    }
    let inner = name.len();
    for argument in tree.arguments.get() {
        name.push_str(argument.name.get());
        f(name, argument, depth);
        name.truncate(inner);
    }
    for part in tree.parts.get() {
        visit_below(part, name, depth + 1, f);
    }
    name.truncate(outer);
}
