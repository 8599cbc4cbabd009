// SPDX-License-Identifier: ISC
//! Connections that no program holds: waiting to be accepted, or ending after they were dropped.
//!
//! A smoltcp socket serves one connection, so a socket that listens is made when a SYN for a
//! listener comes in, just before smoltcp sees it. A listener thus costs nothing while nobody
//! connects, and a full backlog leaves the SYN unanswered, as other systems do, where smoltcp alone
//! would refuse it. A socket that is dropped stays here until its last data is acknowledged and
//! its end is; then smoltcp keeps it in TIME-WAIT for ten seconds, with its buffers, so only a few
//! of those are kept.

use alloc::vec::Vec;
use core::{cell::RefCell, net::SocketAddr, task::Waker};

use smoltcp::{
    iface::{SocketHandle, SocketSet},
    socket::{
        Socket,
        tcp::{self, CongestionControl, SocketBuffer, State},
    },
    time::Duration,
    wire::{IpEndpoint, IpListenEndpoint},
};

use crate::{
    address::AddressTable,
    config::{LARGEST_WINDOW, TcpConfig},
    error::Error,
    packet::Packet,
    stack::Local,
};

const SECOND: u64 = 1_000_000_000;
/// A half-open connection may be replaced by a new one after this time, when the backlog is full.
const HALF_OPEN_AT_LEAST: u64 = SECOND;
/// A half-open connection is given up after this time.
const HALF_OPEN_AT_MOST: u64 = 20 * SECOND;
/// A dropped connection ends abruptly when its peer takes nothing for this long.
const LINGER: u64 = 60 * SECOND;
/// Connections kept in TIME-WAIT.
const MAX_TIME_WAIT: usize = 4;
/// A buffer that is made smaller than asked for has at least this size.
const SMALLEST_BUFFER: usize = 2048;
/// A connection breaks when written data is not acknowledged for this long.
const UNACKNOWLEDGED: Duration = Duration::from_secs(120);
/// Flags in byte 13 of a TCP header.
const SYN: u8 = 0x02;
const SYN_RST_ACK: u8 = 0x16;

/// A port that connections are accepted on.
pub(crate) struct Listener {
    pub(crate) local: Local,
    config: TcpConfig,
    pending: Vec<Pending>,
    pub(crate) waker: Option<Waker>,
}

struct Pending {
    handle: SocketHandle,
    since: u64,
}

struct Closing {
    handle: SocketHandle,
    /// Bytes that were unacknowledged when last looked at.
    queued: usize,
    deadline: u64,
}

/// Name of a listener in its table.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct ListenerId(usize);

/// All listeners, and connections that no program holds.
pub(crate) struct Table {
    /// Bytes that the buffers of all connections may take.
    memory: usize,
    /// Slots of closed listeners are reused.
    listeners: Vec<Option<Listener>>,
    closing: Vec<Closing>,
    /// The socket made for the SYN that smoltcp is about to see, and its listener.
    fresh: Option<(SocketHandle, ListenerId)>,
}

type Sockets = SocketSet<'static>;

/// The TCP socket of `handle`.
pub(crate) fn socket(sockets: &mut Sockets, handle: SocketHandle) -> &mut tcp::Socket<'static> {
    sockets.get_mut(handle)
}

/// Drops a socket. In one place, because a socket is large and so is the code that drops it.
#[inline(never)]
pub(crate) fn remove(sockets: &mut Sockets, handle: SocketHandle) {
    sockets.remove(handle);
}

/// Makes a closed socket with buffers of the configured sizes.
fn build(config: &TcpConfig) -> Result<tcp::Socket<'static>, Error> {
    let receive = SocketBuffer::new(zeroed(config.receive_buffer.min(LARGEST_WINDOW))?);
    let send = SocketBuffer::new(zeroed(config.send_buffer)?);
    let mut socket = tcp::Socket::new(receive, send);
    socket.set_congestion_control(CongestionControl::Reno);
    Ok(socket)
}

