// SPDX-License-Identifier: ISC
//! Frames into a stack that has sockets of every kind, in every state.

use alloc::{boxed::Box, vec::Vec};
use core::{
    cell::Cell,
    future::Future,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    pin::Pin,
    task::{Context, Poll, Waker},
    time::Duration,
};
use std::thread_local;

use fata_device::{
    Frame, Net,
    memory::{Nic, link, offload_info, plain_info},
    net::{Checksum, Offload, SegmentKind, Segmentation},
};

use super::bytes::Bytes;
use crate::{
    Config, Error, EthernetSocket, IpSocket, Ipv4, Responder, Stack, TcpListener, TcpStream,
    UdpSocket,
    checksum::Sum,
    driver::{Driver, Next},
    packet,
    stack::Clock,
    tcp::{segment::Segment, seq::Seq},
};

thread_local! {
    static NOW: Cell<u64> = const { Cell::new(0) };
}

/// Steps that a stack may take before it has to wait for something.
const MAX_STEPS: usize = 1000;
/// What a peer is, where programs ask for one.
const PEER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
/// Connections that a program holds at once.
const MAX_STREAMS: usize = 8;

type Waiting = Pin<Box<dyn Future<Output = Option<TcpStream>>>>;

/// Feeds `input` to a stack at 10.0.0.2, fe80::ff:fe00:2 and what it is told to use, with the
/// Ethernet address 02:00:00:00:00:02, whose programs answer UDP on port 53, hear it on port 54,
/// accept TCP on port 80, and have raw sockets.
///
/// The first byte of the input is a set of flags: an IPv4 address is given instead of asked for by
/// DHCP (1), the card takes large frames (2). After that come steps of three bytes and what they
/// need. The first two (little endian) have the length of a frame in the low eleven bits, the state
/// of its checksum in the two above, whether TCP's numbers count from what the stack has sent last
/// (so that a connection can be kept up) in the next, and as what it is to be cut in the last two.
/// The low five bits of the third are a pause in microseconds, as a power of two, the others the
/// size of segments. Without a frame the third byte is what a program does.
///
/// # Panics
///
/// Never; that is what the fuzzer looks for.
pub fn frames(input: &[u8]) {
    let mut input = Bytes::new(input);
    if input.is_empty() {
        return;
    }
    let Some(mut net) = Network::new(input.byte()) else {
        return;
    };
    while !input.is_empty() {
        let form = input.half();
        let third = input.byte();
        let len = usize::from(form & 0x7ff);
        if len == 0 {
            net.program(third);
            net.settle();
            net.receive();
            continue;
        }
        let frame = input.take(len).to_vec();
        net.send(frame, form, third >> 5);
        net.settle();
        NOW.set(NOW.get() + (1000 << (third & 31)));
        net.settle();
        net.receive();
    }
    net.programs = None;
    net.settle();
}

/// The stack, its programs, and the card at the other end.
struct Network {
    nic: Nic,
    driver: Driver<Nic>,
    programs: Option<Programs>,
    /// The last segment of the stack: next number, acknowledged number, its port.
    last: Option<(Seq, Seq, u16)>,
}

struct Programs {
    stack: Stack,
    listener: TcpListener,
    streams: Vec<TcpStream>,
    waiting: Vec<Waiting>,
    udp: UdpSocket,
    raw: IpSocket,
    ethernet: EthernetSocket,
    _responder: Responder,
}

impl Network {
    fn new(flags: u8) -> Option<Self> {
        NOW.set(1_000_000_000);
        let ipv4 = match flags & 1 {
            0 => Ipv4::Dhcp,
            _ => Ipv4::Static {
                prefix: "10.0.0.2/24".parse().ok()?,
                gateway: None,
            },
        };
        let config = Config {
            ipv4,
            tcp_memory: Some(1 << 20),
            ..Config::default()
        };
        let info = match flags & 2 {
            0 => plain_info,
            _ => offload_info,
        };
        let (nic, card) = link([offload_info(1), info(2)], 64);
        let (stack, driver) = Stack::with_driver(card, config, || 4, Clock::stepping(|| NOW.get()));
        let programs = Programs::new(stack)?;
        Some(Self {
            nic,
            driver,
            programs: Some(programs),
            last: None,
        })
    }

