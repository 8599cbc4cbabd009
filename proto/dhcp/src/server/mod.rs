// SPDX-License-Identifier: ISC
//! The server: pools, fixed addresses, and a database in memory.
//!
//! [`Server::answer`] takes each packet of port 67 and writes the answer. It does not probe an
//! address before offering it, as section 3.1 suggests: clients do (RFC 5227), and say so with a
//! DECLINE, after which the address is left alone for an hour.
//!
//! Read first: RFC 2131 sections 4.1 (where answers go) and 4.3 (what they say).

mod config;
mod leases;
mod request;

use core::net::Ipv4Addr;

pub use config::{Config, ConfigError, Fixed, Identity, Network};
use leases::Leases;
pub use leases::{Binding, State};

use request::{Reply, Request};

use crate::{
    CLIENT_PORT, SERVER_PORT,
    message::{Header, Kind, Message},
};

/// An answer to send from port 67.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transmit {
    /// Its length in the buffer.
    pub len: usize,
    /// Where it goes: a client, a relay, or everybody on the link: 255.255.255.255.
    pub destination: Ipv4Addr,
    /// The port there.
    pub port: u16,
    /// Whether `destination` is everybody on the link.
    pub broadcast: bool,
    /// What it says.
    pub kind: Kind,
    /// The address that it offers, leases or refuses.
    pub address: Ipv4Addr,
}

/// A DHCP server.
pub struct Server {
    config: Config,
    leases: Leases,
}

impl Server {
    /// A server without leases.
    ///
    /// # Errors
    ///
    /// What is wrong with the configuration.
    pub fn new(config: Config) -> Result<Self, ConfigError> {
        config::check(&config)?;
        Ok(Self {
            config,
            leases: Leases::default(),
        })
    }

    /// What the server knows about addresses, also of leases that have ended: see
    /// [`Binding::is_current`].
    pub fn bindings(&self) -> impl Iterator<Item = (Ipv4Addr, &Binding)> {
        self.leases.iter()
    }

    /// Takes the payload of a packet of port 67, and writes the answer into `reply` if there is one.
    ///
    /// A buffer of the size of one packet, 1472 bytes, holds every answer; where one does not fit,
    /// nothing is said.
    pub fn answer(&mut self, message: &[u8], now: u64, reply: &mut [u8]) -> Option<Transmit> {
        let Self { config, leases } = self;
        let message = Message::parse(message)?;
        let request = Request::new(&message, config)?;
        let said = request.decide(leases, now)?;
        let len = request.write(&said, reply)?;
        Some(transmit(message.header(), &said, len))
    }
}

/// Where an answer goes (section 4.1).
fn transmit(header: &Header, said: &Reply, len: usize) -> Transmit {
    let (destination, port) = if !header.relay.is_unspecified() {
        (header.relay, SERVER_PORT)
    } else if said.kind == Kind::Nak || header.client.is_unspecified() {
        // Also where the client could receive at the address that it does not have yet: that
        // takes a packet to a hardware address, and broadcast is what is allowed instead.
        (Ipv4Addr::BROADCAST, CLIENT_PORT)
    } else {
        (header.client, CLIENT_PORT)
    };
    Transmit {
        len,
        destination,
        port,
        broadcast: destination.is_broadcast(),
        kind: said.kind,
        address: said.address,
    }
}

#[cfg(test)]
mod tests;
