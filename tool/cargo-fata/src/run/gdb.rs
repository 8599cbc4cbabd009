// SPDX-License-Identifier: ISC
//! A unikernel with gdb in the terminal: the tender waits, gdb is given symbols and port.

use std::{
    env, fs,
    io::stdout,
    os::unix::process::{CommandExt, ExitStatusExt},
    process::{Child, Command, ExitCode, ExitStatus, Stdio},
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, anyhow};
use rustix::process::Signal;

use super::{Linked, Start, ended, pass_on};
use crate::{build::compile, failure::failure, interrupt, output::Output};

/// Longest time from the start of a tender until it waits for gdb.
const PATIENCE: Duration = Duration::from_secs(20);
/// Time between two looks.
const PAUSE: Duration = Duration::from_millis(5);
/// State of a socket that listens, in the kernel's tables.
const LISTENS: &str = "0A";

/// Whether there is a gdb to start.
pub fn check_installed() -> anyhow::Result<()> {
    let path = env::var_os("PATH").unwrap_or_default();
    if env::split_paths(&path).any(|folder| folder.join("gdb").is_file()) {
        return Ok(());
    }
    Err(failure(
        "gdb is not installed",
        "install it, for example with `apt install gdb`; `--gdb=wait` waits for one elsewhere",
    ))
}

/// Runs `start`, whose tender waits on `port`, with gdb until that ends and then without; the status
/// is the unikernel's, unless gdb ended it.
pub fn run(start: Start, port: u16, output: Output) -> anyhow::Result<ExitCode> {
    let Start {
        mut command,
        linked,
        ..
    } = start;
    output.detail("Running", compile::describe(&command));
    let interrupted = interrupt::leave_to_others()?;
    let mut child = command
        // Not in the terminal's foreground: an interrupt is for gdb, which stops the unikernel.
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start the tender")?;
    let console = child
        .stdout
        .take()
        .context("the unikernel has no console")?;
    let names = linked.clone();
    let console = thread::spawn(move || pass_on(console, stdout(), &names));
    let debugged = debug(&mut child, &linked, port, output);
    if debugged.is_err() {
        // A unikernel that nobody will let run on.
        let _ = child.kill();
    }
    interrupted.store(false, Relaxed);
    let status = outlive(&mut child, &interrupted)?;
    let passed = console
        .join()
        .map_err(|_| anyhow!("the console was lost"))?;
    debugged?;
    passed?;
    if status.signal() == Some(Signal::KILL.as_raw()) {
        // By gdb, or by an interrupt: as it was wanted.
        return Ok(ExitCode::SUCCESS);
    }
    Ok(ended(status, output))
}

/// Waits for the end of a unikernel that gdb let go, or ends it when the terminal says so.
fn outlive(child: &mut Child, interrupted: &AtomicBool) -> anyhow::Result<ExitStatus> {
    loop {
        if let Some(status) = child.try_wait().context("cannot wait for the unikernel")? {
            return Ok(status);
        }
        if interrupted.load(Relaxed) {
            let _ = child.kill();
        }
        thread::sleep(PAUSE);
    }
}

/// Starts gdb when the tender waits, and waits for its end.
fn debug(child: &mut Child, linked: &Linked, port: u16, output: Output) -> anyhow::Result<()> {
    if !waits(child, port)? {
        // It said why.
        return Ok(());
    }
    let mut gdb = Command::new("gdb");
    gdb.arg("-q");
    // Nothing of an image is loaded by the host, and no file of it is anywhere else.
    for setting in ["set osabi none", "set sysroot /nonexistent"] {
        gdb.args(["-iex", setting]);
    }
    gdb.args(["-ex", &format!("target remote localhost:{port}")]);
    match linked.find() {
        Some(file) => drop(gdb.arg(file)),
        None => output.warning("no symbols of this image are here; `cargo fata build` keeps them"),
    }
    output.detail("Running", compile::describe(&gdb));
    gdb.status().context("cannot start gdb")?;
    match is_listening(port) {
        true => Err(anyhow!("gdb ended without having connected")),
        false => Ok(()),
    }
}

/// Waits until the tender waits; `false` if it ended instead.
fn waits(child: &mut Child, port: u16) -> anyhow::Result<bool> {
    let started = Instant::now();
    while !is_listening(port) {
        if child
            .try_wait()
            .context("cannot look at the tender")?
            .is_some()
        {
            return Ok(false);
        }
        if started.elapsed() > PATIENCE {
            return Err(anyhow!("the tender does not wait for gdb on port {port}"));
        }
        thread::sleep(PAUSE);
    }
    Ok(true)
}

/// Whether a socket listens on `port`. To try it would take the place of gdb.
fn is_listening(port: u16) -> bool {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"];
    let table = |path| fs::read_to_string(path).unwrap_or_default();
    tables.map(table).iter().any(|table| lists(table, port))
}

/// Whether the kernel's table of sockets has one that listens on `port`.
fn lists(table: &str, port: u16) -> bool {
    let port = format!(":{port:04X}");
    table.lines().any(|line| {
        let mut fields = line.split_whitespace().skip(1);
        let local = fields.next().unwrap_or_default();
        local.ends_with(&port) && fields.nth(1) == Some(LISTENS)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_that_listens_is_found() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue\n   \
            0: 0100007F:04D2 00000000:0000 0A 00000000:00000000\n   \
            1: 0100007F:1F90 0100007F:9C40 01 00000000:00000000\n";
        assert!(lists(table, 1234));
        assert!(!lists(table, 8080), "connected, not listening");
        assert!(!lists(table, 0x4d));
        assert!(!lists("", 1234) && !lists("\n0:\n", 1234));
    }
}
