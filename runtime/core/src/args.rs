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

use alloc::{rc::Rc, string::String, vec::Vec};
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

/// An argument as it was given. What it points to is part of the image, or was allocated once at
/// the start and stays.
#[derive(Clone, Copy, Debug)]
struct Given {
    name: &'static str,
    /// Empty for a flag.
    value: &'static str,
}

/// The arguments that were given, split and known to be among those that the image understands.
#[derive(Clone, Debug)]
pub struct Values {
    given: Rc<[Given]>,
    prefix: String,
}

impl Values {
    /// Reads the arguments compiled into `image` and then those of `command_line`, which override
    /// them. `own` are understood beside those of the image.
    #[inline(never)]
    pub(crate) fn read(
        image: &Image,
        own: &'static ArgumentTree,
        command_line: &'static str,
    ) -> Result<Self, Stop> {
        let known = [image.arguments, own];
        let mut given = Vec::new();
        split(command_line, &known, true, &mut given)?;
        if image.sealed != 0 && !given.is_empty() {
            return stop(&[
                "this image is sealed: its boot arguments were compiled in, and only `--help` and \
                 `--version` may be given",
            ]);
        }
        split(image.boot_arguments.get(), &known, false, &mut given)?;
        Ok(Self {
            given: given.into(),
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
        match self.last(name) {
            Some(text) => self.one(name, text).map(Some),
            None => Ok(None),
        }
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
        self.each(name, default, T::EXPECTED, &mut |item| {
            all.push(T::parse(item)?);
            Some(())
        })?;
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

    /// The argument `name` as it is typed after the two hyphens: with the prefix of this part. For
    /// messages about arguments that do not go together.
    pub fn full(&self, name: &str) -> String {
        join(&[&self.prefix, name])
    }

    /// Calls `take` with each value of `name`, up to the first that is not what is `expected`.
    #[inline(never)]
    fn each(
        &self,
        name: &str,
        default: &str,
        expected: &str,
        take: &mut dyn FnMut(&str) -> Option<()>,
    ) -> Result<(), ArgError> {
        for item in self.items(name, default) {
            take(item).ok_or_else(|| self.wrong(name, item, expected))?;
        }
        Ok(())
    }

    fn items<'a>(&'a self, name: &str, default: &'a str) -> Vec<&'a str> {
        let mut items = Vec::new();
        let mut add = |text| {
            let mut rest = Some(text);
            while let Some(text) = rest {
                let (item, more) = cut(text, b',');
                if !item.is_empty() {
                    items.push(item);
                }
                rest = more;
            }
        };
        let mut given = self
            .given
            .iter()
            .filter(|given| self.is(given, name))
            .peekable();
        if given.peek().is_none() {
            add(default);
        }
        given.for_each(|given| add(given.value));
        items
    }

    fn one<T: Value>(&self, name: &str, text: &str) -> Result<T, ArgError> {
        match T::parse(text) {
            Some(value) => Ok(value),
            None => Err(self.wrong(name, text, T::EXPECTED)),
        }
    }

    fn is(&self, given: &Given, name: &str) -> bool {
        given.name.strip_prefix(&*self.prefix) == Some(name)
    }

    #[inline(never)]
    fn last(&self, name: &str) -> Option<&str> {
        let given = self.given.iter().rfind(|given| self.is(given, name))?;
        Some(given.value)
    }

    #[cold]
    fn wrong(&self, name: &str, text: &str, expected: &str) -> ArgError {
        let name = &*self.full(name);
        ArgError(join(&[
            "value of `--",
            name,
            "` is not ",
            expected,
            ": `",
            text,
            "`",
        ]))
    }

    #[cold]
    fn missing(&self, name: &str, value: &str) -> ArgError {
        let name = &*self.full(name);
        ArgError(join(&[
            "`--",
            name,
            "` is required: add `--",
            name,
            "=",
            value,
            "`",
        ]))
    }
}

/// Splits `text` into arguments, each of them in one of the trees `known`, and adds them to
/// `given`. If this is not the command line, it has no help, no version, and no say about what was
/// given there.
#[inline(never)]
fn split(
    text: &'static str,
    known: &[&'static ArgumentTree],
    command_line: bool,
    given: &mut Vec<Given>,
) -> Result<(), Stop> {
    let before = given.len();
    let mut words = Words::new(text);
    while let Some(word) = words.next() {
        let word = plain(word)?;
        if command_line {
            match word {
                "--help" => return Err(Stop::Help),
                "--version" => return Err(Stop::Version),
                _ if given.is_empty() && word.starts_with("--solo5:") => continue,
                _ => {}
            }
        }
        let Some(body) = word.strip_prefix("--").filter(|body| !body.is_empty()) else {
            return stop(&[
                "unexpected word `",
                word,
                "`: an argument is given as `--name=value`",
            ]);
        };
        let (name, value) = cut(body, b'=');
        let Some(argument) = known.iter().find_map(|tree| find(tree, name)) else {
            return stop(&[&nearest::unknown(name, known)]);
        };
        let value = match (value, argument.value.get()) {
            (Some(value), _) => value,
            (None, "") => "",
            (None, kind) => match words.next().map(plain).transpose()? {
                Some(next) if !next.starts_with("--") => next,
                _ => return stop(&["`--", name, "` needs a value: `--", name, "=", kind, "`"]),
            },
        };
        if given[..before].iter().any(|other| other.name == name) {
            continue;
        }
        if argument.flags & REPEATED == 0 && given.iter().any(|other| other.name == name) {
            return stop(&["`--", name, "` is given twice"]);
        }
        given.push(Given { name, value });
    }
    Ok(())
}

/// A word without its quotes.
fn plain(word: &'static str) -> Result<&'static str, Stop> {
    if !word
        .bytes()
        .any(|byte| matches!(byte, b'\'' | b'"' | b'\\'))
    {
        return Ok(word);
    }
    match unquote(word) {
        Ok(word) => Ok(word.leak()),
        Err(QuoteError) => stop(&["quotation is not closed: ", word]),
    }
}

/// Cuts `text` at the first `at`, which is ASCII.
fn cut(text: &str, at: u8) -> (&str, Option<&str>) {
    let place = text.bytes().position(|byte| byte == at);
    match place.and_then(|place| text.split_at_checked(place)) {
        Some((before, rest)) => (before, rest.get(1..)),
        None => (text, None),
    }
}

#[cold]
fn stop<T>(message: &[&str]) -> Result<T, Stop> {
    Err(Stop::Error(ArgError(join(message))))
}

/// One string of several. Formatting would do the same with more code.
fn join(parts: &[&str]) -> String {
    let mut all = String::new();
    for part in parts {
        all.push_str(part);
    }
    all
}

/// The argument called `name` below `tree`.
fn find(tree: &'static ArgumentTree, name: &str) -> Option<&'static Argument> {
    let prefix = tree.prefix.get();
    let name = match prefix {
        "" => name,
        _ => name.strip_prefix(prefix)?.strip_prefix('-')?,
    };
    let mut arguments = tree.arguments.get().iter();
    arguments
        .find(|argument| argument.name.get() == name)
        .or_else(|| tree.parts.get().iter().find_map(|part| find(part, name)))
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
