// SPDX-License-Identifier: ISC
//! What the tests of this crate share.

use std::time::Duration;

use fata_test_harness::outcome::{Check, Ending};
use fata_weather::{
    transfer::Kind,
    world::{Programs, Version, World},
};

/// How long transfers may take: they wait for each other on two cores, and backed off timers are
/// seconds long.
const LIMIT: Duration = Duration::from_secs(120);

/// The programs of this crate, as cargo has built them for its tests.
pub(crate) fn programs() -> Programs {
    Programs {
        link: env!("CARGO_BIN_EXE_fata-weather-link").into(),
        peer: env!("CARGO_BIN_EXE_fata-weather-peer").into(),
    }
}

/// Runs a test, and prints a skip where the machine lacks something.
pub(crate) fn judge(name: &str, test: impl FnOnce() -> Check) {
    match test() {
        Ok(()) => {}
        Err(Ending::Skipped(reason)) => println!("SKIP {name}: {reason}"),
        Err(Ending::DoesNotApply(reason)) => println!("{name} does not apply: {reason}"),
        Err(Ending::Failed(how)) => panic!("{name}: {how}"),
    }
}

/// Makes all kinds of transfers over both versions of IP at once, each of `len` bytes, and waits for
/// them.
pub(crate) fn transfers(world: &World, len: u64) -> Check {
    let mut running = Vec::new();
    for (seed, (version, kind)) in [Version::V4, Version::V6]
        .into_iter()
        .flat_map(|version| Kind::ALL.map(|kind| (version, kind)))
        .enumerate()
    {
        let options = format!("--bytes {len} --seed {seed}");
        running.push(world.transfer(kind, version, &options, LIMIT)?);
    }
    running
        .into_iter()
        .try_for_each(|transfer| transfer.wait()?.exits(0))
}
