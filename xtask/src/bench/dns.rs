// SPDX-License-Identifier: ISC
//! Queries a second of the DNS server behind a tap, against NSD behind a veth.
//!
//! Both serve the same zones, one at a time, on the same core; the same load comes from the other
//! core. Both links live in network namespaces without a way out.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use fata_test_harness::{launch::Running, namespace::Namespace};

use super::{
    images::{self, LIMIT, plain},
    table::{Row, median},
};

/// Times that each server is measured, in turn.
const ROUNDS: usize = 3;
const SECONDS: u32 = 5;

const FATA: &str = "10.99.0.2";
const NSD: &str = "10.98.0.2";

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
    let tender = images::tender()?;
    let lab = Lab::new()?;
    let (mut fata, mut nsd) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let server = lab.fata(&tender, &image)?;
        fata.push(lab.load(FATA)?);
        drop(server);
        let server = lab.nsd()?;
        nsd.push(lab.load(NSD)?);
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

/// Two hosts: the client, with the tap of our server, and NSD's, with a veth between them.
struct Lab {
    client: Namespace,
    server: Namespace,
    folder: PathBuf,
}

impl Lab {
    fn new() -> Result<Self> {
        let client = Namespace::new().map_err(plain)?;
        let server = Namespace::new().map_err(plain)?;
        client.tap("tap0", "10.99.0.1/24", 1500).map_err(plain)?;
        client
            .veth(&server, "10.98.0.1/24", "10.98.0.2/24")
            .map_err(plain)?;
        let folder = fs::canonicalize("target")?.join("bench/dns");
        fs::create_dir_all(&folder)?;
        fs::write(folder.join("queries"), QUERIES)?;
        Ok(Self {
            client,
            server,
            folder,
        })
    }

    fn fata(&self, tender: &Path, image: &Path) -> Result<Running> {
        let line = format!(
            "taskset -c 0 {} --mem=32 --net:service=tap0 -- {} --ipv4={FATA}/24 --logs=error",
            tender.display(),
            image.display()
        );
        self.client.start(&line, LIMIT).map_err(plain)
    }

    fn nsd(&self) -> Result<Running> {
        let folder = self.folder.display();
        let zones = fs::canonicalize("examples/app/dns/zones")?;
        let mut configuration = format!(
            "server:\n  server-count: 1\n  ip-address: {NSD}\n  port: 53\n  rrl-ratelimit: 0\n  username: \"\"\n  \
             chroot: \"\"\n  zonesdir: \"{}\"\n  database: \"\"\n  pidfile: \"{folder}/pid\"\n  \
             xfrdfile: \"{folder}/xfrd\"\n  zonelistfile: \"{folder}/zones\"\n  xfrdir: \"{folder}\"\n\
             remote-control:\n  control-enable: no\n",
            zones.display()
        );
        for zone in ["example.org", "example.net"] {
            configuration += &format!("zone:\n  name: \"{zone}\"\n  zonefile: \"{zone}.zone\"\n");
        }
        let file = self.folder.join("nsd.conf");
        fs::write(&file, configuration)?;
        let line = format!("taskset -c 0 nsd -d -c {}", file.display());
        self.server.start(&line, LIMIT).map_err(plain)
    }

    /// Queries a second that `server` answers.
    fn load(&self, server: &str) -> Result<f64> {
        // The first round warms caches and waits until the server is up.
        self.dnsperf(server, 1)?;
        self.dnsperf(server, SECONDS)
    }

    fn dnsperf(&self, server: &str, seconds: u32) -> Result<f64> {
        let queries = self.folder.join("queries");
        let line = format!(
            "taskset -c 1 dnsperf -s {server} -d {} -l {seconds} -c 8 -q 256 -t 1",
            queries.display()
        );
        let outcome = self
            .client
            .start(&line, LIMIT)
            .map_err(plain)?
            .wait()
            .map_err(plain)?;
        outcome.exits(0).map_err(plain)?;
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
}
