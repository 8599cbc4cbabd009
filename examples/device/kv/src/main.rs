// SPDX-License-Identifier: ISC
//! Reads a file that is compiled into the image, and compares it with what it should be.

#![no_std]
#![no_main]

use fata::prelude::*;

/// What a program needs from outside is a type, and so is what it brings along: the directory
/// `data` becomes part of the image.
#[derive(fata::Devices)]
struct Devices {
    /// Files that the program reads.
    #[device(embed = "data")]
    store: Files,
}

/// What the file should hold.
const EXPECTED: &[u8] = b"foo";

#[fata::main]
async fn main(devices: Devices) -> Result<(), Error> {
    for entry in devices.store.list("").await? {
        info!("in the store: {}", entry.name);
    }
    // A missing key is an error with a message of its own; `context` adds what was wanted.
    let secret = devices
        .store
        .read("secret")
        .await
        .context("cannot read `secret`")?;
    if *secret != *EXPECTED {
        return Err(Error::msg("the secret is not what it should be"));
    }
    info!("the secret is right");
    Ok(())
}
