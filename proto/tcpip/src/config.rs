// SPDX-License-Identifier: ISC
//! How a stack is set up: its addresses and the sizes of its buffers.

use alloc::{string::String, vec::Vec};
use core::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    time::Duration,
};

use crate::address::{Ipv4Prefix, Ipv6Prefix};

/// How a stack is set up. The default asks DHCP for an IPv4 address and takes IPv6 addresses from
/// router advertisements.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// IPv4.
    pub ipv4: Ipv4,
    /// IPv6.
    pub ipv6: Ipv6,
    /// Name to give to a DHCP server: letters, digits and hyphens. Anything else is not sent.
    pub host_name: Option<String>,
    /// What the network is called in the log.
    pub label: String,
    /// Name servers given by hand, asked before those that DHCP or routers name.
    pub dns_servers: Vec<IpAddr>,
    /// TCP connections.
    pub tcp: TcpConfig,
    /// Bytes that all TCP connections together may take, with their buffers; without it, half of
    /// the heap but for half a megabyte. As it runs short, buffers no longer grow, then no new connections are taken; at
    /// most half of it is for connections themselves, of a kilobyte each.
    pub tcp_memory: Option<usize>,
    /// Buffers of UDP sockets.
    pub udp: UdpConfig,
}

/// Where the IPv4 address comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ipv4 {
    /// No IPv4: frames of it are not looked at.
    Off,
    /// From a DHCP server, with gateway.
    #[default]
    Dhcp,
    /// As given.
    Static {
        /// Address and network.
        prefix: Ipv4Prefix,
        /// Router for everything else.
        gateway: Option<Ipv4Addr>,
    },
}

/// Where the IPv6 addresses come from. A link-local address is there unless IPv6 is off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ipv6 {
    /// No IPv6: frames of it are not looked at.
    Off,
    /// On.
    On {
        /// Address and network given by hand.
        prefix: Option<Ipv6Prefix>,
        /// Router given by hand.
        gateway: Option<Ipv6Addr>,
        /// Whether to take addresses and routers from router advertisements (RFC 4862).
        router_advertisements: bool,
    },
}

impl Default for Ipv6 {
    fn default() -> Self {
        Self::On {
            prefix: None,
            gateway: None,
            router_advertisements: true,
        }
    }
}

/// How TCP connections behave. The sizes are limits: buffers begin small, grow by use, and are given
/// back when they are empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpConfig {
    /// Most bytes received and not yet read; also the largest window that is ever offered, and what
    /// the window scale is chosen for (RFC 7323, section 2.3).
    pub receive_buffer: usize,
    /// Most bytes written and not yet acknowledged.
    pub send_buffer: usize,
    /// Connections that a listener holds ready for [`accept`](crate::TcpListener::accept). When it
    /// is full, further ones wait for their peer to ask again.
    pub backlog: usize,
    /// How the sending rate follows the network.
    pub congestion: CongestionControl,
    /// Whether to ask for explicit congestion notification (RFC 3168) when connecting. A peer that
    /// asks is always answered.
    pub ecn: bool,
    /// Whether small writes are sent at once.
    pub nodelay: bool,
    /// Silence after which the peer is asked for a sign of life; `None` never asks.
    pub keepalive: Option<Duration>,
    /// How long sent bytes may stay unacknowledged before the connection is broken (RFC 9293,
    /// section 3.8.3). `None` is the usual: some 15 minutes of retransmissions.
    pub user_timeout: Option<Duration>,
}

/// Congestion control algorithms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CongestionControl {
    /// RFC 9438: what most of the Internet uses.
    #[default]
    Cubic,
    /// RFC 5681.
    Reno,
}

impl Default for TcpConfig {
    fn default() -> Self {
        Self {
            receive_buffer: 4 << 20,
            send_buffer: 4 << 20,
            backlog: 1024,
            congestion: CongestionControl::Cubic,
            ecn: false,
            nodelay: false,
            keepalive: None,
            user_timeout: None,
        }
    }
}

/// Sizes for UDP sockets. Memory is taken by use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UdpConfig {
    /// Most bytes of datagrams received and not yet read; what arrives beyond is lost. A datagram
    /// counts with [`UdpConfig::OVERHEAD`] bytes more than it has.
    pub receive_buffer: usize,
}

impl UdpConfig {
    /// What a datagram costs beside its bytes.
    pub const OVERHEAD: usize = 64;
}

impl Default for UdpConfig {
    fn default() -> Self {
        Self {
            receive_buffer: 256 * 1024,
        }
    }
}
