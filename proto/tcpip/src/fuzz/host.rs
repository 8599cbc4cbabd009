// SPDX-License-Identifier: ISC
//! A stack with one connection, the card at the other end of its wire, and a clock.

use alloc::boxed::Box;
use core::{
    cell::Cell,
    future::Future,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
};
use std::{thread_local, vec, vec::Vec};

use fata_device::{
    Frame, Net,
    memory::{Nic, link, offload_info, plain_info},
    net::{Checksum, Offload},
};

use super::{model::Cut, stream::TCP};
use crate::{
    Config, Error, Ipv4, Ipv6, Stack, TcpConfig, TcpListener, TcpStream,
    checksum::Sum,
    driver::{Driver, Next},
    packet,
    stack::Clock,
    tcp::{
        segment::{Flags, Segment},
        seq::Seq,
    },
};

thread_local! {
    static NOW: Cell<u64> = const { Cell::new(0) };
}

pub(super) const LOCAL_PORT: u16 = 80;
pub(super) const PEER_PORT: u16 = 40_000;
const OWN_MAC: [u8; 6] = [2, 0, 0, 0, 0, 2];
const PEER_MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];
/// Steps that a stack may take before it has to wait for something.
const MAX_STEPS: usize = 10_000;

const VERIFIED: Offload = Offload {
    checksum: Checksum::Verified,
    segmentation: None,
};

type Connecting = Pin<Box<dyn Future<Output = Result<TcpStream, Error>>>>;

/// The stack and what is around it.
pub(super) struct Host {
    nic: Nic,
    /// What the stack has sent and nobody has looked at.
    sent: Vec<(Vec<u8>, Offload)>,
    driver: Driver<Nic>,
    stack: Stack,
    listener: Option<TcpListener>,
    connecting: Option<Connecting>,
    pub(super) stream: Option<TcpStream>,
    v6: bool,
    /// Whether large frames cross the wire.
    pub(super) large: bool,
    /// The stack's port.
    port: u16,
    /// The stack's latest timestamp, and that of the peer in it.
    pub(super) echo: u32,
    pub(super) echoed: u32,
}

/// A segment on its way to the stack.
pub(super) struct Wire<'a> {
    segment: &'a Segment,
    payload: &'a [u8],
    pub(super) offload: Offload,
    pub(super) break_checksum: bool,
    pub(super) break_length: bool,
    pub(super) break_header: bool,
    pub(super) break_address: bool,
}

impl<'a> Wire<'a> {
    pub(super) fn new(segment: &'a Segment, payload: &'a [u8]) -> Self {
        Self {
            segment,
            payload,
            offload: VERIFIED,
            break_checksum: false,
            break_length: false,
            break_header: false,
            break_address: false,
        }
    }
}

fn config(tcp: TcpConfig) -> Option<Config> {
    Some(Config {
        ipv4: Ipv4::Static {
            prefix: "10.0.0.2/24".parse().ok()?,
            gateway: None,
        },
        ipv6: Ipv6::On {
            prefix: Some("fd00::2/64".parse().ok()?),
            gateway: None,
            router_advertisements: false,
        },
        tcp,
        tcp_memory: Some(64 << 20),
        ..Config::default()
    })
}

impl Host {
    pub(super) fn new(tcp: TcpConfig, v6: bool, large: bool, start: u64) -> Option<Self> {
        NOW.set(start);
        let info = if large { offload_info } else { plain_info };
        let mut infos = [offload_info(1), info(2)];
        infos[0].offload.gather = false;
        // So many that none is lost: what was sent and not seen would be taken for made up.
        let (nic, card) = link(infos, 1 << 15);
        let (stack, driver) =
            Stack::with_driver(card, config(tcp)?, || 4, Clock::stepping(|| NOW.get()));
        let mut host = Self {
            nic,
            sent: vec![],
            driver,
            stack,
            listener: None,
            connecting: None,
            stream: None,
            v6,
            large,
            port: LOCAL_PORT,
            echo: 0,
            echoed: 0,
        };
        // Addresses are claimed first.
        host.wait(15_000_000_000);
        host.take();
        host.introduce();
        host.listener = Some(TcpListener::bind(&host.stack, LOCAL_PORT).ok()?);
        host.settle();
        Some(host)
    }

