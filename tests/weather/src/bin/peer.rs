// SPDX-License-Identifier: ISC
//! `fata-weather-peer`: a host with Linux's sockets at one end of the link.

#![forbid(unsafe_code)]

use std::{net::SocketAddr, process::ExitCode, time::Duration};

use anyhow::{Context, Result, bail};
use fata_weather::transfer::{self, Kind, Request};

const USAGE: &str = "\
Usage: fata-weather-peer serve ADDRESS:PORT
       fata-weather-peer put|get|echo ADDRESS:PORT [--bytes N | --seconds N] [--seed N]

Serves transfers, or makes one and prints how many bytes arrived, and in how many seconds. Fails if
one of them is wrong.
";

/// Linux's default, whatever this machine has made of it.
const CONGESTION: &str = "cubic";
/// How long a transfer may stand still. Linux waits for up to two minutes between retransmissions.
const PATIENCE: Duration = Duration::from_secs(60);

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [command, address, options @ ..] = words.as_slice() else {
        print!("{USAGE}");
        return Ok(());
    };
    let address: SocketAddr = address.parse().context("expected an address with a port")?;
    if command == "serve" {
        return Ok(transfer::serve(address, CONGESTION)?);
    }
    let kind = Kind::ALL.into_iter().find(|kind| kind.word() == command);
    let mut request = Request {
        kind: kind.with_context(|| format!("no such command: `{command}`\n\n{USAGE}"))?,
        seed: 1,
        len: 1 << 20,
        patience: PATIENCE,
        congestion: CONGESTION,
    };
    let mut seconds = None;
    for option in options.chunks(2) {
        let [name, value] = option else {
            bail!("`{}` needs a value", option[0]);
        };
        let value: u64 = value.parse().with_context(|| format!("`{name} {value}`"))?;
        match name.as_str() {
            "--bytes" => request.len = value,
            "--seconds" => seconds = Some(Duration::from_secs(value)),
            "--seed" => request.seed = value,
            other => bail!("no such option: `{other}`"),
        }
    }
    let report = match seconds {
        Some(time) => request.timed(address, time)?,
        None => request.all(address)?,
    };
    println!(
        "bytes={} seconds={:.6}",
        report.bytes,
        report.time.as_secs_f64()
    );
    Ok(())
}
