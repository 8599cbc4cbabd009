// SPDX-License-Identifier: ISC
//! The iperf3 server of the examples over smoltcp's own sockets: what the stack is compared with.
//!
//! As lean as it can be: no DHCP, no IPv6, no UDP, nothing between the device and smoltcp but the
//! waist.

#![no_std]
#![no_main]

extern crate alloc;

mod phy;
mod sockets;

use fata::{net::Ipv4Prefix, prelude::*};
use iperf3::{NoDatagrams, Server};

use crate::sockets::Network;

#[derive(fata::Devices)]
struct Devices {
    service: Nic,
}

#[derive(fata::Args)]
struct Args {
    /// IPv4 address with the length of its network.
    ipv4: Ipv4Prefix,
    /// Port to listen on.
    #[arg(default = 5201)]
    port: u16,
    /// Bytes of either buffer of a connection.
    #[arg(default = 1048576)]
    buffer: usize,
}

#[fata::main]
async fn main(devices: Devices, args: Args) -> Result<(), Error> {
    let (network, driver) = Network::new(devices.service, args.ipv4, args.buffer);
    spawn(driver).detach();
    let server = Server::new(None::<NoDatagrams>);
    network.listen(args.port);
    info!("listening on port {}", args.port);
    loop {
        let (stream, peer) = network.accept(args.port).await;
        spawn(server.clone().serve(stream, peer)).detach();
    }
}
