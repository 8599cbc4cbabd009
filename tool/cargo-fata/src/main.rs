// SPDX-License-Identifier: ISC
//! The command `cargo fata`. All of it is in the library, so that tests and fuzzers reach it.

use std::process::ExitCode;

fn main() -> ExitCode {
    cargo_fata::main(std::env::args_os().collect())
}
