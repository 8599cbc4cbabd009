// SPDX-License-Identifier: ISC
//! The smallest `--mem` in which the DNS server answers.

use std::{
    net::SocketAddr,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};

use super::{images, query, table::Row};

/// Megabytes that are tried.
const SIZES: std::ops::RangeInclusive<u32> = 2..=16;

pub(super) fn measure() -> Result<Vec<Row>> {
    let image = images::sealed("dns")?;
    let tender = images::tender()?;
    for megabytes in SIZES {
        if answers(&tender, &image, megabytes)? {
            return Ok(vec![Row::new(
                "smallest --mem in which dns answers",
                format!("{megabytes} MB"),
                "2 MB",
            )]);
        }
    }
    bail!("dns answers in none of {SIZES:?} MB")
}

fn answers(tender: &Path, image: &Path, megabytes: u32) -> Result<bool> {
    let port = images::free_port()?;
    let start = Instant::now();
    let mut command = Command::new(tender);
    command
        .arg(format!("--mem={megabytes}"))
        .arg(format!("--net:service=user,udp:{port}:53"))
        .arg("--")
        .arg(image);
    let _running = images::start(command)?;
    let server = SocketAddr::from(([127, 0, 0, 1], port));
    Ok(query::until_answered(server, start, Duration::from_secs(3)).is_ok())
}
