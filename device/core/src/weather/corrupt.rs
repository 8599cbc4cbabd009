// SPDX-License-Identifier: ISC
//! Frames that arrive with a wrong bit.
//!
//! One bit only: the Internet checksum (RFC 1071) sees every single wrong bit but not every two, so
//! whoever lets one of these through has not looked. On a real link the frame check sequence has
//! already taken out nearly all.

use super::{Chance, Dice, Effect, Filter};
use crate::net::{Checksum, Frame, Offload};

/// Turns a bit round, as often among the headers as behind them.
///
/// A frame whose checksum is left to the device gets it first, and a verified one becomes
/// unverified: otherwise the wrong bit could not be seen. A frame that stands for several segments
/// passes as it is, because each would get its checksum after.
pub type Corrupt<N> = Filter<N, Flip>;

/// The effect of [`Corrupt`].
pub struct Flip(Dice);

/// Bytes in which the headers of Ethernet, IP and TCP are, more or less.
const HEADERS: u64 = 64;

impl<N> Corrupt<N> {
    /// Corrupts frames of `net` by `chance`.
    pub const fn new(net: N, chance: Chance, seed: u64) -> Self {
        let [received, sent] = Dice::pair(chance, seed);
        Self::with(net, Flip(received), Flip(sent))
    }
}

impl Flip {
    fn flip(&mut self, frame: &mut [u8]) {
        let len = frame.len() as u64;
        let in_headers = len <= HEADERS || self.0.within(0..=1) == 0;
        let bytes = if in_headers {
            0..=len.min(HEADERS).saturating_sub(1)
        } else {
            HEADERS..=len - 1
        };
        let at = self.0.within(bytes) as usize;
        let bit = self.0.within(0..=7);
        if let Some(byte) = frame.get_mut(at) {
            *byte ^= 1 << bit;
        }
    }
}

impl Effect for Flip {
    fn pass<F: Frame>(&mut self, mut frame: F) -> Option<F> {
        let offload = frame.offload();
        if offload.segmentation.is_none() && self.0.fall() {
            if let Checksum::Partial { start, offset } = offload.checksum {
                complete(&mut frame, start.into(), offset.into());
            }
            frame.set_offload(Offload::default());
            self.flip(&mut frame);
        }
        Some(frame)
    }

    fn times(&self) -> u64 {
        self.0.times()
    }
}

/// Does what [`Checksum::Partial`] leaves to the device.
fn complete(frame: &mut [u8], start: usize, offset: usize) {
    let Some(sum) = frame.get(start..).map(checksum) else {
        return;
    };
    let field = frame.get_mut(start + offset..start + offset + 2);
    if let Some(field) = field {
        field.copy_from_slice(&sum.to_be_bytes());
    }
}

fn checksum(bytes: &[u8]) -> u16 {
    let mut sum = 0u64;
    for pair in bytes.chunks(2) {
        let low = pair.get(1).copied().unwrap_or(0);
        sum += u64::from(u16::from_be_bytes([pair[0], low]));
    }
    while sum > 0xffff {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    !(sum as u16)
}