/// Bytes in the buffers of all connections.
fn buffered(sockets: &Sockets) -> usize {
    let bytes = sockets.iter().map(|(_, item)| match item {
        Socket::Tcp(socket) => socket.recv_capacity() + socket.send_capacity(),
        _ => 0,
    });
    bytes.sum()
}

/// A buffer, or an error where the heap has no room: a peer must not be able to end the image.
pub(crate) fn zeroed(len: usize) -> Result<Vec<u8>, Error> {
    let mut buffer = Vec::new();
    buffer
        .try_reserve_exact(len.max(1))
        .map_err(|_| Error::OutOfMemory)?;
    buffer.resize(len.max(1), 0);
    Ok(buffer)
}

impl Table {
    /// No listeners; all connections together may take `memory` bytes of buffers.
    pub(crate) fn new(memory: usize) -> Self {
        Self {
            memory,
            listeners: Vec::new(),
            closing: Vec::new(),
            fresh: None,
        }
    }

    /// Adds a listener.
    pub(crate) fn listen(&mut self, local: Local, config: TcpConfig) -> Result<ListenerId, Error> {
        if self
            .listeners
            .iter()
            .flatten()
            .any(|other| other.local.overlaps(local))
        {
            return Err(Error::AddrInUse);
        }
        let listener = Some(Listener {
            local,
            config,
            pending: Vec::new(),
            waker: None,
        });
        match self.listeners.iter().position(Option::is_none) {
            Some(free) => {
                self.listeners[free] = listener;
                Ok(ListenerId(free))
            }
            None => {
                self.listeners.push(listener);
                Ok(ListenerId(self.listeners.len() - 1))
            }
        }
    }

    /// The listener of an id that was not closed.
    pub(crate) fn listener(&mut self, id: ListenerId) -> Option<&mut Listener> {
        self.listeners.get_mut(id.0)?.as_mut()
    }

    /// Whether a listener has `port`.
    pub(crate) fn listens_on(&self, port: u16) -> bool {
        self.listeners
            .iter()
            .flatten()
            .any(|listener| listener.local.port == port)
    }

    /// Removes a listener; connections that it has not handed out are reset.
    pub(crate) fn close_listener(&mut self, sockets: &mut Sockets, id: ListenerId, now: u64) {
        if let Some(listener) = self.listeners.get_mut(id.0).and_then(Option::take) {
            for pending in listener.pending {
                self.abort(sockets, pending.handle, now);
            }
        }
    }

    /// Takes the next connection that is ready.
    pub(crate) fn accept(&mut self, sockets: &mut Sockets, id: ListenerId) -> Option<SocketHandle> {
        let pending = &mut self.listener(id)?.pending;
        let ready = pending
            .iter()
            .position(|p| is_ready(socket(sockets, p.handle).state()))?;
        Some(pending.remove(ready).handle)
    }

    /// Prepares for a TCP segment that smoltcp is about to see, and says whether it shall.
    pub(crate) fn admit(
        &mut self,
        sockets: &mut Sockets,
        packet: &Packet<'_>,
        addresses: &RefCell<AddressTable>,
        now: u64,
    ) -> bool {
        let Some(header) = packet.payload.first_chunk::<20>() else {
            return false;
        };
        if header[13] & SYN_RST_ACK != SYN {
            return true;
        }
        let peer_port = u16::from_be_bytes([header[0], header[1]]);
        let local_port = u16::from_be_bytes([header[2], header[3]]);
        let peer = SocketAddr::new(packet.source, peer_port).into();
        let local = SocketAddr::new(packet.destination, local_port);
        let listener = self.listeners.iter().position(|listener| {
            listener
                .as_ref()
                .is_some_and(|listener| listener.local.matches(local))
        });
        let Some(index) = listener.filter(|_| addresses.borrow().has(packet.destination)) else {
            return true;
        };
        if let Some((handle, state)) = find(sockets, local.into(), peer) {
            if state != State::TimeWait {
                return true;
            }
            // The peer has begun anew, and may: RFC 9293, section 3.10.7.4, TIME-WAIT.
            self.forget(sockets, handle);
        }
        self.prepare(sockets, ListenerId(index), now)
    }

