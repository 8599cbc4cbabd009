// SPDX-License-Identifier: ISC
//! One TCP connection, sans-IO (RFC 9293). It knows nothing of addresses or other connections.
//!
//! Read `types.rs` first: what goes in and comes out. Arrivals go through `input.rs` (checks, text,
//! FIN; `handshake.rs` before that) and `ack.rs` (what an acknowledgement does), which uses
//! `scoreboard.rs`, `rack.rs`, `probe.rs` and `recovery.rs`. What leaves is chosen in `output.rs`, as
//! `window.rs`, `delayed.rs`, `pacing.rs` and `mtu.rs` have it. `timers.rs` and `silence.rs` act when
//! nothing arrives, and `program.rs` is the side of the program.
//!
//! What only some connections need at some times is boxed and freed: an established connection that
//! is idle costs what [`Connection`] takes and nothing else.

mod ack;
mod challenge;
mod counters;
mod delayed;
mod handshake;
mod input;
mod mtu;
mod output;
mod pacing;
mod probe;
mod program;
mod rack;
mod recovery;
mod rtt;
mod scoreboard;
mod silence;
mod stamps;
#[cfg(test)]
mod tests;
mod timers;
mod types;
pub(crate) mod window;

use alloc::boxed::Box;
use core::task::Waker;

#[cfg(test)]
pub(crate) use self::types::Transmit;
pub(crate) use self::types::{Env, Handshake, Limits, Setup, TimeWait, Verdict};
pub use self::{
    counters::TcpCounters,
    types::{Info, Keepalive},
};
use self::{
    delayed::Owed, pacing::Pacer, rack::Rack, recovery::Recovery, rtt::Rtt, scoreboard::Scoreboard,
    stamps::Stamps, timers::Alarm, window::Window,
};
use super::{
    buffer::{assembly::Assembly, receive::ReceiveQueue, send::SendBuffer},
    congestion::{Algorithm, Control},
    options::Range,
    seq::Seq,
};
use crate::error::Error;

/// States of RFC 9293, section 3.3.2. LISTEN is elsewhere, and a connection in TIME-WAIT is closed
/// here as soon as the verdict has said so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    SynSent,
    SynReceived,
    Established,
    FinWait1,
    FinWait2,
    CloseWait,
    Closing,
    LastAck,
    TimeWait,
    Closed,
}

/// What arrived and cannot be read yet.
#[derive(Default)]
struct Arrivals {
    assembly: Assembly,
    /// What arrived twice and is to be reported (RFC 2883).
    duplicate: Option<Range>,
}

/// A connection.
pub(crate) struct Connection {
    local_port: u16,
    peer_port: u16,
    state: State,
    algorithm: Algorithm,
    /// Agreed on: SACK and ECN.
    sack: bool,
    ecn: bool,
    /// Something may be there to send.
    pending: bool,
    /// The program has ended writing; the FIN was sent.
    closing: bool,
    fin_sent: bool,
    /// The peer's FIN has arrived, and all before it.
    peer_closed: bool,
    /// No program holds the connection.
    orphan: bool,
    nodelay: bool,
    syn_due: bool,
    ping_due: bool,
    window_probe_due: bool,
    probe_due: bool,
    /// The congestion window has held something back.
    limited: bool,
    /// ECN: the window was reduced, which the peer does not know yet; a mark is to be echoed.
    reduced: bool,
    echo_marks: bool,

    // Sending: RFC 9293, section 3.3.1.
    iss: Seq,
    una: Seq,
    nxt: Seq,
    peer_window: u32,
    largest_window: u32,
    wl1: Seq,
    wl2: Seq,
    peer_scale: u8,
    /// Duplicate acknowledgements in a row, without SACK.
    duplicates: u8,
    /// Payload of a full segment, and what our side of the path would carry with options.
    mss: u16,
    mss_limit: u16,
    send: SendBuffer,
    send_limit: u32,
    /// Where the last small segment ends.
    small_end: Option<Seq>,
    /// Marks before this were reacted to.
    marked_until: Seq,

    board: Scoreboard,
    rack: Rack,
    /// End of what the tail loss probe is about, and whether it was sent before.
    probe_end: Option<(Seq, bool)>,
    recovery: Option<Box<Recovery>>,
    rtt: Rtt,
    control: Control,
    pacer: Pacer,

