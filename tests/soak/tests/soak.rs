// SPDX-License-Identifier: ISC
//! The short form of the soak: every scenario once, against a sealed image with much memory and with
//! little.

#![forbid(unsafe_code)]

use std::{sync::OnceLock, time::Duration};

use fata_soak::world::Soak;
use fata_test_harness::{
    images::Images,
    outcome::{Check, Ending},
    platform::Platform,
};

/// How long a run may take: what is silent is given up within 90 seconds, the rest takes some 40.
const LIMIT: Duration = Duration::from_secs(400);

/// The image, built once for all tests.
fn images() -> Result<&'static Images, Ending> {
    static IMAGES: OnceLock<Result<Images, String>> = OnceLock::new();
    let built = IMAGES.get_or_init(|| {
        let targets = [Platform::Spt.target()];
        Images::build(&["soak"], &targets).map_err(|error| format!("{error:#}"))
    });
    built
        .as_ref()
        .map_err(|error| Ending::Failed(error.clone()))
}

fn soak(memory: u32, scale: &str) -> Check {
    let platform = Platform::Spt;
    if let Some(reason) = platform.missing() {
        return Err(Ending::Skipped(reason));
    }
    let image = images()?.get("soak", platform.target());
    let soak = Soak {
        load: env!("CARGO_BIN_EXE_fata-soak-load").into(),
        platform,
        image: image.map_err(Ending::Failed)?,
        memory,
        options: format!("--scale {scale}"),
        limit: LIMIT,
    };
    println!("{}", soak.run()?);
    Ok(())
}

/// Runs a test, and prints a skip where the machine lacks something.
fn judge(name: &str, test: impl FnOnce() -> Check) {
    match test() {
        Ok(()) => {}
        Err(Ending::Skipped(reason)) => println!("SKIP {name}: {reason}"),
        Err(Ending::DoesNotApply(reason)) => println!("{name} does not apply: {reason}"),
        Err(Ending::Failed(how)) => panic!("{name}: {how}"),
    }
}

#[test]
fn gives_back_what_crowds_and_attacks_took() {
    judge("soak", || soak(128, "short"));
}

#[test]
fn refuses_and_lives_in_eight_megabytes() {
    judge("soak-8", || soak(8, "tight"));
}

#[test]
fn refuses_and_lives_in_four_megabytes() {
    judge("soak-4", || soak(4, "tight"));
}
