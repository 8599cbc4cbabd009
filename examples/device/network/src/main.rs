// SPDX-License-Identifier: ISC
//! Accepts connections and logs what they send.
//!
//! As a unikernel, reachable at port 8080 of this machine without being root:
//! `cargo fata run -p network --net:service=user,tcp:8080:8080`, then `nc localhost 8080`.

#![no_std]
#![no_main]

use core::net::SocketAddr;

use fata::{net::TcpStream, prelude::*};

#[derive(fata::Devices)]
struct Devices {
    /// The network that clients come from. A stack is a network card with protocols on top; it
    /// brings boot arguments such as `--ipv4`, and asks DHCP for an address without them.
    service: Stack,
}

#[derive(fata::Args)]
struct Args {
    /// Port to listen on.
    #[arg(default = 8080)]
    port: u16,
}

#[fata::main]
async fn main(devices: Devices, args: Args) -> Result<(), Error> {
    let listener = TcpListener::bind(&devices.service, args.port)?;
    info!("listening on port {}", args.port);
    loop {
        let (stream, peer) = listener.accept().await?;
        // A task for each connection, so that a slow client keeps nobody waiting.
        spawn(serve(stream, peer));
    }
}

async fn serve(mut stream: TcpStream, peer: SocketAddr) {
    info!("{peer}: connected");
    let mut buffer = [0; 512];
    loop {
        match stream.read(&mut buffer).await {
            Ok(0) => return info!("{peer}: closed"),
            Ok(len) => info!("{peer}: {}", buffer[..len].escape_ascii()),
            Err(error) => return info!("{peer}: {error}"),
        }
    }
}
