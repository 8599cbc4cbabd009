// SPDX-License-Identifier: ISC
//! What large frames become, looked at by who knows the protocols and not how they were cut.

use alloc::{vec, vec::Vec};

use super::*;
use crate::{
    conformance::{self, block_on},
    memory::{self, link, offload_info, plain_info},
    net::{Checksum, Frame as _, NetExt, SegmentKind, Segmentation},
    weather::Random,
};

const TCP: u8 = 6;
const UDP: u8 = 17;
const FIN: u8 = 1;
const PSH: u8 = 8;
const ACK: u8 = 16;
const CWR: u8 = 128;

/// What a test says of a frame to be cut.
#[derive(Clone, Copy)]
struct Shape {
    ipv6: bool,
    protocol: u8,
    vlan: bool,
    /// Bytes of options behind the headers of IPv4 and TCP.
    options: usize,
    flags: u8,
    payload: usize,
    size: u16,
}

const SHAPE: Shape = Shape {
    ipv6: false,
    protocol: TCP,
    vlan: false,
    options: 12,
    flags: ACK | PSH | FIN | CWR,
    payload: 5000,
    size: 1400,
};

impl Shape {
    fn network(self) -> usize {
        if self.vlan { 18 } else { 14 }
    }

    fn transport(self) -> usize {
        self.network() + if self.ipv6 { 40 } else { 20 + self.options }
    }

    fn headers(self) -> usize {
        self.transport()
            + match self.protocol {
                UDP => 8,
                _ => 20 + self.options,
            }
    }

    fn offload(self) -> Offload {
        let kind = match (self.protocol, self.ipv6) {
            (UDP, _) => SegmentKind::Udp,
            (_, false) => SegmentKind::Tcp4,
            (_, true) => SegmentKind::Tcp6,
        };
        Offload {
            checksum: Checksum::Partial {
                start: self.transport() as u16,
                offset: if self.protocol == UDP { 6 } else { 16 },
            },
            segmentation: Some(Segmentation {
                kind,
                size: self.size,
                header_len: self.headers() as u16,
            }),
        }
    }

    fn bytes(self) -> Vec<u8> {
        let mut frame = vec![0; self.headers()];
        let (network, transport) = (self.network(), self.transport());
        if self.vlan {
            frame[12..16].copy_from_slice(&[0x81, 0, 0, 7]);
        }
        let ether = if self.ipv6 { [0x86, 0xdd] } else { [8, 0] };
        frame[network - 2..network].copy_from_slice(&ether);
        let ip = &mut frame[network..];
        if self.ipv6 {
            ip[0] = 0x60;
            ip[6] = self.protocol;
            (8..40).for_each(|at| ip[at] = (at * 7) as u8);
        } else {
            ip[0] = 0x40 | (5 + self.options / 4) as u8;
            ip[4..6].copy_from_slice(&[0xff, 0xfe]);
            ip[9] = self.protocol;
            (12..20).for_each(|at| ip[at] = (at * 7) as u8);
        }
        let segment = &mut frame[transport..];
        segment[..4].copy_from_slice(&[1, 2, 3, 4]);
        if self.protocol == TCP {
            segment[4..8].copy_from_slice(&[0xff, 0xff, 0xff, 0]);
            segment[12] = ((20 + self.options) * 4) as u8;
            segment[13] = self.flags;
        }
        let length = self.headers() - transport + self.payload;
        let pseudo = pseudo(&frame, network, self.protocol, length);
        let field = transport + if self.protocol == UDP { 6 } else { 16 };
        frame[field..field + 2].copy_from_slice(&pseudo.to_be_bytes());
        frame.extend((0..self.payload).map(|at| (at * 13 / 8) as u8));
        frame
    }
}

/// The definition of RFC 1071, word by word.
fn plain_sum(bytes: &[u8], start: u16) -> u16 {
    let mut sum = u32::from(start);
    for pair in bytes.chunks(2) {
        sum += u32::from(u16::from_be_bytes([pair[0], *pair.get(1).unwrap_or(&0)]));
        sum = (sum >> 16) + (sum & 0xffff);
    }
    sum as u16
}

