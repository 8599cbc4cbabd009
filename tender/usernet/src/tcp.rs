// SPDX-License-Identifier: ISC
//! Connections: TCP with the guest ends in smoltcp, and its bytes are spliced to a socket of the host.
//!
//! - **The guest connects.** Its SYN is kept while the host connects. When that works, a socket
//!   that listens at exactly the address that the guest means is made, and the SYN given to it;
//!   when it fails, the SYN finds no socket and is answered by a reset, as the host was.
//! - **The world connects** to a forwarded port: smoltcp connects to the guest from the gateway, and
//!   keeps trying while the guest is still starting.
//!
//! Then `Flow::pump` moves bytes when one side has some and the other has room, and closes each
//! direction by itself. Sockets of the host are watched edge-triggered: `readable` and `writable`
//! stand until the kernel says that it would block.

use std::{
    collections::HashMap,
    io,
    net::{SocketAddr, SocketAddrV4, TcpListener, TcpStream},
    os::fd::OwnedFd,
    time::Duration,
};

use rustix::{
    event::epoll,
    io::Errno,
    net::{AddressFamily, SocketFlags, SocketType},
};
use smoltcp::{
    iface::{self, Interface, PollResult, SocketSet},
    socket::tcp,
    time::Instant,
    wire::{HardwareAddress, IpCidr, IpEndpoint},
};

use crate::{
    config::Forward,
    guest::Guest,
    network::Token,
    policy::{DNS, GATEWAY, GUEST, PREFIX},
};

mod device;
mod flow;

use device::Wire;
use flow::{Flow, Stage};

/// Connections at most, those that are being made included.
const MAX_FLOWS: usize = 256;
/// Connections taken from a forwarded port in one turn.
const ACCEPT_BATCH: usize = 16;
/// Bytes buffered in each direction of a connection: as many as a window can offer without a scale.
/// Smoltcp rounds a scaled window down, so that it shrinks when a segment of odd length comes in, and
/// two ends that have both filled a window which then shrank refuse each other's acknowledgements
/// for ever.
const BUFFER: usize = u16::MAX as usize;
/// Connections from the gateway to the guest leave from here on.
const FIRST_PORT: u16 = 0xa000;

/// Port of the guest, and the other end as the guest sees it.
pub(crate) type Key = (u16, SocketAddrV4);

/// All connections.
pub(crate) struct Connections {
    interface: Interface,
    sockets: SocketSet<'static>,
    flows: Vec<Option<Flow>>,
    index: HashMap<Key, usize>,
    listeners: Vec<(TcpListener, u16)>,
    next_port: u16,
    epoch: std::time::Instant,
}

impl Connections {
    pub(crate) fn new() -> Self {
        let config = iface::Config::new(HardwareAddress::Ip);
        let mut interface = Interface::new(config, &mut Wire::closed(), Instant::ZERO);
        interface.update_ip_addrs(|addresses| {
            // Two addresses fit, by the feature that Cargo.toml names.
            let _ = addresses.push(IpCidr::new(GATEWAY.into(), PREFIX));
            let _ = addresses.push(IpCidr::new(DNS.into(), PREFIX));
        });
        interface.set_any_ip(true);
        Self {
            interface,
            sockets: SocketSet::new(Vec::new()),
            flows: Vec::new(),
            index: HashMap::new(),
            listeners: Vec::new(),
            next_port: FIRST_PORT,
            epoch: std::time::Instant::now(),
        }
    }

    /// Opens the port that `forward` names.
    pub(crate) fn bind(&mut self, forward: &Forward) -> io::Result<()> {
        let listener = TcpListener::bind(forward.host)?;
        listener.set_nonblocking(true)?;
        self.listeners.push((listener, forward.guest_port));
        Ok(())
    }

    pub(crate) fn listeners(&self) -> impl Iterator<Item = &TcpListener> {
        self.listeners.iter().map(|(listener, _)| listener)
    }

    pub(crate) fn register(&self, epoll: &OwnedFd) -> io::Result<()> {
        for (i, listener) in self.listeners().enumerate() {
            let token = Token::Listener(i as u32).data();
            epoll::add(epoll, listener, token, epoll::EventFlags::IN)?;
        }
        Ok(())
    }

    /// Takes a segment of the guest that belongs to a connection, or to none.
    pub(crate) fn segment(&mut self, guest: &mut Guest, key: Key, packet: &[u8]) {
        if let Some(&slot) = self.index.get(&key)
            && let Some(flow) = &self.flows[slot]
            && flow.is_connecting()
        {
            // The host has not answered yet: the guest repeats its SYN, or gave up.
            return;
        }
        self.ingress(guest, packet);
    }

