// SPDX-License-Identifier: ISC
//! `cargo xtask ci`: what must hold before a change lands.

use anyhow::Result;

use crate::{layers, process, test};

pub(crate) fn run() -> Result<()> {
    process::run("cargo", &["fmt", "--all", "--check"])?;
    layers::run()?;
    let deny_warnings = "-Dwarnings";
    process::run(
        "cargo",
        &[
            "clippy",
            "--quiet",
            "--workspace",
            "--all-targets",
            "--",
            deny_warnings,
        ],
    )?;
    process::run(
        "cargo",
        &[
            "--config=build.rustdocflags=['-Dwarnings']",
            "doc",
            "--quiet",
            "--workspace",
            "--no-deps",
            "--document-private-items",
        ],
    )?;
    if process::exists("cargo-deny") {
        process::run("cargo", &["deny", "--workspace", "check"])?;
    } else {
        eprintln!("note: cargo-deny is not installed: licences and advisories are not checked");
    }
    test::run(&test::Options {
        install: true,
        no_skips: true,
    })
}
