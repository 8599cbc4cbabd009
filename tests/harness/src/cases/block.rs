// SPDX-License-Identifier: ISC
//! Rows about block devices.

use std::fs;

use super::Lab;
use crate::outcome::{Check, Ending};

/// Bytes of the disk: an even number of sectors of either size.
const SIZE: usize = 4 << 20;

pub(super) fn sectors_of_512(lab: &Lab) -> Check {
    sectors(lab, 512)
}

pub(super) fn sectors_of_4096(lab: &Lab) -> Check {
    sectors(lab, 4096)
}

/// The unikernel writes and reads every tenth block and the last, and misuses the device.
fn sectors(lab: &Lab, size: usize) -> Check {
    let file = lab.file("storage.img", SIZE)?;
    let launch = lab.launch().block("storage", &file);
    let launch = launch.option(format!("--block-sector-size:storage={size}"));
    launch
        .argument(format!("--block-size={size}"))
        .run()?
        .success()?;
    let data = fs::read(&file).map_err(|error| Ending::Failed(error.to_string()))?;
    let last = SIZE / size - 1;
    for (n, block) in data.chunks(size).enumerate() {
        let written = n % 10 == 0 || n == last;
        let expected = if written { n as u8 | 1 } else { 0 };
        if block.iter().any(|&byte| byte != expected) {
            return Err(Ending::Failed(format!(
                "block {n} of {file:?} is not as written"
            )));
        }
    }
    if data.len() != SIZE {
        return Err(Ending::Failed(format!(
            "{file:?} has grown to {} bytes",
            data.len()
        )));
    }
    Ok(())
}

/// A file that is not whole blocks is refused.
pub(super) fn odd_size(lab: &Lab) -> Check {
    refused(lab, 4096 + 100)
}

/// A file without a whole block is refused.
pub(super) fn too_small(lab: &Lab) -> Check {
    refused(lab, 511)
}

fn refused(lab: &Lab, size: usize) -> Check {
    let file = lab.file("odd.img", size)?;
    let launch = lab
        .launch()
        .block("storage", &file)
        .argument("--block-size=512");
    let outcome = launch.run()?;
    outcome.exits(1)?;
    if outcome.output.contains("SUCCESS") {
        return outcome.fails("the tender to refuse the file");
    }
    if !lab.platform.is_stock() {
        outcome.says("odd.img")?;
    }
    Ok(())
}

/// All 63 devices that a manifest can have are attached, each to its own file.
pub(super) fn max_devices(lab: &Lab) -> Check {
    let mut launch = lab.launch();
    for n in 1..=63_u8 {
        let path = lab.file(&format!("{n}.img"), 512)?;
        fs::write(&path, [n; 512]).map_err(|error| Ending::Failed(error.to_string()))?;
        launch = launch.block(&format!("d{n}"), &path);
    }
    launch.run()?.success()
}

/// An image does not start with a device missing, and the tender says which.
pub(super) fn device_missing(lab: &Lab) -> Check {
    let mut launch = lab.launch();
    for n in (1..=63).filter(|&n| n != 40) {
        launch = launch.block(&format!("d{n}"), &lab.file(&format!("{n}.img"), 512)?);
    }
    let outcome = launch.run()?;
    outcome.exits(1)?;
    outcome.says("d40")
}
