// SPDX-License-Identifier: ISC
//! TCP/IP for unikernels: Ethernet, ARP, IPv4, IPv6, ICMP, UDP, TCP, DHCP and SLAAC.
//!
//! [`Stack`] runs on one network device; [`UdpSocket`], [`TcpListener`] and [`TcpStream`] are what
//! programs use. Streams implement the traits of `embedded-io-async`. Nothing of the engine below,
//! which is smoltcp for now, is visible here.
//!
//! # How it works
//!
//! One task, the `driver`, owns the device. It hands each frame first to the responders
//! ([`UdpSocket::respond`]), which answer straight into the frame that goes out, and what those do
//! not want to the `engine`, which holds the protocols' state and all sockets. Sockets put their
//! work into the engine and wake the driver.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(any(test, fuzzing))]
extern crate std;

mod address;
mod checksum;
mod config;
mod device;
mod dhcp;
mod driver;
mod engine;
mod error;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod ip;
mod link;
mod packet;
mod ping;
mod port;
mod raw;
mod responder;
mod stack;
mod statistics;
mod tcp;
#[cfg(test)]
mod tests;
mod udp;

pub use address::{Address, IpPrefix, Ipv4Prefix, Ipv6Prefix, NotAPrefix, Prefix};
pub use config::{Config, CongestionControl, Ipv4, Ipv6, TcpConfig, UdpConfig};
pub use device::StackArguments;
pub use error::Error;
pub use raw::{EthernetSocket, IpSocket};
pub use stack::{Local, Stack};
pub use statistics::{IpCounters, Statistics};
pub use tcp::{
    accept::{Incoming, TcpListener},
    connection::{Info, Keepalive, TcpCounters},
    stream::{ReadHalf, TcpStream, WriteHalf},
};
pub use udp::{
    Meta, UdpCounters,
    socket::{Responder, UdpSocket},
};
