// SPDX-License-Identifier: ISC
//! The Internet layer.

use alloc::vec::Vec;
use core::{net::IpAddr, ops::Range};

use fata_device::net::SegmentKind;

/// A transport packet that arrived for this stack, with its checksum found right.
#[derive(Clone, Debug)]
pub(crate) struct Arrived {
    pub(crate) source: IpAddr,
    /// One of our addresses, a broadcast address or a group that was joined.
    pub(crate) destination: IpAddr,
    /// After extension headers.
    pub(crate) protocol: u8,
    pub(crate) ecn: Ecn,
    pub(crate) hop_limit: u8,
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
    pub(crate) source: IpAddr,
    pub(crate) destination: IpAddr,
    pub(crate) protocol: u8,
    pub(crate) ecn: Ecn,
    pub(crate) hop_limit: u8,
    /// Never cut into fragments: path MTU discovery (TCP).
    pub(crate) dont_fragment: bool,
    /// The transport header, its checksum field zero.
    pub(crate) header: &'a [u8],
    /// Where in `header` the checksum goes, if it has one (over pseudo header, header and payload).
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
    pub(crate) source: IpAddr,
    pub(crate) destination: IpAddr,
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
    pub(crate) source: IpAddr,
    pub(crate) ident: u16,
    pub(crate) sequence: u16,
}
