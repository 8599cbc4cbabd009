// SPDX-License-Identifier: ISC
//! The suite of [`Net`].

use alloc::{vec, vec::Vec};
use core::{future::poll_fn, task::Poll};

use crate::net::{Checksum, Frame, Net, NetError, NetExt, Offload, SegmentKind, Segmentation};

/// EtherType of local experiments (IEEE 802, clause 9.2.4): no real traffic has it.
const EXPERIMENT: [u8; 2] = [0x88, 0xb5];
const HEADER: usize = 14;

/// Checks two devices whose link carries what one sends to the other. Other traffic on it does no
/// harm.
///
/// # Panics
///
/// If one breaks the contract of [`Net`].
pub async fn net<A: Net, B: Net>(a: &mut A, b: &mut B) {
    describes_itself(a);
    describes_itself(b);
    frames_cross_whole_and_in_order(a, b).await;
    frames_cross_whole_and_in_order(b, a).await;
    a_received_frame_can_answer(a, b).await;
    unsent_frames_are_not_sent(a, b).await;
    misuse_is_refused(a).await;
    tails_follow_their_frames(a, b).await;
    tails_follow_their_frames(b, a).await;
    offloads_are_as_described(a, b).await;
    offloads_are_as_described(b, a).await;
    buffers_come_back(a).await;
    frames_cross_whole_and_in_order(a, b).await;
}

fn describes_itself<N: Net>(net: &N) {
    let info = net.info();
    assert_eq!(info.mac[0] & 1, 0, "own address is a group's");
    let longest = usize::from(info.mtu) + HEADER;
    assert_eq!(info.longest_on_wire(), longest);
    assert!(info.max_frame >= longest);
    let offload = info.offload;
    let cuts = offload.tcp4 || offload.tcp6 || offload.udp;
    assert!(
        cuts || info.max_frame == longest,
        "frames longer than the link carries, and nothing to cut them with"
    );
    assert!(!cuts || offload.checksum, "segments without checksums");
    assert_eq!(net.info(), info);
}

/// Bytes of frame number `n`: header, number, pattern.
fn fill(frame: &mut [u8], to: [u8; 6], from: [u8; 6], n: u8) {
    frame[..6].copy_from_slice(&to);
    frame[6..12].copy_from_slice(&from);
    frame[12..HEADER].copy_from_slice(&EXPERIMENT);
    for (at, byte) in frame[HEADER..].iter_mut().enumerate() {
        *byte = n.wrapping_add(at as u8);
    }
}

async fn send<N: Net>(net: &mut N, to: [u8; 6], len: usize, n: u8) {
    let from = net.info().mac;
    let mut frame = net.reserve(len).await.expect("reserves a proper length");
    assert_eq!(frame.len(), len, "reserved frame has the length asked for");
    assert_eq!(frame.offload(), Offload::default());
    fill(&mut frame, to, from, n);
    net.send(frame).expect("sends a proper frame");
    net.flush();
}

/// The next frame of the suite itself.
async fn receive<N: Net>(net: &mut N) -> N::Frame {
    loop {
        let frame = net.receive().await.expect("receives");
        if frame.get(12..HEADER) == Some(&EXPERIMENT) {
            return frame;
        }
    }
}

async fn frames_cross_whole_and_in_order<A: Net, B: Net>(a: &mut A, b: &mut B) {
    let (to, from) = (b.info().mac, a.info().mac);
    let longest = usize::from(a.info().mtu.min(b.info().mtu)) + HEADER;
    for (n, len) in [60, 61, longest / 2, longest - 1, longest]
        .into_iter()
        .enumerate()
    {
        send(a, to, len, n as u8).await;
        let mut expected = vec![0; len];
        fill(&mut expected, to, from, n as u8);
        let frame = receive(b).await;
        assert_eq!(
            frame[..],
            expected[..],
            "frame of {len} bytes arrives whole"
        );
        assert!(matches!(
            frame.offload().checksum,
            Checksum::Unverified | Checksum::Verified
        ));
    }
    // Several on their way at once. Four: even the smallest device has room for them.
    for n in 0..4 {
        send(a, to, 60, n).await;
    }
    for n in 0..4 {
        assert_eq!(receive(b).await[HEADER], n, "frames arrive in order");
    }
}