    fn program(&mut self, what: u8) {
        if let Some(programs) = &mut self.programs {
            programs.step(what);
        }
    }

    fn send(&mut self, mut bytes: Vec<u8>, form: u16, size: u8) {
        if form & 0x2000 != 0 {
            self.join(&mut bytes);
        }
        let kind = match form >> 14 {
            0 => None,
            1 => Some(SegmentKind::Tcp4),
            2 => Some(SegmentKind::Tcp6),
            _ => Some(SegmentKind::Udp),
        };
        let partial = Checksum::Partial {
            start: 34,
            offset: 16,
        };
        let checksum = match (form >> 11) & 3 {
            _ if kind.is_some() => partial,
            0 | 1 => Checksum::Unverified,
            2 => Checksum::Verified,
            _ => partial,
        };
        let sizes = [0, 1, 8, 100, 536, 1448, 9000, 65_535];
        let segmentation = kind.map(|kind| Segmentation {
            kind,
            size: sizes[usize::from(size)],
            header_len: 54,
        });
        let mut cx = Context::from_waker(Waker::noop());
        let Poll::Ready(Ok(mut frame)) = self.nic.poll_reserve(&mut cx, bytes.len()) else {
            return;
        };
        frame.copy_from_slice(&bytes);
        frame.set_offload(Offload {
            checksum,
            segmentation,
        });
        // What the device refuses is as good as lost.
        let _ = self.nic.send(frame);
    }

    /// Makes a segment one of the connection that the stack used last: its numbers count from where
    /// that is.
    fn join(&self, frame: &mut [u8]) {
        if frame.get(12..14) == Some(&[8, 0]) && frame.len() >= 34 {
            frame[24..26].fill(0);
            let len = usize::from(frame[14] & 15) * 4;
            let header = frame.get(14..14 + len).unwrap_or(&[]);
            let sum = Sum::default().add(header).finish();
            frame[24..26].copy_from_slice(&sum);
        }
        let (Some(start), Some((seq, ack, port))) = (transport(frame), self.last) else {
            return;
        };
        let Some(header) = frame.get_mut(start..start + 12) else {
            return;
        };
        let word = |at: usize| {
            u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
        };
        let (from, to) = ((ack + word(4)).0, (seq + word(8)).0);
        header[2..4].copy_from_slice(&port.to_be_bytes());
        header[4..8].copy_from_slice(&from.to_be_bytes());
        header[8..12].copy_from_slice(&to.to_be_bytes());
    }

    fn receive(&mut self) {
        let mut cx = Context::from_waker(Waker::noop());
        while let Poll::Ready(Ok(frame)) = self.nic.poll_receive(&mut cx) {
            if let Some(start) = transport(&frame)
                && let Some(bytes) = frame.get(start..)
                && let Some(segment) = Segment::parse(bytes)
            {
                let len = bytes.len() - usize::from(segment.header_len);
                let end = segment.seq + segment.sequence_len(len);
                self.last = Some((end, segment.ack, segment.source_port));
            }
        }
    }

    /// Lets the stack do what it can do without waiting.
    fn settle(&mut self) {
        let mut cx = Context::from_waker(Waker::noop());
        for _ in 0..MAX_STEPS {
            if self.driver.step(&mut cx, NOW.get()) != Next::Again {
                return;
            }
        }
        panic!("the stack always has something to do");
    }
}

/// Where TCP begins in a frame, if it has any.
fn transport(frame: &[u8]) -> Option<usize> {
    let header = match frame.get(12..14)? {
        [8, 0] => packet::ipv4(frame).ok()?,
        [0x86, 0xdd] => packet::ipv6(frame).ok()?,
        _ => return None,
    };
    (header.protocol == packet::protocol::TCP).then_some(header.payload.start)
}

impl Programs {
    fn new(stack: Stack) -> Option<Self> {
        let listener = TcpListener::bind(&stack, 80).ok()?;
        let responder = UdpSocket::bind(&stack, 53)
            .ok()?
            .respond(|query, _, reply| {
                let len = query.len().min(reply.len());
                reply[..len].copy_from_slice(&query[..len]);
                Some(len)
            });
        Some(Self {
            udp: UdpSocket::bind(&stack, 54).ok()?,
            raw: IpSocket::new(&stack, 6),
            ethernet: EthernetSocket::new(&stack, None),
            stack,
            listener,
            streams: Vec::new(),
            waiting: Vec::new(),
            _responder: responder,
        })
    }

