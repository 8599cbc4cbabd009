// SPDX-License-Identifier: ISC
//! Which entry of the manifest a device is.

use core::sync::atomic::{AtomicU64, Ordering};

use fata_abi::{
    Handle,
    manifest::{DeviceKind, Manifest},
    platform,
};
use fata_runtime::Error;

/// A device's place in the manifest, from which it is opened.
#[derive(Debug)]
pub struct Port {
    name: &'static str,
}

/// Handles that were opened, one bit each.
static CLAIMED: AtomicU64 = AtomicU64::new(0);

impl Port {
    /// The place of the device that is called `name`. `#[derive(Devices)]` makes these.
    pub const fn new(name: &'static str) -> Self {
        Self { name }
    }

    /// The name in the manifest.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// The handle under which the platform knows the device. A handle is given once only: whoever
    /// has it is alone with the device, which those who lend memory to it rely on.
    ///
    /// # Errors
    ///
    /// If the manifest has no such device, or if it was claimed before.
    pub fn claim(&self) -> Result<Handle, Error> {
        let manifest = Manifest::from_tender(platform::image().manifest.get());
        let found = manifest
            .devices()
            .find(|(_, device)| device.name == self.name)
            .and_then(|(index, _)| Handle::new(index));
        let Some(handle) = found else {
            return Err(message(&["device not in the manifest: `", self.name, "`"]));
        };
        let bit = 1 << handle.index();
        if CLAIMED.fetch_or(bit, Ordering::Relaxed) & bit != 0 {
            return Err(message(&["device opened twice: `", self.name, "`"]));
        }
        Ok(handle)
    }

    /// The error when the platform refuses to open the device.
    pub fn refused(&self) -> Error {
        let manifest = Manifest::from_tender(platform::image().manifest.get());
        let kind = manifest
            .devices()
            .find(|(_, device)| device.name == self.name)
            .map(|(_, device)| device.kind);
        let option = match kind {
            Some(DeviceKind::Block) => "block",
            Some(DeviceKind::Net) | None => "net",
        };
        message(&[
            "device was not attached; start the image with `--",
            option,
            ":",
            self.name,
            "=...`",
        ])
    }
}

/// An error in these words. Not with `format`, which an image would have for this alone.
fn message(words: &[&str]) -> Error {
    Error::msg(words.concat())
}
