// SPDX-License-Identifier: ISC
//! What goes into a connection and comes out of it.

use super::counters::TcpCounters;
use crate::{
    config::TcpConfig,
    ip::Ecn,
    link::Shelf,
    tcp::{
        buffer::Budget,
        congestion::Algorithm,
        segment::{Reset, Segment},
        seq::Seq,
    },
};

/// What surrounds a connection while it does something.
pub(crate) struct Env<'a> {
    /// Nanoseconds on a clock that never goes back.
    pub(crate) now: u64,
    pub(crate) config: &'a TcpConfig,
    pub(crate) budget: &'a mut Budget,
    pub(crate) counters: &'a mut TcpCounters,
    /// Where kept frames are.
    pub(crate) shelf: &'a dyn Shelf,
}

/// What both ways to open a connection need.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setup {
    pub(crate) local_port: u16,
    pub(crate) peer_port: u16,
    /// Initial sequence number of this side: that of its SYN.
    pub(crate) iss: Seq,
    /// Payload and options that fit in one packet: MTU of the path less IP and TCP headers.
    pub(crate) mss: u16,
    /// Added to the clock in timestamps, so that they tell nothing (RFC 7323, section 7.1).
    pub(crate) timestamp_offset: u32,
    /// Whether to ask for ECN; an accepted connection has what [`Handshake::ecn`] says.
    pub(crate) ecn: bool,
    pub(crate) algorithm: Algorithm,
}

/// What a handshake that the SYN queue or a cookie completed has agreed on. The segment that
/// completed it goes to `receive` afterwards.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Handshake {
    /// Initial sequence number of the peer: that of its SYN.
    pub(crate) irs: Seq,
    /// As the peer's SYN said, or 536.
    pub(crate) peer_mss: u16,
    /// The peer's window scale, if both sides sent one. Ours is `window::scale_for(config)`.
    pub(crate) window_scale: Option<u8>,
    /// The peer's window in bytes: from its SYN, which is never scaled.
    pub(crate) window: u32,
    /// TSval of the peer's latest segment, if both sides sent timestamps.
    pub(crate) timestamp: Option<u32>,
    pub(crate) sack: bool,
    pub(crate) ecn: bool,
    /// Nanoseconds from SYN-ACK to its acknowledgement, if it was sent but once.
    pub(crate) rtt: Option<u64>,
}

/// What follows from a segment, a timer or an ICMP error.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Verdict {
    /// Nothing beyond the connection.
    Nothing,
    /// To be sent; the connection goes on.
    Reply(Reset),
    /// To be sent; the connection is over, as with [`Self::Closed`].
    Reset(Reset),
    /// The connection is over: nothing is sent or received any more, but the program may still
    /// read what has arrived.
    Closed,
    /// Closed in order, this side first: as [`Self::Closed`], and the pair of addresses stays
    /// blocked for a while.
    TimeWait(TimeWait),
}

/// What TIME-WAIT needs to know (RFC 9293 section 3.10.7.4, RFC 6191).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TimeWait {
    /// Next sequence number of ours.
    pub(crate) snd_nxt: Seq,
    /// Next one of the peer.
    pub(crate) rcv_nxt: Seq,
    /// As the header of the last acknowledgement had it.
    pub(crate) window: u16,
    /// The peer's latest TSval, and our offset, if there are timestamps.
    pub(crate) timestamps: Option<(u32, u32)>,
    /// Whether the peer's FIN is to be acknowledged now.
    pub(crate) acknowledge: bool,
}

/// What one transmission may hold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Payload bytes: 0 where the device does not segment, else up to 64 KB less headers.
    pub(crate) offload: u32,
}

/// A segment to be sent. It counts as sent once `sent` is called, and not before.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Transmit {
    /// With its options; `header_len` is not set.
    pub(crate) segment: Segment,
    /// Bytes of payload, see `payload`.
    pub(crate) len: u32,
    /// Payload of each packet, if the device is to cut the segment up.
    pub(crate) segment_size: Option<u16>,
    pub(crate) ecn: Ecn,
    pub(super) kind: Kind,
}

/// Why a segment is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// SYN, or SYN with ACK
    Handshake,
    /// Payload or FIN for the first time.
    New,
    /// Payload or FIN that counts as lost.
    Retransmit,
    /// The last segment once more (RFC 8985, section 7).
    Probe,
    /// Without payload or FIN.
    Ack,
    /// An old sequence number, to make the peer say how things are.
    Ping,
}

/// Keep-alive probes (RFC 9293, section 3.8.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keepalive {
    /// Milliseconds of silence before the first probe.
    pub idle: u32,
    /// Milliseconds between probes.
    pub interval: u32,
    /// Probes without an answer after which the connection is over.
    pub probes: u8,
}

/// How a connection does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Info {
    /// Smoothed round-trip time in microseconds; zero before the first measurement.
    pub rtt: u32,
    /// Its variation in microseconds.
    pub rtt_variation: u32,
    /// Congestion window in bytes.
    pub congestion_window: u32,
    /// Bytes sent and neither acknowledged nor taken for lost.
    pub in_flight: u32,
    /// Bytes that the peer still has room for.
    pub peer_window: u32,
    /// Bytes written and not yet acknowledged.
    pub unacknowledged: u32,
    /// Bytes received and not yet read.
    pub unread: u32,
    /// Largest receive window at present, in bytes.
    pub receive_window: u32,
    /// Largest payload of one packet.
    pub segment_size: u16,
}
