// SPDX-License-Identifier: ISC
//! A DHCP server for the network it is attached to.
//!
//! On a tap, with an address of its own:
//! `cargo fata run -p dhcp-server --net:service=tap0 -- --ipv4=10.0.0.2/24
//! --pool=10.0.0.100-10.0.0.199 --router=10.0.0.1`. Leases are kept in memory: after a restart,
//! clients are confirmed in the addresses that they name, as long as nobody else has them.

#![no_std]
#![no_main]

extern crate alloc;

mod arguments;

use core::net::{IpAddr, Ipv4Addr, SocketAddr};

use arguments::{Host, Pool};
use fata::{
    dhcp::{
        SERVER_PORT, Server,
        message::Kind,
        server::{Config, Network, Transmit},
    },
    prelude::*,
};

/// What the server is given.
#[derive(fata::Devices)]
struct Devices {
    /// The network of the clients.
    service: Stack,
}

/// Boot arguments.
#[derive(fata::Args)]
struct Args {
    /// Addresses to give away.
    pool: Vec<Pool>,
    /// An address for one client alone.
    host: Vec<Host>,
    /// Router to tell clients of.
    router: Vec<Ipv4Addr>,
    /// Name server to tell clients of.
    dns_server: Vec<Ipv4Addr>,
    /// Domain in which clients look up short names.
    domain: Option<String>,
    /// Largest packet of the network, to tell clients.
    mtu: Option<u16>,
    /// How long an address is leased.
    #[arg(default = "1h")]
    lease: Duration,
    /// Whether there are other servers, so that clients which this one does not remember are left
    /// to them.
    beside_others: bool,
}

/// Bytes of the largest packet without fragments.
const LARGEST: usize = 1472;

#[fata::main]
async fn main(devices: Devices, args: Args) -> Result<(), Error> {
    let stack = devices.service;
    stack.wait_configured().await;
    let mut server = Server::new(config(&stack, args)?)?;
    let socket = UdpSocket::bind(&stack, SERVER_PORT)?;
    info!("serving on port {SERVER_PORT}");
    let (mut message, mut reply) = ([0; LARGEST], [0; LARGEST]);
    loop {
        let (len, _) = socket.recv_from(&mut message).await?;
        let now = Instant::now().as_nanos();
        let Some(answer) = server.answer(&message[..len], now, &mut reply) else {
            continue;
        };
        log(&answer);
        let to = SocketAddr::new(answer.destination.into(), answer.port);
        if let Err(error) = socket.send_to(&reply[..answer.len], to).await {
            warn!("cannot answer {to}: {error}");
        }
    }
}

/// What the arguments ask for, on the network of the stack.
fn config(stack: &Stack, args: Args) -> Result<Config, Error> {
    let own = stack.addresses().into_iter().find_map(|prefix| {
        let address = prefix.address();
        match address {
            IpAddr::V4(address) => Some((address, prefix.length())),
            IpAddr::V6(_) => None,
        }
    });
    let Some((address, prefix_len)) = own else {
        return Err(Error::msg("there is no IPv4 address: add `--ipv4`"));
    };
    if args.pool.is_empty() && args.host.is_empty() {
        return Err(Error::msg("there is no address to give away: add `--pool`"));
    }
    let network = Network {
        pools: args.pool.iter().map(|pool| (pool.0, pool.1)).collect(),
        routers: args.router,
        dns_servers: args.dns_server,
        domain: args.domain,
        mtu: args.mtu,
        ..Network::new(address, prefix_len)
    };
    let seconds = u32::try_from(args.lease.as_secs()).unwrap_or(u32::MAX);
    let usual = Config::new(address, network);
    Ok(Config {
        fixed: args.host.into_iter().map(|host| host.0).collect(),
        lease_seconds: seconds,
        longest_lease_seconds: usual.longest_lease_seconds.max(seconds),
        authoritative: !args.beside_others,
        rapid_commit: !args.beside_others,
        ..usual
    })
}

fn log(answer: &Transmit) {
    let address = answer.address;
    match answer.kind {
        Kind::Offer => debug!("{address} offered"),
        Kind::Nak => info!("{address} refused"),
        _ if address.is_unspecified() => debug!("{} informed", answer.destination),
        _ => info!("{address} leased"),
    }
}
