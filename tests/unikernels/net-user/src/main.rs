// SPDX-License-Identifier: ISC
//! On a network without root the address comes by DHCP, and forwarded ports lead here.
//!
//! Port 7 sends back what it gets, in datagrams and on streams, until a datagram says `stop`.

#![no_std]
#![no_main]

use fata::prelude::*;

#[derive(fata::Devices)]
struct Devices {
    service: Stack,
}

#[fata::main]
async fn main(devices: Devices) -> Result<(), Error> {
    let stack = devices.service;
    stack.wait_configured().await;
    let listener = TcpListener::bind(&stack, 7)?;
    spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            spawn(echo(stream)).detach();
        }
    })
    .detach();
    let socket = UdpSocket::bind(&stack, 7)?;
    let mut buffer = [0; 1472];
    loop {
        let (len, peer) = socket.recv_from(&mut buffer).await?;
        socket.send_to(&buffer[..len], peer).await?;
        if buffer[..len] == *b"stop" {
            // The answer leaves while others run.
            sleep(Duration::from_millis(50)).await;
            println!("SUCCESS");
            return Ok(());
        }
    }
}

async fn echo(mut stream: TcpStream) -> Result<(), Error> {
    let mut buffer = vec![0; 16 << 10];
    loop {
        match stream.read(&mut buffer).await? {
            0 => break,
            len => stream.write_all(&buffer[..len]).await?,
        }
    }
    Ok(stream.shutdown().await?)
}
