// SPDX-License-Identifier: ISC
//! Initial sequence numbers, and where the timestamps of a connection begin.
//!
//! Both are a clock plus a keyed hash of the connection's ends: who does not see the connection
//! cannot guess them, and yet they go up from one connection between the same ends to the next,
//! which is what lets such a one take the place of one in TIME-WAIT. Read first: RFC 6528
//! section 3, RFC 7323 section 5.4, RFC 6191.

use super::{
    hash::{Key, Purpose, Tuple},
    seq::Seq,
};

/// Nanoseconds of a tick of the clock behind sequence numbers, as a shift: 4.096 microseconds.
const TICK_SHIFT: u32 = 12;

/// The first sequence number of a connection begun now (RFC 6528, section 3).
pub(crate) fn initial(key: &Key, tuple: &Tuple, now: u64) -> Seq {
    let hash = key.hash(Purpose::Sequence, tuple, 0) as u32;
    Seq(hash.wrapping_add((now >> TICK_SHIFT) as u32))
}

/// The clock behind timestamps: milliseconds (RFC 7323, section 5.4).
pub(crate) fn clock(now: u64) -> u32 {
    (now / 1_000_000) as u32
}

/// What is added to the clock to make the timestamps of a connection (RFC 7323, section 5.4).
pub(crate) fn timestamp_offset(key: &Key, tuple: &Tuple) -> u32 {
    key.hash(Purpose::Timestamp, tuple, 0) as u32
}

#[cfg(test)]
mod tests {
    use crate::addr::Addr;

    use super::*;

    #[test]
    fn goes_up_with_time_for_the_same_ends_and_differs_for_others() {
        let key = Key::new(|| 77);
        let tuple = |peer_port| Tuple {
            local: Addr::from([10, 0, 0, 1]),
            peer: Addr::from([10, 0, 0, 2]),
            local_port: 80,
            peer_port,
        };
        let at = |port, now| initial(&key, &tuple(port), now).0;
        assert_eq!(at(1, 4096 * 1000).wrapping_sub(at(1, 0)), 1000);
        let apart = at(1, 0).wrapping_sub(at(2, 0));
        assert_ne!(apart, at(2, 0).wrapping_sub(at(3, 0)));
        assert_ne!(
            timestamp_offset(&key, &tuple(1)),
            timestamp_offset(&key, &tuple(2))
        );
    }
}
