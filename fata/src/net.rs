// SPDX-License-Identifier: ISC
//! The network: TCP/IP on a [`Stack`], and the names of other hosts.
//!
//! [`Stack`] is the device; [`UdpSocket`], [`TcpListener`] and [`TcpStream`] are what programs use
//! on it. A [`Resolver`] asks the name servers that the stack has from DHCP, or others, and
//! [`connect`] connects to a host by its name:
//!
//! ```no_run
//! # use fata::prelude::*;
//! use fata::net::{Resolver, ResolverConfig, connect};
//!
//! # async fn example(stack: Stack) -> Result<(), Error> {
//! let resolver = Resolver::new(&stack, ResolverConfig::default());
//! let mut stream = connect(&resolver, "example.org", 80).await?;
//! stream.write_all(b"HEAD / HTTP/1.0\r\n\r\n").await?;
//! # Ok(())
//! # }
//! ```
//!
//! Keep one resolver for a program: it remembers what it was told.

pub use fata_dns::{ConnectError, LookupError, Resolver, ResolverConfig, connect};
pub use fata_tcpip::*;
