// SPDX-License-Identifier: ISC
//! Devices: the traits they have, the ones that the platform gives, and how to make others.
//!
//! A type becomes a device of programs by implementing [`Device`]; [`Nic`], [`Disk`] and [`Files`]
//! do, and devices made of others pass on what those need. For tests there are devices in
//! [`memory`], and [`weather`] makes a good network bad.

pub use fata_device::*;
pub use fata_wiring::{Device, DeviceKind, Disk, Embed, Files, Nic, Port, RuntimeClock};
