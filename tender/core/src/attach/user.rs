// SPDX-License-Identifier: ISC
//! Network devices over the user-mode network, which runs in a process of its own.

use std::os::fd::OwnedFd;

use crate::Error;

pub(super) fn start(name: &str, _config: &str) -> Result<(OwnedFd, u16), Error> {
    Err(Error::new(format!("--net:{name}=user")))
}