async fn a_received_frame_can_answer<A: Net, B: Net>(a: &mut A, b: &mut B) {
    let (mac_a, mac_b) = (a.info().mac, b.info().mac);
    send(a, mac_b, 64, 9).await;
    let mut frame = receive(b).await;
    fill(&mut frame, mac_a, mac_b, 10);
    frame.set_len(60);
    b.send(frame).expect("sends a frame that it received");
    b.flush();
    let answer = receive(a).await;
    assert_eq!((answer.len(), answer[HEADER]), (60, 10));
}

async fn unsent_frames_are_not_sent<A: Net, B: Net>(a: &mut A, b: &mut B) {
    let to = b.info().mac;
    let from = a.info().mac;
    let mut frame = a.reserve(60).await.expect("reserves");
    fill(&mut frame, to, from, 77);
    drop(frame);
    send(a, to, 60, 78).await;
    assert_eq!(receive(b).await[HEADER], 78, "a dropped frame is not sent");
}

async fn misuse_is_refused<N: Net>(net: &mut N) {
    let info = net.info();
    let len = info.max_frame + 1;
    let error = net.reserve(len).await.err();
    assert_eq!(
        error,
        Some(NetError::TooLong {
            len,
            max: info.max_frame
        })
    );
    let mut empty = net.reserve(60).await.expect("goes on after a refusal");
    empty.set_len(0);
    assert_eq!(net.send(empty), Err(NetError::Unsupported), "empty frame");
    if !info.offload.gather {
        let frame = net.reserve(60).await.expect("goes on after a refusal");
        let result = net.send_gather(frame, [b"tail", b""]);
        assert_eq!(result, Err(NetError::Unsupported), "gathers");
    }
    if !info.offload.checksum {
        let mut frame = net.reserve(60).await.expect("goes on after a refusal");
        frame.set_offload(Offload {
            checksum: Checksum::Partial {
                start: 34,
                offset: 6,
            },
            segmentation: None,
        });
        assert_eq!(net.send(frame), Err(NetError::Unsupported), "offload");
    }
}

async fn tails_follow_their_frames<A: Net, B: Net>(a: &mut A, b: &mut B) {
    if !a.info().offload.gather {
        return;
    }
    let (to, from) = (b.info().mac, a.info().mac);
    let longest = a.info().longest_on_wire().min(b.info().longest_on_wire());
    let mut expected = vec![0; longest];
    fill(&mut expected, to, from, 3);
    for (front, middle) in [(HEADER, 100), (60, longest), (longest, longest), (60, 60)] {
        let mut frame = a.reserve(front).await.expect("reserves");
        frame.copy_from_slice(&expected[..front]);
        let tail = [&expected[front..middle], &expected[middle..]];
        a.send_gather(frame, tail).expect("gathers");
        a.flush();
        assert_eq!(receive(b).await[..], expected[..], "tail arrives whole");
    }
    let frame = a.reserve(60).await.expect("reserves");
    let long = vec![0; longest];
    let refused = a.send_gather(frame, [&long, b""]);
    assert!(
        matches!(refused, Err(NetError::TooLong { .. })),
        "a frame is as long as all of it"
    );
}

/// Headers of Ethernet, IPv4 and UDP.
const DATAGRAM: usize = HEADER + 20 + 8;
/// An unassigned number of a protocol's port, in both directions.
const PORT: u16 = 1001;

/// The headers of a UDP frame with `len` bytes of payload, checksum left to do. Addresses are of
/// documentation (RFC 5737).
fn datagram(to: [u8; 6], from: [u8; 6], len: u16) -> [u8; DATAGRAM] {
    let mut frame = [0; DATAGRAM];
    frame[..6].copy_from_slice(&to);
    frame[6..12].copy_from_slice(&from);
    frame[12..16].copy_from_slice(&[8, 0, 0x45, 0]);
    frame[16..18].copy_from_slice(&(len + 28).to_be_bytes());
    frame[22..24].copy_from_slice(&[1, 17]);
    frame[26..34].copy_from_slice(&[192, 0, 2, 1, 192, 0, 2, 2]);
    let header = sum(&frame[HEADER..34]);
    frame[24..26].copy_from_slice(&(!header).to_be_bytes());
    frame[34..36].copy_from_slice(&PORT.to_be_bytes());
    frame[36..38].copy_from_slice(&PORT.to_be_bytes());
    frame[38..40].copy_from_slice(&(len + 8).to_be_bytes());
    let pseudo = pseudo(&frame, len + 8);
    frame[40..42].copy_from_slice(&pseudo.to_be_bytes());
    frame
}

