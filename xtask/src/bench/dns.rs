// SPDX-License-Identifier: ISC
//! Queries a second of the DNS server behind a tap, against NSD behind a veth.
//!
//! Both serve the same zones.

use std::fs;

use anyhow::{Context, Result, bail};
use fata_test_harness::launch::Running;

use super::{
    images,
    lab::{FATA, LINUX, Lab, ROUNDS},
    table::{Row, median},
};

const SECONDS: u32 = 5;

/// Answers of every kind: positive, with additional records, by wildcard, along a CNAME, a referral,
/// no data, no such name.
const QUERIES: &str = "\
example.org SOA
example.org NS
example.org MX
example.org A
example.org AAAA
example.org TXT
www.example.org A
www.example.org AAAA
ns1.example.org A
ns1.example.org AAAA
mx1.example.org A
mx1.example.org MX
nothing.example.org A
nothing.here.example.org AAAA
example.net SOA
example.net NS
example.net MX
ns1.example.net A
nothing.example.net A
";

pub(super) fn measure() -> Result<Vec<Row>> {
    let image = images::sealed("dns")?;
    let lab = Lab::new()?;
    let folder = fs::canonicalize("target")?.join("bench/dns");
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("queries"), QUERIES)?;
    let folder = folder.to_str().context("the path of the folder")?;
    let (mut fata, mut nsd) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let server = lab.fata(&image, "--mem=32", "")?;
        fata.push(load(&lab, folder, FATA)?);
        drop(server);
        let server = start_nsd(&lab, folder)?;
        nsd.push(load(&lab, folder, LINUX)?);
        drop(server);
    }
    Ok(vec![Row::against(
        "DNS queries a second on one core",
        "kq/s",
        median(&mut fata) / 1000.0,
        ("NSD", median(&mut nsd) / 1000.0),
        "ratio >= 1.0, aim 1.8",
    )])
}

fn start_nsd(lab: &Lab, folder: &str) -> Result<Running> {
    let zones = fs::canonicalize("examples/app/dns/zones")?;
    let mut configuration = format!(
        "server:\n  server-count: 1\n  ip-address: {LINUX}\n  port: 53\n  rrl-ratelimit: 0\n  username: \"\"\n  \
         chroot: \"\"\n  zonesdir: \"{}\"\n  database: \"\"\n  pidfile: \"{folder}/pid\"\n  \
         xfrdfile: \"{folder}/xfrd\"\n  zonelistfile: \"{folder}/zones\"\n  xfrdir: \"{folder}\"\n\
         remote-control:\n  control-enable: no\n",
        zones.display()
    );
    for zone in ["example.org", "example.net"] {
        configuration += &format!("zone:\n  name: \"{zone}\"\n  zonefile: \"{zone}.zone\"\n");
    }
    let file = format!("{folder}/nsd.conf");
    fs::write(&file, configuration)?;
    lab.linux(&format!("nsd -d -c {file}"))
}

/// Queries a second that `server` answers.
fn load(lab: &Lab, folder: &str, server: &str) -> Result<f64> {
    // The first round warms caches and waits until the server is up.
    dnsperf(lab, folder, server, 1)?;
    dnsperf(lab, folder, server, SECONDS)
}

fn dnsperf(lab: &Lab, folder: &str, server: &str, seconds: u32) -> Result<f64> {
    let outcome = lab.client(&format!(
        "dnsperf -s {server} -d {folder}/queries -l {seconds} -c 8 -q 256 -t 1"
    ))?;
    let figure = |name: &str| -> Result<f64> {
        let line = outcome
            .output
            .lines()
            .find_map(|line| line.trim().strip_prefix(name));
        let word = line.and_then(|line| line.split_whitespace().next());
        word.and_then(|word| word.parse().ok())
            .with_context(|| format!("dnsperf did not say `{name}`:\n{}", outcome.output))
    };
    if figure("Queries completed:")? == 0.0 {
        bail!("{server} answered nothing");
    }
    figure("Queries per second:")
}