    /// Takes a SYN that may open a connection to `to`.
    pub(crate) fn open(
        &mut self,
        guest: &mut Guest,
        epoll: &OwnedFd,
        key: Key,
        to: Option<SocketAddr>,
        syn: &[u8],
    ) {
        if self.index.contains_key(&key) {
            return self.segment(guest, key, syn);
        }
        let flow = to.and_then(|to| connect(to).ok()).map(|stream| Flow {
            key,
            stream,
            stage: Stage::Connecting(syn.to_vec()),
        });
        if flow.and_then(|flow| self.add(epoll, flow)).is_none() {
            // No socket listens, so this is a reset.
            self.ingress(guest, syn);
        }
    }

    /// Takes connections at a forwarded port.
    pub(crate) fn accept(&mut self, listener: usize, epoll: &OwnedFd) {
        for _ in 0..ACCEPT_BATCH {
            let Some((socket, guest_port)) = self.listeners.get(listener) else {
                return;
            };
            let guest_port = *guest_port;
            let Ok((stream, _)) = socket.accept() else {
                return;
            };
            if let Some(flow) = self.connect_guest(stream, guest_port) {
                self.add(epoll, flow);
            }
        }
    }

    /// Starts a connection to the guest. Without room for it the stream is closed by dropping it.
    fn connect_guest(&mut self, stream: TcpStream, guest_port: u16) -> Option<Flow> {
        stream.set_nonblocking(true).ok()?;
        let port = self.free_port(guest_port);
        let mut socket = socket();
        let local = IpEndpoint::new(GATEWAY.into(), port);
        let remote = IpEndpoint::new(GUEST.into(), guest_port);
        socket
            .connect(self.interface.context(), remote, local)
            .ok()?;
        Some(Flow {
            key: (guest_port, SocketAddrV4::new(GATEWAY, port)),
            stream,
            stage: Stage::open(self.sockets.add(socket)),
        })
    }

    fn free_port(&mut self, guest_port: u16) -> u16 {
        // Far fewer connections than ports, so one is soon found.
        loop {
            let port = self.next_port;
            self.next_port = port.checked_add(1).unwrap_or(FIRST_PORT);
            let key = (guest_port, SocketAddrV4::new(GATEWAY, port));
            if !self.index.contains_key(&key) {
                return port;
            }
        }
    }

    fn add(&mut self, epoll: &OwnedFd, flow: Flow) -> Option<()> {
        let slot = self.free_slot();
        let added = slot.filter(|&slot| {
            let flags = epoll::EventFlags::IN | epoll::EventFlags::OUT | epoll::EventFlags::ET;
            epoll::add(
                epoll,
                &flow.stream,
                Token::Stream(slot as u32).data(),
                flags,
            )
            .is_ok()
        });
        let Some(slot) = added else {
            if let Stage::Open(open) = &flow.stage {
                self.sockets.remove(open.handle);
            }
            return None;
        };
        self.index.insert(flow.key, slot);
        self.flows[slot] = Some(flow);
        Some(())
    }

    fn free_slot(&mut self) -> Option<usize> {
        if let Some(free) = self.flows.iter().position(Option::is_none) {
            return Some(free);
        }
        if self.flows.len() < MAX_FLOWS {
            self.flows.push(None);
            return Some(self.flows.len() - 1);
        }
        // A connection that is over, and only remembered against stray segments, makes room.
        let over = (0..self.flows.len()).find(|&slot| match &self.flows[slot] {
            Some(flow) => flow.is_remembered(&self.sockets),
            None => true,
        })?;
        self.remove(over);
        Some(over)
    }

    fn remove(&mut self, slot: usize) {
        if let Some(flow) = self.flows[slot].take() {
            self.index.remove(&flow.key);
            if let Stage::Open(open) = flow.stage {
                self.sockets.remove(open.handle);
            }
        }
    }

    /// Takes what the kernel says of the host's side of a connection.
    pub(crate) fn event(&mut self, slot: usize, flags: epoll::EventFlags, guest: &mut Guest) {
        let Some(Some(flow)) = self.flows.get_mut(slot) else {
            return;
        };
        match &mut flow.stage {
            Stage::Open(open) => open.note(flags),
            Stage::Connecting(syn) => {
                // An event may be left from a socket that had this slot before.
                let failed = !matches!(flow.stream.take_error(), Ok(None));
                let connected = !failed && flow.stream.peer_addr().is_ok();
                if failed || connected {
                    let syn = std::mem::take(syn);
                    self.connected(slot, connected, &syn, guest);
                }
            }
        }
    }

