// SPDX-License-Identifier: ISC
//! The suite of [`Net`].

use alloc::{vec, vec::Vec};
use core::{future::poll_fn, task::Poll};

use crate::net::{Checksum, Frame, Net, NetError, NetExt, Offload};

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
    buffers_come_back(a).await;
    frames_cross_whole_and_in_order(a, b).await;
}

fn describes_itself<N: Net>(net: &N) {
    let info = net.info();
    assert_eq!(info.mac[0] & 1, 0, "own address is a group's");
    assert!(info.max_frame >= usize::from(info.mtu) + HEADER);
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
