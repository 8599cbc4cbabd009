// SPDX-License-Identifier: ISC
//! The log: messages of the `log` crate's macros, filtered by `--logs`, printed a line each.
//!
//! ```text
//! [   0.001234] INFO  tcpip: 10.0.2.15/24 by DHCP
//! ```

use alloc::{string::String, vec::Vec};
use core::fmt::Write;

use fata_abi::platform;
use log::{Level, LevelFilter, Log, Metadata, Record};

use crate::{args::Value, console::Line, single::Single};

/// One of the levels in `--logs`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rule {
    /// Empty for all targets.
    target: String,
    level: LevelFilter,
}

/// What can be typed for each level.
const LEVELS: &[(&str, LevelFilter)] = &[
    ("off", LevelFilter::Off),
    // What MirageOS calls it.
    ("quiet", LevelFilter::Off),
    ("error", LevelFilter::Error),
    ("warn", LevelFilter::Warn),
    ("warning", LevelFilter::Warn),
    ("info", LevelFilter::Info),
    ("debug", LevelFilter::Debug),
    ("trace", LevelFilter::Trace),
];

impl Value for Rule {
    const NAME: &'static str = "LEVEL";
    const EXPECTED: &'static str =
        "a level (off, error, warn, info, debug, trace) or `target:level`";

    #[inline(never)]
    fn parse(text: &str) -> Option<Self> {
        let colon = text.bytes().rposition(|byte| byte == b':');
        let (target, level) = match colon {
            Some(at) => (text.get(..at)?, text.get(at + 1..)?),
            None => ("", text),
        };
        let (_, level) = *LEVELS.iter().find(|(name, _)| *name == level)?;
        let target = if target == "*" { "" } else { target };
        Some(Self {
            target: target.into(),
            level,
        })
    }
}

struct Console {
    rules: Single<Vec<Rule>>,
    start: Single<u64>,
}

static CONSOLE: Console = Console {
    rules: Single::new(Vec::new()),
    start: Single::new(0),
};

/// Starts logging by `rules`. Of several that match the last counts.
#[inline(never)]
pub(crate) fn start(rules: Vec<Rule>) {
    let most = rules.iter().map(|rule| rule.level).max();
    CONSOLE.rules.with(|r| *r = rules);
    CONSOLE.start.with(|s| *s = platform::clock_monotonic());
    // Fails where a plain process has a logger already, be it this one: either may stay.
    let _ = log::set_logger(&CONSOLE);
    log::set_max_level(most.unwrap_or(LevelFilter::Off));
}

/// A target as it is shown and matched: without what all of ours begin with.
fn shown(target: &str) -> &str {
    target.strip_prefix("fata_").unwrap_or(target)
}

/// The level of `target`: that of the rule that names it or a module around it, the longest such
/// name winning, else that of the rule for all.
fn level(rules: &[Rule], target: &str) -> LevelFilter {
    let target = shown(target);
    let mut level = LevelFilter::Off;
    let mut longest = 0;
    for rule in rules {
        let name = shown(&rule.target);
        let rest = target.strip_prefix(name);
        let matches = name.is_empty() || rest.is_some_and(|r| r.is_empty() || r.starts_with("::"));
        if matches && name.len() >= longest {
            level = rule.level;
            longest = name.len();
        }
    }
    level
}

impl Log for Console {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let level = self.rules.with(|rules| level(rules, metadata.target()));
        metadata.level() <= level
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let since = platform::clock_monotonic() - self.start.with(|s| *s);
        let micros = since / 1000;
        let mut line = Line::new();
        line.push("[");
        line.push_number(micros / 1_000_000, 4, b' ');
        line.push(".");
        line.push_number(micros % 1_000_000, 6, b'0');
        line.push(match record.level() {
            Level::Error => "] ERROR ",
            Level::Warn => "] WARN  ",
            Level::Info => "] INFO  ",
            Level::Debug => "] DEBUG ",
            Level::Trace => "] TRACE ",
        });
        line.push(shown(record.target()));
        line.push(": ");
        // A message that fails to print itself is not worth failing for.
        let _ = line.write_fmt(*record.args());
        line.push("\n");
    }

    fn flush(&self) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_name_decides() {
        let rules: Vec<_> = ["*:warn", "tcp:debug", "fata_tcp::state:off", "app:trace"]
            .into_iter()
            .map(|rule| Rule::parse(rule).expect("rule"))
            .collect();
        for (target, expected) in [
            ("other", LevelFilter::Warn),
            ("tcp", LevelFilter::Debug),
            ("fata_tcp::window", LevelFilter::Debug),
            ("fata_tcp::state::open", LevelFilter::Off),
            ("tcpip", LevelFilter::Warn),
            ("app::main", LevelFilter::Trace),
        ] {
            assert_eq!(level(&rules, target), expected, "{target}");
        }
        assert_eq!(level(&[], "any"), LevelFilter::Off);
        let mut backwards = rules;
        backwards.reverse();
        assert_eq!(level(&backwards, "tcp"), LevelFilter::Debug);
        assert_eq!(level(&backwards, "tcp::state"), LevelFilter::Off);
    }

    #[test]
    fn rules_are_levels_with_or_without_a_target() {
        let level = |text| Rule::parse(text).map(|rule| rule.level);
        assert_eq!(level("quiet"), Some(LevelFilter::Off));
        assert_eq!(level("*:trace"), Some(LevelFilter::Trace));
        assert_eq!(level("a::b:error"), Some(LevelFilter::Error));
        assert_eq!(level("loud"), None);
        assert_eq!(level("tcp:"), None);
    }
}
