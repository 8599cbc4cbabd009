// SPDX-License-Identifier: ISC
//! The random bytes that a tender of ours gives an image for its run.

use core::cell::Cell;

/// Random bytes that are given out once and then forgotten.
#[derive(Debug)]
pub struct Seed {
    bytes: [Cell<u8>; 64],
    left: Cell<usize>,
}

impl Seed {
    pub(crate) const fn new() -> Self {
        Self {
            bytes: [const { Cell::new(0) }; 64],
            left: Cell::new(0),
        }
    }

    pub(crate) fn init(&self, seed: &[u8; 64]) {
        for (cell, byte) in self.bytes.iter().zip(seed) {
            cell.set(*byte);
        }
        self.left.set(seed.len());
    }

    /// Fills the front of `into` with bytes not given before, and says how many.
    pub fn take(&self, into: &mut [u8]) -> usize {
        let left = self.bytes.iter().take(self.left.get()).rev();
        let mut given = 0;
        for (into, cell) in into.iter_mut().zip(left) {
            *into = cell.replace(0);
            given += 1;
        }
        self.left.set(self.left.get() - given);
        given
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_given_once_and_forgotten() {
        let bytes = core::array::from_fn(|n| n as u8 + 1);
        let seed = Seed::new();
        seed.init(&bytes);
        let mut given = [0; 100];
        assert_eq!(seed.take(&mut given[..40]), 40);
        assert_eq!(seed.take(&mut given[40..]), 24);
        assert_eq!(seed.take(&mut [0; 8]), 0);
        given[..64].sort_unstable();
        assert_eq!(given[..64], bytes, "bytes lost or given twice");
        assert!(
            seed.bytes.iter().all(|byte| byte.get() == 0),
            "seed left in memory"
        );
    }
}
