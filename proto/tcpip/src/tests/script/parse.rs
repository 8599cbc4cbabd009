// SPDX-License-Identifier: ISC
//! The words of a script.

use std::{collections::BTreeMap, string::String, string::ToString, vec::Vec};

/// Flags of a segment and the values that are given for it.
#[derive(Clone, Debug, Default)]
pub(super) struct Form {
    pub(super) flags: u8,
    values: BTreeMap<String, String>,
}

pub(super) const FIN: u8 = 1;
pub(super) const SYN: u8 = 2;
pub(super) const RST: u8 = 4;
pub(super) const PSH: u8 = 8;
pub(super) const ACK: u8 = 16;
pub(super) const URG: u8 = 32;
pub(super) const ECE: u8 = 64;
pub(super) const CWR: u8 = 128;

impl Form {
    /// Reads `FLAGS KEY=VALUE KEY ...`.
    pub(super) fn parse(words: &[&str]) -> Self {
        let mut form = Self::default();
        for word in words {
            let flag = match *word {
                "FIN" => FIN,
                "SYN" => SYN,
                "RST" => RST,
                "PSH" => PSH,
                "ACK" => ACK,
                "URG" => URG,
                "ECE" => ECE,
                "CWR" => CWR,
                _ => {
                    let (key, value) = word.split_once('=').unwrap_or((word, ""));
                    form.values.insert(key.to_string(), value.to_string());
                    continue;
                }
            };
            form.flags |= flag;
        }
        form
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.values.contains_key(key)
    }

    pub(super) fn number(&self, key: &str) -> Option<u32> {
        let value = self.values.get(key).filter(|value| !value.is_empty())?;
        let number = value.parse::<i64>();
        Some(number.unwrap_or_else(|_| panic!("{key} is no number: {value}")) as u32)
    }

    /// `LOW..HIGH`, or one number.
    pub(super) fn range(&self, key: &str) -> Option<(u32, u32)> {
        let value = self.values.get(key)?;
        let (low, high) = value.split_once("..").unwrap_or((value, value));
        let number = |text: &str| text.parse::<i64>().unwrap() as u32;
        Some((number(low), number(high)))
    }

    /// `START-END,START-END`
    pub(super) fn ranges(&self, key: &str) -> Option<Vec<(u32, u32)>> {
        let ranges = self
            .values
            .get(key)?
            .split(',')
            .filter(|text| !text.is_empty());
        let ends = |text: &str| {
            let (start, end) = text.split_once('-').unwrap();
            (start.parse().unwrap(), end.parse().unwrap())
        };
        Some(ranges.map(ends).collect())
    }
}

/// `10ms`, `2s`, `3m`, `0` in nanoseconds.
pub(super) fn duration(text: &str) -> u64 {
    let digits = text.trim_end_matches(char::is_alphabetic);
    let number: f64 = digits
        .parse()
        .unwrap_or_else(|_| panic!("no duration: {text}"));
    let unit = match &text[digits.len()..] {
        "us" => 1e3,
        "ms" => 1e6,
        "s" => 1e9,
        "m" => 60e9,
        "h" => 3600e9,
        "" if number == 0.0 => 0.0,
        other => panic!("no unit of time: {other}"),
    };
    (number * unit) as u64
}
