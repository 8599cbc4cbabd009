// SPDX-License-Identifier: ISC
//! Connects the devices of a manifest to what the command line names for them on the host.
//!
//! [`attach`] is all or nothing: every device of the manifest gets a descriptor, and every option a
//! device, or there is an error that says which did not. What it returns owns the descriptors; the
//! manifest then holds their numbers and the properties of each device, ready for a guest.

mod block;
mod ifreq;
mod tap;

use std::{
    collections::BTreeMap,
    os::fd::{AsRawFd, OwnedFd},
};

use fata_abi::manifest::{Attachment, DeviceKind, Manifest, Properties};

use crate::{
    Error,
    options::{DEFAULT_SECTOR_SIZE, NetSource, Options},
    system,
};

/// A device and what is behind it on the host.
#[derive(Debug)]
pub struct Attached {
    /// Index in the manifest.
    pub index: usize,
    /// What the guest reads and writes. It does not block where it is a network device's.
    pub descriptor: OwnedFd,
    /// What the device is like.
    pub properties: Properties,
    /// Set where a [virtio-net header](fata_abi::net::vnet) stands before each frame, both ways.
    pub vnet: Option<Vnet>,
}

/// What a tap does that has a virtio-net header before each frame, beside completing checksums and
/// cutting TCP, which it does for everybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vnet {
    /// It cuts UDP.
    pub udp: bool,
    /// It may hand in frames larger than the MTU.
    pub large: bool,
}

/// What the guest can make use of. The default is what Solo5's guests can: plain frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wants {
    /// A virtio-net header before each frame of a tap.
    pub vnet: bool,
    /// With [`vnet`](Self::vnet): frames larger than the MTU, which stand for several TCP segments.
    pub large: bool,
    /// With [`large`](Self::large): those that stand for several datagrams too.
    pub large_udp: bool,
}

impl Attached {
    /// What the manifest says of it.
    pub fn attachment(&self) -> Attachment {
        Attachment {
            fd: self.descriptor.as_raw_fd(),
            properties: self.properties,
        }
    }
}

/// Whether [`attach`] starts a process, which ends by itself when the guest does.
pub fn has_child(options: &Options) -> bool {
    let is_user = |net| matches!(net, &NetSource::User(_));
    options.nets.values().any(is_user)
}

/// Connects every device of `manifest`, in the order of the manifest, for a guest that can make use
/// of what `wants` says.
///
/// With a user-mode network this forks, so it must be called before there are other threads and
/// before anything is opened that the network's process should not inherit.
///
/// # Errors
///
/// An option without a device, a device without an option, or the host refuses.
pub fn attach(
    manifest: &mut Manifest<Vec<u8>>,
    options: &Options,
    wants: Wants,
) -> Result<Vec<Attached>, Error> {
    check_names(manifest, options)?;
    let mut attached = connect_nets(manifest, options, wants)?;
    for (name, path) in &options.blocks {
        let block_size = options.sector_sizes.get(name).copied();
        let block_size = block_size.unwrap_or(DEFAULT_SECTOR_SIZE);
        let (descriptor, capacity) = block::open(name, path, block_size)?;
        attached.push(Attached {
            index: find(manifest, DeviceKind::Block, name)?,
            descriptor,
            properties: Properties::Block {
                capacity,
                block_size,
            },
            vnet: None,
        });
    }
    attached.sort_by_key(|device| device.index);
    for device in &attached {
        manifest.attach(device.index, device.attachment());
    }
    Ok(attached)
}

/// Opens the existing tap interface `interface` for plain Ethernet frames, without blocking: what a
/// device without offloads gets.
///
/// # Errors
///
/// There is no such interface, it is down or taken, or the host refuses.
pub fn plain_tap(interface: &str) -> Result<OwnedFd, Error> {
    Ok(tap::open("service", interface, Wants::default())?.0)
}

