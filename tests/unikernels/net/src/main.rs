// SPDX-License-Identifier: ISC
//! A network device receives and sends: ARP and echo requests are answered, by hand.

#![no_std]
#![no_main]

use fata::prelude::*;

mod responder;

#[derive(fata::Devices)]
struct Devices {
    service: Nic,
}

#[derive(fata::Args)]
struct Args {
    /// Echo requests to answer.
    count: u32,
}

#[fata::main]
async fn main(devices: Devices, args: Args) -> Result<(), Error> {
    let mut nic = devices.service;
    assert_eq!(nic.info().mtu, 1500);
    responder::answer(&mut nic, [10, 0, 0, 2], args.count).await?;
    println!("SUCCESS");
    Ok(())
}
