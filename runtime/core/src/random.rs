// SPDX-License-Identifier: ISC
//! Random bytes fit for keys.
//!
//! A ChaCha generator, seeded from two sources that need not trust each other: what the tender
//! gives ([`fata_abi::platform::entropy`]) and the CPU's own generator. The result is as good as
//! the better of the two. If there is neither, an image must not pretend: it stops.

use chacha20::{
    ChaChaCore, R12,
    rand_core::{SeedableRng, block::Generator as _},
    variants::Legacy,
};
use fata_abi::platform;

use crate::{arch, panic::fatal, single::Single};

/// Bytes after which fresh entropy is mixed in, and what was given out can no longer be computed
/// from the generator's state.
const RESEED_AFTER: usize = 1 << 20;

/// Words that the cipher makes at once, and their bytes.
const WORDS: usize = 64;
const BLOCK: usize = 4 * WORDS;

/// What the cipher makes of a key. `ChaCha12Rng`, which is the same, drags in more code for what
/// cannot happen than the cipher has.
struct Stream {
    core: ChaChaCore<R12, Legacy>,
    block: [u8; BLOCK],
    /// Bytes of the block that were given out.
    used: usize,
}

impl Stream {
    fn new(key: [u8; 32]) -> Self {
        Self {
            core: ChaChaCore::from_seed(key),
            block: [0; BLOCK],
            used: BLOCK,
        }
    }

    #[inline(never)]
    fn fill(&mut self, mut bytes: &mut [u8]) {
        while !bytes.is_empty() {
            if self.used >= BLOCK {
                let mut words = [0; WORDS];
                self.core.generate(&mut words);
                for (place, word) in self.block.as_chunks_mut().0.iter_mut().zip(words) {
                    *place = word.to_le_bytes();
                }
                self.used = 0;
            }
            let fresh = self.block.get(self.used..).unwrap_or_default();
            let len = fresh.len().min(bytes.len());
            let (now, later) = bytes.split_at_mut(len);
            for (place, byte) in now.iter_mut().zip(fresh) {
                *place = *byte;
            }
            self.used += len;
            bytes = later;
        }
    }
}

struct Generator {
    rng: Option<Stream>,
    /// Bytes left until the next seeding.
    left: usize,
}

static GENERATOR: Single<Generator> = Single::new(Generator { rng: None, left: 0 });

/// Fills `bytes` with random bytes that nobody can predict.
///
/// Where neither tender nor CPU has a random source, the image is aborted with a message.
pub fn fill(bytes: &mut [u8]) {
    GENERATOR.with(|g| {
        if g.left == 0 {
            g.seed();
        }
        g.left = g.left.saturating_sub(bytes.len());
        if let Some(rng) = &mut g.rng {
            rng.fill(bytes);
        }
    });
}

/// A random number.
pub fn u32() -> u32 {
    let mut bytes = [0; 4];
    fill(&mut bytes);
    u32::from_le_bytes(bytes)
}

/// A random number.
pub fn u64() -> u64 {
    let mut bytes = [0; 8];
    fill(&mut bytes);
    u64::from_le_bytes(bytes)
}

impl Generator {
    /// Makes a new key of the old generator, the tender's bytes and the CPU's.
    fn seed(&mut self) {
        let mut given = [0; 64];
        let given = &mut given[..];
        let count = platform::entropy(given).min(given.len());
        let old = self.rng.as_mut().map(|rng| {
            let mut key = [0; 32];
            rng.fill(&mut key);
            key
        });
        let Some(key) = combine(&given[..count], hardware(), old) else {
            fatal(
                "no random source: the tender gives no seed and this CPU has no RDRAND; use \
                 fata-spt, or a CPU with RDRAND",
            );
        };
        self.rng = Some(Stream::new(key));
        self.left = RESEED_AFTER;
    }
}

/// A key of what `given` the tender has, the CPU and the generator before; none if all three
/// together cannot make a good one. Any one of them that is good makes the key good.
fn combine(given: &[u8], hardware: Option<[u8; 32]>, old: Option<[u8; 32]>) -> Option<[u8; 32]> {
    if given.len() < 32 && hardware.is_none() && old.is_none() {
        return None;
    }
    let mut key = [0; 32];
    for chunk in given.chunks(32) {
        mix(&mut key, chunk);
    }
    for source in [old, hardware].into_iter().flatten() {
        // A step of the cipher between two sources keeps the second, if it is hostile and knows
        // the first, from cancelling it out.
        Stream::new(key).fill(&mut key);
        mix(&mut key, &source);
    }
    Some(key)
}

fn hardware() -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    for chunk in bytes.chunks_exact_mut(8) {
        chunk.copy_from_slice(&arch::random()?.to_le_bytes());
    }
    Some(bytes)
}

fn mix(key: &mut [u8; 32], bytes: &[u8]) {
    for (k, b) in key.iter_mut().zip(bytes) {
        *k ^= b;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::Session;

    #[test]
    fn no_key_without_a_source() {
        assert_eq!(combine(&[], None, None), None);
        assert_eq!(combine(&[7; 31], None, None), None, "too little");
        assert!(combine(&[7; 32], None, None).is_some());
        assert!(combine(&[], Some([7; 32]), None).is_some());
        assert!(combine(&[], None, Some([7; 32])).is_some());
    }

    #[test]
    fn every_source_counts() {
        let key = |given: u8, hardware: u8, old: u8| {
            combine(&[given; 64][..33], Some([hardware; 32]), Some([old; 32]))
        };
        let reference = key(1, 2, 3);
        assert_eq!(key(1, 2, 3), reference);
        assert_ne!(key(9, 2, 3), reference);
        assert_ne!(key(1, 9, 3), reference);
        assert_ne!(key(1, 2, 9), reference);
    }

    #[test]
    fn is_the_cipher() {
        use chacha20::{ChaCha12Rng, rand_core::Rng};
        let (mut ours, mut theirs) = (Stream::new([7; 32]), ChaCha12Rng::from_seed([7; 32]));
        // In words, as theirs gives no part of one.
        for words in [1, 2, 63, 64, 65, 1, 300] {
            let (mut a, mut b) = (alloc::vec![0; 4 * words], alloc::vec![0; 4 * words]);
            ours.fill(&mut a);
            theirs.fill_bytes(&mut b);
            assert_eq!(a, b);
        }
    }

    #[test]
    fn output_differs_and_is_reseeded() {
        let session = Session::start();
        session.with(|host| host.entropy = 64);
        GENERATOR.with(|g| g.left = 0);
        let (mut a, mut b) = ([0; 48], [0; 48]);
        fill(&mut a);
        fill(&mut b);
        assert_ne!(a, b);
        assert_ne!(u64(), u64());
        assert!(a.iter().chain(&b).any(|byte| *byte != 0));
        session.with(|host| assert_eq!(host.calls.entropy, 1));
        for _ in 0..=RESEED_AFTER / a.len() {
            fill(&mut a);
        }
        session.with(|host| assert_eq!(host.calls.entropy, 2));
        assert!(u32() != u32() || u32() != u32());
    }
}