    /// What a program does: the low four bits say what, the others with which, or how much.
    fn step(&mut self, what: u8) {
        let mut cx = Context::from_waker(Waker::noop());
        let some = usize::from(what >> 4);
        let peer = SocketAddr::new(IpAddr::V4(PEER), 1000 + u16::from(what >> 4));
        match what & 15 {
            0 => {
                if let Poll::Ready(Ok((stream, _))) = self.listener.poll_accept(&mut cx) {
                    self.keep(stream);
                }
            }
            1 => self.wait_for(connect(self.stack.clone(), peer)),
            2 => self.wait_for(ping(self.stack.clone(), some * 100)),
            3..=8 => self.use_stream(what & 15, some),
            9 => drop(self.udp.connect(peer)),
            10 => drop(
                self.udp
                    .poll_send_to(&mut cx, &[7; 2000][..some * 130], peer),
            ),
            11 => drop(self.udp.poll_recv_from(&mut cx, &mut [0; 100])),
            12 => {
                let mut buffer = [0; 64];
                let _ = core::pin::pin!(self.raw.recv_from(&mut buffer)).poll(&mut cx);
                let _ = core::pin::pin!(self.ethernet.recv(&mut buffer)).poll(&mut cx);
                let _ = core::pin::pin!(self.raw.send_to(&[9; 40], IpAddr::V4(PEER))).poll(&mut cx);
            }
            13 => {
                let group = IpAddr::V4(Ipv4Addr::new(224, 0, 1, what >> 4));
                let _ = self.udp.join(group);
            }
            14 => self
                .udp
                .leave(IpAddr::V4(Ipv4Addr::new(224, 0, 1, what >> 4))),
            _ => self.poll_waiting(),
        }
    }

    fn keep(&mut self, stream: TcpStream) {
        if self.streams.len() == MAX_STREAMS {
            self.streams.remove(0);
        }
        self.streams.push(stream);
    }

    fn wait_for(&mut self, waiting: Waiting) {
        if self.waiting.len() == MAX_STREAMS {
            drop(self.waiting.remove(0));
        }
        self.waiting.push(waiting);
        self.poll_waiting();
    }

    /// Goes on with what waits.
    fn poll_waiting(&mut self) {
        let mut cx = Context::from_waker(Waker::noop());
        let mut there = Vec::new();
        self.waiting
            .retain_mut(|waiting| match waiting.as_mut().poll(&mut cx) {
                Poll::Ready(stream) => {
                    there.extend(stream);
                    false
                }
                Poll::Pending => true,
            });
        there.into_iter().for_each(|stream| self.keep(stream));
    }

    fn use_stream(&mut self, what: u8, some: usize) {
        use fata_device::Flow;
        let mut cx = Context::from_waker(Waker::noop());
        let Some(stream) = self.streams.last_mut() else {
            return;
        };
        match what {
            3 => drop(stream.poll_read(&mut cx, &mut [0; 4096][..1 + some * 256])),
            4 => drop(stream.poll_write(&mut cx, &[3; 60_000][..some * 4000])),
            5 => {
                let _ = core::pin::pin!(stream.shutdown()).poll(&mut cx);
            }
            6 => drop(self.streams.pop()),
            7 => {
                stream.set_nodelay(some & 1 == 0);
                stream.set_keepalive(Some(Duration::from_secs(some as u64)));
                stream.set_user_timeout((some > 7).then(|| Duration::from_secs(some as u64)));
            }
            _ => {
                if let Some(stream) = self.streams.pop() {
                    stream.abort();
                }
            }
        }
    }
}

fn connect(stack: Stack, peer: SocketAddr) -> Waiting {
    Box::pin(async move { TcpStream::connect(&stack, peer).await.ok() })
}

fn ping(stack: Stack, len: usize) -> Waiting {
    Box::pin(async move {
        let asked: Result<_, Error> = stack
            .ping(IpAddr::V4(PEER), len, Duration::from_secs(9))
            .await;
        let _ = asked;
        None
    })
}
