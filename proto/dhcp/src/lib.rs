// SPDX-License-Identifier: ISC
//! DHCPv4 for unikernels: a client, a server, and the messages between them.
//!
//! Everything here is bytes in, bytes out: no sockets, no tasks, and the time is an argument, in
//! nanoseconds of whatever clock the caller has. [`Client`] is what a network stack drives to get
//! its address; [`Server`] is what a program with a UDP socket on port 67 asks for answers.
//!
//! Supported: RFC 2131 and 2132, 3396 (long options), 3442 (classless routes), 4039 (rapid commit),
//! 6842 (the server repeats client identifiers), 3046 (the server repeats what a relay has added),
//! and of RFC 7844 what suits a server: the client identifier is the hardware address and nothing
//! else, only what is used is asked for, and the host name is sent only if one is given.
//! Not supported: INIT-REBOOT by the client, which has nowhere to keep an address over a restart;
//! hardware other than Ethernet; BOOTP; authentication (RFC 3118), which nobody speaks.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod client;
pub mod message;
pub mod server;

pub use client::{Client, Lease, Route};
pub use message::{Kind, Message};
pub use server::Server;

use core::net::Ipv4Addr;

/// The port of servers and relays.
pub const SERVER_PORT: u16 = 67;
/// The port of clients.
pub const CLIENT_PORT: u16 = 68;

/// Nanoseconds of a second.
const SECOND: u64 = 1_000_000_000;
/// A lease time without end (RFC 2131 section 3.3).
const FOREVER: u32 = u32::MAX;

/// Whether one host can have this address: not of this network (0/8), loopback, multicast or
/// broadcast.
fn is_host(address: Ipv4Addr) -> bool {
    let [first, ..] = address.octets();
    first != 0 && first != 127 && first < 224
}

/// The mask of a prefix; lengths above 32 count as 32.
fn mask(prefix_len: u8) -> u32 {
    u32::MAX
        .checked_shl(32_u32.saturating_sub(prefix_len.into()))
        .unwrap_or(0)
}

/// Whether a host of a network of this length can have the address: neither the network itself nor
/// its broadcast address. Networks of one or two addresses have neither (RFC 3021).
fn is_host_of(address: Ipv4Addr, prefix_len: u8) -> bool {
    let host = address.to_bits() & !mask(prefix_len);
    is_host(address) && (prefix_len >= 31 || (host != 0 && host != !mask(prefix_len)))
}

#[cfg(test)]
mod tests;
