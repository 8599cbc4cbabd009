// SPDX-License-Identifier: ISC
//! Times from start: to the first answered query, and to the exit of hello; on spt, and on hvt.

pub(super) mod hvt;

use std::{
    fs,
    net::SocketAddr,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Result, bail};

use super::{
    images, query,
    table::{Row, median},
};

const RUNS: usize = 101;

pub(super) fn measure() -> Result<Vec<Row>> {
    let tender = images::tender()?;
    let mut rows = vec![to_first_answer(&tender)?];
    rows.extend(to_exit(&tender)?);
    rows.extend(hvt::measure()?);
    Ok(rows)
}

/// The user-mode network is part of what is started, so this is what `cargo fata run` would show;
/// a static address leaves out the lease, which is the network's time, not the image's.
fn to_first_answer(tender: &Path) -> Result<Row> {
    let image = images::sealed("dns")?;
    let mut times = Vec::new();
    for _ in 0..RUNS / 5 {
        let port = images::free_port()?;
        let start = Instant::now();
        let mut command = Command::new(tender);
        command
            .arg("--mem=16")
            .arg(format!("--net:service=user,udp:{port}:53"))
            .arg("--")
            .arg(&image)
            .args(["--ipv4=10.0.2.15/24", "--ipv4-gateway=10.0.2.2"]);
        let _running = images::start(command)?;
        let server = SocketAddr::from(([127, 0, 0, 1], port));
        times.push(query::until_answered(
            server,
            start,
            Duration::from_secs(5),
        )?);
    }
    let median = median(&mut times);
    Ok(Row::new(
        "start to first answered query, spt",
        format!("{:.1} ms (median of {})", millis(median), times.len()),
        "<= 10 ms",
    ))
}

/// The two run in turn, so that both meet the same state of the machine.
fn to_exit(tender: &Path) -> Result<Vec<Row>> {
    let what = "start to exit of a unikernel that prints a line";
    let ours = images::sealed("test-hello")?;
    let stock = images::solo5_tender("spt").zip(images::solo5_hello("spt"));
    let Some((solo5, theirs)) = stock else {
        let why = "no build of Solo5 named by FATA_SOLO5_SPT and FATA_SOLO5_TESTS";
        return Ok(vec![Row::unmeasured(what, why)]);
    };
    // A copy, as an install makes one: a file fresh from the linker lies otherwise in the page cache.
    let installed = Path::new("target/bench/fata-spt");
    fs::copy(tender, installed)?;
    let tender = installed;
    let (mut our_times, mut their_times, mut crossed) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..RUNS {
        our_times.push(exit_time(tender, &ours, "--hello=Hello_Solo5")?);
        their_times.push(exit_time(&solo5, &theirs, "Hello_Solo5")?);
        crossed.push(exit_time(tender, &theirs, "Hello_Solo5")?);
    }
    let peer = ("solo5-spt", millis(median(&mut their_times)));
    Ok(vec![
        Row::against(
            what,
            "ms",
            millis(median(&mut our_times)),
            peer,
            "ratio <= 1.0",
        ),
        Row::against(
            "the same Solo5 image under both tenders",
            "ms",
            millis(median(&mut crossed)),
            peer,
            "ratio <= 1.0",
        ),
    ])
}

fn exit_time(tender: &Path, image: &Path, argument: &str) -> Result<Duration> {
    let start = Instant::now();
    let status = Command::new(tender)
        .arg("--mem=16")
        .arg("--")
        .arg(image)
        .arg(argument)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()?;
    let time = start.elapsed();
    if !status.success() {
        bail!(
            "{} failed under {}: {status}",
            image.display(),
            tender.display()
        );
    }
    Ok(time)
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
