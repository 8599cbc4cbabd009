// SPDX-License-Identifier: ISC
//! The network as one event loop: frames of the guest, sockets of the host, and time.
//!
//! Level-triggered epoll watches the guest and the sockets of datagrams, edge-triggered that of
//! connections (see [`crate::tcp`]). While the guest does not take its frames, the loop waits for
//! the guest alone.

use std::{
    io,
    os::fd::{AsRawFd, OwnedFd, RawFd},
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, epoll, poll},
    io::Errno,
};
use smoltcp::wire::EthernetAddress;

use crate::{
    Config, Forward, Protocol, dhcp,
    forward::Forwards,
    frame::{self, Incoming, MAX_FRAME, UDP_PAYLOAD},
    guest::Guest,
    policy::{self, Destination, GATEWAY, Reach},
    resolver::Resolvers,
    tcp::Connections,
    udp::Flows,
};

/// Frames or datagrams taken from one source before the others have their turn.
pub(crate) const BATCH: usize = 64;
/// Events taken at once.
const EVENTS: usize = 64;
/// The loop does not sleep shorter than this for a timer.
const MIN_SLEEP: Duration = Duration::from_millis(1);

/// What an event of epoll is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    Guest,
    /// A forwarded UDP port.
    Forward(u32),
    /// A forwarded TCP port.
    Listener(u32),
    /// An outbound UDP flow.
    Flow(u32),
    /// A connection.
    Stream(u32),
}

impl Token {
    pub(crate) fn data(self) -> epoll::EventData {
        let (kind, index) = match self {
            Self::Guest => (0, 0),
            Self::Forward(index) => (1, index),
            Self::Listener(index) => (2, index),
            Self::Flow(index) => (3, index),
            Self::Stream(index) => (4, index),
        };
        epoll::EventData::new_u64(kind << 32 | u64::from(index))
    }

    fn of(data: epoll::EventData) -> Self {
        let index = data.u64() as u32;
        match data.u64() >> 32 {
            0 => Self::Guest,
            1 => Self::Forward(index),
            2 => Self::Listener(index),
            3 => Self::Flow(index),
            _ => Self::Stream(index),
        }
    }
}

/// A network whose ports are open, before a guest is attached to it.
pub(crate) struct Bound {
    reach: Reach,
    forwards: Forwards,
    connections: Connections,
    flows: Flows,
}

impl Bound {
    /// Opens the ports that `config` forwards, and reads which resolvers the host has.
    ///
    /// # Errors
    ///
    /// Names the port that cannot be had, and what to do.
    pub(crate) fn new(config: Config) -> io::Result<Self> {
        let resolvers = match config.resolvers {
            Some(servers) => Resolvers::new(servers),
            None => Resolvers::of_host(),
        };
        let mut bound = Self {
            reach: match config.reach_host {
                true => Reach::WorldAndHost,
                false => Reach::World,
            },
            forwards: Forwards::new(),
            connections: Connections::new(),
            flows: Flows::new(resolvers),
        };
        for forward in &config.forwards {
            let result = match forward.protocol {
                Protocol::Udp => bound.forwards.bind(forward),
                Protocol::Tcp => bound.connections.bind(forward),
            };
            result.map_err(|error| explain(forward, &error))?;
        }
        Ok(bound)
    }

    /// The descriptors that it needs.
    pub(crate) fn descriptors(&self) -> impl Iterator<Item = RawFd> {
        let forwards = self.forwards.sockets().map(AsRawFd::as_raw_fd);
        forwards.chain(self.connections.listeners().map(AsRawFd::as_raw_fd))
    }

    /// Is the network for the guest at the other end of `socket`, whose hardware address is `mac`,
    /// until that end is closed.
    pub(crate) fn run(self, socket: OwnedFd, mac: [u8; 6]) -> io::Result<()> {
        Network::new(self, socket, mac)?.run()
    }
}

