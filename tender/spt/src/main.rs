// SPDX-License-Identifier: ISC
//! `fata-spt`: runs a unikernel in a sandboxed Linux process. All of it is in the library, which
//! `cargo fata run` uses too.

// With glibc the program starts at C's `main`, without what Rust's runtime prepares for programs
// in general (handlers for faults, a look at the memory map), which costs more than the tender does.
#![cfg_attr(target_env = "gnu", no_main)]

/// C's `main`; glibc has handed the arguments to the standard library before.
// SAFETY: nothing else has this name, which has this meaning in every C library.
#[cfg(target_env = "gnu")]
#[unsafe(no_mangle)]
extern "C" fn main() -> i32 {
    fata_spt::run(std::env::args_os().skip(1)).into()
}

#[cfg(not(target_env = "gnu"))]
fn main() -> std::process::ExitCode {
    fata_spt::run(std::env::args_os().skip(1)).into()
}
