// SPDX-License-Identifier: ISC
//! A unikernel and Linux, with the link between them: every transfer arrives byte for byte, sent,
//! fetched and echoed at once, over IPv4 and IPv6, in whatever weather.

#![forbid(unsafe_code)]

mod common;

use std::{sync::OnceLock, thread};

use common::{judge, programs};
use fata_test_harness::{
    images::Images,
    outcome::{Check, Ending},
    platform::Platform,
};
use fata_weather::world::{Host, World};

/// The images, built once for all tests.
fn images() -> Result<&'static Images, Ending> {
    static IMAGES: OnceLock<Result<Images, String>> = OnceLock::new();
    let built = IMAGES.get_or_init(|| {
        let targets = [Platform::Unix, Platform::Spt].map(Platform::target);
        Images::build(&["transfer"], &targets).map_err(|error| format!("{error:#}"))
    });
    built
        .as_ref()
        .map_err(|error| Ending::Failed(error.clone()))
}

/// Makes all transfers of `len` bytes in a weather, with `transfer` on every platform at once: most
/// of the time all of them wait.
fn arrives(name: &str, weather: &str, len: u64) {
    let on = |platform: Platform| {
        let name = format!("weather-{name} on {platform}");
        judge(&name, || match platform.missing() {
            Some(reason) => Err(Ending::Skipped(reason)),
            None => arrives_on(platform, weather, len),
        });
    };
    thread::scope(|scope| {
        scope.spawn(|| on(Platform::Unix));
        on(Platform::Spt);
    });
}

fn arrives_on(platform: Platform, weather: &str, len: u64) -> Check {
    let image = images()?.get("transfer", platform.target());
    let image = image.map_err(Ending::Failed)?;
    let world = World::new(&programs(), weather, Host::Unikernel(platform, image))?;
    let all = common::transfers(&world, len);
    let said = world.end()?;
    let explain = |how: String| {
        let Ending::Failed(service) = said.service.fails::<()>("no mishap").unwrap_err() else {
            return Ending::Failed(how);
        };
        Ending::Failed(format!("{how}\n{service}\n{}", said.link.output))
    };
    all.map_err(|ending| match ending {
        Ending::Failed(how) => explain(how),
        other => other,
    })
}

const MB: u64 = 1_000_000;

#[test]
fn in_fair_weather() {
    arrives("fair", "", 6 * MB);
}

#[test]
fn with_a_loss_of_one_in_a_thousand() {
    arrives("loss-0.1", "--loss 0.1% --delay 2ms", 4 * MB);
}

#[test]
fn with_a_loss_of_one_in_a_hundred() {
    arrives("loss-1", "--loss 1% --delay 2ms", 2 * MB);
}

#[test]
fn with_a_loss_of_three_in_a_hundred() {
    arrives("loss-3", "--loss 3% --delay 2ms", MB);
}

#[test]
fn with_a_loss_of_ten_in_a_hundred() {
    arrives("loss-10", "--loss 10% --delay 2ms", MB / 6);
}

#[test]
fn with_bursts_of_loss() {
    arrives("bursts", "--burst 0.3%/20% --delay 2ms", 2 * MB);
}

#[test]
fn with_frames_that_overtake() {
    arrives(
        "reorder",
        "--reorder 5% --reorder-by 3ms --delay 1ms",
        2 * MB,
    );
}

#[test]
fn with_jitter_that_lets_them() {
    arrives("jitter", "--delay 5ms --jitter 5ms", 2 * MB);
}

#[test]
fn with_frames_that_come_twice() {
    arrives("duplicate", "--duplicate 10% --delay 1ms", 2 * MB);
}

#[test]
fn with_wrong_bits() {
    arrives("corrupt", "--corrupt 1% --delay 1ms", 2 * MB);
}

#[test]
fn with_frames_cut_off() {
    arrives("truncate", "--truncate 1% --delay 1ms", 2 * MB);
}

#[test]
fn far_away() {
    arrives("delay", "--delay 50ms", 2 * MB);
}

#[test]
fn very_far_away() {
    arrives("delay-100", "--delay 100ms", 2 * MB);
}

#[test]
fn behind_a_slow_link() {
    arrives("rate", "--rate 20M --queue 32k --delay 5ms", 2 * MB);
}

#[test]
fn in_all_of_it_at_once() {
    let weather = "--loss 0.5% --burst 0.1%/30% --corrupt 0.5% --truncate 0.2% --duplicate 1% \
                   --reorder 1% --delay 10ms --jitter 2ms --rate 50M --queue 64k";
    arrives("all", weather, MB / 2);
}