    /// Makes a socket that will take the SYN, if the backlog and the heap have room.
    fn prepare(&mut self, sockets: &mut Sockets, id: ListenerId, now: u64) -> bool {
        let Some(listener) = self.listener(id) else {
            return false;
        };
        if listener.pending.len() >= listener.config.backlog.max(1) {
            let replaceable = listener.pending.iter().position(|pending| {
                socket(sockets, pending.handle).state() == State::SynReceived
                    && now >= pending.since + HALF_OPEN_AT_LEAST
            });
            let Some(index) = replaceable else {
                return false;
            };
            remove(sockets, listener.pending.remove(index).handle);
        }
        let (config, local) = (listener.config, listener.local);
        let endpoint = IpListenEndpoint {
            addr: local.address.map(Into::into),
            port: local.port,
        };
        let Ok(mut socket) = self.create(sockets, &config) else {
            return false;
        };
        if socket.listen(endpoint).is_err() {
            return false;
        }
        self.fresh = Some((sockets.add(socket), id));
        true
    }

    /// Makes a socket with buffers of the configured sizes or, where memory is short, smaller ones:
    /// a connection gets at most a sixteenth of what is left, so that a few cannot keep out the rest.
    pub(crate) fn create(
        &mut self,
        sockets: &mut Sockets,
        config: &TcpConfig,
    ) -> Result<tcp::Socket<'static>, Error> {
        let mut left = self.memory.saturating_sub(buffered(sockets));
        if left / 32 < config.receive_buffer.max(config.send_buffer) {
            self.keep_time_wait(sockets, 0);
            left = self.memory.saturating_sub(buffered(sockets));
        }
        let share = (left / 32).max(SMALLEST_BUFFER);
        if left < 2 * share {
            return Err(Error::OutOfMemory);
        }
        build(&TcpConfig {
            receive_buffer: config.receive_buffer.min(share),
            send_buffer: config.send_buffer.min(share),
            ..*config
        })
    }

    /// Sorts in the socket that [`admit`](Self::admit) made, after smoltcp saw the SYN.
    pub(crate) fn settle(&mut self, sockets: &mut Sockets, now: u64) {
        let Some((handle, id)) = self.fresh.take() else {
            return;
        };
        let listening = socket(sockets, handle).state() == State::Listen;
        match self.listener(id) {
            Some(listener) if !listening => listener.pending.push(Pending { handle, since: now }),
            _ => {
                remove(sockets, handle);
            }
        }
    }

    /// Takes over a connection that its program dropped: what was written still arrives.
    pub(crate) fn close(&mut self, sockets: &mut Sockets, handle: SocketHandle, now: u64) {
        let socket = socket(sockets, handle);
        socket.close();
        let queued = socket.send_queue();
        self.closing.push(Closing {
            handle,
            queued,
            deadline: now + LINGER,
        });
    }

    /// Resets a connection that nobody wants.
    pub(crate) fn abort(&mut self, sockets: &mut Sockets, handle: SocketHandle, now: u64) {
        socket(sockets, handle).abort();
        self.closing.push(Closing {
            handle,
            queued: 0,
            deadline: now + SECOND,
        });
    }

    fn forget(&mut self, sockets: &mut Sockets, handle: SocketHandle) {
        let before = self.closing.len();
        self.closing.retain(|closing| closing.handle != handle);
        if self.closing.len() != before {
            remove(sockets, handle);
        }
    }

    /// Lets go of sockets whose time has come, and wakes listeners whose connections are ready.
    pub(crate) fn tend(&mut self, sockets: &mut Sockets, now: u64) {
        for (_, item) in sockets.iter_mut() {
            if let Socket::Tcp(socket) = item {
                limit_silence(socket);
            }
        }
        for listener in self.listeners.iter_mut().flatten() {
            listener.tend(sockets, now);
        }
        self.closing.retain_mut(|closing| {
            let goes_on = closing.goes_on(socket(sockets, closing.handle), now);
            if !goes_on {
                remove(sockets, closing.handle);
            }
            goes_on
        });
        self.keep_time_wait(sockets, MAX_TIME_WAIT);
    }

    /// Drops all but the newest `keep` sockets in TIME-WAIT.
    fn keep_time_wait(&mut self, sockets: &mut Sockets, keep: usize) {
        let mut waiting = self
            .closing
            .iter()
            .filter(|closing| socket(sockets, closing.handle).state() == State::TimeWait)
            .count();
        self.closing.retain(|closing| {
            let surplus =
                waiting > keep && socket(sockets, closing.handle).state() == State::TimeWait;
            if surplus {
                waiting -= 1;
                remove(sockets, closing.handle);
            }
            !surplus
        });
    }

    /// When [`tend`](Self::tend) has something to do by time alone.
    pub(crate) fn deadline(&self) -> Option<u64> {
        let mut first = u64::MAX;
        for closing in &self.closing {
            first = first.min(closing.deadline);
        }
        for listener in self.listeners.iter().flatten() {
            for pending in &listener.pending {
                first = first.min(pending.since.saturating_add(HALF_OPEN_AT_MOST));
            }
        }
        (first != u64::MAX).then_some(first)
    }
}

