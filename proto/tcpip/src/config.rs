// SPDX-License-Identifier: ISC
//! How a stack is set up: its addresses and the sizes of its buffers.

use alloc::string::String;
use core::net::{Ipv4Addr, Ipv6Addr};

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
    /// Buffers of TCP connections.
    pub tcp: TcpConfig,
    /// Bytes that the buffers of all TCP connections together may take; without it, half of the
    /// heap. As it runs short, new connections get smaller buffers, then none.
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

/// Largest window that is offered: what needs no scale (RFC 7323, section 2.2).
///
/// Smoltcp rounds a scaled window down, so its right edge goes back whenever a segment of odd length
/// comes in (section 2.4 warns of that). A peer that had filled the window has then sent beyond it,
/// and whatever it sends counts as outside until it sends again what was lost. While the window is
/// zero it cannot; acknowledgements outside are ignored by smoltcp; and a program that waits for
/// one before it reads on, such as an echo, waits for ever.
pub(crate) const LARGEST_WINDOW: usize = u16::MAX as usize;

/// Sizes for TCP connections. Memory is taken when a connection begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpConfig {
    /// Bytes received and not yet read; also the largest window that is offered. More than 65535
    /// are taken for 65535.
    pub receive_buffer: usize,
    /// Bytes written and not yet acknowledged.
    pub send_buffer: usize,
    /// Connections that a listener holds ready for [`accept`](crate::TcpListener::accept),
    /// half-open ones included. Further ones wait for their peer to ask again.
    pub backlog: usize,
}

impl Default for TcpConfig {
    fn default() -> Self {
        Self {
            receive_buffer: LARGEST_WINDOW,
            send_buffer: 64 * 1024,
            backlog: 16,
        }
    }
}

/// Sizes for UDP sockets. Memory is taken when a socket is bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UdpConfig {
    /// Bytes of datagrams received and not yet read.
    pub receive_buffer: usize,
    /// Bytes of datagrams not yet sent.
    pub send_buffer: usize,
    /// Datagrams in either buffer.
    pub datagrams: usize,
}

impl Default for UdpConfig {
    fn default() -> Self {
        Self {
            receive_buffer: 16 * 1024,
            send_buffer: 8 * 1024,
            datagrams: 32,
        }
    }
}
