// SPDX-License-Identifier: ISC
//! Errors that come from sealing a program, not from its text, in words that lead further.
//!
//! They have one cause: something in the program expects a host's C library, or Rust's standard
//! library, which expects it in turn. The linker says so in pages.

use crate::{failure::failure, image::check::listed};

/// Whether `rendered`, an error of rustc, is the linker's about undefined symbols.
pub fn is_about_symbols(rendered: &str) -> bool {
    rendered.contains("error: undefined symbol: ")
}

/// What errors of the compiler and the linker mean for a program that is to be sealed, if it is
/// anything more than they say.
pub fn explain(binary: &str, errors: &[String]) -> Option<anyhow::Error> {
    let text = anstream::adapter::strip_str(&errors.join("\n")).to_string();
    if text.contains("duplicate lang item") && text.contains("crate `std`") {
        let user = after(&text, "crate `std` (which `", "`").unwrap_or("a dependency");
        return Some(failure(
            format!("`{binary}` cannot be sealed: `{user}` uses the standard library"),
            STANDARD_LIBRARY,
        ));
    }
    let undefined = undefined(&text);
    let first = undefined.first()?;
    if text.contains("library/std/") {
        return Some(failure(
            format!("`{binary}` cannot be sealed: it uses the standard library"),
            STANDARD_LIBRARY,
        ));
    }
    let user = first
        .user
        .map(|user| format!("`{user}` calls `{}`; ", first.name))
        .unwrap_or_default();
    let names: Vec<String> = undefined
        .iter()
        .map(|symbol| symbol.name.to_owned())
        .collect();
    Some(failure(
        format!(
            "`{binary}` cannot be sealed: nothing in it defines {}",
            listed(&names)
        ),
        format!("{user}look for a `no_std` mode of that crate, or for another crate"),
    ))
}

const STANDARD_LIBRARY: &str = "begin the program with `#![no_std]` and `#![no_main]`; for a \
     dependency, `default-features = false` often leaves the standard library out, and `cargo tree` \
     shows who brings it";

/// A symbol that nothing defines.
#[derive(Debug, PartialEq, Eq)]
struct Undefined<'a> {
    name: &'a str,
    /// The function that refers to it.
    user: Option<&'a str>,
}

fn undefined(text: &str) -> Vec<Undefined<'_>> {
    let reports = text.split("error: undefined symbol: ").skip(1);
    let symbols = reports.map(|report| Undefined {
        name: report.lines().next().unwrap_or("").trim(),
        user: after(report, ".o:(", ")\n").map(without_hash),
    });
    symbols.collect()
}

/// What stands between `start` and `end`.
fn after<'a>(text: &'a str, start: &str, end: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(start)?;
    Some(rest.split_once(end)?.0)
}

/// `greet::deep::h1f536eb65ac3c3f3` without its last part.
fn without_hash(name: &str) -> &str {
    match name.rsplit_once("::h") {
        Some((path, hash)) if hash.len() == 16 && hash.chars().all(|c| c.is_ascii_hexdigit()) => {
            path
        }
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::hint;

    #[test]
    fn the_caller_of_a_missing_function_is_named() {
        let error = "  = note: rust-lld: error: undefined symbol: getaddrinfo\n\
            \x20  >>> referenced by main.rs:6 (src/main.rs:6)\n\
            \x20  >>>               target/greet.rcgu.o:(greet::deep::h1f536eb65ac3c3f3)\n\
            rust-lld: error: undefined symbol: free\n";
        assert!(is_about_symbols(error));
        let explained = explain("greet", &[error.to_owned()]).unwrap();
        assert_eq!(
            explained.to_string(),
            "`greet` cannot be sealed: nothing in it defines `getaddrinfo`, `free`"
        );
        assert!(
            hint(&explained)
                .unwrap()
                .starts_with("`greet::deep` calls `getaddrinfo`; ")
        );
    }

    #[test]
    fn the_standard_library_is_recognised() {
        let twice = "error[E0152]: duplicate lang item in crate `fata_bare`: `panic_impl`\n\
            = note: the lang item is first defined in crate `std` (which `rand` depends on)";
        let explained = explain("greet", &[twice.to_owned()]).unwrap();
        assert!(
            explained
                .to_string()
                .contains("`rand` uses the standard library")
        );
        let missing = "error: undefined symbol: malloc\n>>> (library/std/src/alloc.rs:14)\n";
        let explained = explain("greet", &[missing.to_owned()]).unwrap();
        assert!(explained.to_string().contains("uses the standard library"));
    }

    #[test]
    fn ordinary_errors_speak_for_themselves() {
        assert!(explain("greet", &["error[E0308]: mismatched types".to_owned()]).is_none());
        assert!(explain("greet", &[]).is_none());
    }
}
