// SPDX-License-Identifier: ISC
//! A guest that attacks its tender, in the way that its arguments say.
//!
//! It uses nothing of the platform once it has begun, and no definition of the ABI, only numbers: an
//! attacker reads the specification, not our code. `--attack=refused` and `--attack=rings` make many
//! attacks after which a guest goes on, check each, and print `SUCCESS`. Any other ends the guest if
//! the tender is right, and prints `REACHED` if it is not.

#![no_std]
#![no_main]

mod calls;
mod cpu;
mod machine;
mod places;
mod refused;
mod rings;
mod system;

use fata::prelude::*;

#[derive(fata::Devices)]
struct Devices {
    service: Nic,
    storage: Disk,
}

#[derive(fata::Args)]
pub(crate) struct Args {
    /// Which attack.
    attack: String,
    /// Number of a hypercall, of a system call, or of a ring.
    #[arg(default = 0)]
    number: u64,
    /// Where the structure of a call is: a place, or a number.
    #[arg(default = "call")]
    at: String,
    /// Where its data are, likewise.
    #[arg(default = "data")]
    data: String,
    /// How many bytes they are said to be.
    #[arg(default = 512)]
    len: u64,
    /// First byte on the disk.
    #[arg(default = 0)]
    offset: u64,
    /// Handle of the device.
    #[arg(default = 0)]
    handle: u64,
}

#[fata::main]
async fn main(devices: Devices, args: Args) {
    // Open for good, with whatever is lent to them.
    core::mem::forget((devices.service, devices.storage));
    match args.attack.as_str() {
        "call" => calls::attack(&args),
        "refused" => refused::attacks(),
        "ring" => rings::attack(&args),
        "rings" => rings::attacks(),
        "rewrite" => rings::rewrite(),
        "system-call" => system::attack(&args),
        "system-calls" => system::attacks(),
        name => cpu::attack(name),
    }
}
