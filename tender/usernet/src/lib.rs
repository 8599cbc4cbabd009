// SPDX-License-Identifier: ISC
//! A network for a unikernel without root: NAT, DHCP, DNS and port forwarding in a process.
//!
//! [`spawn`] makes a pair of connected sockets, on which every message is one Ethernet frame, and
//! starts a process that plays the rest of the network on one of them. The other is the guest's: it
//! is read and written as a tap device is. The guest sees a router as home networks have it:
//!
//! | address | what answers there |
//! |---|---|
//! | 10.0.2.15/24 | the guest, by DHCP or by its own configuration |
//! | 10.0.2.2 | the gateway: ARP, ping, DHCP, NAT for UDP and TCP to the networks of the host |
//! | 10.0.2.3 | a name server: questions go to the resolvers of the host |
//!
//! **Authority.** The guest gets what the user that starts it has towards other machines, and no
//! more: loopback, link-local (where clouds keep credentials), multicast and the rest of 10.0.2.0/24
//! are never connected to ([`policy`]), and nobody reaches the guest but through a [`Forward`],
//! which listens on 127.0.0.1 unless it says otherwise. 10.0.2.2 stands for the host's own loopback
//! only with [`Config::reach_host`], which user-mode networks elsewhere do by default.
//!
//! **How.** No address of the host is translated: connections of the guest end here. TCP is spoken
//! by smoltcp on the guest's side and by the kernel on the other, with bytes spliced between the
//! two and back-pressure both ways; a datagram goes out of an ordinary socket. Queues and tables
//! are bounded, and a guest that does not take its frames stops its own network only.
//!
//! Read [`network`] first, where the event loop is; then `udp`, `forward` and `tcp`.
//! IPv6, fragments and ICMP beyond the gateway are not passed on.

#![deny(unsafe_code)]

mod config;
mod dhcp;
mod forward;
mod frame;
mod guest;
mod network;
mod policy;
mod process;
mod resolver;
mod tcp;
mod udp;

pub use config::{Config, ConfigError, Forward, Protocol};
pub use network::{answer_frames, run};
pub use policy::{DNS, GATEWAY, GUEST};
pub use process::{UserNet, spawn};

/// Bytes of an IP packet at most.
pub const MTU: usize = 1500;
