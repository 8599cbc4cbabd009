// SPDX-License-Identifier: ISC
//! A client: sends a line to a server and prints the answer, and does not wait for ever.
//!
//! Start the server of `net-tcp-server`, as its first lines say, and beside it
//! `cargo fata run -p net-tcp-client --net:service=user,host -- --server=10.0.2.2:5000`: with
//! `host`, that address leads to this machine.

#![no_std]
#![no_main]

use core::net::SocketAddr;

use fata::prelude::*;

#[derive(fata::Devices)]
struct Devices {
    /// The network that leads to the server.
    service: Stack,
}

#[derive(fata::Args)]
struct Args {
    /// Address and port of the server.
    server: SocketAddr,
    /// What to say to it.
    #[arg(default = "how many words are these")]
    message: String,
    /// How long all of it may take.
    #[arg(default = "30s")]
    limit: Duration,
}

#[fata::main]
async fn main(devices: Devices, args: Args) -> Result<(), Error> {
    let server = args.server;
    // One limit for the whole errand: what has not happened by then is dropped, and with it the
    // connection.
    let answer = timeout(args.limit, ask(&devices.service, server, &args.message));
    let answer = answer
        .await
        .context("the server takes too long")?
        .context(&format!("asking {server}"))?;
    println!("{}", answer.trim_ascii_end().escape_ascii());
    Ok(())
}

async fn ask(stack: &Stack, server: SocketAddr, message: &str) -> Result<Vec<u8>, Error> {
    let mut stream = TcpStream::connect(stack, server).await?;
    stream.write_all(message.as_bytes()).await?;
    stream.write_all(b"\n").await?;
    // Half a close: the server reads an end, and we still read its answer.
    stream.shutdown().await?;
    let mut answer = Vec::new();
    let mut buffer = [0; 512];
    loop {
        match stream.read(&mut buffer).await? {
            0 => return Ok(answer),
            len => answer.extend_from_slice(&buffer[..len]),
        }
    }
}
