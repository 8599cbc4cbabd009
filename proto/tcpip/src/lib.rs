// SPDX-License-Identifier: ISC
//! TCP/IP for unikernels: Ethernet, ARP, IPv4, IPv6, ICMP, UDP, TCP, DHCP and SLAAC.
//!
//! [`Stack`] runs on one network device. [`UdpSocket`], [`TcpListener`] and [`TcpStream`] are what
//! programs use, [`EthernetSocket`] and [`IpSocket`] what is below; streams implement the traits of
//! `embedded-io-async`. [`Stack::ping`] asks a host, [`Stack::statistics`] tells what happened.
//!
//! # How it works
//!
//! ```text
//!   UdpSocket   TcpListener, TcpStream   EthernetSocket, IpSocket   Stack      programs
//!        \______________ | ____________________/____________________/
//!                        Shared                                     `stack`: one cell for all
//!     Responders           |                                        `responder`: the short way
//!           \           Engine     pings, DHCP                      `engine`: who gets what
//!            \        /   |   \
//!             \     udp  tcp   raw                                  transports know no device
//!              \      \   |   /
//!               \         ip                                       `ip`: routes, neighbours, ...
//!                \        |
//!                  Driver, Port                                    `driver`: batches
//!                        |
//!                       Net                                        any device
//! ```
//!
//! One task, the `driver`, moves everything. It takes a batch of frames from the device, hands each
//! first to the responders ([`UdpSocket::respond`]), which answer straight into the frame that goes
//! out, and what those do not want to the `engine`. Then the engine sends what is to be sent, and
//! the device is told once. Programs put bytes into sockets and wake the driver; UDP sends at once.
//!
//! Below the sockets nothing waits and nothing knows the time: frames and the time go in, frames
//! come out through a `link`. So tests run two stacks in one thread with a clock that jumps, and a
//! fuzzer feeds one from any state.
//!
//! # What it costs
//!
//! A connection is found in a hash table with a secret key and timed by a heap, so one among a
//! hundred thousand costs what one among ten does. Its buffers grow by use and go back when they are
//! empty: an idle connection takes less than a kilobyte, and a test holds that. Bytes that a program
//! writes are copied once, into the send buffer; a device that gathers takes them from there, up to
//! 64 KB at a time where it cuts segments itself. Large received frames stay where the device put
//! them until they are read, as many as it can spare ([`NetInfo::keep`]).
//!
//! [`NetInfo::keep`]: fata_device::NetInfo::keep

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(any(test, fuzzing))]
extern crate std;

mod addr;
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
mod time;
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
