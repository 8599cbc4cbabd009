// SPDX-License-Identifier: ISC
//! Whether the devices that are given are those that the image asks for.

use fata_abi::manifest::{DeviceKind, Manifest};

use crate::{devices::Devices, failure::failure, output::Output};

/// Gives a user-mode network to every network device without one, and names disks that lack a file.
pub fn attach_all(
    manifest: &Manifest<&[u8]>,
    devices: &mut Devices,
    output: Output,
) -> anyhow::Result<()> {
    let named = |kind: DeviceKind| -> Vec<&str> {
        let devices = manifest
            .devices()
            .filter(move |(_, device)| device.kind == kind);
        devices.map(|(_, device)| device.name).collect()
    };
    let (nets, blocks) = (named(DeviceKind::Net), named(DeviceKind::Block));
    unknown(
        "net",
        devices.net.keys().chain(devices.net_mac.keys()),
        &nets,
    )?;
    unknown(
        "block",
        devices.block.keys().chain(devices.block_sector_size.keys()),
        &blocks,
    )?;
    for name in nets {
        if !devices.net.contains_key(name) {
            output.detail("Network", format_args!("`{name}` is a user-mode network"));
            devices.net.insert(name.to_owned(), "user".to_owned());
        }
    }
    for name in blocks {
        if !devices.block.contains_key(name) {
            return Err(failure(
                format!("no file is given for the disk `{name}`"),
                format!(
                    "make one with `truncate -s 16M disk.img` and add `--block {name}=disk.img`, \
                     or remember it with `cargo fata configure --block {name}=disk.img`"
                ),
            ));
        }
    }
    Ok(())
}

fn unknown<'a>(
    kind: &str,
    mut given: impl Iterator<Item = &'a String>,
    known: &[&str],
) -> anyhow::Result<()> {
    let Some(name) = given.find(|name| !known.contains(&name.as_str())) else {
        return Ok(());
    };
    let list = match known {
        [] => "it has none".to_owned(),
        some => format!("it has: `{}`", some.join("`, `")),
    };
    Err(failure(
        format!("the image has no {kind} device `{name}`; {list}"),
        format!("if `Fata.toml` says so, `cargo fata configure --unset {kind}.{name}` removes it"),
    ))
}
