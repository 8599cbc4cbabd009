// SPDX-License-Identifier: ISC
//! Sending: what is due, what stands in the queues, and who goes first.
//!
//! Segments that belong to no connection leave first, as there are few. Then connections take
//! turns, each with a few segments, so that one that sends much does not keep others waiting, and a
//! round ends after a while so that what arrives meanwhile is seen. When the device has no buffer,
//! everything stays as it is until it has one.

use crate::addr::Addr;
use alloc::vec::Vec;

use fata_device::{NetInfo, net::SegmentKind};

use super::{
    Tcp,
    connection::{Env, Limits},
    hash::Tuple,
    largest_segment, reply,
    segment::Segment,
    syn_queue::Due,
    table::Place,
};
use crate::{
    ip::{Ip, Outgoing, SendError},
    link::{Link, Shelf},
    packet::{ETHERNET, protocol},
    time::earliest,
};

/// Segments of one connection in its turn.
const TURN: usize = 8;
/// Segments in one round.
const ROUND: usize = 128;
/// Segments of no connection that wait at most.
const OUTBOX: usize = 512;

/// Segments of no connection that wait to be sent. What does not fit is lost.
#[derive(Default)]
pub(super) struct Outbox(Vec<(Tuple, Segment)>);

/// How a turn ended.
enum Turn {
    Done,
    More,
    NoBuffer,
}

impl Outbox {
    pub(super) fn push(&mut self, tuple: &Tuple, segment: &Segment) {
        if self.0.len() < OUTBOX {
            self.0.push((*tuple, *segment));
        }
    }

    /// Sends all; says whether there were buffers enough.
    fn flush(&mut self, ip: &mut Ip, link: &mut dyn Link, now: u64) -> bool {
        let waiting = self.0.iter().position(|(tuple, segment)| {
            reply::send(ip, link, tuple, segment, now) == Err(SendError::NoBuffer)
        });
        let sent = waiting.unwrap_or(self.0.len());
        self.0.drain(..sent);
        waiting.is_none()
    }
}

impl Tcp {
    /// Does what is due, and sends what is to be sent. When the device has no buffer, the rest waits
    /// for the next call, which is to be made when it has one.
    pub(crate) fn poll(&mut self, ip: &mut Ip, link: &mut dyn Link, shelf: &dyn Shelf, now: u64) {
        self.expire(ip, shelf, now);
        self.starved = !self.outbox.flush(ip, link, now);
        let mut left = ROUND;
        while left > 0 && !self.starved {
            let Some(number) = self.ready.pop_front() else {
                return;
            };
            match self.transmit(number, &mut left, ip, link, shelf, now) {
                Turn::Done => {}
                Turn::More => self.ready.push_back(number),
                Turn::NoBuffer => {
                    self.ready.push_front(number);
                    self.starved = true;
                }
            }
        }
    }

    /// When [`poll`](Self::poll) has something to do by time alone; zero when there is more to send
    /// already, and the last round ended for others to have their turn.
    pub(crate) fn deadline(&mut self) -> Option<u64> {
        let more = !self.ready.is_empty() && !self.starved;
        let all = [
            more.then_some(0),
            self.timers.deadline(),
            self.half_open.deadline(),
            self.time_wait.deadline(),
        ];
        earliest(&all)
    }

    /// Does what is due.
    fn expire(&mut self, ip: &Ip, shelf: &dyn Shelf, now: u64) {
        while let Some((at, id)) = self.timers.pop(now) {
            let Some(entry) = self.entry(id).filter(|entry| entry.armed == at) else {
                continue;
            };
            entry.armed = u64::MAX;
            let due = entry.connection.deadline().is_some_and(|at| at <= now);
            if !due || !entry.indexed {
                self.touch(id.number);
                continue;
            }
            let expired = self.with(id, shelf, now, |connection, env| connection.expire(env));
            if let Some((verdict, _)) = expired {
                self.settle(id.number, verdict, shelf, now);
            }
        }
        while let Some(due) = self.half_open.due(now) {
            match due {
                Due::Repeat(number) => self.repeat_syn_ack(number, ip, now),
                Due::Expire(number) => self.forget_half_open(number),
            }
        }
        while let Some((number, ended)) = self.time_wait.pop(now, self.most_time_wait) {
            let hash = self.hash(&ended.tuple);
            self.index.remove(hash, Place::TimeWait(number));
        }
    }

    /// Sends some of what a connection has.
    fn transmit(
        &mut self,
        number: u32,
        left: &mut usize,
        ip: &mut Ip,
        link: &mut dyn Link,
        shelf: &dyn Shelf,
        now: u64,
    ) -> Turn {
        let Some(entry) = self
            .connections
            .get_mut(number)
            .filter(|entry| entry.indexed)
        else {
            return Turn::Done;
        };
        let (kind, limits) = limits(link.info(), entry.tuple.peer);
        let mut env = Env {
            now,
            config: &entry.config,
            budget: &mut self.budget,
            counters: &mut self.counters,
            shelf,
        };
        for _ in 0..TURN {
            let Some(transmit) = entry.connection.next(&mut env, limits) else {
                entry.queued = false;
                self.touch(number);
                return Turn::Done;
            };
            let mut header = [0; 60];
            let len = transmit.segment.emit(&mut header);
            let packet = Outgoing {
                source: entry.tuple.local,
                destination: entry.tuple.peer,
                protocol: protocol::TCP,
                ecn: transmit.ecn,
                hop_limit: reply::HOP_LIMIT,
                dont_fragment: true,
                header: header.get(..len).unwrap_or(&[]),
                checksum_at: Some(reply::CHECKSUM_AT),
                payload: entry.connection.payload(&transmit),
                segmentation: transmit.segment_size.map(|size| (kind, size)),
            };
            match ip.send(link, &packet, now) {
                Err(SendError::NoBuffer) => return Turn::NoBuffer,
                Err(SendError::TooLong(mtu)) => {
                    let mss = largest_segment(mtu, entry.tuple.peer);
                    entry.connection.path_mss(&mut env, mss);
                }
                // Without a route it is lost, as it may be further on; timers go on.
                Ok(()) | Err(SendError::NoRoute) => entry.connection.sent(&mut env, &transmit),
            }
            *left = left.saturating_sub(1);
        }
        Turn::More
    }
}

/// How much a device takes at once for `peer`, and what that is called.
fn limits(info: &NetInfo, peer: Addr) -> (SegmentKind, Limits) {
    let (kind, offered, ip) = if peer.is_ipv4() {
        (SegmentKind::Tcp4, info.offload.tcp4, 20)
    } else {
        (SegmentKind::Tcp6, info.offload.tcp6, 40)
    };
    // An IP packet is at most 65535 bytes long, and a TCP header 60.
    let longest = info.max_frame.saturating_sub(ETHERNET).min(65_535);
    let offload = match offered {
        true => longest.saturating_sub(ip + 60) as u32,
        false => 0,
    };
    (kind, Limits { offload })
}
