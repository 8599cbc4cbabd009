// SPDX-License-Identifier: ISC
//! Whether a linked file can be an image: nothing in it is left for a host to supply.

use super::Elf;
use crate::failure::failure;

/// Refuses a file with undefined symbols or needed libraries, which a linker other than the one
/// that the tool names would make without a word.
pub fn self_contained(elf: &Elf<'_>, file: &str) -> anyhow::Result<()> {
    let (undefined, dynamic) = elf.undefined();
    if undefined.is_empty() && !dynamic {
        return Ok(());
    }
    let what = match undefined.as_slice() {
        [] => "it asks for a dynamic linker".to_owned(),
        names => format!("it leaves undefined: {}", listed(names)),
    };
    Err(failure(
        format!("`{file}` is not self-contained: {what}"),
        "a dependency calls the C library; `cargo tree -i libc` shows which, and many crates have \
         a `no_std` mode without it",
    ))
}

/// The first few of `names`.
pub fn listed(names: &[String]) -> String {
    let quoted: Vec<String> = names
        .iter()
        .take(5)
        .map(|name| format!("`{name}`"))
        .collect();
    match names.len() {
        0..=5 => quoted.join(", "),
        more => format!("{} and {} more", quoted.join(", "), more - 5),
    }
}
