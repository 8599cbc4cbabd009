// SPDX-License-Identifier: ISC
//! Calls as lines for people: when, how long, what.

use std::io::{self, Write};

use super::{
    calls::{self, Devices},
    record::Record,
};

/// What stands above the calls.
pub fn heading(to: &mut impl Write) -> io::Result<()> {
    writeln!(to, "{:>12}  {:>9}  call", "time", "took")
}

/// Prints a call; times are since `begin`.
pub fn call(
    to: &mut impl Write,
    record: &Record<'_>,
    devices: &Devices,
    begin: u64,
) -> io::Result<()> {
    let since = record.start.saturating_sub(begin);
    let (seconds, micros) = (since / 1_000_000_000, since / 1000 % 1_000_000);
    let took = time(record.duration);
    let (name, arguments) = (record.name, calls::arguments(record, devices));
    write!(
        to,
        "{seconds:>5}.{micros:06}  {took:>9}  {name}({arguments})"
    )?;
    match calls::result(record) {
        Some(result) => writeln!(to, " = {result}"),
        None => writeln!(to),
    }
}

/// A time in nanoseconds for people: `84 ns`, `21.3 µs`, `1.2 ms`, `1.034 s`.
pub fn time(nanoseconds: u64) -> String {
    let value = nanoseconds as f64;
    match nanoseconds {
        0..1000 => format!("{nanoseconds} ns"),
        1000..1_000_000 => format!("{:.1} µs", value / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} ms", value / 1e6),
        _ => format!("{:.3} s", value / 1e9),
    }
}
