// SPDX-License-Identifier: ISC
//! The device says how long its frames may be, and longer ones are refused.

#![no_std]
#![no_main]

use fata::{device::NetError, prelude::*};

#[path = "../../net/src/responder.rs"]
mod responder;

#[derive(fata::Devices)]
struct Devices {
    service: Nic,
}

#[derive(fata::Args)]
struct Args {
    /// What the device should say.
    mtu: u16,
    /// Echo requests to answer.
    count: u32,
}

#[fata::main]
async fn main(devices: Devices, args: Args) -> Result<(), Error> {
    let mut nic = devices.service;
    let info = nic.info();
    assert_eq!(info.mtu, args.mtu);
    let len = info.max_frame + 1;
    let max = info.max_frame;
    assert_eq!(
        nic.reserve(len).await.err(),
        Some(NetError::TooLong { len, max })
    );
    responder::answer(&mut nic, [10, 0, 0, 2], args.count).await?;
    println!("SUCCESS");
    Ok(())
}
