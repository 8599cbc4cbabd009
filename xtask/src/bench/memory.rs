// SPDX-License-Identifier: ISC
//! The smallest `--mem` in which the smallest image runs, and in which the DNS server answers.

use std::{
    net::SocketAddr,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Result, bail};

use super::{images, nested::Roles, query, table::Row};

/// Sizes that are tried, in KB: multiples of this up to that.
const STEP: usize = 64;
const MOST: usize = 4096;

pub(super) fn measure() -> Result<Vec<Row>> {
    let tender = images::tender()?;
    let hello = images::sealed("test-hello")?;
    let dns = images::sealed("dns")?;
    let row = |what, size| Row::new(what, size, "<= 1024 KB");
    let on_spt = smallest(|size| runs(&tender, &hello, size))?;
    let dns = smallest(|size| answers(&tender, &dns, size))?;
    Ok(vec![
        row("smallest --mem in which hello runs, spt", on_spt),
        row("smallest --mem in which hello runs, hvt", on_hvt()?),
        row("smallest --mem in which dns answers, spt", dns),
    ])
}

fn on_hvt() -> Result<String> {
    let mut roles = Roles::new()?;
    roles.bring(&[
        ("tender", images::tender_for("hvt")?),
        ("hello", images::sealed_for("test-hello", "hvt")?),
    ])?;
    roles.play("memory /tender /hello");
    Ok(roles.run("memory")?.concat())
}

/// Prints the smallest size in which `image`, a hello, runs.
pub(super) fn inside(tender: &str, image: &str) -> Result<()> {
    let size = smallest(|size| runs(tender.as_ref(), image.as_ref(), size))?;
    println!("{size}");
    Ok(())
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
