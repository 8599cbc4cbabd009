// SPDX-License-Identifier: ISC
//! Network devices over the user-mode network, which runs in a process of its own.

use std::os::fd::OwnedFd;

use fata_usernet::Config;

use crate::Error;

/// Starts a network for the device `name`, whose hardware address is `mac`.
pub(super) fn start(name: &str, config: &Config, mac: [u8; 6]) -> Result<(OwnedFd, u16), Error> {
    let network = fata_usernet::spawn(config.clone(), mac).map_err(|error| {
        Error::new(format!(
            "cannot start the user network of `{name}`: {error}"
        ))
    })?;
    Ok((network.into_socket(), fata_usernet::MTU as u16))
}