fn pseudo(frame: &[u8], network: usize, protocol: u8, length: usize) -> u16 {
    let addresses = match frame[network] >> 4 {
        4 => &frame[network + 12..network + 20],
        _ => &frame[network + 8..network + 40],
    };
    let sum = plain_sum(addresses, 0);
    plain_sum(&[0, protocol, (length >> 8) as u8, length as u8], sum)
}

fn word(bytes: &[u8], at: usize) -> usize {
    usize::from(u16::from_be_bytes([bytes[at], bytes[at + 1]]))
}

/// Checks the lengths and checksums of a frame of this shape, and returns its payload.
fn payload_of(shape: Shape, frame: &[u8]) -> &[u8] {
    let (network, transport) = (shape.network(), shape.transport());
    let (ip, segment) = (&frame[network..], &frame[transport..]);
    if shape.ipv6 {
        assert_eq!(word(ip, 4), frame.len() - network - 40);
    } else {
        assert_eq!(word(ip, 2), frame.len() - network);
        assert_eq!(plain_sum(&frame[network..transport], 0), 0xffff);
    }
    if shape.protocol == UDP {
        assert_eq!(word(segment, 4), segment.len());
        assert_ne!(word(segment, 6), 0, "a checksum of none");
    }
    let pseudo = pseudo(frame, network, shape.protocol, segment.len());
    assert_eq!(plain_sum(segment, pseudo), 0xffff, "checksum");
    &frame[shape.headers()..]
}

/// What arrives behind a device in software when `shape` is sent, as a frame of its own or with most
/// of it as tail.
fn sent(shape: Shape, gather: bool) -> Vec<Vec<u8>> {
    let (a, mut b) = link([plain_info(1), plain_info(2)], 64);
    let mut a = Software::new(a);
    let bytes = shape.bytes();
    let front = if gather { shape.headers() } else { bytes.len() };
    block_on(async {
        let mut frame = a.reserve(front).await.unwrap();
        frame.copy_from_slice(&bytes[..front]);
        frame.set_offload(shape.offload());
        let tail = bytes[front..].split_at((bytes.len() - front) / 3);
        match gather {
            true => a.send_gather(frame, [tail.0, tail.1]).unwrap(),
            false => a.send(frame).unwrap(),
        }
    });
    let mut cx = Context::from_waker(Waker::noop());
    core::iter::from_fn(|| match b.poll_receive(&mut cx) {
        Poll::Ready(frame) => Some(frame.unwrap().to_vec()),
        Poll::Pending => None,
    })
    .collect()
}

#[test]
fn segments_are_right_and_together_the_whole() {
    for (ipv6, protocol, vlan, options, gather) in [
        (false, TCP, false, 12, false),
        (false, TCP, false, 0, true),
        (true, TCP, false, 12, true),
        (true, TCP, true, 36, false),
        (false, UDP, true, 4, true),
        (true, UDP, false, 0, true),
    ] {
        for payload in [1399, 1400, 1401, 2800, 50_001] {
            let shape = Shape {
                ipv6,
                protocol,
                vlan,
                options,
                payload,
                ..SHAPE
            };
            let frames = sent(shape, gather);
            assert_eq!(frames.len(), payload.div_ceil(1400));
            let together: Vec<u8> = frames
                .iter()
                .flat_map(|frame| payload_of(shape, frame).to_vec())
                .collect();
            assert_eq!(together, shape.bytes()[shape.headers()..]);
            let full = frames.split_last().unwrap().1;
            assert!(full.iter().all(|f| f.len() == shape.headers() + 1400));
        }
    }
}

#[test]
fn flags_and_numbers_of_tcp_segments() {
    let frames = sent(SHAPE, true);
    let transport = SHAPE.transport();
    let flags: Vec<u8> = frames.iter().map(|frame| frame[transport + 13]).collect();
    assert_eq!(flags, [ACK | CWR, ACK, ACK, ACK | PSH | FIN]);
    let sequence =
        |frame: &Vec<u8>| u32::from_be_bytes(*frame[transport + 4..].first_chunk().unwrap());
    // They wrap around.
    let sequences: Vec<u32> = frames.iter().map(sequence).collect();
    assert_eq!(sequences, [0xffff_ff00, 1144, 2544, 3944]);
    let identifications: Vec<usize> = frames.iter().map(|frame| word(frame, 18)).collect();
    assert_eq!(identifications, [0xfffe, 0xffff, 0, 1]);
    let one = sent(
        Shape {
            payload: 700,
            ..SHAPE
        },
        false,
    );
    assert_eq!(one[0][transport + 13], SHAPE.flags);
}

