// SPDX-License-Identifier: ISC
//! SYN cookies: handshakes that need no memory until they are complete.
//!
//! When the SYN queue is full, what would be kept in it is sent along instead: the sequence number
//! of the SYN-ACK is a keyed hash of the connection's ends, the peer's sequence number and the time,
//! with the peer's MSS, rounded down, in its upper bits. The other options go into the lowest bits
//! of the timestamp, which the peer sends back. Read first: RFC 4987 section 3.6 and appendix A,
//! RFC 7323 section 5.4 on what a timestamp may be.

use super::{
    hash::{Key, Purpose, Tuple},
    seq::Seq,
};

/// Nanoseconds of a period, as a shift: 69 seconds. A cookie is valid in its period and the next.
const PERIOD_SHIFT: u32 = 36;
/// How long a cookie can be valid.
pub(crate) const LIFETIME: u64 = 2 << PERIOD_SHIFT;
/// What a peer's MSS is rounded down to.
const MSS: [u16; 8] = [216, 536, 1220, 1380, 1440, 1452, 1460, 8940];
/// Layout of a cookie: three bits for the MSS, the lowest bit of the period, then the hash.
const HASH: u32 = 0x0fff_ffff;
const PERIOD_BIT: u32 = 28;
const MSS_SHIFT: u32 = 29;
/// Layout of the lowest bits of a timestamp; a scale of 15 means none.
const CARRIED: u32 = 0x3f;
const NO_SCALE: u32 = 0x0f;
const SACK: u32 = 0x10;
const ECN: u32 = 0x20;

/// Options that a timestamp carries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Carried {
    pub(crate) window_scale: Option<u8>,
    pub(crate) sack: bool,
    pub(crate) ecn: bool,
}

/// The sequence number to answer a SYN with.
pub(crate) fn make(key: &Key, tuple: &Tuple, peer_sequence: Seq, mss: u16, now: u64) -> Seq {
    let index = MSS.iter().rposition(|known| *known <= mss).unwrap_or(0);
    Seq(bake(
        key,
        tuple,
        peer_sequence,
        index as u32,
        now >> PERIOD_SHIFT,
    ))
}

/// The peer's MSS, if `cookie` is one that was made for this peer and is not too old.
pub(crate) fn check(
    key: &Key,
    tuple: &Tuple,
    peer_sequence: Seq,
    cookie: Seq,
    now: u64,
) -> Option<u16> {
    let index = cookie.0 >> MSS_SHIFT;
    let period = now >> PERIOD_SHIFT;
    let age = (period ^ u64::from(cookie.0 >> PERIOD_BIT)) & 1;
    let made = period.checked_sub(age)?;
    let right = bake(key, tuple, peer_sequence, index, made) == cookie.0;
    MSS.get(index as usize).copied().filter(|_| right)
}

fn bake(key: &Key, tuple: &Tuple, peer_sequence: Seq, index: u32, period: u64) -> u32 {
    let extra = u64::from(peer_sequence.0) << 32 | period << 3 & 0xffff_fff8 | u64::from(index);
    let hash = key.hash(Purpose::Cookie, tuple, extra | 1 << 31) as u32;
    index << MSS_SHIFT | ((period & 1) as u32) << PERIOD_BIT | hash & HASH
}

/// The last timestamp not after `clock` whose lowest bits carry the options.
pub(crate) fn timestamp(clock: u32, options: Carried) -> u32 {
    let scale = options
        .window_scale
        .map_or(NO_SCALE, u32::from)
        .min(NO_SCALE);
    let bits = scale | if options.sack { SACK } else { 0 } | if options.ecn { ECN } else { 0 };
    let stamp = clock & !CARRIED | bits;
    if bits > clock & CARRIED {
        stamp.wrapping_sub(CARRIED + 1)
    } else {
        stamp
    }
}

/// The options in a timestamp that came back.
pub(crate) fn carried(echo: u32) -> Carried {
    let scale = echo & NO_SCALE;
    Carried {
        window_scale: (scale != NO_SCALE).then_some(scale as u8),
        sack: echo & SACK != 0,
        ecn: echo & ECN != 0,
    }
}

#[cfg(test)]
mod tests {
    use crate::addr::Addr;

    use fata_device::weather::Random;

    use super::*;

    const PERIOD: u64 = 1 << PERIOD_SHIFT;

    fn tuple(peer_port: u16) -> Tuple {
        Tuple {
            local: Addr::from([10, 0, 0, 1]),
            peer: Addr::from([10, 0, 0, 2]),
            local_port: 80,
            peer_port,
        }
    }

    #[test]
    fn comes_back_with_the_mss_rounded_down() {
        let key = Key::new(|| 3);
        for (mss, expected) in [
            (100, 216),
            (536, 536),
            (1459, 1452),
            (1460, 1460),
            (9000, 8940),
        ] {
            let cookie = make(&key, &tuple(9), Seq(77), mss, PERIOD * 5);
            for now in [PERIOD * 5, PERIOD * 6 + PERIOD / 2] {
                assert_eq!(check(&key, &tuple(9), Seq(77), cookie, now), Some(expected));
            }
        }
    }

    #[test]
    fn holds_for_one_peer_and_a_while() {
        let key = Key::new(|| 3);
        let now = PERIOD * 5;
        let cookie = make(&key, &tuple(9), Seq(77), 1460, now);
        assert_eq!(check(&key, &tuple(10), Seq(77), cookie, now), None);
        assert_eq!(check(&key, &tuple(9), Seq(78), cookie, now), None);
        assert_eq!(
            check(&Key::new(|| 4), &tuple(9), Seq(77), cookie, now),
            None
        );
        assert_eq!(
            check(&key, &tuple(9), Seq(77), cookie, now + 2 * PERIOD),
            None
        );
        assert_eq!(check(&key, &tuple(9), Seq(77), cookie, now - PERIOD), None);
        // None of a million guesses is right: one in 2^28 would be.
        let mut random = Random::new(1);
        for _ in 0..1_000_000 {
            let guess = Seq(random.number() as u32);
            assert!(guess == cookie || check(&key, &tuple(9), Seq(77), guess, now).is_none());
        }
    }

    #[test]
    fn a_timestamp_carries_options_and_is_never_late() {
        for clock in [0, 1, 63, 64, 1000, u32::MAX] {
            for bits in 0..64 {
                let options = carried(bits);
                let stamp = timestamp(clock, options);
                assert_eq!(carried(stamp), options);
                assert!(clock.wrapping_sub(stamp) < 64);
            }
        }
    }
}