impl Listener {
    fn tend(&mut self, sockets: &mut Sockets, now: u64) {
        let mut ready = false;
        self.pending.retain_mut(|pending| {
            let state = socket(sockets, pending.handle).state();
            let half_open = state == State::SynReceived;
            if is_ready(state) {
                ready = true;
                // It may wait for its program as long as it likes.
                pending.since = u64::MAX;
            }
            let keep = is_ready(state)
                || half_open && now < pending.since.saturating_add(HALF_OPEN_AT_MOST);
            if !keep {
                remove(sockets, pending.handle);
            }
            keep
        });
        if ready && let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

impl Closing {
    fn goes_on(&mut self, socket: &mut tcp::Socket<'static>, now: u64) -> bool {
        // What still comes in is read by nobody; unread, it would keep the peer from ending.
        while socket.can_recv() && socket.recv(|bytes| (bytes.len(), ())).is_ok() {}
        let queued = socket.send_queue();
        if queued < self.queued {
            self.queued = queued;
            self.deadline = now + LINGER;
        }
        if now >= self.deadline {
            if socket.state() == State::Closed {
                return false;
            }
            // One more second for the reset to leave.
            socket.abort();
            self.deadline = now + SECOND;
        }
        socket.state() != State::Closed || socket.remote_endpoint().is_some()
    }
}

/// Whether a connection that came in can be handed out: it was established, whatever came after.
fn is_ready(state: State) -> bool {
    !matches!(
        state,
        State::Closed | State::Listen | State::SynSent | State::SynReceived | State::TimeWait
    )
}

/// Lets a connection break when its peer does not acknowledge what was written. Smoltcp's timeout
/// also hits a connection that is merely idle, so it is set only while something is on its way.
fn limit_silence(socket: &mut tcp::Socket<'static>) {
    if matches!(socket.state(), State::Established | State::CloseWait) {
        socket.set_timeout((socket.send_queue() > 0).then_some(UNACKNOWLEDGED));
    }
}

/// The connection between two endpoints.
pub(crate) fn find(
    sockets: &Sockets,
    local: IpEndpoint,
    peer: IpEndpoint,
) -> Option<(SocketHandle, State)> {
    sockets.iter().find_map(|(handle, item)| match item {
        Socket::Tcp(socket)
            if socket.local_endpoint() == Some(local) && socket.remote_endpoint() == Some(peer) =>
        {
            Some((handle, socket.state()))
        }
        _ => None,
    })
}
