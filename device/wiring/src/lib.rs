// SPDX-License-Identifier: ISC
//! How the devices of a program are named in its manifest and connected.
//!
//! A program lists its devices as the fields of a struct that derives `Devices`. Each field's type
//! is a [`Device`]: it says which entry it adds to the manifest, which boot arguments it brings, and
//! how it is connected. The bottom of every such composition is a device that the platform gives,
//! [`Nic`] or [`Disk`], or one that needs nothing from outside, like [`Files`].

#![no_std]

extern crate alloc;

mod clock;
mod disk;
mod files;
mod list;
mod nic;
mod port;
mod weather;

pub use clock::RuntimeClock;
pub use disk::Disk;
pub use fata_abi::manifest::DeviceKind;
pub use files::{Embed, Files};
pub use list::{DeviceList, count};
pub use nic::Nic;
pub use port::Port;
pub use weather::{
    Both, BurstArguments, CorruptArguments, DelayArguments, DuplicateArguments, LossArguments,
    RateArguments, ReorderArguments, TruncateArguments,
};

use fata_runtime::{Error, args::Arguments};

/// What can be a field of a program's devices.
///
/// Devices compose: one made of another passes on what that one needs and brings. If it has
/// arguments too, they are [`Both`].
///
/// ```ignore
/// impl<D: Device + Net> Device for Firewall<D> {
///     const NEEDS: Option<DeviceKind> = D::NEEDS;
///     type Arguments = D::Arguments;
///
///     async fn connect(port: Port, arguments: D::Arguments) -> Result<Self, Error> {
///         Ok(Firewall::new(D::connect(port, arguments).await?))
///     }
/// }
/// ```
pub trait Device: Sized {
    /// What must be attached to the image for it, if anything.
    const NEEDS: Option<DeviceKind>;

    /// Its boot arguments; `()` for none. They are known under their own names for devices called
    /// `service` and `storage`, and for any other device under names that begin with the field's.
    type Arguments: Arguments;

    /// Makes the device ready for use. Called once, before `main`, in the order of the fields.
    ///
    /// # Errors
    ///
    /// Whatever keeps it from working; the image then ends with status 1 and this message.
    fn connect(port: Port, arguments: Self::Arguments)
    -> impl Future<Output = Result<Self, Error>>;
}
