// SPDX-License-Identifier: ISC
//! Segments that no connection sends: SYN-ACKs of handshakes under way, acknowledgements for
//! connections that are over, and resets for those that never were.
//!
//! Those that a stranger's segment provokes are limited in number, so that the stack does not amplify
//! a flood. Read first: RFC 9293 section 3.10.7.1,
//! RFC 5961 section 7.

use super::{hash::Tuple, segment::Segment};
use crate::{
    ip::{Ecn, Ip, Outgoing, SendError},
    link::Link,
    packet::protocol,
};

/// Offset of the checksum in a TCP header.
pub(super) const CHECKSUM_AT: u16 = 16;
/// Hop limit of everything that TCP sends (RFC 1700 recommends it for IPv4).
pub(super) const HOP_LIMIT: u8 = 64;
/// Answers to strangers a second.
const RATE: u64 = 1000;
/// Answers that may come at once after a silence.
const BURST: u64 = 200;
const SECOND: u64 = 1_000_000_000;

/// Sends a segment without payload.
pub(super) fn send(
    ip: &mut Ip,
    link: &mut dyn Link,
    tuple: &Tuple,
    segment: &Segment,
    now: u64,
) -> Result<(), SendError> {
    let mut header = [0; 60];
    let len = segment.emit(&mut header);
    let packet = Outgoing {
        source: tuple.local,
        destination: tuple.peer,
        protocol: protocol::TCP,
        ecn: Ecn::NotCapable,
        hop_limit: HOP_LIMIT,
        dont_fragment: true,
        header: header.get(..len).unwrap_or(&[]),
        checksum_at: Some(CHECKSUM_AT),
        payload: [&[], &[]],
        segmentation: None,
    };
    ip.send(link, &packet, now)
}

/// How many answers may still be given: a bucket that fills with time.
pub(super) struct Limiter {
    /// Nanoseconds of credit; an answer costs a fixed number of them.
    credit: u64,
    updated: u64,
}

impl Limiter {
    pub(super) fn new(now: u64) -> Self {
        Self {
            credit: BURST * SECOND / RATE,
            updated: now,
        }
    }

    /// Whether one more answer may be given.
    pub(super) fn allows(&mut self, now: u64) -> bool {
        let passed = now.saturating_sub(self.updated);
        self.updated = now;
        self.credit = (self.credit + passed).min(BURST * SECOND / RATE);
        match self.credit.checked_sub(SECOND / RATE) {
            Some(left) => {
                self.credit = left;
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_limited_in_rate_and_burst() {
        let mut limiter = Limiter::new(0);
        let count =
            |limiter: &mut Limiter, now| (0..10_000).filter(|_| limiter.allows(now)).count();
        assert_eq!(count(&mut limiter, 0), BURST as usize);
        assert_eq!(count(&mut limiter, SECOND / 100), (RATE / 100) as usize);
        assert_eq!(count(&mut limiter, 100 * SECOND), BURST as usize);
    }
}
