// SPDX-License-Identifier: ISC
//! Two servers and a client for the benchmarks of networks: ours behind a tap, the peer on Linux
//! behind a veth.
//!
//! Servers run one at a time and on one core, the client on another. All links live in network
//! namespaces without a way out.

use std::{
    path::{Path, PathBuf},
    str::FromStr,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use fata_test_harness::{launch::Running, namespace::Namespace, outcome::Outcome};

use super::images::{self, LIMIT, plain};

/// Times that each server is measured, in turn.
pub(super) const ROUNDS: usize = 3;
/// Where our server is.
pub(super) const FATA: &str = "10.99.0.2";
/// Where the peer is.
pub(super) const LINUX: &str = "10.98.0.2";
/// The first source address of a client with very many connections; the last byte counts on.
pub(super) const SOURCE: [u8; 4] = [10, 99, 0, 10];
/// How many of those there are.
pub(super) const SOURCES: u8 = 8;

/// How long a server may take to come up.
const UP: Duration = Duration::from_secs(10);

/// The client, with the tap of our server, and the peer, with a veth between them.
pub(super) struct Lab {
    client: Namespace,
    server: Namespace,
    tender: PathBuf,
    /// This program, for what it does within a namespace.
    own: PathBuf,
}

impl Lab {
    pub(super) fn new() -> Result<Self> {
        let client = Namespace::new().map_err(plain)?;
        let server = Namespace::new().map_err(plain)?;
        client.tap("tap0", "10.99.0.1/24", 1500).map_err(plain)?;
        client
            .veth(&server, "10.98.0.1/24", "10.98.0.2/24")
            .map_err(plain)?;
        let lab = Self {
            client,
            server,
            tender: images::tender()?,
            own: std::env::current_exe().context("where this program is")?,
        };
        for number in 0..SOURCES {
            let [a, b, c, d] = SOURCE;
            lab.set_up(&format!(
                "ip address add {a}.{b}.{c}.{}/24 dev tap0",
                d + number
            ))?;
        }
        // Connections that ended keep their port for a minute.
        lab.set_up("sysctl -qw net.ipv4.ip_local_port_range=1024\t65535")?;
        Ok(lab)
    }

    fn set_up(&self, line: &str) -> Result<()> {
        let done = self.client.run(line).map_err(plain)?;
        done.exits(0).map_err(plain)
    }

    /// Starts an image on the tap, with options of the tender and boot arguments.
    pub(super) fn fata(&self, image: &Path, options: &str, arguments: &str) -> Result<Running> {
        self.tender(
            &format!("--net:service=tap0 {options}"),
            image,
            arguments,
            "",
        )
    }

    /// The same without offloads.
    pub(super) fn fata_plain(
        &self,
        image: &Path,
        options: &str,
        arguments: &str,
    ) -> Result<Running> {
        let open = format!("{} bench --inside tap tap0 ", self.own.display());
        self.tender(
            &format!("--net:service=@FD {options}"),
            image,
            arguments,
            &open,
        )
    }

    fn tender(&self, options: &str, image: &Path, arguments: &str, open: &str) -> Result<Running> {
        let line = format!(
            "{open}taskset -c 0 {} {} -- {} {}",
            self.tender.display(),
            options.trim_end(),
            image.display(),
            format!("--ipv4={FATA}/24 --logs=error {arguments}").trim_end(),
        );
        self.client.start(&line, LIMIT).map_err(plain)
    }

    /// Starts the peer.
    pub(super) fn linux(&self, line: &str) -> Result<Running> {
        let line = format!("taskset -c 0 {line}");
        self.server.start(&line, LIMIT).map_err(plain)
    }

    /// Starts something of this program as the peer.
    pub(super) fn linux_own(&self, words: &str) -> Result<Running> {
        self.linux(&format!("{} bench --inside {words}", self.own.display()))
    }

    /// Runs a client to its end.
    pub(super) fn client(&self, line: &str) -> Result<Outcome> {
        let line = format!("taskset -c 1 {line}");
        let running = self.client.start(&line, LIMIT).map_err(plain)?;
        let outcome = running.wait().map_err(plain)?;
        outcome.exits(0).map_err(plain)?;
        Ok(outcome)
    }

    /// Runs something of this program as client, and reads the figures that it prints.
    pub(super) fn figures<T: FromStr>(&self, words: &str) -> Result<Vec<T>> {
        let line = format!("{} bench --inside {words}", self.own.display());
        let outcome = self.client(&line)?;
        let figures = outcome.output.split_whitespace().map(|word| word.parse());
        figures
            .collect::<Result<_, _>>()
            .ok()
            .with_context(|| format!("no figures: {}", outcome.output))
    }

    /// Waits until something accepts connections there.
    pub(super) fn wait_for(&self, address: &str, port: u16) -> Result<()> {
        let start = Instant::now();
        let probe = format!(
            "{} bench --inside probe {address}:{port}",
            self.own.display()
        );
        while let Err(error) = self.client(&probe) {
            if start.elapsed() > UP {
                bail!("nobody came up at {address}:{port}: {error:#}");
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}

/// Nanoseconds that a process has had a processor for.
pub(super) fn processor_time(process: u32) -> Result<u64> {
    let file = format!("/proc/{process}/schedstat");
    let text = std::fs::read_to_string(&file).with_context(|| format!("reading {file}"))?;
    let first = text.split_whitespace().next();
    first
        .and_then(|word| word.parse().ok())
        .with_context(|| format!("no figure in {file}"))
}
