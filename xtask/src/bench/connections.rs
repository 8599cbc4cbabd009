// SPDX-License-Identifier: ISC
//! New connections a second, each for one page, against nginx with one worker.

use std::fs;

use anyhow::Result;

use super::{http::Pair, table::Row};

/// Clients that come again and again, side by side.
const CLIENTS: u32 = 64;
/// Asks the server to end each connection; `wrk` then opens another.
const SCRIPT: &str = "wrk.headers[\"Connection\"] = \"close\"\n";

pub(super) fn measure() -> Result<Vec<Row>> {
    let pair = Pair::new()?;
    let script = fs::canonicalize("target")?.join("bench/close.lua");
    fs::write(&script, SCRIPT)?;
    let row = pair.compare(
        "new connections a second, a page each",
        &format!("-s {}", script.display()),
        CLIENTS,
        "ratio >= 1.0, aim 2.0",
    )?;
    Ok(vec![row])
}