#[test]
fn a_checksum_that_was_left_to_do_is_done() {
    let shape = Shape {
        payload: 101,
        protocol: UDP,
        options: 0,
        ..SHAPE
    };
    let (a, mut b) = link([plain_info(1), plain_info(2)], 8);
    let mut a = Software::new(a);
    let mut bytes = shape.bytes();
    // Lengths are the sender's where nothing is cut.
    let (total, datagram) = (bytes.len() - 14, bytes.len() - 34);
    bytes[16..18].copy_from_slice(&(total as u16).to_be_bytes());
    bytes[38..40].copy_from_slice(&(datagram as u16).to_be_bytes());
    let sum = !plain_sum(&bytes[14..34], 0);
    bytes[24..26].copy_from_slice(&sum.to_be_bytes());
    let offload = Offload {
        segmentation: None,
        ..shape.offload()
    };
    block_on(async {
        for front in [bytes.len(), 60] {
            let mut frame = a.reserve(front).await.unwrap();
            frame.copy_from_slice(&bytes[..front]);
            frame.set_offload(offload);
            a.send_gather(frame, [&bytes[front..], &[]]).unwrap();
            let frame = b.receive().await.unwrap();
            assert_eq!(payload_of(shape, &frame).len(), 101);
            assert_eq!(frame.offload(), Offload::default());
        }
        // In the form that does not mean that there is none.
        let mut frame = a.reserve(60).await.unwrap();
        frame.fill(0);
        frame[40..42].fill(0xff);
        frame.set_offload(offload);
        a.send(frame).unwrap();
        assert_eq!(b.receive().await.unwrap()[40..42], [0xff, 0xff]);
    });
}

#[test]
fn what_finds_no_buffers_waits_and_stays_in_order() {
    let (a, mut b) = link([plain_info(1), plain_info(2)], 16);
    let mut a = Software::new(a);
    let shape = Shape {
        payload: 10_000,
        ..SHAPE
    };
    let bytes = shape.bytes();
    let mut cx = Context::from_waker(Waker::noop());
    block_on(async {
        let mut large = a.reserve(bytes.len()).await.unwrap();
        large.copy_from_slice(&bytes);
        large.set_offload(shape.offload());
        let mut kept = Vec::new();
        while let Poll::Ready(frame) = a.poll_reserve(&mut cx, 60) {
            kept.push(frame.unwrap());
        }
        let mut last = kept.pop().unwrap();
        last.fill(9);
        a.send(large).unwrap();
        a.send(last).unwrap();
        assert!(b.poll_receive(&mut cx).is_pending(), "overtakes");
        assert!(a.poll_reserve(&mut cx, 60).is_pending());
        drop(kept);
        let _ = a.poll_receive(&mut cx);
        let mut together = Vec::new();
        while together.len() < 10_000 {
            let frame = b.receive().await.unwrap();
            together.extend_from_slice(payload_of(shape, &frame));
        }
        assert_eq!(together, bytes[shape.headers()..]);
        assert_eq!(b.receive().await.unwrap()[..], [9; 60]);
        assert!(a.poll_reserve(&mut cx, 60).is_ready());
    });
}

#[test]
fn large_frames_are_lent_up_to_a_number_and_come_back() {
    let (a, _b) = link([plain_info(1), plain_info(2)], 2);
    let mut a = Software::new(a);
    let mut cx = Context::from_waker(Waker::noop());
    let mut take = || match a.poll_reserve(&mut cx, 60_000) {
        Poll::Ready(frame) => Some(frame.unwrap()),
        Poll::Pending => None,
    };
    let kept: Vec<_> = core::iter::from_fn(&mut take).collect();
    assert_eq!(kept.len(), LARGE);
    drop(kept);
    assert!(take().is_some());
}

