// SPDX-License-Identifier: ISC
//! What a stack has done and holds, as numbers.

use crate::{stack::Stack, tcp::connection::TcpCounters, udp::UdpCounters};

/// Counters since the stack began, and how much there is now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Statistics {
    /// The Internet layer.
    pub ip: IpCounters,
    /// TCP.
    pub tcp: TcpCounters,
    /// UDP.
    pub udp: UdpCounters,
    /// TCP connections that are there now: open, and those that end without their program.
    pub connections: usize,
    /// Bytes that the buffers of all TCP connections take.
    pub buffered: usize,
    /// Bytes that are kept for the buffers of further connections.
    pub spare: usize,
    /// TCP connections in their handshake.
    pub half_open: usize,
    /// TCP connections in TIME-WAIT.
    pub time_wait: usize,
}

/// What became of packets that are nobody's business above.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct IpCounters {
    /// Frames of other stations or protocols.
    pub foreign: u64,
    /// Wrong lengths or header checksums.
    pub malformed: u64,
    /// Wrong transport checksums.
    pub checksum: u64,
    /// Sources that no host can have.
    pub martian: u64,
    /// Packets for addresses that are not ours.
    pub not_ours: u64,
    /// Fragments that could not be put together.
    pub fragments_lost: u64,
    /// Packets lost because no neighbour answered.
    pub unresolved: u64,
    /// Packets that were lost because nobody took them from loopback.
    pub loopback_full: u64,
}

impl Stack {
    /// What the stack has done so far, and what it holds.
    pub fn statistics(&self) -> Statistics {
        let engine = self.shared().engine();
        let (connections, half_open, time_wait) = engine.tcp.population();
        Statistics {
            ip: *engine.ip.counters(),
            tcp: *engine.tcp.counters(),
            udp: engine.udp.counters,
            connections,
            buffered: engine.tcp.buffered(),
            spare: engine.tcp.spare(),
            half_open,
            time_wait,
        }
    }
}
