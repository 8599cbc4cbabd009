// SPDX-License-Identifier: ISC
//! Answers datagrams with the time since the start.
//!
//! As a unikernel, reachable at port 5000 of this machine without being root:
//! `cargo fata run -p net-udp --net:service=user,udp:5000:5000`, then `nc -u localhost 5000`, and
//! type a line.

#![no_std]
#![no_main]

use fata::prelude::*;

#[derive(fata::Devices)]
struct Devices {
    /// The network that datagrams come from.
    service: Stack,
}

#[derive(fata::Args)]
struct Args {
    /// Port to answer on.
    #[arg(default = 5000)]
    port: u16,
}

#[fata::main]
async fn main(devices: Devices, args: Args) -> Result<(), Error> {
    let start = Instant::now();
    let socket = UdpSocket::bind(&devices.service, args.port)?;
    info!("listening on port {}", args.port);
    // A socket keeps datagrams apart: each `recv_from` gives one, whole, and says who sent it. What
    // is longer than the buffer is cut off.
    let mut buffer = [0; 1500];
    loop {
        let (len, peer) = socket.recv_from(&mut buffer).await?;
        info!("{peer}: {}", buffer[..len].trim_ascii_end().escape_ascii());
        let answer = format!("up for {} ms\n", start.elapsed().as_millis());
        // Sent is not arrived. Who needs to know asks again, as a client of DNS does.
        socket.send_to(answer.as_bytes(), peer).await?;
    }
}
