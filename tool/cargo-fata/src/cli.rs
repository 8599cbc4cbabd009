// SPDX-License-Identifier: ISC
//! The command line as a whole: global flags, the list of commands, and who runs.

use std::{ffi::OsString, process::ExitCode};

use clap::{
    ColorChoice, Parser, Subcommand,
    builder::styling::{AnsiColor, Effects, Styles},
};

use crate::{
    build, clean, completions, configure, describe, devices,
    failure::Said,
    net, new,
    output::{Level, Output},
    run::{self, role},
    trace,
};

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().effects(Effects::BOLD))
    .usage(AnsiColor::Green.on_default().effects(Effects::BOLD))
    .literal(AnsiColor::Cyan.on_default().effects(Effects::BOLD))
    .placeholder(AnsiColor::Cyan.on_default());

/// Makes, builds, runs and explains unikernels.
#[derive(Debug, Parser)]
#[command(
    name = "cargo-fata",
    bin_name = "cargo fata",
    version,
    styles = STYLES,
    subcommand_required = true,
    arg_required_else_help = true,
    disable_help_subcommand = true,
    after_help = "Each step does the earlier ones that were left out: `cargo fata run` also builds."
)]
pub struct Cli {
    /// Say less: errors and results only
    #[arg(
        short,
        long,
        global = true,
        conflicts_with = "verbose",
        help_heading = "Output"
    )]
    quiet: bool,

    /// Say more: the commands that are run, and what cargo says
    #[arg(short, long, global = true, help_heading = "Output")]
    verbose: bool,

    /// When to use colours
    #[arg(
        long,
        global = true,
        value_name = "WHEN",
        default_value = "auto",
        hide_default_value = true,
        help_heading = "Output"
    )]
    color: ColorChoice,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    New(new::New),
    Configure(configure::Configure),
    Build(build::Build),
    Run(run::Run),
    Trace(trace::Trace),
    Describe(describe::Describe),
    Net(net::Net),
    Clean(clean::Clean),
    Completions(completions::Completions),
}

/// Runs the command that `args` names; the first is the name of the program.
pub fn main(mut args: Vec<OsString>) -> ExitCode {
    if args.get(1).is_some_and(|arg| arg == role::TENDER) {
        return role::become_tender(args.split_off(2));
    }
    if args.get(1).is_some_and(|arg| arg == role::PROGRAM) {
        return role::become_program(args.split_off(2));
    }
    // Cargo runs `cargo-fata fata ...` for `cargo fata ...`.
    if args.get(1).is_some_and(|arg| arg == "fata") {
        args.remove(1);
    }
    let cli = match Cli::try_parse_from(devices::split_colons(args)) {
        Ok(cli) => cli,
        Err(error) => {
            // Help asked for is a result and ends well; clap knows which stream and status.
            let _ = error.print();
            return ExitCode::from(error.exit_code() as u8);
        }
    };
    cli.choose_colour();
    let output = cli.output();
    match cli.command.run(output) {
        Ok(code) => code,
        Err(error) => match error.downcast_ref::<Said>() {
            Some(&Said(status)) => ExitCode::from(status),
            None => {
                output.error(&error);
                ExitCode::FAILURE
            }
        },
    }
}

impl Cli {
    fn output(&self) -> Output {
        Output::new(match (self.quiet, self.verbose) {
            (true, _) => Level::Quiet,
            (_, true) => Level::Verbose,
            _ => Level::Normal,
        })
    }

    fn choose_colour(&self) {
        match self.color {
            ColorChoice::Auto => anstream::ColorChoice::Auto,
            ColorChoice::Always => anstream::ColorChoice::Always,
            ColorChoice::Never => anstream::ColorChoice::Never,
        }
        .write_global();
    }
}

impl Command {
    fn run(self, output: Output) -> anyhow::Result<ExitCode> {
        match self {
            Self::New(new) => new.run(output)?,
            Self::Configure(configure) => configure.run(output)?,
            Self::Build(build) => build.run(output)?,
            Self::Run(run) => return run.run(output),
            Self::Trace(trace) => return trace.run(output),
            Self::Describe(describe) => describe.run(output)?,
            Self::Net(net) => net.run(output)?,
            Self::Clean(clean) => clean.run(output)?,
            Self::Completions(completions) => completions.run(),
        }
        Ok(ExitCode::SUCCESS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
