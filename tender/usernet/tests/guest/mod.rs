// SPDX-License-Identifier: ISC
//! A guest for tests: smoltcp on one end of a socket pair, the network in a thread on the other.

use std::{
    net::SocketAddr,
    os::fd::OwnedFd,
    time::{Duration, Instant},
};

use fata_usernet::{Config, GATEWAY, GUEST};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socketpair},
};
use smoltcp::{
    iface::{self, Interface, SocketHandle, SocketSet},
    phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken},
    socket::{tcp, udp},
    wire::{EthernetAddress, HardwareAddress, IpCidr, IpEndpoint},
};

/// Hardware address of the guest.
pub const MAC: [u8; 6] = [0x02, 0, 0, 0, 0, 1];
/// How long a test waits for what it expects.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub struct Guest {
    pub wire: Wire,
    pub interface: Interface,
    pub sockets: SocketSet<'static>,
    start: Instant,
}

/// The guest's end of the socket pair.
pub struct Wire(pub OwnedFd);

/// A configuration that reaches the loopback of the host and needs no resolver of it.
pub fn config() -> Config {
    Config {
        reach_host: true,
        resolvers: Some(vec!["127.0.0.1:9".parse().unwrap()]),
        ..Config::default()
    }
}

/// A port of loopback that was free a moment ago.
pub fn free_port() -> u16 {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    socket.local_addr().unwrap().port()
}

impl Guest {
    /// A guest without an address, on a network in a thread.
    pub fn new(config: Config) -> Self {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let pair = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None);
        let (guest, network) = pair.unwrap();
        std::thread::spawn(move || fata_usernet::run(config, network, MAC).unwrap());
        Self::on(guest)
    }

    /// A guest with its address, on a network in a thread.
    pub fn configured(config: Config) -> Self {
        let mut guest = Self::new(config);
        guest.configure();
        guest
    }

    /// A guest without an address on a socket.
    pub fn on(socket: OwnedFd) -> Self {
        let mut wire = Wire(socket);
        let mac = HardwareAddress::Ethernet(EthernetAddress(MAC));
        let config = iface::Config::new(mac);
        let interface = Interface::new(config, &mut wire, smoltcp::time::Instant::ZERO);
        Self {
            wire,
            interface,
            sockets: SocketSet::new(Vec::new()),
            start: Instant::now(),
        }
    }

    /// Takes the address without asking for it.
    pub fn configure(&mut self) {
        self.interface.update_ip_addrs(|addresses| {
            addresses.push(IpCidr::new(GUEST.into(), 24)).unwrap();
        });
        self.interface
            .routes_mut()
            .add_default_ipv4_route(GATEWAY)
            .unwrap();
    }

    /// Lets the stack work once, and then wait for a frame a little.
    pub fn turn(&mut self) {
        let now = smoltcp::time::Instant::from_micros(self.start.elapsed().as_micros() as i64);
        self.interface.poll(now, &mut self.wire, &mut self.sockets);
        let pause = Timespec {
            tv_sec: 0,
            tv_nsec: 2_000_000,
        };
        poll(
            &mut [PollFd::new(&self.wire.0, PollFlags::IN)],
            Some(&pause),
        )
        .unwrap();
    }

    /// Works until `done` has a value.
    pub fn until<T>(&mut self, mut done: impl FnMut(&mut Self) -> Option<T>) -> T {
        let start = Instant::now();
        loop {
            if let Some(value) = done(self) {
                return value;
            }
            assert!(start.elapsed() < PATIENCE, "nothing came");
            self.turn();
        }
    }

    /// Works for a while.
    pub fn rest(&mut self, time: Duration) {
        let start = Instant::now();
        while start.elapsed() < time {
            self.turn();
        }
    }

    pub fn udp(&mut self, port: u16) -> SocketHandle {
        let buffer = || {
            let metadata = vec![udp::PacketMetadata::EMPTY; 64];
            udp::PacketBuffer::new(metadata, vec![0; 64 * 1500])
        };
        let mut socket = udp::Socket::new(buffer(), buffer());
        socket.bind(port).unwrap();
        self.sockets.add(socket)
    }

    pub fn udp_send(&mut self, socket: SocketHandle, to: SocketAddr, data: &[u8]) {
        let socket = self.sockets.get_mut::<udp::Socket<'_>>(socket);
        socket.send_slice(data, endpoint(to)).unwrap();
        self.turn();
    }

    pub fn udp_receive(&mut self, socket: SocketHandle) -> (Vec<u8>, SocketAddr) {
        self.until(|guest| {
            let socket = guest.sockets.get_mut::<udp::Socket<'_>>(socket);
            let (data, meta) = socket.recv().ok()?;
            Some((data.to_vec(), address(meta.endpoint)))
        })
    }

    pub fn tcp(&mut self) -> SocketHandle {
        let buffer = || tcp::SocketBuffer::new(vec![0; 65536]);
        self.sockets.add(tcp::Socket::new(buffer(), buffer()))
    }

    pub fn tcp_connect(&mut self, port: u16, to: SocketAddr) -> SocketHandle {
        let handle = self.tcp();
        let socket = self.sockets.get_mut::<tcp::Socket<'_>>(handle);
        socket
            .connect(self.interface.context(), endpoint(to), port)
            .unwrap();
        handle
    }

    pub fn tcp_state(&self, socket: SocketHandle) -> tcp::State {
        self.sockets.get::<tcp::Socket<'_>>(socket).state()
    }
}

fn endpoint(address: SocketAddr) -> IpEndpoint {
    match address {
        SocketAddr::V4(address) => address.into(),
        SocketAddr::V6(_) => panic!("the guest knows no IPv6"),
    }
}

fn address(endpoint: IpEndpoint) -> SocketAddr {
    SocketAddr::new(endpoint.addr.into(), endpoint.port)
}

impl Wire {
    /// Sends a frame; a full socket loses it.
    pub fn send(&self, frame: &[u8]) {
        let _ = send(&self.0, frame, SendFlags::NOSIGNAL);
    }

    pub fn receive(&self) -> Option<Vec<u8>> {
        let mut buffer = [0; 2048];
        let (_, length) = recv(&self.0, &mut buffer[..], RecvFlags::empty()).ok()?;
        Some(buffer[..length].to_vec())
    }
}

impl Device for Wire {
    type RxToken<'a> = Frame;
    type TxToken<'a> = Sender<'a>;

    fn receive(&mut self, _now: smoltcp::time::Instant) -> Option<(Frame, Sender<'_>)> {
        Some((Frame(Wire::receive(self)?), Sender(self)))
    }

    fn transmit(&mut self, _now: smoltcp::time::Instant) -> Option<Sender<'_>> {
        Some(Sender(self))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = 1514;
        capabilities
    }
}

pub struct Frame(Vec<u8>);

impl RxToken for Frame {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(&self.0)
    }
}

pub struct Sender<'a>(&'a Wire);

impl TxToken for Sender<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, f: F) -> R {
        let mut frame = vec![0; length];
        let result = f(&mut frame);
        self.0.send(&frame);
        result
    }
}
