// SPDX-License-Identifier: ISC
//! Frames written down, for Wireshark and tcpdump.
//!
//! The format is pcap (draft-ietf-opsawg-pcap) with time stamps in nanoseconds, link type Ethernet.

use core::task::{Context, Poll};

use super::Clock;
use crate::net::{self, Frame, Net, NetError, NetInfo};

/// Writes every frame received, and every frame that the device took for sending, as a pcap file.
/// The time is that of the clock given, so a wall clock makes absolute times.
pub struct Trace<N, C, S> {
    net: N,
    clock: C,
    sink: S,
}

const MAGIC_NANOSECONDS: u32 = 0xa1b2_3c4d;
const SNAPSHOT_LEN: u32 = 0x4_0000;
const LINK_ETHERNET: u32 = 1;

impl<N: Net, C: Clock, S: FnMut(&[u8])> Trace<N, C, S> {
    /// Writes the frames of `net` to `sink`, the head of the file at once.
    pub fn new(net: N, clock: C, mut sink: S) -> Self {
        let mut head = [0; 24];
        let version = 2u32 | 4 << 16;
        let words = [
            MAGIC_NANOSECONDS,
            version,
            0,
            0,
            SNAPSHOT_LEN,
            LINK_ETHERNET,
        ];
        put(&mut head, words);
        sink(&head);
        Self { net, clock, sink }
    }

    fn record(&mut self, frame: &[u8]) {
        let now = self.clock.now();
        let len = frame.len() as u32;
        let kept = len.min(SNAPSHOT_LEN);
        let mut head = [0; 16];
        let (seconds, nanoseconds) = (now / 1_000_000_000, now % 1_000_000_000);
        put(&mut head, [seconds as u32, nanoseconds as u32, kept, len]);
        (self.sink)(&head);
        (self.sink)(&frame[..kept as usize]);
    }
}

fn put<const N: usize>(into: &mut [u8], words: [u32; N]) {
    for (bytes, word) in into.chunks_exact_mut(4).zip(words) {
        bytes.copy_from_slice(&word.to_le_bytes());
    }
}

impl<N: Net, C: Clock, S: FnMut(&[u8])> Net for Trace<N, C, S> {
    type Frame = N::Frame;

    fn info(&self) -> NetInfo {
        net::without_gather(self.net.info())
    }

    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Result<N::Frame, NetError>> {
        let poll = self.net.poll_receive(cx);
        if let Poll::Ready(Ok(frame)) = &poll {
            self.record(frame);
        }
        poll
    }

    fn poll_reserve(
        &mut self,
        cx: &mut Context<'_>,
        len: usize,
    ) -> Poll<Result<N::Frame, NetError>> {
        self.net.poll_reserve(cx, len)
    }

    fn send(&mut self, frame: N::Frame) -> Result<(), NetError> {
        // Written before it is known whether the device takes it: afterwards it is gone. What the
        // device would refuse is not written.
        if net::check(&self.net.info(), frame.len(), frame.offload()).is_ok() {
            self.record(&frame);
        }
        self.net.send(frame)
    }

    fn flush(&mut self) {
        self.net.flush();
    }
}
