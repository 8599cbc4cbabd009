// SPDX-License-Identifier: ISC
//! The Internet layer: IPv4 and IPv6 with what they need around them on an Ethernet.
//!
//! [`Ip`] takes in frames and gives out what the transports are to see; it takes packets from them
//! and sends them to the right neighbour. ARP, neighbour discovery, router advertisements, duplicate
//! addresses, ICMP, group membership and fragments are dealt with here, unseen from above. Sans-IO:
//! frames go to a [`Link`](crate::link::Link), and the time comes in as an argument.
//!
//! Read `layer.rs` first, then `receive.rs` and `send.rs`; the other files are one mechanism each.
//! RFC 1122 section 3 and RFC 8504 say what of all this a host has to do.
//!
//! Not here, on purpose: redirects are ignored (RFC 8504 section 5.4 allows it, and whoever shares
//! the link could forge them), nothing is forwarded, and no source route is followed.

mod arp;
mod claim;
mod cut;
mod group;
mod hop;
mod icmp;
mod icmp_error;
mod igmp;
mod layer;
mod mld;
mod ndp;
mod neighbor;
mod path_mtu;
mod reassembly;
mod receive;
mod send;
mod slaac;
#[cfg(test)]
mod tests;

use alloc::vec::Vec;
use core::ops::Range;

use fata_device::net::SegmentKind;

use crate::addr::Addr;
pub(crate) use layer::Ip;

/// A second in nanoseconds.
const SECOND: u64 = 1_000_000_000;

/// A transport packet that arrived for this stack, with its checksum found right.
#[derive(Clone, Debug)]
pub(crate) struct Arrived {
    pub(crate) source: Addr,
    /// One of our addresses, a broadcast address or a group that was joined.
    pub(crate) destination: Addr,
    /// After extension headers.
    pub(crate) protocol: u8,
    pub(crate) ecn: Ecn,
    /// Where in the frame the transport packet lies: its header and payload.
    pub(crate) payload: Range<usize>,
    /// Payload bytes of each segment, where the device put several together.
    pub(crate) segment_size: Option<u16>,
}

/// What an arrived frame is to the layers above.
pub(crate) enum Input {
    /// Nothing: it was answered, noted or dropped here.
    Nothing,
    /// For a transport protocol; the range is in the frame.
    Transport(Arrived),
    /// The same, put together from fragments; the range is in the bytes.
    Reassembled(Vec<u8>, Arrived),
    /// A complaint about a packet that we sent.
    Error(IcmpError),
    /// An answer to a ping.
    Echo(EchoReply),
}

/// Explicit congestion notification of a packet (RFC 3168, section 5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Ecn {
    /// Not ECN capable.
    #[default]
    NotCapable,
    /// ECT(0)
    Capable,
    /// ECT(1)
    Capable1,
    /// Congestion was experienced.
    Congested,
}

/// A packet to be sent.
pub(crate) struct Outgoing<'a> {
    /// One of our addresses, or unspecified where there is none yet.
    pub(crate) source: Addr,
    pub(crate) destination: Addr,
    pub(crate) protocol: u8,
    pub(crate) ecn: Ecn,
    pub(crate) hop_limit: u8,
    /// Never cut into fragments: path MTU discovery (TCP).
    pub(crate) dont_fragment: bool,
    /// The transport header, its checksum field zero.
    pub(crate) header: &'a [u8],
    /// Where in `header` the checksum goes, if it has one: over pseudo header (not for ICMPv4),
    /// header and payload.
    pub(crate) checksum_at: Option<u16>,
    pub(crate) payload: [&'a [u8]; 2],
    /// Cut by the device into packets with that much payload each.
    pub(crate) segmentation: Option<(SegmentKind, u16)>,
}

/// Why a packet was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SendError {
    /// The device has no buffer now.
    NoBuffer,
    /// No address of ours, gateway or network fits.
    NoRoute,
    /// Longer than the path carries and not to be cut; this is the MTU.
    TooLong(u16),
}

/// An ICMP error about a packet that this stack sent (RFC 1122 section 3.2.2, RFC 4443 section 3).
#[derive(Clone, Copy, Debug)]
pub(crate) struct IcmpError {
    pub(crate) kind: IcmpErrorKind,
    /// Of the packet complained about.
    pub(crate) protocol: u8,
    pub(crate) source: Addr,
    pub(crate) destination: Addr,
    /// First bytes of its transport header: ports, and TCP's sequence number.
    pub(crate) header: [u8; 8],
}

/// What an ICMP error says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IcmpErrorKind {
    /// Net or host unreachable, no route, hop limit exceeded: soft for a connection (RFC 5461).
    HostUnreachable,
    /// Nobody listens on that port, or no such protocol there.
    PortUnreachable,
    /// Administratively prohibited.
    Prohibited,
    /// Too long for the path, which carries that much.
    TooBig(u16),
}

/// An answer to a ping.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EchoReply {
    pub(crate) source: Addr,
    pub(crate) ident: u16,
    pub(crate) sequence: u16,
}

/// Which part of this host a packet did not find ([`Ip::unreachable`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unreachable {
    /// Nobody listens on the port.
    Port,
    /// Nothing here speaks the protocol.
    Protocol,
}
