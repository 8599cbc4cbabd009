// SPDX-License-Identifier: ISC
//! Linux to Linux over the link: whether the weather is as it was ordered, and nothing else breaks
//! a transfer.

#![forbid(unsafe_code)]

mod common;

use common::{judge, programs};
use fata_test_harness::outcome::{Check, Ending};
use fata_weather::world::{Host, Said, World};

/// Makes all transfers of `len` bytes at once in a weather, and looks at what the link has counted.
fn linux(weather: &str, len: u64, counted: fn(&Said) -> Check) -> Check {
    let world = World::new(&programs(), weather, Host::Linux)?;
    let all = common::transfers(&world, len);
    let said = world.end()?;
    all?;
    // Of those cut off, some are shorter than an Ethernet header.
    let (refused, truncated) = (said.counted("refused")?, said.counted("truncated")?);
    if refused[0] > truncated[0] || refused[1] > truncated[1] {
        return said.link.fails("hosts that take all frames");
    }
    counted(&said)
}

/// A count that is between these for either direction.
fn between(said: &Said, name: &str, least: u64, most: u64) -> Check {
    let counted = said.counted(name)?;
    if counted.iter().all(|count| (least..=most).contains(count)) {
        return Ok(());
    }
    said.link.fails(&format!("`{name}` from {least} to {most}"))
}

#[test]
fn fair_weather() {
    judge("linux-fair", || {
        linux("", 4_000_000, |said| {
            for name in ["full", "lost", "burst", "corrupted", "truncated", "doubled"] {
                between(said, name, 0, 0)?;
            }
            if said.counted("received")? != said.counted("delivered")? {
                return said.link.fails("all frames delivered");
            }
            // 16 MB are 11,000 segments each way, and some acknowledgements.
            between(said, "bytes", 16_000_000, 20_000_000)
        })
    });
}

#[test]
fn loss() {
    judge("linux-loss", || {
        linux("--loss 3% --delay 1ms", 1_000_000, |said| {
            let received = said.counted("received")?;
            let lost = said.counted("lost")?;
            let due =
                |at: usize| lost[at] * 100 >= received[at] && lost[at] * 100 <= received[at] * 6;
            match due(0) && due(1) {
                true => Ok(()),
                false => said.link.fails("three in a hundred lost"),
            }
        })
    });
}

#[test]
fn bursts() {
    judge("linux-bursts", || {
        linux("--burst 0.3%/20% --delay 1ms", 1_000_000, |said| {
            between(said, "burst", 3, 500)
        })
    });
}

#[test]
fn all_sorts() {
    judge("linux-all-sorts", || {
        let weather = "--duplicate 2% --reorder 2% --corrupt 1% --truncate 0.5% --delay 5ms \
                       --jitter 1ms --seed 3";
        linux(weather, 500_000, |said| {
            for name in ["corrupted", "truncated", "doubled", "held-up"] {
                between(said, name, 1, 500)?;
            }
            Ok(())
        })
    });
}

#[test]
fn rate() {
    judge("linux-rate", || {
        linux("--rate 50M --queue 32k --delay 10ms", 2_000_000, |said| {
            between(said, "full", 1, 5000)
        })
    });
}

#[test]
fn a_link_says_what_it_lacks() {
    judge("linux-link-lacks", || {
        match World::new(&programs(), "--sun 1%", Host::Linux) {
            Err(Ending::Failed(how)) if how.contains("no such option: `--sun`") => Ok(()),
            Err(other) => Err(other),
            Ok(_) => Err(Ending::Failed("there is no sun in a network".to_owned())),
        }
    });
}
