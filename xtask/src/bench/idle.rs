// SPDX-License-Identifier: ISC
//! What connections cost that do nothing: memory, and time of those that do something.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::{
    images,
    lab::{FATA, Lab, ROUNDS},
    table::{Row, median},
};

/// Connections of the measurements of memory.
const COUNTS: [u32; 2] = [10_000, 40_000];
/// Idle connections of the measurements of time.
const FEW: u32 = 10;
const MANY: u32 = 100_000;
/// Requests of one of those.
const REQUESTS: u32 = 20_000;
/// Megabytes that are tried, one after the other, for the fewer connections.
const SIZES: [u32; 11] = [24, 32, 40, 48, 64, 96, 128, 192, 256, 512, 1024];
/// Megabytes that are enough for whatever comes.
const ENOUGH: u32 = 8192;

/// A server, and what it is asked.
struct Server {
    kind: &'static str,
    port: u16,
    arguments: &'static str,
    image: PathBuf,
}

pub(super) fn measure() -> Result<Vec<Row>> {
    let echo = Server {
        kind: "echo",
        port: 7,
        arguments: "",
        image: images::sealed("echo")?,
    };
    let www = Server {
        kind: "www",
        port: 80,
        arguments: "--connections=200000 --idle=1h",
        image: images::sealed("www")?,
    };
    let lab = Lab::new()?;
    let mut rows = Vec::new();
    for server in [&echo, &www] {
        for count in COUNTS {
            let what = format!("memory of an idle connection of {count}, {}", server.kind);
            rows.push(match memory(&lab, server, count, ENOUGH) {
                Ok(bytes) => Row::new(&what, format!("{bytes} bytes"), "<= 4 KB, aim 1 KB"),
                Err(error) => Row::unmeasured(&what, &told(&error)),
            });
        }
    }
    let what = format!(
        "smallest --mem in which echo holds {} connections",
        COUNTS[0]
    );
    let fits = |size: &u32| memory(&lab, &echo, COUNTS[0], *size).is_ok();
    rows.push(match SIZES.into_iter().find(fits) {
        Some(size) => Row::new(&what, format!("{size} MB"), ""),
        None => Row::unmeasured(&what, "it does in none of those tried"),
    });
    rows.push(cost(&lab, &echo.image).unwrap_or_else(|error| {
        Row::unmeasured("cost of a request beside idle connections", &told(&error))
    }));
    Ok(rows)
}

/// Bytes for each of `count` connections.
fn memory(lab: &Lab, server: &Server, count: u32, megabytes: u32) -> Result<u64> {
    let Server { kind, port, .. } = *server;
    let options = format!("--mem={megabytes}");
    let running = lab.fata(&server.image, &options, server.arguments)?;
    lab.wait_for(FATA, port)?;
    let figures: Vec<u64> = lab.figures(&format!(
        "idle {FATA}:{port} {kind} {count} {}",
        running.id()
    ))?;
    figures.first().copied().context("no figure")
}

/// Processor time of a request and its answer beside many idle connections, against few.
fn cost(lab: &Lab, image: &Path) -> Result<Row> {
    let once = |count: u32| -> Result<f64> {
        let running = lab.fata(image, &format!("--mem={ENOUGH}"), "")?;
        lab.wait_for(FATA, 7)?;
        let words = format!("cost {FATA}:7 {count} {REQUESTS} {}", running.id());
        let nanos: Vec<f64> = lab.figures(&words)?;
        Ok(nanos.first().context("no figure")? / 1000.0)
    };
    let (mut few, mut many) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        few.push(once(FEW)?);
        many.push(once(MANY)?);
    }
    Ok(Row::against(
        &format!("processor time of a request, {MANY} idle connections open"),
        "us",
        median(&mut many),
        (&format!("{FEW} open"), median(&mut few)),
        "ratio <= 1.2, aim 1.05",
    ))
}

/// The line of an error that says what happened.
fn told(error: &anyhow::Error) -> String {
    let text = format!("{error:#}");
    let line = text.lines().find(|line| line.contains("error:"));
    line.or(text.lines().next())
        .unwrap_or_default()
        .trim()
        .to_owned()
}
