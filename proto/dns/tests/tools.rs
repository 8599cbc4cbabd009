// SPDX-License-Identifier: ISC
//! The tools that people have, as judges: they accept the zones, and transfer them.

#[allow(dead_code, reason = "the example uses the rest")]
mod host;
#[allow(dead_code, reason = "other tests use the rest")]
mod message;
mod nsd;

use std::{
    fs,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    thread,
};

use fata_dns::{Name, Policy, Server, Zone};
use message::Message;

const ZONES: [&str; 2] = ["example.org", "example.net"];

fn file(zone: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../examples/app/dns/zones")
        .join(format!("{zone}.zone"))
}

fn server() -> Server {
    let parse = |zone: &&str| {
        let text = fs::read(file(zone)).expect("a zone file");
        let origin: Name = zone.parse().expect("a name");
        Zone::parse(zone, &text, &origin).expect("a zone")
    };
    let policy = Policy {
        transfer: vec!["127.0.0.1".parse().expect("an address")],
        ..Policy::default()
    };
    Server::new(ZONES.iter().map(parse).collect(), policy).expect("two zones")
}

/// Runs a tool, which must succeed; nothing if it is not installed.
fn run(test: &str, tool: &str, arguments: &[&str]) -> Option<String> {
    let Some(path) = nsd::find(tool) else {
        println!("SKIP {test}: {tool} is not installed");
        return None;
    };
    let output = Command::new(path)
        .args(arguments)
        .output()
        .expect("the tool runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{tool} {arguments:?}: {text}");
    Some(text)
}

#[test]
fn others_accept_the_zones() {
    for zone in ZONES {
        let file = file(zone);
        let file = file.to_str().expect("a path");
        // `-i local`: without asking the network about names outside the zone.
        run(
            "others_accept_the_zones",
            "named-checkzone",
            &["-i", "local", zone, file],
        );
        run("others_accept_the_zones", "nsd-checkzone", &[zone, file]);
    }
}

/// What dig and kdig get from our server over TCP is what dig gets from NSD.
#[test]
fn dig_transfers_the_zones() {
    let test = "dig_transfers_the_zones";
    let sockets = host::bind((Ipv4Addr::LOCALHOST, 0).into()).expect("sockets");
    let ours = sockets.address;
    let server = Arc::new(server());
    thread::spawn(move || host::serve_tcp(&server, &sockets.tcp));
    let Some(nsd) = nsd::find("nsd") else {
        println!("SKIP {test}: nsd is not installed (Debian: apt install nsd)");
        return;
    };
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(test);
    let nsd = nsd::Nsd::start(&nsd, &ZONES.map(file), &folder, true).expect("nsd");
    for zone in ZONES {
        let transfer = |tool: &str, address: SocketAddr| {
            let port = address.port().to_string();
            let arguments = [
                "@127.0.0.1",
                "-p",
                &port,
                "+tcp",
                "+noall",
                "+answer",
                zone,
                "AXFR",
            ];
            let text = run(test, tool, &arguments)?;
            let mut lines: Vec<_> = text
                .lines()
                .filter(|line| !line.is_empty() && !line.starts_with(';'))
                .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
                .map(|line| line.to_lowercase())
                .collect();
            lines.sort();
            Some(lines)
        };
        let expected = transfer("dig", nsd.address);
        assert!(
            expected.as_ref().is_none_or(|lines| lines.len() > 30),
            "{expected:?}"
        );
        assert_eq!(transfer("dig", ours), expected);
        let records = transfer("kdig", ours).map(|lines| lines.len());
        assert_eq!(records, expected.map(|lines| lines.len()));
    }
}

/// However small the messages are, a transfer says the same.
#[test]
fn transfers_in_many_messages() {
    let server = server();
    for zone in ZONES {
        let query = message::query(7, &message::wire(zone), 252, None);
        let transferred = |room: usize| {
            let peer = IpAddr::V4(Ipv4Addr::LOCALHOST);
            let mut transfer = server.transfer(&query, peer).expect("a transfer");
            let (mut messages, mut records) = (0, Vec::new());
            let mut reply = vec![0; room];
            while let Some(len) = transfer.next(&mut reply) {
                let message = Message::parse(&reply[..len]).expect("a message");
                let [answers, ..] = message.sections;
                assert!(messages > 0 || answers.iter().any(|record| record.rtype == 6));
                records.extend(answers);
                messages += 1;
            }
            records.sort();
            (messages, records)
        };
        let (_, expected) = transferred(65_535);
        for room in [700, 1500, 4000] {
            let (messages, records) = transferred(room);
            assert!(messages > 1 || room > 1000);
            assert_eq!(records, expected, "{zone} in messages of {room} bytes");
        }
    }
}