#[test]
fn what_does_not_fit_its_frame_is_refused() {
    let refused = |shape: Shape, change: fn(&mut Segmentation, &mut u16, &mut Vec<u8>)| {
        let (a, mut b) = link([plain_info(1), plain_info(2)], 64);
        let mut a = Software::new(a);
        let mut bytes = shape.bytes();
        let mut segmentation = shape.offload().segmentation.unwrap();
        let mut start = shape.transport() as u16;
        change(&mut segmentation, &mut start, &mut bytes);
        let offset = if shape.protocol == UDP { 6 } else { 16 };
        let result = block_on(async {
            let mut frame = a.reserve(bytes.len()).await.unwrap();
            frame.copy_from_slice(&bytes);
            frame.set_offload(Offload {
                checksum: Checksum::Partial { start, offset },
                segmentation: Some(segmentation),
            });
            a.send(frame)
        });
        let mut cx = Context::from_waker(Waker::noop());
        assert_eq!(result.is_err(), b.poll_receive(&mut cx).is_pending());
        result == Err(NetError::Unsupported)
    };
    assert!(!refused(SHAPE, |_, _, _| {}));
    assert!(refused(SHAPE, |s, _, _| s.size = 0));
    assert!(
        refused(SHAPE, |s, _, _| s.size = 1500),
        "longer than the link carries"
    );
    assert!(refused(SHAPE, |s, _, _| s.header_len += 4));
    assert!(refused(SHAPE, |s, _, _| s.header_len = 5078), "no payload");
    assert!(refused(SHAPE, |s, _, _| s.header_len = u16::MAX));
    assert!(refused(SHAPE, |s, _, _| s.kind = SegmentKind::Tcp6));
    assert!(refused(SHAPE, |s, _, _| s.kind = SegmentKind::Udp));
    assert!(refused(SHAPE, |_, start, _| *start -= 4));
    assert!(refused(SHAPE, |_, start, _| *start = u16::MAX));
    assert!(refused(SHAPE, |_, _, bytes| bytes[12] = 9), "no IP");
    assert!(refused(SHAPE, |_, _, bytes| bytes.truncate(40)), "no TCP");
}

#[test]
fn no_request_makes_it_panic() {
    let mut random = Random::new(11);
    let mut cut = 0;
    for _ in 0..20_000 {
        let shape = Shape {
            ipv6: random.number() & 1 == 0,
            protocol: if random.number() & 1 == 0 { TCP } else { UDP },
            payload: random.within(1..=300) as usize,
            size: random.within(1..=200) as u16,
            ..SHAPE
        };
        let mut bytes = shape.bytes();
        let mut offload = shape.offload();
        for _ in 0..random.within(0..=3) {
            let at = random.within(0..=bytes.len() as u64 - 1) as usize;
            bytes[at] = random.number() as u8;
        }
        if let Checksum::Partial { start, offset } = &mut offload.checksum {
            match random.within(0..=9) {
                0 => *start = random.number() as u16,
                1 => *start = random.within(0..=100) as u16,
                2 => *offset = random.number() as u16,
                _ => {}
            }
        }
        bytes.truncate(random.within(1..=bytes.len() as u64 * 3) as usize);
        let parts = Parts([&bytes, &[], &[]]);
        let Some(mut plan) = Plan::new(parts, offload, 1514) else {
            continue;
        };
        cut += 1;
        let mut count = 0;
        while let Some(len) = plan.next_len() {
            assert!(len <= 1514);
            plan.write_next(parts, &mut vec![0; len]);
            count += 1;
        }
        assert!((1..=300).contains(&count));
    }
    assert!(cut > 5000, "{cut}");
}

#[test]
fn it_conforms() {
    for buffers in [4, 64] {
        let (a, b) = link([plain_info(1), plain_info(2)], buffers);
        let (mut a, mut b) = (Software::new(a), Software::new(b));
        block_on(conformance::net(&mut a, &mut b));
    }
}

#[test]
fn cards_with_offloads_pass_large_frames_whole() {
    let (mut a, mut b): (memory::Nic, _) = link([offload_info(1), offload_info(2)], 8);
    let bytes = SHAPE.bytes();
    block_on(async {
        let mut frame = a.reserve(SHAPE.headers()).await.unwrap();
        frame.copy_from_slice(&bytes[..SHAPE.headers()]);
        frame.set_offload(SHAPE.offload());
        let tail = &bytes[SHAPE.headers()..];
        a.send_gather(frame, [tail, &[]]).unwrap();
        let frame = b.receive().await.unwrap();
        assert_eq!((&frame[..], frame.offload()), (&bytes[..], SHAPE.offload()));
    });
}
