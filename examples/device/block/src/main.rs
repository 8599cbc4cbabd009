// SPDX-License-Identifier: ISC
//! Writes to a block device, reads back and compares, and tries what must fail.
//!
//! It overwrites the device. With a file of a megabyte as the disk:
//! `cargo fata run -p block --block:storage=disk.img`

#![no_std]
#![no_main]

use fata::{device::BlockError, prelude::*};

#[derive(fata::Devices)]
struct Devices {
    /// The device to test. Being called `storage` it is attached with `--block:storage=FILE`.
    storage: Disk,
}

/// What was tried, and what came of it.
#[derive(Default)]
struct Counters {
    started: u32,
    passed: u32,
}

impl Counters {
    fn count(&mut self, what: &str, passed: bool) {
        self.started += 1;
        if passed {
            self.passed += 1;
        } else {
            error!("failed: {what}");
        }
    }
}

#[fata::main]
async fn main(devices: Devices) -> Result<(), Error> {
    let disk = devices.storage;
    let info = disk.info();
    let sector = u64::from(info.block_size);
    let sectors = info.capacity / sector;
    info!(
        "{sectors} sectors of {sector} bytes, read_only={}",
        info.read_only
    );

    let mut counters = Counters::default();
    // A request may be any number of sectors. Where the platform takes one at a time, it is cut up
    // below.
    for (first, count) in [(0, 1), (sectors - 1, 1), (0, 2), (sectors - 12, 12)] {
        let passed = writes_and_reads(&disk, first * sector, (count * sector) as usize).await;
        counters.count(&format!("{count} sectors from {first}"), passed);
    }
    for (first, count) in [(sectors, 1), (sectors - 11, 12)] {
        let passed = is_refused(&disk, first * sector, (count * sector) as usize).await;
        counters.count(
            &format!("{count} sectors from {first} past the end"),
            passed,
        );
    }

    let Counters { started, passed } = counters;
    let failed = started - passed;
    info!("{started} started, {passed} passed, {failed} failed");
    if failed > 0 {
        return Err(Error::msg("the device does not work"));
    }
    Ok(())
}

async fn writes_and_reads(disk: &Disk, offset: u64, len: usize) -> bool {
    let mut pattern = Buffer::zeroed(len);
    for (at, byte) in pattern.iter_mut().enumerate() {
        *byte = offset as u8 ^ at as u8 ^ (at >> 8) as u8;
    }
    // The buffer goes to the device and comes back with the result: the device may need it longer
    // than we are willing to wait.
    let (pattern, written) = disk.write(offset, pattern).await;
    let (found, read) = disk.read(offset, Buffer::zeroed(len)).await;
    written.is_ok() && read.is_ok() && *found == *pattern
}

async fn is_refused(disk: &Disk, offset: u64, len: usize) -> bool {
    let (buffer, written) = disk.write(offset, Buffer::zeroed(len)).await;
    let (_, read) = disk.read(offset, buffer).await;
    written == Err(BlockError::OutOfRange) && read == Err(BlockError::OutOfRange)
}