    window: Window,
    queue: ReceiveQueue,
    arrivals: Option<Box<Arrivals>>,
    /// Where the FIN was seen.
    fin_at: Option<Seq>,
    owed: Owed,
    stamps: Stamps,

    alarm: Alarm,
    /// Timeouts in a row.
    backoff: u8,
    /// Probes that the peer has not answered.
    unanswered: u8,
    user_timeout: u32,
    alarm_at: u64,
    /// When to look for reordering again.
    reorder_at: Option<u64>,
    /// Where the retransmission timeout counts from.
    base: u64,
    /// When something was acknowledged last, or began to be outstanding.
    progress: u64,
    last_sent: u64,
    /// When the peer sent something acceptable.
    heard: u64,
    /// When the next answer to an unacceptable segment may leave.
    next_answer: u64,
    keepalive: Option<Box<Keepalive>>,

    error: Option<Error>,
    soft_error: Option<Error>,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl Connection {
    #[expect(
        clippy::too_many_lines,
        reason = "a list of the fields and what they begin with"
    )]
    fn new(setup: Setup, env: &Env<'_>) -> Self {
        Self {
            local_port: setup.local_port,
            peer_port: setup.peer_port,
            state: State::SynSent,
            algorithm: setup.algorithm,
            sack: false,
            ecn: setup.ecn,
            pending: true,
            closing: false,
            fin_sent: false,
            peer_closed: false,
            orphan: false,
            nodelay: false,
            syn_due: true,
            ping_due: false,
            window_probe_due: false,
            probe_due: false,
            limited: false,
            reduced: false,
            echo_marks: false,
            iss: setup.iss,
            una: setup.iss,
            nxt: setup.iss,
            peer_window: 0,
            largest_window: 0,
            wl1: Seq(0),
            wl2: Seq(0),
            peer_scale: 0,
            duplicates: 0,
            mss: setup.mss,
            mss_limit: setup.mss,
            send: SendBuffer::default(),
            send_limit: 0,
            small_end: None,
            marked_until: setup.iss,
            board: Scoreboard::default(),
            rack: Rack::default(),
            probe_end: None,
            recovery: None,
            rtt: Rtt::new(),
            control: Control::new(setup.algorithm, u32::from(setup.mss)),
            pacer: Pacer::default(),
            window: Window::new(env.config, env.now),
            queue: ReceiveQueue::default(),
            arrivals: None,
            fin_at: None,
            owed: Owed::new(),
            stamps: Stamps::new(setup.timestamp_offset),
            alarm: Alarm::None,
            backoff: 0,
            unanswered: 0,
            user_timeout: 0,
            alarm_at: 0,
            reorder_at: None,
            base: env.now,
            progress: env.now,
            last_sent: 0,
            heard: env.now,
            next_answer: 0,
            keepalive: None,
            error: None,
            soft_error: None,
            reader: None,
            writer: None,
        }
    }

    /// Opens a connection: the SYN leaves with the next transmission.
    pub(crate) fn connect(setup: Setup, env: &mut Env<'_>) -> Self {
        Self::new(setup, env)
    }

    /// A connection whose handshake was done elsewhere.
    pub(crate) fn accepted(setup: Setup, handshake: &Handshake, env: &mut Env<'_>) -> Self {
        let mut connection = Self::new(setup, env);
        connection.agree(handshake, env);
        connection.una = setup.iss + 1;
        connection.nxt = connection.una;
        connection.wl2 = connection.una;
        connection.marked_until = connection.una;
        connection.syn_due = false;
        connection.pending = false;
        connection.state = State::Established;
        connection
    }

    /// Whether [`Self::next`] may have something: cheap, and wrong only in saying so needlessly.
    pub(crate) const fn wants_to_send(&self) -> bool {
        self.pending
    }

    /// Whether our SYN was not yet acknowledged.
    fn syn_outstanding(&self) -> bool {
        matches!(self.state, State::SynSent | State::SynReceived)
    }

    /// Whether the peer's FIN has arrived, and all before it.
    fn peer_done(&self) -> bool {
        self.peer_closed
    }

    fn arrivals_mut(&mut self) -> &mut Arrivals {
        self.arrivals.get_or_insert_default()
    }
}
