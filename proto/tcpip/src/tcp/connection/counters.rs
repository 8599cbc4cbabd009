// SPDX-License-Identifier: ISC
//! What happened to all connections so far, as numbers.

/// Events of all TCP connections since the stack began. The names say what happened; each is a count
/// of segments unless it says otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TcpCounters {
    /// Segments that arrived for a connection; one that the device put together counts once.
    pub segments_in: u64,
    /// Segments that left; one that the device cuts up counts once.
    pub segments_out: u64,
    /// Payload bytes delivered to connections in order.
    pub bytes_in: u64,
    /// Payload bytes sent, repeated ones not included.
    pub bytes_out: u64,
    /// Sent again.
    pub retransmitted: u64,
    /// Losses repaired by acknowledgements (RACK, SACK), in episodes.
    pub recoveries: u64,
    /// Retransmission timeouts.
    pub timeouts: u64,
    /// Tail loss probes (RFC 8985, section 7).
    pub probes: u64,
    /// Retransmissions found to be needless; the window was restored (RFC 3522).
    pub spurious: u64,
    /// Segments put aside since one before them is missing.
    pub out_of_order: u64,
    /// Segments that held nothing new.
    pub duplicates: u64,
    /// Segments dropped since no memory was left for them.
    pub no_memory: u64,
    /// Segments outside of the window, or with an old timestamp (RFC 7323, section 5).
    pub outside: u64,
    /// Challenge acknowledgements (RFC 5961).
    pub challenges: u64,
    /// Congestion marks that the peer reported (RFC 3168), in reactions.
    pub congestion_marks: u64,
    /// Zero-window probes.
    pub window_probes: u64,
    /// Keep-alive probes.
    pub keepalive_probes: u64,
    /// Connections that the peer reset.
    pub resets_in: u64,
    /// Connections that this side reset.
    pub resets_out: u64,
    /// Connections that ended since the peer was silent.
    pub timed_out: u64,
    /// Paths found to swallow large segments (RFC 4821), in reactions.
    pub black_holes: u64,
    /// Connections and SYNs that were left alone since there was no room for them.
    pub refused: u64,
    /// SYNs that were answered with a cookie (RFC 4987).
    pub cookies: u64,
}
