// SPDX-License-Identifier: ISC
//! Two network devices work at once, and each is itself.

#![no_std]
#![no_main]

use fata::prelude::*;

#[path = "../../net/src/responder.rs"]
mod responder;

#[derive(fata::Devices)]
struct Devices {
    service: Nic,
    second: Nic,
}

#[derive(fata::Args)]
struct Args {
    /// Echo requests to answer on each interface.
    count: u32,
}

#[fata::main]
async fn main(devices: Devices, args: Args) -> Result<(), Error> {
    let Devices {
        mut service,
        mut second,
    } = devices;
    assert_ne!(service.info().mac, second.info().mac);
    let first =
        spawn(async move { responder::answer(&mut service, [10, 0, 0, 2], args.count).await });
    responder::answer(&mut second, [10, 1, 0, 2], args.count).await?;
    first.await?;
    println!("SUCCESS");
    Ok(())
}
