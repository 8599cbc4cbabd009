// SPDX-License-Identifier: ISC
//! What the tool becomes when it starts itself again: a tender, or a program that is its own.

use std::{
    ffi::OsString,
    os::unix::process::CommandExt,
    process::{Command, ExitCode},
};

use anyhow::Context;
use rustix::process::{Signal, set_parent_process_death_signal};

use crate::config::Target;

/// First word of a command line that makes the tool a tender; the second is the target.
pub const TENDER: &str = "__tender";
/// First word of a command line that makes the tool an ordinary program.
pub const PROGRAM: &str = "__program";

/// The tool again, to become the tender of `target`.
pub fn tender(target: Target) -> anyhow::Result<Command> {
    let mut command = itself(TENDER)?;
    command.arg(target.name());
    Ok(command)
}

/// The tool again, to become a program that is its own tender.
pub fn program() -> anyhow::Result<Command> {
    itself(PROGRAM)
}

fn itself(role: &str) -> anyhow::Result<Command> {
    let tool = std::env::current_exe().context("cannot tell where the tool is")?;
    let mut command = Command::new(tool);
    command.arg(role);
    Ok(command)
}

/// Becomes the tender that `args` begin with.
pub fn become_tender(args: Vec<OsString>) -> ExitCode {
    end_with_parent();
    let mut args = args.into_iter();
    let target = args.next().unwrap_or_default();
    let status = match target == Target::Hvt.name() {
        true => fata_hvt::run(args),
        false => fata_spt::run(args),
    };
    status.into()
}

/// Becomes the program that `args` begin with.
pub fn become_program(args: Vec<OsString>) -> ExitCode {
    end_with_parent();
    let mut args = args.into_iter();
    let program = args.next().unwrap_or_default();
    let error = Command::new(&program).args(args).exec();
    eprintln!("error: cannot start `{}`: {error}", program.display());
    ExitCode::FAILURE
}

/// A unikernel must not outlive the tool, however that ends. A failure means only that it may.
fn end_with_parent() {
    let _ = set_parent_process_death_signal(Some(Signal::KILL));
}
