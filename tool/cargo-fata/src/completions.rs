// SPDX-License-Identifier: ISC
//! `cargo fata completions`: what a shell needs to complete the commands.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::cli::Cli;

/// Print completions for a shell
#[derive(Debug, Args)]
#[command(after_help = "Example, for bash:\n  \
    cargo fata completions bash > ~/.local/share/bash-completion/completions/cargo-fata")]
pub struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    /// Prints them.
    pub fn run(self) {
        clap_complete::generate(
            self.shell,
            &mut Cli::command(),
            "cargo-fata",
            &mut std::io::stdout(),
        );
    }
}
