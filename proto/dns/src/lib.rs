// SPDX-License-Identifier: ISC
//! DNS for unikernels: zone files, the wire format, the core of an authoritative server, and a stub
//! resolver.
//!
//! [`Resolver`] finds addresses and other records on a network stack, and [`connect`] connects to a
//! name; their core in [`resolver`] has no sockets and no clock.
//!
//! Everything of the server is bytes in, bytes out: no sockets, no clock, no tasks. The program that owns
//! the sockets reads its zones once, with [`Zone::parse`] from text or with [`Zone::load`] from what
//! its build script has compiled, gives them to [`Server::new`], and hands
//! every query that arrives to [`Server::answer`], which writes the reply into a buffer that the
//! caller lends and allocates nothing; zone transfers are a sequence of messages from
//! [`Server::transfer`].
//!
//! The wire format is our own: the crates that there are build replies through an allocator or copy
//! each name, while here a reply is written from names and records stored for that purpose.
//!
//! Supported by the server: RFC 1034 and 1035, 1982, 1995 (answered by the whole zone), 1996, 2181, 2308, 3597,
//! 4343, 4592, 5936, 6604, 6672, 6891, 7766, 8482, 8906, 9471. Not supported: DNSSEC (records of
//! its types are served as data, no denial is proved, so a signed zone is refused), TSIG, dynamic
//! update.
//!
//! Supported by the resolver: RFC 1034 and 1035, 2181, 2308 and 8020 (what is not there is
//! remembered), 5452 (forgery), 6761, 6891, 7766, 8305. Not supported: DNSSEC, and with it any
//! protection from who can see the questions.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod client;
mod master;
mod name;
pub mod resolver;
mod server;
mod types;
mod wire;
mod writer;
mod zone;

pub use client::{ConnectError, Resolver, ResolverConfig, connect};
pub use master::{Include, ZoneError};
pub use name::{MAX_LABEL, MAX_NAME, Name, NameError};
pub use resolver::LookupError;
pub use server::{DuplicateZone, Policy, Prefix, PrefixError, Server, Transfer, Transport};
pub use types::Type;
pub use zone::{NotCompiled, Warning, WarningKind, Zone};
