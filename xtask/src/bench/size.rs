// SPDX-License-Identifier: ISC
//! Bytes of the images that users ship.

use std::fs;

use anyhow::Result;

use super::{images, table::Row};

pub(super) fn measure() -> Result<Vec<Row>> {
    let hello = images::size(&images::sealed("hello")?)?;
    let dns = images::size(&images::sealed("dns")?)?;
    let mut zones = 0;
    for file in fs::read_dir("examples/app/dns/zones")? {
        zones += file?.metadata()?.len();
    }
    Ok(vec![
        Row::new(
            "image of hello, stripped",
            format!("{hello} bytes"),
            "<= 40 KB, aim 20 KB",
        ),
        Row::new(
            "image of dns without its zones, stripped",
            format!("{} bytes ({zones} of zones left out)", dns - zones),
            "<= 200 KB, aim 120 KB",
        ),
    ])
}