/// RFC 1071, of an even number of bytes or the last ones.
fn sum(bytes: &[u8]) -> u16 {
    let mut sum = 0u32;
    for pair in bytes.chunks(2) {
        sum += u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0));
        sum = (sum >> 16) + (sum & 0xffff);
    }
    sum as u16
}

fn pseudo(frame: &[u8], len: u16) -> u16 {
    let mut bytes = [0; 12];
    bytes[..8].copy_from_slice(&frame[26..34]);
    bytes[9] = 17;
    bytes[10..].copy_from_slice(&len.to_be_bytes());
    sum(&bytes)
}

/// What a device says that it does for a frame, it does: checksums are done or said not to be, and a
/// frame that was to be cut is, or is said to stand for several.
async fn offloads_are_as_described<A: Net, B: Net>(a: &mut A, b: &mut B) {
    let info = a.info();
    let (to, from) = (b.info().mac, info.mac);
    let checksum = Checksum::Partial {
        start: 34,
        offset: 6,
    };
    let size = 400;
    let whole = Some(Segmentation {
        kind: SegmentKind::Udp,
        size,
        header_len: DATAGRAM as u16,
    });
    for (payload, segmentation) in [(399, None), (1001, whole)] {
        let offered = match segmentation {
            None => info.offload.checksum,
            Some(_) => info.offload.udp,
        };
        if !offered {
            continue;
        }
        let headers = datagram(to, from, payload);
        let bytes: Vec<u8> = (0..payload).map(|at| at as u8).collect();
        let mut frame = a.reserve(DATAGRAM + bytes.len()).await.expect("reserves");
        frame[..DATAGRAM].copy_from_slice(&headers);
        frame[DATAGRAM..].copy_from_slice(&bytes);
        frame.set_offload(Offload {
            checksum,
            segmentation,
        });
        a.send(frame).expect("sends what it offers");
        a.flush();
        let mut together = Vec::new();
        while together.len() < bytes.len() {
            together.extend(receive_datagram(b, size).await);
        }
        assert_eq!(together, bytes, "payload arrives whole");
    }
}

/// The payload of the next datagram of the suite, or of several.
async fn receive_datagram<N: Net>(net: &mut N, size: u16) -> Vec<u8> {
    loop {
        let frame = net.receive().await.expect("receives");
        let ports = frame.get(34..38) == Some(&[3, 0xe9, 3, 0xe9]);
        if !ports || frame.get(12..15) != Some(&[8, 0, 0x45]) {
            continue;
        }
        match frame.offload().segmentation {
            Some(segmentation) => {
                assert!(net.info().offload.receive_large, "large frames unannounced");
                assert_eq!(segmentation.size, size);
            }
            None => assert!(frame.len() <= DATAGRAM + usize::from(size), "not cut"),
        }
        let segment = &frame[34..];
        if !matches!(frame.offload().checksum, Checksum::Partial { .. }) {
            let total = u32::from(sum(segment)) + u32::from(pseudo(&frame, segment.len() as u16));
            assert_eq!(total, 0xffff, "checksum");
        }
        return frame[DATAGRAM..].to_vec();
    }
}

async fn buffers_come_back<N: Net>(net: &mut N) {
    // A device may lend without limit; one that has a limit must keep to it and wake.
    const ENOUGH: usize = 10_000;
    let mut held = Vec::new();
    loop {
        let poll = poll_fn(|cx| Poll::Ready(net.poll_reserve(cx, 60))).await;
        match poll {
            Poll::Ready(frame) if held.len() < ENOUGH => held.push(frame.expect("reserves")),
            _ => break,
        }
    }
    assert!(!held.is_empty());
    held.clear();
    drop(net.reserve(60).await.expect("reserves what was given back"));
}
