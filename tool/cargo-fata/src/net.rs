// SPDX-License-Identifier: ISC
//! `cargo fata net`: a tap for a unikernel, on a bridge, with a way out; and its exact removal.
//!
//! [`plan`] says what there is to do and how each step is taken back, [`state`] remembers which
//! steps were done. The commands of `iproute2` and of the firewall do the work, so that
//! `--dry-run` can show it to the letter.

use std::{path::PathBuf, process::Command};

use anyhow::{Context, anyhow};
use clap::{Args, Subcommand};

use crate::{failure::failure, output::Output};

pub mod plan;
pub mod state;

use plan::{Plan, Step, Wish};
use state::State;

const NOTHING: &str = "`cargo fata net up` has made nothing here";

/// Make and remove the host's side of a unikernel's network; needs root
#[derive(Debug, Args)]
#[command(
    after_help = "Without root, `--net:NAME=user` gives a unikernel a network of its own.\n\n\
    Examples:\n  \
    sudo cargo fata net up --tap tap0 --nat\n  \
    cargo fata run --net service=tap0 -- --ipv4=10.0.0.2/24 --ipv4-gateway=10.0.0.1\n  \
    sudo cargo fata net down"
)]
pub struct Net {
    #[command(subcommand)]
    action: Action,

    /// Where to remember what was made
    #[arg(
        long,
        value_name = "FOLDER",
        default_value = "/run/fata",
        global = true
    )]
    state: PathBuf,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make a tap, a bridge that it is on, and on request a way out
    Up(Up),
    /// Remove what `up` made
    Down(Down),
    /// Show what `up` made
    Show,
}

#[derive(Debug, Args)]
struct Up {
    #[command(flatten)]
    wish: Wish,

    /// Print the commands, and run none
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, Args)]
struct Down {
    /// Print the commands, and run none
    #[arg(long)]
    dry_run: bool,
}

impl Net {
    /// Does it.
    pub fn run(self, output: Output) -> anyhow::Result<()> {
        match &self.action {
            Action::Up(up) => self.up(up, output),
            Action::Down(down) => self.down(down.dry_run, output),
            Action::Show => self.show(output),
        }
    }

    fn up(&self, up: &Up, output: Output) -> anyhow::Result<()> {
        let mut state = State::read(&self.state)?;
        let plan = Plan::new(&up.wish, &state)?;
        if up.dry_run {
            plan.steps
                .iter()
                .for_each(|step| anstream::println!("{}", line(&step.todo)));
            return Ok(());
        }
        need_root("net up")?;
        for step in plan.steps {
            output.detail("Running", line(&step.todo));
            if let Err(error) = run(&step.todo) {
                undo(&mut state, &plan.before, &self.state, output)?;
                return Err(error.context("taken back what was made before this"));
            }
            state.done.push(step);
            state.write(&self.state)?;
        }
        let wish = &up.wish;
        output.status(
            "Made",
            format_args!("tap `{}` on bridge `{}`", wish.tap, wish.bridge),
        );
        output.status(
            "Next",
            format_args!("cargo fata run --net service={}", wish.tap),
        );
        Ok(())
    }

    fn down(&self, dry_run: bool, output: Output) -> anyhow::Result<()> {
        let mut state = State::read(&self.state)?;
        if state.done.is_empty() {
            output.status("Clean", NOTHING);
            return Ok(());
        }
        if dry_run {
            let undos = state.done.iter().rev().filter(|step| !step.undo.is_empty());
            undos.for_each(|step| anstream::println!("{}", line(&step.undo)));
            return Ok(());
        }
        need_root("net down")?;
        undo(&mut state, &0, &self.state, output)?;
        output.status("Removed", "what `cargo fata net up` made");
        Ok(())
    }

    fn show(&self, output: Output) -> anyhow::Result<()> {
        let state = State::read(&self.state)?;
        if state.done.is_empty() {
            output.status("Clean", NOTHING);
        }
        for step in state.done {
            anstream::println!("{}", line(&step.todo));
        }
        Ok(())
    }
}

/// Takes back all steps but the first `keep`, the last one first.
///
/// A step that cannot be taken back, because somebody else has removed what it made, is warned of
/// and passed over: the others still have to go.
fn undo(
    state: &mut State,
    keep: &usize,
    folder: &std::path::Path,
    output: Output,
) -> anyhow::Result<()> {
    while state.done.len() > *keep {
        let Some(step) = state.done.pop() else { break };
        if !step.undo.is_empty() {
            output.detail("Running", line(&step.undo));
            if let Err(error) = run(&step.undo) {
                output.warning(format_args!("{error:#}"));
            }
        }
        state.write(folder)?;
    }
    Ok(())
}

fn need_root(command: &str) -> anyhow::Result<()> {
    if rustix::process::geteuid().is_root() {
        return Ok(());
    }
    Err(failure(
        format!("`cargo fata {command}` needs root"),
        "use `sudo`, or do without: `cargo fata run --net service=user` needs no root",
    ))
}

/// The command as it would be typed.
fn line(command: &[String]) -> String {
    crate::config::quote_all(command)
}

fn run(command: &[String]) -> anyhow::Result<()> {
    let (program, arguments) = command.split_first().context("an empty command")?;
    let output = Command::new(program).args(arguments).output().map_err(|error| {
        failure(
            format!("cannot run `{program}`: {error}"),
            format!("install the package that has `{program}`: iproute2, nftables, iptables or procps"),
        )
    })?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(anyhow!(said).context(format!("`{}` failed", line(command))))
}
