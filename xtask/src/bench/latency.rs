// SPDX-License-Identifier: ISC
//! The time of a request and its answer on one connection: the echo of the examples against a
//! blocking one on Linux.

use anyhow::{Context, Result};

use super::{
    images,
    lab::{FATA, LINUX, Lab, ROUNDS},
    table::{Row, median},
};

/// Bytes of a request, and of its answer.
const SIZES: [usize; 3] = [1, 64, 1024];
/// Round trips of a measurement.
const COUNT: usize = 20_000;
const PORT: u16 = 7;

pub(super) fn measure() -> Result<Vec<Row>> {
    let image = images::sealed("echo")?;
    let lab = Lab::new()?;
    let mut rows = Vec::new();
    for size in SIZES {
        let (mut fata, mut linux) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let server = lab.fata(&image, "--mem=32", "")?;
            fata.push(load(&lab, FATA, size)?);
            drop(server);
            let server = lab.linux_own(&format!("echo {LINUX}:{PORT}"))?;
            linux.push(load(&lab, LINUX, size)?);
            drop(server);
        }
        for (name, which) in [("p50", 0), ("p99", 1)] {
            let of = |times: &[[f64; 2]]| {
                let mut times: Vec<f64> = times.iter().map(|time| time[which]).collect();
                median(&mut times)
            };
            rows.push(Row::against(
                &format!("round trip of {size} bytes, {name}"),
                "us",
                of(&fata),
                ("Linux", of(&linux)),
                "ratio <= 1.2, aim 1.0",
            ));
        }
    }
    Ok(rows)
}

/// Median and 99th percentile in microseconds.
fn load(lab: &Lab, server: &str, size: usize) -> Result<[f64; 2]> {
    lab.wait_for(server, PORT)?;
    let times: Vec<f64> = lab.figures(&format!("latency {server}:{PORT} {size} {COUNT}"))?;
    let times: [f64; 2] = times.try_into().ok().context("two figures expected")?;
    Ok(times.map(|nanos| nanos / 1000.0))
}
