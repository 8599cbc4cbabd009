// SPDX-License-Identifier: ISC
//! Connections that a host only plays: it remembers two numbers of each and keeps no promise.

use std::{collections::HashMap, net::Ipv4Addr, time::Duration};

use anyhow::{Result, bail};

use crate::{
    frame::{Segment, flags},
    wire::Wire,
};

/// Handshakes that are under way together: their answers must fit in the queue of a tap.
const TOGETHER: usize = 128;
/// How long an answer may take before it is asked for again, and how often that is done.
const PATIENCE: Duration = Duration::from_millis(500);
const ATTEMPTS: usize = 10;

/// A connection as its peer sees it.
#[derive(Clone, Copy, Debug)]
pub struct Peer {
    /// Its own end.
    pub own: (Ipv4Addr, u16),
    /// The port of the unikernel.
    pub port: u16,
    /// Next number to send.
    pub seq: u32,
    /// Next number to come.
    pub ack: u32,
}

/// Makes `count` connections to a port, with a window and a largest segment.
///
/// # Errors
///
/// If one is not answered.
pub fn connect(
    wire: &mut Wire,
    port: u16,
    count: usize,
    window: u16,
    mss: Option<u16>,
) -> Result<Vec<Peer>> {
    let mut peers = Vec::with_capacity(count);
    while peers.len() < count {
        let mut begun = HashMap::new();
        for _ in 0..TOGETHER.min(count - peers.len()) {
            let own = wire.end();
            let peer = Peer {
                own,
                port,
                seq: wire.number(),
                ack: 0,
            };
            begun.insert(own, peer);
        }
        for _ in 0..ATTEMPTS {
            for peer in begun.values() {
                let mut syn = peer.segment(wire, flags::SYN, window, &[]);
                syn.mss = mss;
                wire.segment(&syn)?;
            }
            complete(wire, &mut begun, &mut peers, window)?;
        }
        if !begun.is_empty() {
            bail!("{} of {count} handshakes unanswered", begun.len());
        }
    }
    Ok(peers)
}

/// Completes handshakes until all are, or nothing comes for a while.
fn complete(
    wire: &mut Wire,
    begun: &mut HashMap<(Ipv4Addr, u16), Peer>,
    peers: &mut Vec<Peer>,
    window: u16,
) -> Result<()> {
    while !begun.is_empty() {
        let Some(frame) = wire.receive(PATIENCE)? else {
            break;
        };
        let answer = Segment::parse(&frame).filter(|answer| answer.flags & 0x3f == 0x12);
        let Some(answer) = answer else {
            continue;
        };
        let Some(mut peer) = begun.remove(&answer.destination) else {
            continue;
        };
        peer.seq = peer.seq.wrapping_add(1);
        peer.ack = answer.seq.wrapping_add(1);
        wire.segment(&peer.segment(wire, flags::ACK, window, &[]))?;
        peers.push(peer);
    }
    Ok(())
}

impl Peer {
    /// A segment of this connection.
    pub fn segment(&self, wire: &Wire, flags: u8, window: u16, payload: &[u8]) -> Segment {
        Segment {
            source: self.own,
            destination: (wire.target, self.port),
            seq: self.seq,
            ack: if flags & self::flags::ACK == 0 {
                0
            } else {
                self.ack
            },
            flags,
            window,
            mss: None,
            payload: payload.to_vec(),
        }
    }
}

/// Lets connections acknowledge what comes, each with the window that `window` says, for so many
/// segments or until nothing comes for so long. Says how many bytes came, in order.
///
/// # Errors
///
/// If the tap is gone.
pub fn acknowledge(
    wire: &mut Wire,
    peers: &mut [Peer],
    segments: usize,
    patience: Duration,
    mut window: impl FnMut(usize) -> u16,
) -> Result<usize> {
    let places = peers.iter().enumerate();
    let places: HashMap<_, _> = places.map(|(at, peer)| (peer.own, at)).collect();
    let mut bytes = 0;
    for number in 0..segments {
        let Some(frame) = wire.receive(patience)? else {
            break;
        };
        let Some(segment) = Segment::parse(&frame) else {
            continue;
        };
        let Some(peer) = places.get(&segment.destination).map(|at| &mut peers[*at]) else {
            continue;
        };
        if segment.seq == peer.ack {
            bytes += segment.payload.len();
            let fin = u32::from(segment.flags & flags::FIN);
            peer.ack = peer.ack.wrapping_add(segment.payload.len() as u32 + fin);
        }
        let answer = peer.segment(wire, flags::ACK, window(number), &[]);
        wire.segment(&answer)?;
    }
    Ok(bytes)
}
