// SPDX-License-Identifier: ISC
//! Connects the devices of a manifest to what the command line names for them on the host.
//!
//! [`attach`] is all or nothing: every device of the manifest gets a descriptor, and every option a
//! device, or there is an error that says which did not. What it returns owns the descriptors; the
//! manifest then holds their numbers and the properties of each device, ready for a guest.

mod block;
mod ifreq;
mod tap;
mod user;

use std::os::fd::{AsRawFd, OwnedFd};

use fata_abi::manifest::{Attachment, DeviceKind, Manifest, Properties};

use crate::{
    Error,
    options::{DEFAULT_SECTOR_SIZE, Named, NetSource, Options},
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
    let user = |net: &Named<_>| matches!(net.value, NetSource::User(_));
    options.nets.iter().any(user)
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
pub fn attach<B: AsRef<[u8]> + AsMut<[u8]>>(
    manifest: &mut Manifest<B>,
    options: &Options,
    wants: Wants,
) -> Result<Vec<Attached>, Error> {
    check_names(manifest, options)?;
    let mut attached = connect(manifest, options, wants)?;
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

/// Connects all devices, whose names have been checked. Descriptors of the caller come first, before
/// anything that is opened here could have their numbers; then user-mode networks, whose processes
/// so do not inherit what is opened for other devices.
fn connect<B: AsRef<[u8]>>(
    manifest: &Manifest<B>,
    options: &Options,
    wants: Wants,
) -> Result<Vec<Attached>, Error> {
    let mut attached = Vec::new();
    let mut nets: Vec<_> = options.nets.iter().collect();
    nets.sort_by_key(|net| match net.value {
        NetSource::Descriptor(_) => 0,
        NetSource::User(_) => 1,
        NetSource::Tap(_) => 2,
    });
    for Named { name, value } in nets {
        let mac = match find(&options.macs, name) {
            Some(&mac) => mac,
            None => random_mac()?,
        };
        let (descriptor, mtu, vnet) = match value {
            NetSource::Tap(interface) => tap::open(name, interface, wants)?,
            NetSource::Descriptor(number) => tap::adopt(name, *number, wants)?,
            NetSource::User(config) => {
                let (socket, mtu) = user::start(name, config, mac)?;
                (socket, mtu, None)
            }
        };
        attached.push(Attached {
            index: index_of(manifest, name),
            descriptor,
            properties: Properties::Net { mac, mtu },
            vnet,
        });
    }
    for Named { name, value } in &options.blocks {
        let block_size = find(&options.sector_sizes, name).copied();
        let block_size = block_size.unwrap_or(DEFAULT_SECTOR_SIZE);
        let (descriptor, capacity) = block::open(name, value, block_size)?;
        attached.push(Attached {
            index: index_of(manifest, name),
            descriptor,
            properties: Properties::Block {
                capacity,
                block_size,
            },
            vnet: None,
        });
    }
    Ok(attached)
}

fn find<'a, T>(list: &'a [Named<T>], name: &str) -> Option<&'a T> {
    let named = list.iter().find(|named| named.name == name)?;
    Some(&named.value)
}

fn index_of<B: AsRef<[u8]>>(manifest: &Manifest<B>, name: &str) -> usize {
    let mut devices = manifest.devices();
    let found = devices.find(|(_, device)| device.name == name);
    found.expect("a name that `check_names` has found").0
}

/// Checks that options and devices fit each other, before anything on the host is touched.
fn check_names<B: AsRef<[u8]>>(manifest: &Manifest<B>, options: &Options) -> Result<(), Error> {
    for net in &options.nets {
        check_device(manifest, &net.name, DeviceKind::Net)?;
    }
    for block in &options.blocks {
        check_device(manifest, &block.name, DeviceKind::Block)?;
    }
    for mac in &options.macs {
        if find(&options.nets, &mac.name).is_none() {
            return Err(alone("--net-mac", DeviceKind::Net, &mac.name));
        }
    }
    for size in &options.sector_sizes {
        if find(&options.blocks, &size.name).is_none() {
            return Err(alone("--block-sector-size", DeviceKind::Block, &size.name));
        }
    }
    check_complete(manifest, options)
}

fn check_device<B: AsRef<[u8]>>(
    manifest: &Manifest<B>,
    name: &str,
    kind: DeviceKind,
) -> Result<(), Error> {
    let what = describe(kind);
    match manifest.devices().find(|(_, device)| device.name == name) {
        Some((_, device)) if device.kind == kind => Ok(()),
        Some((_, device)) => Err(Error::new(format!(
            "`{name}` is a {} device of the image, not a {what} device",
            describe(device.kind)
        ))
        .hint(format!(
            "attach it with {}",
            Options::example(device.kind, name)
        ))),
        None => {
            let devices: Vec<_> = manifest
                .devices()
                .map(|(_, device)| format!("`{}` ({})", device.name, describe(device.kind)))
                .collect();
            Err(
                Error::new(format!("the image has no {what} device `{name}`")).hint(match devices
                    .is_empty()
                {
                    true => "it declares no devices: leave the option out".to_owned(),
                    false => format!("the devices it declares: {}", devices.join(", ")),
                }),
            )
        }
    }
}

fn check_complete<B: AsRef<[u8]>>(manifest: &Manifest<B>, options: &Options) -> Result<(), Error> {
    let missing: Vec<_> = manifest
        .devices()
        .map(|(_, device)| device)
        .filter(|device| match device.kind {
            DeviceKind::Net => find(&options.nets, device.name).is_none(),
            DeviceKind::Block => find(&options.blocks, device.name).is_none(),
        })
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let names: Vec<_> = missing
        .iter()
        .map(|device| format!("{} device `{}`", describe(device.kind), device.name))
        .collect();
    let examples: Vec<_> = missing
        .iter()
        .map(|device| Options::example(device.kind, device.name))
        .collect();
    Err(
        Error::new(format!("the image needs its {}", names.join(" and ")))
            .hint(format!("attach with {}", examples.join(" and "))),
    )
}

fn describe(kind: DeviceKind) -> &'static str {
    match kind {
        DeviceKind::Net => "network",
        DeviceKind::Block => "block",
    }
}

fn alone(option: &str, kind: DeviceKind, name: &str) -> Error {
    Error::new(format!(
        "`{option}:{name}` is given for a device that is not attached"
    ))
    .hint(format!("attach it with {}", Options::example(kind, name)))
}

/// A random address: locally administered, of one station.
fn random_mac() -> Result<[u8; 6], Error> {
    let mut mac = [0; 6];
    rustix::rand::getrandom(&mut mac, rustix::rand::GetRandomFlags::empty())
        .map_err(|error| Error::new(format!("cannot get random bytes: {error}")))?;
    mac[0] = mac[0] & 0xfc | 0x02;
    Ok(mac)
}

#[cfg(test)]
mod tests;
