// SPDX-License-Identifier: ISC
//! How fast the machine is. An emulated one needs longer for everything: limits grow and floods
//! shrink there, so that each row still says the same of the image.

use std::{env, sync::OnceLock, time::Duration};

/// How many times slower than usual this machine is.
pub const SLOWNESS: &str = "FATA_TEST_SLOWNESS";

/// The number in [`SLOWNESS`], or 1.
pub fn slowness() -> u32 {
    static VALUE: OnceLock<u32> = OnceLock::new();
    *VALUE.get_or_init(|| {
        let value = env::var(SLOWNESS).ok();
        let number = value.and_then(|value| value.parse().ok());
        number.unwrap_or(1).max(1)
    })
}

/// What takes at most `usual` on a usual machine takes at most this here. Usual limits have much
/// room, and one that is reached shall not take all the time that there is for the others.
pub fn limit(usual: Duration) -> Duration {
    usual * slowness().min(2)
}

/// How often to do here what is done `usual` times on a usual machine.
pub fn count(usual: u32) -> u32 {
    usual.div_ceil(slowness())
}
