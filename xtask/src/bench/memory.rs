// SPDX-License-Identifier: ISC
//! The smallest `--mem` in which the smallest image runs, and in which the DNS server answers.

use std::{
    net::SocketAddr,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Result, bail};

use super::{images, query, table::Row};

/// Sizes that are tried, in KB: multiples of this up to that.
const STEP: usize = 64;
const MOST: usize = 4096;

pub(super) fn measure() -> Result<Vec<Row>> {
    let tender = images::tender()?;
    let hello = images::sealed("test-hello")?;
    let dns = images::sealed("dns")?;
    let hello = smallest(|size| runs(&tender, &hello, size))?;
    let dns = smallest(|size| answers(&tender, &dns, size))?;
    Ok(vec![
        Row::new("smallest --mem in which hello runs", hello, "<= 1024 KB"),
        Row::new("smallest --mem in which dns answers", dns, "<= 1024 KB"),
    ])
}

/// The smallest size that does.
fn smallest(does: impl Fn(usize) -> Result<bool>) -> Result<String> {
    for size in (STEP..=MOST).step_by(STEP) {
        if does(size)? {
            return Ok(format!("{size} KB"));
        }
    }
    bail!("{MOST} KB do not do")
}

fn runs(tender: &Path, image: &Path, size: usize) -> Result<bool> {
    let mut command = Command::new(tender);
    command
        .arg(format!("--mem={size}K"))
        .arg("--")
        .arg(image)
        .arg("--hello=Hello_Solo5")
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    Ok(command.status()?.success())
}

fn answers(tender: &Path, image: &Path, size: usize) -> Result<bool> {
    let port = images::free_port()?;
    let start = Instant::now();
    let mut command = Command::new(tender);
    command
        .arg(format!("--mem={size}K"))
        .arg(format!("--net:service=user,udp:{port}:53"))
        .arg("--")
        .arg(image);
    let _running = images::start(command)?;
    let server = SocketAddr::from(([127, 0, 0, 1], port));
    let limit = Duration::from_secs(3);
    Ok(query::until_answered(server, start, limit).is_ok())
}
