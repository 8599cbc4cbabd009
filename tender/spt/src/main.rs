// SPDX-License-Identifier: ISC
//! `fata-spt`: runs a unikernel in a sandboxed Linux process. All of it is in the library, which
//! `cargo fata run` uses too.

use std::process::ExitCode;

fn main() -> ExitCode {
    fata_spt::main(std::env::args_os().skip(1))
}
