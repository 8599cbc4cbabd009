// SPDX-License-Identifier: ISC
//! What arrives over a link that loses frames, against Linux in our place on the same link.
//!
//! The client is Linux in both cases, with CUBIC and its default buffers. The link loses frames in
//! both directions, each by itself, and its queue holds what is on the way in one round trip. Loss
//! follows from a seed, but which segment meets it is a matter of timing, so that figures lie up to
//! three times apart; the row has their median, which moves by a tenth or two between runs, and in
//! parentheses the least and the most. Rows of many megabits depend on what else the machine does.

use std::{
    ops::RangeInclusive,
    path::Path,
    thread::{self, ScopedJoinHandle},
    time::Duration,
};

use anyhow::{Context, Result, anyhow};
use fata_test_harness::{
    images::Images,
    outcome::Ending,
    platform::{Platform, Target},
};
use fata_weather::{
    transfer::Kind,
    world::{Host, Programs, Version, World},
};

use super::{
    images::{plain, target},
    table::{Row, median},
};
use crate::process;

/// Megabits a second that the link carries.
const RATE: u64 = 200;
/// Times for a round trip, in milliseconds.
const ROUND_TRIPS: [u64; 2] = [50, 5];
/// Frames lost, out of a thousand.
const LOSSES: [u64; 4] = [0, 1, 10, 30];
/// No transfer needs longer to start and to end.
const LIMIT: Duration = Duration::from_secs(60);

/// A row: a link, and which way the bytes go.
#[derive(Clone, Copy)]
struct Setting {
    round_trip: u64,
    loss: u64,
    kind: Kind,
}

pub(super) fn measure() -> Result<Vec<Row>> {
    process::run(
        "cargo",
        &["build", "--quiet", "--release", "-p", "fata-weather"],
    )?;
    let release = target().join("release");
    let programs = Programs {
        link: release.join("fata-weather-link"),
        peer: release.join("fata-weather-peer"),
    };
    let images = Images::build(&["transfer"], &[Target::Spt])?;
    let image = images.get("transfer", Target::Spt);
    let image = image.map_err(|error| anyhow!("`transfer` {error}"))?;
    let mut rows = Vec::new();
    for round_trip in ROUND_TRIPS {
        for loss in LOSSES {
            for kind in [Kind::Get, Kind::Put] {
                let setting = Setting {
                    round_trip,
                    loss,
                    kind,
                };
                eprintln!("  {}", setting.name());
                rows.push(setting.row(&programs, image)?);
            }
        }
    }
    Ok(rows)
}

impl Setting {
    fn name(&self) -> String {
        let way = match self.kind {
            Kind::Get => "to Linux",
            Kind::Put | Kind::Echo => "from Linux",
        };
        let (whole, tenth) = (self.loss / 10, self.loss % 10);
        let round_trip = self.round_trip;
        format!("goodput {way}, {round_trip} ms, {whole}.{tenth} % lost")
    }

    fn row(&self, programs: &Programs, image: &Path) -> Result<Row> {
        let ours = Host::Unikernel(Platform::Spt, image);
        let run = |host, seed| self.run(programs, host, seed);
        let [ours, linux] = if self.is_slow() {
            thread::scope(|scope| {
                let start = |host| {
                    self.seeds()
                        .map(move |seed| scope.spawn(move || run(host, seed)))
                };
                let [ours, linux] = [ours, Host::Linux].map(|host| start(host).collect::<Vec<_>>());
                [ours, linux].map(|runs| runs.into_iter().map(join).collect::<Result<Vec<_>>>())
            })
        } else {
            // In turn: what the machine does meanwhile should meet both.
            let both = self
                .seeds()
                .map(|seed| (run(ours, seed), run(Host::Linux, seed)));
            let (ours, linux): (Vec<_>, Vec<_>) = both.unzip();
            [ours, linux].map(|figures| figures.into_iter().collect())
        };
        let (mut ours, mut linux) = (ours?, linux?);
        let promised = match (self.round_trip, self.loss) {
            (50, 10 | 30) => "ratio >= 0.9, aim 1.1",
            _ => "",
        };
        let (ours_median, linux_median) = (median(&mut ours), median(&mut linux));
        let row = Row::against(
            &self.name(),
            "Mb/s",
            ours_median,
            ("Linux", linux_median),
            promised,
        );
        // The median has sorted them.
        let ends = |figures: &[f64]| [figures[0], figures[figures.len() - 1]];
        Ok(if ours.len() > 1 {
            row.within(ends(&ours), ends(&linux))
        } else {
            row
        })
    }

    /// Whether loss leaves so little that all runs fit on this machine at once.
    fn is_slow(&self) -> bool {
        self.loss * self.round_trip >= 50
    }

    /// How often it is measured: more often where the figures lie wide apart.
    fn seeds(&self) -> RangeInclusive<u64> {
        match (self.round_trip, self.loss) {
            (50, 0) => 1..=1,
            (50, _) => 1..=7,
            _ => 1..=3,
        }
    }

    /// How long each transfer lasts: many round trips, and yet all rows in three minutes.
    fn seconds(&self) -> u64 {
        match (self.round_trip, self.is_slow()) {
            (50, true) => 7,
            (50, false) => 3,
            (_, true) => 4,
            (_, false) => 2,
        }
    }

    /// Megabits a second that arrive.
    fn run(&self, programs: &Programs, host: Host<'_>, seed: u64) -> Result<f64> {
        let Self {
            round_trip,
            loss,
            kind,
        } = *self;
        let queue = RATE * round_trip * 1000 / 8;
        let weather = format!(
            "--delay {}us --loss 0.{loss:03} --rate {RATE}M --queue {queue} --seed {seed}",
            round_trip * 500
        );
        let world = World::new(programs, &weather, host).map_err(plain)?;
        let seconds = self.seconds();
        let transfer = world.transfer(
            kind,
            Version::V4,
            &format!("--seconds {seconds} --seed {seed}"),
            LIMIT,
        );
        let finished = transfer.and_then(|transfer| {
            let outcome = transfer.wait()?;
            outcome.exits(0).map(|()| outcome)
        });
        let said = world.end().map_err(plain)?;
        let outcome = match finished {
            Ok(outcome) => outcome,
            Err(Ending::Failed(how)) => {
                return Err(anyhow!("{how}{}{}", said.service.output, said.link.output));
            }
            Err(other) => return Err(plain(other)),
        };
        let figure = |name: &str| -> Result<f64> {
            let mut words = outcome.output.split_ascii_whitespace();
            let found = words.find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
            found
                .and_then(|number| number.parse().ok())
                .with_context(|| format!("the peer did not say `{name}`:\n{}", outcome.output))
        };
        Ok(figure("bytes")? * 8.0 / figure("seconds")? / 1e6)
    }
}

fn join(run: ScopedJoinHandle<'_, Result<f64>>) -> Result<f64> {
    run.join()
        .unwrap_or_else(|_| Err(anyhow!("a measurement panicked")))
}
