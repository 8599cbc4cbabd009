// SPDX-License-Identifier: ISC
//! Whether the Rust toolchain can make images, and what to do where it cannot.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, anyhow};

use super::recipe::TRIPLE;
use crate::failure::failure;

/// Oldest minor version of Rust 1 that will do: that of this crate.
const MINOR: &str = env!("CARGO_PKG_RUST_VERSION");

/// Checks the toolchain that cargo uses in `folder`.
pub fn check(folder: &Path) -> anyhow::Result<()> {
    let version = ask(folder, &["-vV"])?;
    let line = |key: &str| {
        version
            .lines()
            .find_map(|line| line.strip_prefix(key))
            .unwrap_or("")
    };
    let release = line("release: ");
    if minor(release) < minor(MINOR) {
        return Err(failure(
            format!("rustc {release} is too old: {MINOR} or newer is needed"),
            "run `rustup update stable`",
        ));
    }
    let sysroot = PathBuf::from(ask(folder, &["--print", "sysroot"])?.trim());
    let libraries = sysroot.join("lib/rustlib");
    if !libraries.join(TRIPLE).join("lib").is_dir() {
        return Err(failure(
            format!("the standard library for `{TRIPLE}` is not installed"),
            format!("run `rustup target add {TRIPLE}`"),
        ));
    }
    if !libraries
        .join(line("host: "))
        .join("bin/rust-lld")
        .is_file()
    {
        return Err(failure(
            "this Rust toolchain comes without its linker `rust-lld`",
            "use a toolchain from https://rustup.rs, which has it",
        ));
    }
    Ok(())
}

/// What `rustc` prints when called with `arguments` in `folder`.
pub fn ask(folder: &Path, arguments: &[&str]) -> anyhow::Result<String> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc)
        .args(arguments)
        .current_dir(folder)
        .output()
        .map_err(|error| {
            failure(
                format!("cannot run `rustc`: {error}"),
                "install Rust from https://rustup.rs",
            )
        })?;
    if !output.status.success() {
        return Err(anyhow!(
            "{}",
            String::from_utf8_lossy(&output.stderr).trim().to_owned()
        )
        .context("rustc failed"));
    }
    String::from_utf8(output.stdout).context("rustc said something that is not text")
}

/// The 95 of `1.95.0-nightly`.
fn minor(version: &str) -> u32 {
    let minor = version.split('.').nth(1).unwrap_or("");
    minor.parse().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_their_minor_number() {
        assert_eq!(minor("1.95.0"), 95);
        assert_eq!(minor("1.101.0-nightly"), 101);
        assert_eq!(minor(""), 0);
        assert!(minor(MINOR) >= 95);
    }
}
