// SPDX-License-Identifier: ISC
//! Guests that go on for ever, and what ends them.

use std::{
    fs,
    io::{self, Read},
    process::Command,
    thread,
    time::Duration,
};

use super::{Attacker, failed};
use crate::{
    cases::{Lab, MEMORY},
    launch::Running,
    outcome::{Check, Ending, Status},
    pace,
};

/// Kilobytes that a tender takes at most beside the guest's memory.
const TENDER: u64 = 16 << 10;

/// A guest that never yields is ended like any process, at once, by what it is used to. One that
/// floods its console, too, and takes no memory of the host's by it, whether somebody reads or not.
pub(in crate::cases) fn endless(lab: &Lab) -> Check {
    let attacker = Attacker::on_hvt(lab)?;
    for (signal, number) in [("TERM", 15), ("INT", 2)] {
        ends_by(attacker.start(attacker.launch("spin"))?, signal, number)?;
    }
    // This may have the hypervisor itself run in circles, or give up.
    let mut image = attacker.start(attacker.launch("root-nowhere"))?;
    pause();
    match image.is_running() {
        true => ends_by(image, "TERM", 15)?,
        false => image.wait()?.says("fata-hvt: the guest was stopped")?,
    }
    let (reader, writer) = io::pipe().map_err(failed)?;
    let launch = attacker.launch("console-flood").output(writer);
    let image = attacker.start(launch)?;
    let process = image.id();
    pause();
    let first = held(process)?;
    let mut reader = reader;
    for _ in 0..64 {
        let mut bytes = [0; 4096];
        reader.read_exact(&mut bytes).map_err(failed)?;
    }
    drop(reader);
    pause();
    for held in [first, held(process)?] {
        if held > TENDER + u64::from(MEMORY) * 1024 {
            return Err(Ending::Failed(format!("a flood took {held} KB of memory")));
        }
    }
    ends_by(image, "TERM", 15)
}

fn pause() {
    thread::sleep(pace::limit(Duration::from_secs(1)));
}

/// The image runs, until this signal ends it.
fn ends_by(mut image: Running, signal: &str, number: i32) -> Check {
    pause();
    if !image.is_running() {
        return image.wait()?.fails("a guest that goes on");
    }
    let line = format!("kill -{signal} {}", image.id());
    Command::new("sh")
        .args(["-c", &line])
        .status()
        .map_err(failed)?;
    let outcome = image.wait()?;
    match outcome.status {
        Status::Killed(by) if by == number => Ok(()),
        _ => outcome.fails(&format!("an end by SIG{signal}")),
    }
}

/// Kilobytes of memory that are a process's own.
fn held(process: u32) -> Result<u64, Ending> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).map_err(failed)?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmData:"));
    let number = line.and_then(|line| line.trim().strip_suffix(" kB"));
    let number = number.and_then(|number| number.parse().ok());
    number.ok_or_else(|| Ending::Failed(format!("no `VmData` of process {process}")))
}