    /// Asks for the stack's address, so that the peer's is known.
    fn introduce(&mut self) {
        let mut frame = vec![];
        if self.v6 {
            let mut icmp = vec![135, 0, 0, 0, 0, 0, 0, 0];
            icmp.extend(own6().octets());
            icmp.extend([1, 1]);
            icmp.extend(PEER_MAC);
            frame.extend(self.packet(58, &icmp));
            // Hop limit: from the link itself.
            frame[21] = 255;
        } else {
            frame.extend([0xff; 6]);
            frame.extend(PEER_MAC);
            frame.extend([8, 6, 0, 1, 8, 0, 6, 4, 0, 1]);
            frame.extend(PEER_MAC);
            frame.extend([10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 10, 0, 0, 2]);
        }
        self.put(&frame, VERIFIED);
        self.take();
    }

    pub(super) fn now(&self) -> u64 {
        NOW.get()
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    fn peer(&self) -> IpAddr {
        if self.v6 {
            peer6().into()
        } else {
            Ipv4Addr::new(10, 0, 0, 1).into()
        }
    }

    pub(super) fn connect(&mut self) {
        let (stack, peer) = (self.stack.clone(), SocketAddr::new(self.peer(), PEER_PORT));
        let connecting = async move { TcpStream::connect(&stack, peer).await };
        self.connecting = Some(Box::pin(connecting));
        self.accept();
    }

    /// Takes the connection, if it is there.
    pub(super) fn accept(&mut self) {
        self.settle();
        let mut cx = Context::from_waker(Waker::noop());
        if let Some(connecting) = &mut self.connecting {
            if let Poll::Ready(stream) = connecting.as_mut().poll(&mut cx) {
                self.stream = stream.ok();
                self.connecting = None;
            }
        } else if let Some(listener) = &self.listener
            && let Poll::Ready(Ok((stream, _))) = listener.poll_accept(&mut cx)
        {
            self.stream = Some(stream);
        }
        self.settle();
    }

    pub(super) fn read(&mut self, len: usize, peek: bool) -> Poll<Result<Vec<u8>, Error>> {
        let mut cx = Context::from_waker(Waker::noop());
        let mut buffer = vec![0; len];
        let Some(stream) = &mut self.stream else {
            return Poll::Ready(Err(Error::NotConnected));
        };
        let outcome = if peek {
            pin!(stream.peek(&mut buffer)).poll(&mut cx)
        } else {
            stream.poll_read(&mut cx, &mut buffer)
        };
        self.settle();
        outcome.map(|outcome| {
            outcome.map(|len| {
                buffer.truncate(len);
                buffer
            })
        })
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> Poll<Result<usize, Error>> {
        let mut cx = Context::from_waker(Waker::noop());
        let Some(stream) = &mut self.stream else {
            return Poll::Pending;
        };
        // Sent by the next step, so that the model knows of it before.
        stream.poll_write(&mut cx, bytes)
    }

    pub(super) fn shutdown(&mut self) {
        use fata_device::Flow;
        let mut cx = Context::from_waker(Waker::noop());
        if let Some(stream) = &mut self.stream {
            let _ = pin!(stream.shutdown()).poll(&mut cx);
        }
    }

    /// Lets time pass, and the stack do what is due, at its time.
    pub(super) fn wait(&mut self, time: u64) {
        let end = NOW.get() + time;
        loop {
            let next = self.collect().unwrap_or(u64::MAX);
            if NOW.get() >= end {
                return;
            }
            NOW.set(next.clamp(NOW.get() + 1, end));
        }
    }

    /// Lets the stack do what it can do without waiting; says when it has more to do.
    fn settle(&mut self) -> Option<u64> {
        let mut cx = Context::from_waker(Waker::noop());
        for _ in 0..MAX_STEPS {
            if let Next::Sleep(at) = self.driver.step(&mut cx, NOW.get()) {
                return at;
            }
        }
        panic!("the stack always has something to do");
    }

    fn put(&mut self, bytes: &[u8], offload: Offload) {
        let mut cx = Context::from_waker(Waker::noop());
        let Poll::Ready(Ok(mut frame)) = self.nic.poll_reserve(&mut cx, bytes.len()) else {
            return;
        };
        frame.copy_from_slice(bytes);
        frame.set_offload(offload);
        // The model may not say that something was sent which was not.
        self.nic.send(frame).expect("a frame that crosses");
        self.settle();
    }

    /// All that the stack has sent.
    pub(super) fn take(&mut self) -> Vec<(Vec<u8>, Offload)> {
        self.collect();
        core::mem::take(&mut self.sent)
    }

    /// Takes frames off the wire, and answers those that ask where the peer is: a stack that is told
    /// too late may lose what it has sent. Says when the stack has more to do.
    fn collect(&mut self) -> Option<u64> {
        let mut cx = Context::from_waker(Waker::noop());
        loop {
            let next = self.settle();
            let before = self.sent.len();
            while let Poll::Ready(Ok(frame)) = self.nic.poll_receive(&mut cx) {
                self.sent.push((frame.to_vec(), frame.offload()));
            }
            if self.sent.len() == before {
                return next;
            }
            if self.sent.iter().skip(before).any(|frame| asks(&frame.0)) {
                self.answer();
            }
        }
    }

    /// Says where the peer is.
    fn answer(&mut self) {
        let mut frame = vec![];
        if self.v6 {
            let mut icmp = vec![136, 0, 0, 0, 0x60, 0, 0, 0];
            icmp.extend(peer6().octets());
            icmp.extend([2, 1]);
            icmp.extend(PEER_MAC);
            frame.extend(self.packet(58, &icmp));
            frame[21] = 255;
        } else {
            frame.extend(OWN_MAC);
            frame.extend(PEER_MAC);
            frame.extend([8, 6, 0, 1, 8, 0, 6, 4, 0, 2]);
            frame.extend(PEER_MAC);
            frame.extend([10, 0, 0, 1]);
            frame.extend(OWN_MAC);
            frame.extend([10, 0, 0, 2]);
        }
        self.put(&frame, VERIFIED);
    }

    /// The segment of the connection in a frame of the stack.
    pub(super) fn dissect<'a>(
        &mut self,
        frame: &'a (Vec<u8>, Offload),
    ) -> Option<(Segment, &'a [u8], Cut)> {
        let (bytes, offload) = frame;
        let ip = match (bytes.get(12..14)?, self.v6) {
            ([8, 0], false) => packet::ipv4(bytes).ok()?,
            ([0x86, 0xdd], true) => packet::ipv6(bytes).ok()?,
            _ => return None,
        };
        if ip.protocol != TCP {
            return None;
        }
        let packet = bytes.get(ip.payload)?;
        let segment = Segment::parse(packet)?;
        if segment.destination_port != PEER_PORT {
            return None;
        }
        let asks = segment.flags.has(Flags::SYN) && !segment.flags.has(Flags::ACK);
        if asks && self.connecting.is_some() {
            self.port = segment.source_port;
        }
        if segment.source_port != self.port {
            return None;
        }
        let payload = packet.get(usize::from(segment.header_len)..)?;
        let cut = offload.segmentation.map(|cut| (cut.size, cut.header_len));
        assert!(
            cut.is_some() || bytes.len() <= 1514,
            "larger than the link's MTU"
        );
        Some((segment, payload, cut))
    }

    pub(super) fn send(&mut self, wire: Wire<'_>) {
        let mut header = [0; 60];
        let len = wire.segment.emit(&mut header);
        if wire.break_header {
            header[12] = 0xf0;
        }
        let mut tcp = header[..len].to_vec();
        // Of a header that is said to be longer than all, nothing may be read.
        if wire.break_header {
            tcp.truncate(50);
        } else {
            tcp.extend(wire.payload);
        }
        let mut frame = self.packet(TCP, &tcp);
        if wire.break_length {
            let at = if self.v6 { 18 } else { 16 };
            frame[at] = 0xff;
        }
        if wire.break_address {
            // Another host's.
            let at = if self.v6 { 53 } else { 33 };
            frame[at] = 77;
        }
        if !self.v6 {
            set_checksum(&mut frame);
        }
        let mut offload = wire.offload;
        if wire.break_checksum {
            offload.checksum = Checksum::Unverified;
            let (start, addresses) = if self.v6 { (54, 22..54) } else { (34, 26..34) };
            let sum = Sum::pseudo(TCP, tcp.len() as u16)
                .add(&frame[addresses])
                .add(&frame[start..])
                .finish();
            frame[start + 16] = sum[0];
            frame[start + 17] = sum[1] ^ 1;
        }
        self.put(&frame, offload);
    }

    /// A packet of the peer.
    fn packet(&self, protocol: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = vec![];
        frame.extend(OWN_MAC);
        frame.extend(PEER_MAC);
        if self.v6 {
            frame.extend([0x86, 0xdd, 0x60, 0, 0, 0]);
            frame.extend((payload.len() as u16).to_be_bytes());
            frame.extend([protocol, 64]);
            frame.extend(peer6().octets());
            frame.extend(own6().octets());
        } else {
            frame.extend([8, 0, 0x45, 0]);
            frame.extend((20 + payload.len() as u16).to_be_bytes());
            frame.extend([0, 0, 0x40, 0, 64, protocol, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
            set_checksum(&mut frame);
        }
        frame.extend(payload);
        frame
    }

    /// An ICMP error about a segment of the stack that began at `seq`.
    pub(super) fn icmp(&mut self, kind: u8, mtu: u16, seq: Seq) {
        let (kind, code) = match (kind % 4, self.v6) {
            (0, false) => (3, 4),
            (0, true) => (2, 0),
            (code, false) => (3, code),
            (code, true) => (1, code),
        };
        let mut icmp = vec![kind, code, 0, 0, 0, 0];
        icmp.extend(mtu.to_be_bytes());
        if self.v6 {
            icmp.extend([0x60, 0, 0, 0, 5, 0, TCP, 64]);
            icmp.extend(own6().octets());
            icmp.extend(peer6().octets());
        } else {
            icmp.extend([0x45, 0, 5, 220, 0, 0, 0x40, 0, 64, TCP, 0, 0]);
            icmp.extend([10, 0, 0, 2, 10, 0, 0, 1]);
        }
        icmp.extend(self.port.to_be_bytes());
        icmp.extend(PEER_PORT.to_be_bytes());
        icmp.extend(seq.0.to_be_bytes());
        icmp.extend([0; 12]);
        let frame = self.packet(if self.v6 { 58 } else { 1 }, &icmp);
        self.put(&frame, VERIFIED);
    }
}

const fn own6() -> Ipv6Addr {
    Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 2)
}

const fn peer6() -> Ipv6Addr {
    Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 1)
}

/// Whether a frame of the stack asks for the peer's Ethernet address.
fn asks(frame: &[u8]) -> bool {
    match frame.get(12..14) {
        Some([8, 6]) => frame.get(20..22) == Some(&[0, 1]) && frame.ends_with(&[10, 0, 0, 1]),
        Some([0x86, 0xdd]) => {
            frame.get(54) == Some(&135) && frame.get(62..78) == Some(&peer6().octets())
        }
        _ => false,
    }
}

/// Sets the checksum of an IPv4 header.
fn set_checksum(frame: &mut [u8]) {
    frame[24..26].fill(0);
    let sum = Sum::default().add(&frame[14..34]).finish();
    frame[24..26].copy_from_slice(&sum);
}
