// SPDX-License-Identifier: ISC
//! Bytes of the images that users ship.

use std::fs;

use anyhow::{Context, Result};

use super::{images, table::Row};

pub(super) fn measure() -> Result<Vec<Row>> {
    let hello = images::size(&images::sealed("hello")?)?;
    let hello_hvt = images::size(&images::sealed_for("hello", "hvt")?)?;
    let dns = images::size(&images::sealed("dns")?)?;
    let zones = compiled_zones()?;
    Ok(vec![
        Row::new(
            "image of hello, stripped",
            format!("{hello} bytes"),
            "<= 40 KB, aim 20 KB",
        ),
        Row::new(
            "image of hello for hvt, stripped",
            format!("{hello_hvt} bytes"),
            "<= 45 KB, aim 25 KB",
        ),
        Row::new(
            "image of dns without its zones, stripped",
            format!("{} bytes ({zones} of zones left out)", dns - zones),
            "<= 200 KB, aim 120 KB",
        ),
    ])
}

/// Bytes of the zones as the build script of `dns` has last compiled them for its image.
fn compiled_zones() -> Result<u64> {
    let builds = images::target().join("fata/spt/x86_64-unknown-linux-gnu/release/build");
    let mut newest = None;
    for build in fs::read_dir(&builds).with_context(|| format!("no {}", builds.display()))? {
        let zones = build?.path().join("out/zones");
        if let Ok(made) = fs::metadata(&zones).and_then(|zones| zones.modified()) {
            newest = newest.max(Some((made, zones)));
        }
    }
    let (_, zones) = newest.context("the zones of dns were not compiled")?;
    let mut bytes = 0;
    for file in fs::read_dir(zones)? {
        bytes += file?.metadata()?.len();
    }
    Ok(bytes)
}
