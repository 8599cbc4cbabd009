// SPDX-License-Identifier: ISC
//! Random bytes fit for keys.
//!
//! A ChaCha generator, seeded from two sources that need not trust each other: what the tender
//! gives ([`fata_abi::platform::entropy`]) and the CPU's own generator. The result is as good as
//! the better of the two. If there is neither, an image must not pretend: it stops.

use chacha20::{
    ChaCha12Rng,
    rand_core::{Rng, SeedableRng},
};
use fata_abi::platform;

use crate::{arch, panic::fatal, single::Single};

/// Bytes after which fresh entropy is mixed in, and what was given out can no longer be computed
/// from the generator's state.
const RESEED_AFTER: usize = 1 << 20;

struct Generator {
    rng: Option<ChaCha12Rng>,
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
            rng.fill_bytes(bytes);
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
        let mut enough = platform::entropy(&mut given) >= 32;
        let (mut key, more) = given
            .split_first_chunk::<32>()
            .map_or(([0; 32], &[][..]), |(k, m)| (*k, m));
        mix(&mut key, more);
        // Stretching the tender's bytes before the CPU's are added keeps an untrusted CPU from
        // choosing its own so that they cancel out.
        ChaCha12Rng::from_seed(key).fill_bytes(&mut key);
        if let Some(hardware) = hardware() {
            mix(&mut key, &hardware);
            enough = true;
        }
        if let Some(rng) = &mut self.rng {
            let mut old = [0; 32];
            rng.fill_bytes(&mut old);
            mix(&mut key, &old);
            enough = true;
        }
        if !enough {
            fatal(
                "no random source: the tender gives no seed and this CPU has no RDRAND; use \
                 fata-spt, or a CPU with RDRAND",
            );
        }
        self.rng = Some(ChaCha12Rng::from_seed(key));
        self.left = RESEED_AFTER;
    }
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
