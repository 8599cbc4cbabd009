// SPDX-License-Identifier: ISC
//! Bulk transfers, measured by the stock iperf3 client: against Linux's stack in our place, and
//! without offload against the same program on smoltcp's sockets.

use std::{thread, time::Duration};

use anyhow::{Context, Result};

use super::{
    images,
    lab::{FATA, LINUX, Lab, ROUNDS},
    table::{Row, median},
};

const SECONDS: u32 = 3;
/// What iperf3 calls the two directions, as the server sees them.
const DIRECTIONS: [(&str, &str); 2] = [("receive", ""), ("send", "-R")];
const PORT: u16 = 5201;

pub(super) fn measure() -> Result<Vec<Row>> {
    let ours = images::sealed("iperf3")?;
    let smoltcp = images::sealed("test-iperf3-smoltcp")?;
    let lab = Lab::new()?;
    let memory = "--mem=128";
    let mut rows = Vec::new();
    for (direction, option) in DIRECTIONS {
        let (mut fata, mut linux) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let server = lab.fata(&ours, memory, "")?;
            fata.push(load(&lab, FATA, option)?);
            drop(server);
            let server = lab.linux("iperf3 -s")?;
            linux.push(load(&lab, LINUX, option)?);
            drop(server);
        }
        let peer = ("Linux", median(&mut linux));
        rows.push(Row::against(
            &format!("bulk TCP {direction}"),
            "Gb/s",
            median(&mut fata),
            peer,
            "ratio >= 0.7, aim 1.0",
        ));
    }
    for (direction, option) in DIRECTIONS {
        let (mut fata, mut peer) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            for (image, figures) in [(&ours, &mut fata), (&smoltcp, &mut peer)] {
                let server = lab.fata_plain(image, memory, "")?;
                figures.push(load(&lab, FATA, option)?);
                drop(server);
            }
        }
        rows.push(Row::against(
            &format!("bulk TCP {direction} without offload"),
            "Gb/s",
            median(&mut fata),
            ("smoltcp's sockets", median(&mut peer)),
            "ratio >= 1.5, aim 3",
        ));
    }
    Ok(rows)
}

/// Gigabits a second that arrive.
fn load(lab: &Lab, server: &str, option: &str) -> Result<f64> {
    lab.wait_for(server, PORT)?;
    // Whoever knocked has left.
    thread::sleep(Duration::from_millis(100));
    let line = format!("iperf3 -J -t {SECONDS} -c {server} {option}");
    let outcome = lab.client(line.trim_end())?;
    let report: serde_json::Value =
        serde_json::from_str(&outcome.output).context("reading the report of iperf3")?;
    let bits = report["end"]["sum_received"]["bits_per_second"].as_f64();
    let bits = bits.with_context(|| format!("iperf3 has no result: {}", outcome.output))?;
    Ok(bits / 1e9)
}
