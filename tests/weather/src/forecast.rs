// SPDX-License-Identifier: ISC
//! What weather is asked for, as options: `--loss 1% --delay 25ms --rate 100M`.
//!
//! An option holds for both directions; with `ab-` or `ba-` in its name for one: `--ab-loss 1%`.

use std::str::FromStr;

use anyhow::{Context, Result, bail};
use fata_device::weather::{Bursts, Chance};

/// Help for the options, each line indented for a list of options.
pub const HELP: &str =
    "  --loss CHANCE           lose frames, each by itself; a chance is 1% or 0.01
  --burst CHANCE/CHANCE   lose all frames of a burst: the chance that one begins, and that it ends
  --corrupt CHANCE        turn a bit round
  --truncate CHANCE       cut frames off
  --duplicate CHANCE      double frames
  --reorder CHANCE        hold frames up, so that others overtake
  --reorder-by TIME       for how long (default: 2ms)
  --delay TIME            delay every frame, as in 25ms or 500us
  --jitter TIME           and by up to so much more; frames that are delayed less overtake
  --rate BITS             bits a second that pass, as in 100M
  --queue BYTES           bytes that wait to pass, as in 256k (default: 64k)
  --seed NUMBER           what all of it follows from (default: 1)
";

/// The weather of one direction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forecast {
    /// Of frames that are lost, each by itself.
    pub loss: Chance,
    /// Of bursts of lost frames.
    pub bursts: Bursts,
    /// Of frames with a wrong bit.
    pub corrupt: Chance,
    /// Of frames without their end.
    pub truncate: Chance,
    /// Of frames that come twice.
    pub duplicate: Chance,
    /// Of frames that are overtaken.
    pub reorder: Chance,
    /// For how long those are held up, in nanoseconds.
    pub reorder_by: u64,
    /// Nanoseconds by which every frame is delayed.
    pub delay: u64,
    /// Nanoseconds by which a frame can be delayed further.
    pub jitter: u64,
    /// Bits a second.
    pub rate: u64,
    /// Bytes that may wait for the rate.
    pub queue: u64,
    /// What all of it follows from.
    pub seed: u64,
}

impl Default for Forecast {
    fn default() -> Self {
        let never = Chance::percent(0);
        Self {
            loss: never,
            bursts: Bursts {
                begin: never,
                end: Chance::percent(100),
                lost: Chance::percent(100),
            },
            corrupt: never,
            truncate: never,
            duplicate: never,
            reorder: never,
            reorder_by: 2_000_000,
            delay: 0,
            jitter: 0,
            rate: u64::MAX,
            queue: 64 << 10,
            seed: 1,
        }
    }
}

impl Forecast {
    /// The weather from the first host to the second, and back, from options in one line.
    ///
    /// # Errors
    ///
    /// An option that there is not, or a value that it does not take.
    pub fn both(options: &str) -> Result<[Self; 2]> {
        let mut both = [Self::default(), Self::default()];
        let mut words = options.split_ascii_whitespace();
        while let Some(option) = words.next() {
            let value = words.next();
            let value = value.with_context(|| format!("`{option}` needs a value"))?;
            if !Self::option(&mut both, option, value)? {
                bail!("no such option: `{option}`");
            }
        }
        Ok(both)
    }

    /// Takes one option; `false` if there is none of that name.
    ///
    /// # Errors
    ///
    /// A value that it does not take.
    pub fn option(both: &mut [Self; 2], option: &str, value: &str) -> Result<bool> {
        let Some(name) = option.strip_prefix("--") else {
            return Ok(false);
        };
        let [there, back] = both;
        let (name, directions) = match name.split_once('-') {
            Some(("ab", name)) => (name, vec![there]),
            Some(("ba", name)) => (name, vec![back]),
            _ => (name, vec![there, back]),
        };
        for forecast in directions {
            let known = forecast.set(name, value);
            if !known.with_context(|| format!("`{option} {value}`"))? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn set(&mut self, name: &str, value: &str) -> Result<bool> {
        match name {
            "loss" => self.loss = chance(value)?,
            "burst" => {
                let parts = value.split_once('/');
                let (begin, end) = parts.context("expected two chances, as in `1%/20%`")?;
                self.bursts.begin = chance(begin)?;
                self.bursts.end = chance(end)?;
            }
            "corrupt" => self.corrupt = chance(value)?,
            "truncate" => self.truncate = chance(value)?,
            "duplicate" => self.duplicate = chance(value)?,
            "reorder" => self.reorder = chance(value)?,
            "reorder-by" => self.reorder_by = time(value)?,
            "delay" => self.delay = time(value)?,
            "jitter" => self.jitter = time(value)?,
            "rate" => self.rate = number(value, 1000)?,
            "queue" => self.queue = number(value, 1024)?,
            "seed" => self.seed = u64::from_str(value)?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

/// `1%` or `0.01`.
fn chance(text: &str) -> Result<Chance> {
    let (text, whole) = match text.strip_suffix('%') {
        Some(percent) => (percent, 100.0),
        None => (text, 1.0),
    };
    let part = f64::from_str(text).context("expected a chance, as in `1%` or `0.01`")? / whole;
    if !(0.0..=1.0).contains(&part) {
        bail!("a chance is between 0 and 1");
    }
    Ok(Chance::per_million((part * 1e6).round() as u32))
}

/// Nanoseconds of `25ms`.
pub(crate) fn time(text: &str) -> Result<u64> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "s" => 1e9,
        "ms" => 1e6,
        "us" => 1e3,
        "" if digits == "0" => 0.0,
        _ => bail!("expected a time, as in `25ms`, `500us` or `1s`"),
    };
    let count = f64::from_str(digits).context("expected a time, as in `25ms`")?;
    if !(0.0..1e9).contains(&count) {
        bail!("expected a time, as in `25ms`");
    }
    Ok((count * unit) as u64)
}

/// A number, with `k`, `M` or `G` behind it for one, two or three times `step`.
fn number(text: &str, step: u64) -> Result<u64> {
    let power = ["k", "M", "G"].iter().position(|unit| text.ends_with(unit));
    let digits = text.trim_end_matches(['k', 'M', 'G']);
    let scale = power.map_or(1, |power| step.pow(power as u32 + 1));
    let number = u64::from_str(digits).context("expected a number, as in `100M`")?;
    number.checked_mul(scale).context("that is too much")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_hold_for_both_directions_or_for_one() {
        let [there, back] = Forecast::both(
            "--loss 0.1% --ab-delay 25ms --ba-rate 100M --queue 256k --burst 1%/0.25",
        )
        .unwrap();
        assert_eq!(there.loss, Chance::per_million(1000));
        assert_eq!((there.delay, back.delay), (25_000_000, 0));
        assert_eq!((there.rate, back.rate), (u64::MAX, 100_000_000));
        assert_eq!(back.queue, 256 << 10);
        assert_eq!(there.bursts.end, Chance::percent(25));
        assert_eq!(back.loss, there.loss);
    }

    #[test]
    fn what_is_no_weather_is_refused() {
        for options in [
            "--loss",
            "--loss 101%",
            "--loss -1",
            "--loss NaN",
            "--sun 1%",
            "--burst 1%",
            "--delay 5",
            "--delay -5ms",
            "--rate 18446744073709551615G",
            "loss 1%",
        ] {
            assert!(Forecast::both(options).is_err(), "{options}");
        }
    }
}
