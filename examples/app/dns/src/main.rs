// SPDX-License-Identifier: ISC
//! An authoritative DNS server whose zones are compiled into the image.
//!
//! Zones are the files in `zones`, each named after its zone; `build.rs` compiles them. Datagrams
//! are answered by a function that runs on the received frame; streams, which carry large answers
//! and zone transfers, have a task for each connection. Secondary servers are notified once, at the
//! start, because a zone here changes with the image.

#![no_std]
#![no_main]

extern crate alloc;

mod arguments;
mod notify;
mod tcp;
mod zones;

use alloc::rc::Rc;
use core::net::SocketAddr;

use arguments::Peers;
use fata::{
    dns::{Policy, Server, Transport},
    net::UdpConfig,
    prelude::*,
};

/// What the server is given.
#[derive(fata::Devices)]
struct Devices {
    /// The network that queries arrive on.
    service: Stack,
    /// The zones, as `build.rs` has compiled them.
    #[device(embed = "$OUT_DIR/zones")]
    zones: Files,
}

/// Boot arguments.
#[derive(fata::Args)]
struct Args {
    /// Port to answer on.
    #[arg(default = 53)]
    port: u16,
    /// Who may transfer the zones: addresses, or prefixes such as `192.0.2.0/24`.
    allow_transfer: Vec<Peers>,
    /// Secondary servers to tell at the start that the zones may have changed.
    notify: Vec<SocketAddr>,
    /// Most TCP connections at a time; further ones are reset.
    #[arg(default = 16)]
    tcp_connections: usize,
    /// How long a TCP connection may be idle.
    #[arg(default = "10s")]
    tcp_idle: Duration,
}

/// Room for datagrams that come the long way, such as fragmented ones: few and small.
const UDP: UdpConfig = UdpConfig {
    receive_buffer: 4096,
};

#[fata::main]
async fn main(devices: Devices, args: Args) -> Result<(), Error> {
    let policy = Policy {
        transfer: args.allow_transfer.iter().map(|peers| peers.0).collect(),
        ..Policy::default()
    };
    let server = Rc::new(Server::new(zones::load(devices.zones)?, policy)?);
    let stack = devices.service;

    let for_udp = Rc::clone(&server);
    let _responder = UdpSocket::bind_with(&stack, args.port, UDP)?
        .respond(move |query, _, reply| for_udp.answer(query, Transport::Udp, reply));
    for secondary in args.notify {
        spawn(notify::all(stack.clone(), Rc::clone(&server), secondary)).detach();
    }
    let limits = tcp::Limits {
        connections: args.tcp_connections,
        idle: args.tcp_idle,
    };
    tcp::serve(&stack, args.port, server, limits).await
}
