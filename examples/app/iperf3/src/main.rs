// SPDX-License-Identifier: ISC
//! Measures a network: the server side of iperf3, for its stock client.
//!
//! As a unikernel, reachable on this machine without being root:
//! `cargo fata run -p iperf3 --net:service=user,tcp:5201:5201,udp:5201:5201`, then
//! `iperf3 -c 127.0.0.1`, with `-R` for the other direction, `-P 4` for four streams, `-u` for
//! datagrams. To measure this stack rather than that network, give it a tap:
//! `--net:service=tap0 -- --ipv4=10.0.0.2/24`.

#![no_std]
#![no_main]

use core::{
    net::SocketAddr,
    task::{Context, Poll},
};

use fata::{
    net::{TcpConfig, UdpConfig},
    prelude::*,
};
use iperf3::{Datagrams, Flow, Gone, Server};

/// What the server is given.
#[derive(fata::Devices)]
struct Devices {
    /// The network to be measured.
    service: Stack,
}

/// Boot arguments.
#[derive(fata::Args)]
struct Args {
    /// Port to listen on, for TCP and UDP.
    #[arg(default = 5201)]
    port: u16,
}

/// Room for what arrives while the program does something else.
const UDP: UdpConfig = UdpConfig {
    receive_buffer: 1 << 20,
};

#[fata::main]
async fn main(devices: Devices, args: Args) -> Result<(), Error> {
    let stack = devices.service;
    let config = TcpConfig {
        // As many streams as a client may open at once.
        backlog: 256,
        ..TcpConfig::default()
    };
    let listener = TcpListener::bind_with(&stack, args.port, config)?;
    let datagrams = Socket(UdpSocket::bind_with(&stack, args.port, UDP)?);
    let server = Server::new(Some(datagrams));
    info!("listening on port {}", args.port);
    loop {
        let (stream, peer) = listener.accept().await?;
        spawn(server.clone().serve(Stream(stream), peer)).detach();
    }
}

struct Stream(TcpStream);

impl Flow for Stream {
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<Result<usize, Gone>> {
        self.0.poll_read(cx, buffer).map(|result| match result {
            Ok(0) | Err(_) => Err(Gone),
            Ok(len) => Ok(len),
        })
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize, Gone>> {
        self.0.poll_write(cx, bytes).map_err(|_| Gone)
    }

    fn set_nodelay(&mut self, nodelay: bool) {
        self.0.set_nodelay(nodelay);
    }
}

struct Socket(UdpSocket);

impl Datagrams for Socket {
    fn poll_receive(&self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<(usize, SocketAddr)> {
        loop {
            // An error is one of an earlier datagram, and clears itself.
            if let Ok(received) = core::task::ready!(self.0.poll_recv_from(cx, buffer)) {
                return Poll::Ready(received);
            }
        }
    }

    fn poll_send(
        &self,
        cx: &mut Context<'_>,
        datagram: &[u8],
        to: SocketAddr,
    ) -> Poll<Result<(), Gone>> {
        self.0.poll_send_to(cx, datagram, to).map_err(|_| Gone)
    }
}
