// SPDX-License-Identifier: ISC
//! Serves zone files on the sockets of this machine, for tests and to try a zone before it is
//! sealed: `cargo run -p fata-dns --example serve -- 127.0.0.1:5353 FILE...`. A file is named after
//! its zone, as in `example.org.zone`. Zone transfers are open to loopback.

use std::{env, fs, process::ExitCode, sync::Arc, thread};

use fata_dns::{Name, Policy, Server, Zone};

#[path = "../tests/host/mod.rs"]
mod host;

fn main() -> ExitCode {
    let mut arguments = env::args().skip(1);
    let Some(address) = arguments.next() else {
        eprintln!("usage: serve ADDRESS:PORT FILE...");
        return ExitCode::FAILURE;
    };
    match run(&address, arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(
    address: &str,
    files: impl Iterator<Item = String>,
) -> Result<(), Box<dyn std::error::Error>> {
    let mut zones = Vec::new();
    for file in files {
        let text = fs::read(&file)?;
        let name = file.rsplit('/').next().unwrap_or(&file);
        let origin: Name = name.trim_end_matches(".zone").parse()?;
        let zone = Zone::parse(&file, &text, &origin)?;
        for warning in zone.warnings() {
            eprintln!("{file}: warning: {warning}");
        }
        eprintln!("{origin} {} with {} records", zone.serial(), zone.records());
        zones.push(zone);
    }
    let policy = Policy {
        transfer: vec!["127.0.0.0/8".parse()?, "::1".parse()?],
        ..Policy::default()
    };
    let server = Arc::new(Server::new(zones, policy)?);
    let sockets = host::bind(address.parse()?)?;
    eprintln!("answering on {}", sockets.address);
    let (udp, tcp) = (sockets.udp, sockets.tcp);
    let for_tcp = Arc::clone(&server);
    thread::spawn(move || host::serve_tcp(&for_tcp, &tcp));
    host::serve_udp(&server, &udp);
    Ok(())
}