    /// Lets the guest know how connecting ended.
    fn connected(&mut self, slot: usize, connected: bool, syn: &[u8], guest: &mut Guest) {
        let Some(flow) = &mut self.flows[slot] else {
            return;
        };
        if !connected {
            self.remove(slot);
            return self.ingress(guest, syn);
        }
        let mut listener = socket();
        let at = IpEndpoint::from(flow.key.1);
        // Neither the port nor the state of a new socket can be wrong.
        let listens = listener.listen(at).is_ok();
        let handle = self.sockets.add(listener);
        flow.stage = Stage::open(handle);
        self.ingress(guest, syn);
        let untouched = self.sockets.get::<tcp::Socket<'_>>(handle).is_listening();
        if !listens || untouched {
            // The SYN was broken: its checksum, say.
            self.remove(slot);
        }
    }

    fn ingress(&mut self, guest: &mut Guest, packet: &[u8]) {
        let now = self.now();
        let mut wire = Wire::new(guest, Some(packet));
        self.interface
            .poll_ingress_single(now, &mut wire, &mut self.sockets);
    }

    /// Moves bytes and sends what is due; says when to come again.
    pub(crate) fn poll(&mut self, guest: &mut Guest) -> Option<Duration> {
        if self.index.is_empty() {
            return None;
        }
        for flow in self.flows.iter_mut().flatten() {
            flow.pump(&mut self.sockets);
        }
        let now = self.now();
        let mut wire = Wire::new(guest, None);
        // A segment of each connection at a time, until windows are full or the guest is behind.
        while self
            .interface
            .poll_egress(now, &mut wire, &mut self.sockets)
            != PollResult::None
        {}
        for slot in 0..self.flows.len() {
            if let Some(flow) = &self.flows[slot]
                && flow.is_over(&self.sockets)
            {
                self.remove(slot);
            }
        }
        let wait = self.interface.poll_delay(now, &self.sockets)?;
        Some(Duration::from_micros(wait.total_micros()))
    }

    fn now(&self) -> Instant {
        Instant::from_micros(self.epoch.elapsed().as_micros() as i64)
    }
}

fn socket() -> tcp::Socket<'static> {
    let buffer = || tcp::SocketBuffer::new(vec![0; BUFFER]);
    let mut socket = tcp::Socket::new(buffer(), buffer());
    // The sender of the bytes decided how they are cut; they are passed on at once.
    socket.set_nagle_enabled(false);
    // A guest that is gone without a word is found out.
    socket.set_keep_alive(Some(smoltcp::time::Duration::from_secs(60)));
    socket.set_timeout(Some(smoltcp::time::Duration::from_secs(180)));
    socket
}

fn connect(to: SocketAddr) -> io::Result<TcpStream> {
    let family = match to {
        SocketAddr::V4(_) => AddressFamily::INET,
        SocketAddr::V6(_) => AddressFamily::INET6,
    };
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = rustix::net::socket_with(family, SocketType::STREAM, flags, None)?;
    match rustix::net::connect(&socket, &to) {
        Ok(()) | Err(Errno::INPROGRESS) => Ok(TcpStream::from(socket)),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use smoltcp::wire::{TcpOption, TcpPacket};

    use super::*;
    use crate::frame::ETHERNET;

    #[test]
    fn windows_are_not_scaled() {
        let (ours, theirs) = std::os::unix::net::UnixDatagram::pair().unwrap();
        let mut guest = Guest::new(ours.into(), [2, 0, 0, 0, 0, 1]);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).unwrap();
        let mut connections = Connections::new();
        let flow = connections.connect_guest(stream, 80).unwrap();
        connections.add(&epoll, flow).unwrap();
        connections.poll(&mut guest);

        let mut frame = [0; 2000];
        let length = theirs.recv(&mut frame).unwrap();
        let syn = TcpPacket::new_checked(&frame[ETHERNET + 20..length]).unwrap();
        assert!(syn.syn());
        let mut options = syn.options();
        while !options.is_empty() {
            let (rest, option) = TcpOption::parse(options).unwrap();
            assert!(!matches!(option, TcpOption::WindowScale(1..)), "{option:?}");
            options = rest;
        }
    }
}