/// Connects the network devices. Descriptors of the caller come first, before anything that is opened
/// here could have their numbers; then user-mode networks, whose processes so do not inherit what is
/// opened for other devices.
fn connect_nets(
    manifest: &Manifest<Vec<u8>>,
    options: &Options,
    wants: Wants,
) -> Result<Vec<Attached>, Error> {
    let mut attached = Vec::new();
    let mut nets: Vec<_> = options.nets.iter().collect();
    nets.sort_by_key(|(_, source)| match source {
        NetSource::Descriptor(_) => 0,
        NetSource::User(_) => 1,
        NetSource::Tap(_) => 2,
    });
    for (name, source) in nets {
        let mac = match options.macs.get(name) {
            Some(&mac) => mac,
            None => random_mac()?,
        };
        let (descriptor, mtu, vnet) = match source {
            NetSource::Tap(interface) => tap::open(name, interface, wants)?,
            NetSource::Descriptor(number) => tap::adopt(name, *number, wants)?,
            NetSource::User(config) => {
                let cannot = Error::cannot(format!("start the user network of `{name}`"));
                let network = fata_usernet::spawn(config.clone(), mac).map_err(cannot)?;
                (network.into_socket(), fata_usernet::MTU as u16, None)
            }
        };
        attached.push(Attached {
            index: find(manifest, DeviceKind::Net, name)?,
            descriptor,
            properties: Properties::Net { mac, mtu },
            vnet,
        });
    }
    Ok(attached)
}

/// Checks that options and devices fit each other, before anything on the host is touched.
fn check_names(manifest: &Manifest<Vec<u8>>, options: &Options) -> Result<(), Error> {
    let Options {
        nets,
        macs,
        blocks,
        sector_sizes,
        ..
    } = options;
    for name in nets.keys() {
        find(manifest, DeviceKind::Net, name)?;
    }
    for name in blocks.keys() {
        find(manifest, DeviceKind::Block, name)?;
    }
    let mut descriptors = BTreeMap::new();
    for (name, source) in nets {
        if let NetSource::Descriptor(number) = source
            && let Some(other) = descriptors.insert(number, name)
        {
            let what = format!("`{other}` and `{name}` are given the same descriptor, {number}");
            return Err(Error::new(what).hint("give each device one of its own"));
        }
    }
    if let Some(name) = macs.keys().find(|name| !nets.contains_key(*name)) {
        return Err(alone("--net-mac", DeviceKind::Net, name));
    }
    if let Some(name) = sector_sizes.keys().find(|name| !blocks.contains_key(*name)) {
        return Err(alone("--block-sector-size", DeviceKind::Block, name));
    }
    check_complete(manifest, options)
}

/// The index of the device `name`, which is to be of this kind.
fn find(manifest: &Manifest<Vec<u8>>, kind: DeviceKind, name: &str) -> Result<usize, Error> {
    let what = describe(kind);
    match manifest.devices().find(|(_, device)| device.name == name) {
        Some((index, device)) if device.kind == kind => Ok(index),
        Some((_, device)) => {
            let is = describe(device.kind);
            let example = Options::example(device.kind, name);
            Err(Error::new(format!(
                "`{name}` is a {is} device of the image, not a {what} device"
            ))
            .hint(format!("attach it with {example}")))
        }
        None => {
            let devices = manifest.devices().map(|(_, device)| device);
            let devices: Vec<_> = devices
                .map(|device| format!("`{}` ({})", device.name, describe(device.kind)))
                .collect();
            let hint = match devices.is_empty() {
                true => "it declares no devices: leave the option out".to_owned(),
                false => format!("the devices it declares: {}", devices.join(", ")),
            };
            Err(Error::new(format!("the image has no {what} device `{name}`")).hint(hint))
        }
    }
}

fn check_complete(manifest: &Manifest<Vec<u8>>, options: &Options) -> Result<(), Error> {
    let devices = manifest.devices().map(|(_, device)| device);
    let missing = devices.filter(|device| match device.kind {
        DeviceKind::Net => !options.nets.contains_key(device.name),
        DeviceKind::Block => !options.blocks.contains_key(device.name),
    });
    let (names, examples): (Vec<_>, Vec<_>) = missing
        .map(|device| {
            let name = format!("{} device `{}`", describe(device.kind), device.name);
            (name, Options::example(device.kind, device.name))
        })
        .unzip();
    if names.is_empty() {
        return Ok(());
    }
    let what = format!("the image needs its {}", names.join(" and "));
    Err(Error::new(what).hint(format!("attach with {}", examples.join(" and "))))
}

fn describe(kind: DeviceKind) -> &'static str {
    match kind {
        DeviceKind::Net => "network",
        DeviceKind::Block => "block",
    }
}

fn alone(option: &str, kind: DeviceKind, name: &str) -> Error {
    let what = format!("`{option}:{name}` is given for a device that is not attached");
    let example = Options::example(kind, name);
    Error::new(what).hint(format!("attach it with {example}"))
}

/// A random address: locally administered, of one station.
fn random_mac() -> Result<[u8; 6], Error> {
    let mut mac = system::random()?;
    mac[0] = mac[0] & 0xfc | 0x02;
    Ok(mac)
}

#[cfg(test)]
mod tests;