fn explain(forward: &Forward, error: &io::Error) -> io::Error {
    let hint = match error.kind() {
        io::ErrorKind::AddrInUse => "stop what listens there, or forward another port",
        io::ErrorKind::PermissionDenied => "forward a port from 1024 on, or run as root",
        io::ErrorKind::AddrNotAvailable => "forward from an address that this host has",
        _ => "forward another port",
    };
    let Forward { protocol, host, .. } = forward;
    let message = format!("cannot listen on {protocol} `{host}`: {error}; {hint}");
    io::Error::new(error.kind(), message)
}

/// Is the network for the guest at the other end of `socket`, whose hardware address is `mac`, in
/// this thread, until that end is closed. For a process of its own, see [`spawn`](crate::spawn).
///
/// # Errors
///
/// A port that cannot be had, or an error of the socket.
pub fn run(config: Config, socket: OwnedFd, mac: [u8; 6]) -> io::Result<()> {
    Bound::new(config)?.run(socket, mac)
}

/// Feeds frames to a network and drops its answers: any bytes must do, which a fuzzer checks.
/// Each frame is a little-endian length of two bytes, and that many bytes. The network has no
/// resolver and no forward, and its sockets reach nobody.
pub fn answer_frames(bytes: &[u8]) {
    let config = Config {
        resolvers: Some(Vec::new()),
        ..Config::default()
    };
    let pair = rustix::net::socketpair(
        rustix::net::AddressFamily::UNIX,
        rustix::net::SocketType::SEQPACKET,
        rustix::net::SocketFlags::CLOEXEC | rustix::net::SocketFlags::NONBLOCK,
        None,
    );
    let (Ok(mut bound), Ok((ours, theirs))) = (Bound::new(config), pair) else {
        return;
    };
    bound.reach = Reach::Nobody;
    let Ok(mut network) = Network::new(bound, ours, [2, 0, 0, 0, 0, 1]) else {
        return;
    };
    let mut rest = bytes;
    let mut sink = [0; MAX_FRAME];
    while let Some((length, tail)) = rest.split_first_chunk() {
        let length = usize::from(u16::from_le_bytes(*length)).min(tail.len());
        let (frame, tail) = tail.split_at(length);
        network.frame(frame);
        // What the sockets of the host say to that.
        if network.wait_for_all(Some(Duration::ZERO)).is_err() {
            return;
        }
        network.connections.poll(&mut network.guest);
        while rustix::net::recv(&theirs, &mut sink[..], rustix::net::RecvFlags::DONTWAIT).is_ok() {}
        network.guest.flush();
        rest = tail;
    }
}

struct Network {
    guest: Guest,
    epoll: OwnedFd,
    reach: Reach,
    forwards: Forwards,
    connections: Connections,
    flows: Flows,
}

impl Network {
    fn new(bound: Bound, socket: OwnedFd, mac: [u8; 6]) -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let guest = Guest::new(socket, mac);
        epoll::add(&epoll, &guest, Token::Guest.data(), epoll::EventFlags::IN)?;
        bound.forwards.register(&epoll)?;
        bound.connections.register(&epoll)?;
        Ok(Self {
            guest,
            epoll,
            reach: bound.reach,
            forwards: bound.forwards,
            connections: bound.connections,
            flows: bound.flows,
        })
    }

    fn run(mut self) -> io::Result<()> {
        let mut timeout = None;
        loop {
            let result = if self.guest.is_behind() {
                self.wait_for_guest(timeout)
            } else {
                self.wait_for_all(timeout)
            };
            match result {
                Ok(()) => {}
                Err(error) if is_end(&error) => return Ok(()),
                Err(error) => return Err(error),
            }
            let review = self.flows.review(Instant::now());
            let timer = self.connections.poll(&mut self.guest);
            timeout = [review, timer].into_iter().flatten().min();
            timeout = timeout.map(|timeout| timeout.max(MIN_SLEEP));
        }
    }

    fn wait_for_guest(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        let flags = PollFlags::IN | PollFlags::OUT;
        match poll(
            &mut [PollFd::new(&self.guest, flags)],
            timespec(timeout).as_ref(),
        ) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        self.guest.flush();
        self.frames()
    }

    fn wait_for_all(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        let mut events = [const { std::mem::MaybeUninit::uninit() }; EVENTS];
        let events = match epoll::wait(&self.epoll, &mut events, timespec(timeout).as_ref()) {
            Ok((events, _)) => events,
            Err(Errno::INTR) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        for event in events {
            let flags = event.flags;
            match Token::of(event.data) {
                Token::Guest => self.frames()?,
                Token::Forward(index) => self.forwards.receive(index as usize, &mut self.guest),
                Token::Listener(index) => self.connections.accept(index as usize, &self.epoll),
                Token::Flow(index) => self.flows.receive(index as usize, &mut self.guest),
                Token::Stream(index) => {
                    self.connections
                        .event(index as usize, flags, &mut self.guest);
                }
            }
        }
        Ok(())
    }

    fn frames(&mut self) -> io::Result<()> {
        let mut buffer = [0; MAX_FRAME];
        for _ in 0..BATCH {
            match self.guest.receive(&mut buffer)? {
                Some(frame) => self.frame(frame),
                None => break,
            }
        }
        Ok(())
    }

    /// Does what a frame of the guest asks for.
    fn frame(&mut self, frame: &[u8]) {
        let Some((sender, incoming)) = frame::parse(frame) else {
            return;
        };
        self.guest.mac = sender;
        match incoming {
            Incoming::Arp(answer) => {
                self.answer(|frame, to| Some(frame::put_arp(frame, to, &answer)));
            }
            Incoming::Echo(request) => {
                self.answer(|frame, to| Some(frame::put_echo(frame, to, request)));
            }
            Incoming::Dhcp(request) => self.answer(|frame, to| dhcp_frame(frame, to, request)),
            Incoming::Udp {
                source,
                destination,
                payload,
            } => {
                let forwarded = *destination.ip() == GATEWAY
                    && self.forwards.send(source, destination.port(), payload);
                if !forwarded {
                    let to = policy::destination(destination, self.reach);
                    self.flows
                        .send(&self.epoll, (source, destination), to, payload);
                }
            }
            Incoming::Tcp {
                source,
                destination,
                opens: false,
                packet,
            } => self
                .connections
                .segment(&mut self.guest, (source, destination), packet),
            Incoming::Tcp {
                source,
                destination,
                opens: true,
                packet,
            } => {
                let to = match policy::destination(destination, self.reach) {
                    Destination::Host(address) => Some(address),
                    Destination::Resolver => self.flows.resolver(),
                    Destination::Nowhere => None,
                };
                let key = (source, destination);
                self.connections
                    .open(&mut self.guest, &self.epoll, key, to, packet);
            }
        }
    }

    fn answer(&mut self, put: impl FnOnce(&mut [u8], EthernetAddress) -> Option<usize>) {
        let mut buffer = [0; MAX_FRAME];
        if let Some(length) = put(&mut buffer, self.guest.mac) {
            self.guest.send(&buffer[..length]);
        }
    }
}

fn dhcp_frame(frame: &mut [u8], to: EthernetAddress, request: &[u8]) -> Option<usize> {
    let length = UDP_PAYLOAD + dhcp::answer(request, &mut frame[UDP_PAYLOAD..])?;
    let from = std::net::SocketAddrV4::new(GATEWAY, 67);
    let at = std::net::SocketAddrV4::new(std::net::Ipv4Addr::BROADCAST, 68);
    frame::put_udp(&mut frame[..length], to, from, at);
    Some(length)
}

/// Whether the guest has gone.
fn is_end(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
    matches!(error.kind(), BrokenPipe | ConnectionReset | UnexpectedEof)
}

fn timespec(timeout: Option<Duration>) -> Option<Timespec> {
    timeout.and_then(|timeout| Timespec::try_from(timeout).ok())
}
