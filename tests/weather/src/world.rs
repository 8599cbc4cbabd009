// SPDX-License-Identifier: ISC
//! Two hosts with a link between them, each host in a network namespace of its own.
//!
//! ```text
//!   Linux            link            unikernel
//!   nic0 (tap) ==== weather ==== wire0 (tap) - switch0 (bridge) - nic0 (tap) - tender
//! ```
//!
//! A host of Linux has the tap whose other side the link reads as its network card. A unikernel has
//! a tap of its own, behind a bridge, so that what it leaves to the device is done there: the link
//! sees frames as a cable would carry them.

use std::{
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use fata_test_harness::{
    launch::Running,
    namespace::Namespace,
    outcome::{Ending, Outcome},
    platform::Platform,
};

use crate::transfer::{Kind, PORT};

/// No world lives longer than this many seconds.
const LIFE: u64 = 300;
/// How long something may take that is done at once.
const SHORTLY: Duration = Duration::from_secs(20);
/// Frames that a host holds for the link while that has no turn.
const QUEUE: u32 = 4000;

/// The programs of this crate.
#[derive(Clone, Debug)]
pub struct Programs {
    /// `fata-weather-link`.
    pub link: PathBuf,
    /// `fata-weather-peer`.
    pub peer: PathBuf,
}

/// What is at the far end.
#[derive(Clone, Copy, Debug)]
pub enum Host<'a> {
    /// Linux.
    Linux,
    /// The unikernel `transfer`, as an image for a platform.
    Unikernel(Platform, &'a Path),
}

/// A version of the Internet protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// 4.
    V4,
    /// 6.
    V6,
}

/// A client and a server, and the link between them. Dropping it takes all of it down.
pub struct World {
    programs: Programs,
    client: Namespace,
    server: Namespace,
    /// Ended first: what serves, then the link.
    service: Running,
    link: Running,
}

/// The address of the client or of the server, with the length of its network.
fn address(version: Version, host: u8) -> String {
    match version {
        Version::V4 => format!("10.77.0.{host}/24"),
        Version::V6 => format!("fd77::{host}/64"),
    }
}

impl World {
    /// Puts a client of Linux and the host that serves at two ends of a link with this `weather`
    /// ([`forecast`](crate::forecast)): from the client to the server is its first direction.
    ///
    /// # Errors
    ///
    /// A skip that names what this machine lacks; or something does not start.
    pub fn new(programs: &Programs, weather: &str, host: Host<'_>) -> Result<Self, Ending> {
        let client = Namespace::new()?;
        let server = client.beside()?;
        linux(&client, 1)?;
        let far = match host {
            Host::Linux => linux(&server, 2).map(|()| "nic0"),
            Host::Unikernel(..) => server
                .bridge("switch0", &["wire0", "nic0"])
                .map(|()| "wire0"),
        }?;
        let line = format!(
            "{} --a nic0 --b {}:{far} --for {LIFE} {weather}",
            programs.link.display(),
            server.path()
        );
        let link = client.start(line.trim_end(), Duration::from_secs(2 * LIFE))?;
        let life = Duration::from_secs(LIFE);
        let service = match host {
            Host::Linux => {
                let line = format!("{} serve [::]:{PORT}", programs.peer.display());
                server.start(&line, life)?
            }
            Host::Unikernel(platform, image) => platform
                .launch(image)
                .option("--mem=64")
                .net("service", "nic0")
                .argument(format!("--ipv4={}", address(Version::V4, 2)))
                .argument(format!("--ipv6={}", address(Version::V6, 2)))
                .argument("--accept-router-advertisements=false")
                .limit(life)
                .start(Some(&server))?,
        };
        let mut world = Self {
            programs: programs.clone(),
            client,
            server,
            service,
            link,
        };
        match world.wait_for_cable() {
            Ok(()) => Ok(world),
            Err(Ending::Failed(how)) => {
                let said = world.end()?;
                said.link.fails(&format!("a link; {how}"))
            }
            Err(other) => Err(other),
        }
    }

    /// Waits until the link holds the client's tap, which is its second. It opens both at once.
    fn wait_for_cable(&mut self) -> Result<(), Ending> {
        let start = Instant::now();
        loop {
            let shown = self.client.run("ip link show nic0")?;
            if shown.output.contains("LOWER_UP") {
                return Ok(());
            }
            if start.elapsed() > SHORTLY || !self.link.is_running() {
                return shown.fails("a cable in `nic0`");
            }
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Starts a transfer of the client: `--bytes 1000000 --seed 3`.
    ///
    /// # Errors
    ///
    /// If it cannot be started.
    pub fn transfer(
        &self,
        kind: Kind,
        version: Version,
        options: &str,
        limit: Duration,
    ) -> Result<Running, Ending> {
        let address = address(version, 2);
        let host = address.split('/').next().unwrap_or_default();
        let host = match version {
            Version::V4 => host.to_owned(),
            Version::V6 => format!("[{host}]"),
        };
        let peer = self.programs.peer.display();
        let line = format!("{peer} {} {host}:{PORT} {options}", kind.word());
        self.client.start(&line, limit)
    }

    /// Ends all of it; what the link and the server have printed tells what happened.
    ///
    /// # Errors
    ///
    /// If the end of one cannot be told.
    pub fn end(self) -> Result<Said, Ending> {
        let service = self.service.stop()?;
        // The link ends with a tap. If it has ended already, it says why.
        let deleted = self.client.delete("nic0");
        let link = match deleted {
            Ok(()) => self.link.wait(),
            Err(_) => self.link.stop(),
        }?;
        drop((self.client, self.server));
        Ok(Said { link, service })
    }
}

/// What was printed in a [`World`].
#[derive(Clone, Debug)]
pub struct Said {
    /// By the link.
    pub link: Outcome,
    /// By the server.
    pub service: Outcome,
}

impl Said {
    /// A number that the link has counted, from the client to the server and back.
    ///
    /// # Errors
    ///
    /// If the link did not say.
    pub fn counted(&self, name: &str) -> Result<[u64; 2], Ending> {
        let numbers: Vec<u64> = self
            .link
            .output
            .split_ascii_whitespace()
            .filter_map(|word| word.strip_prefix(name)?.strip_prefix('=')?.parse().ok())
            .collect();
        match numbers[..] {
            [there, back] => Ok([there, back]),
            _ => self.link.fails(&format!("two counts of `{name}`")),
        }
    }
}

/// Makes a namespace the host with number `host`.
fn linux(namespace: &Namespace, host: u8) -> Result<(), Ending> {
    namespace.tap("nic0", &address(Version::V4, host), 1500)?;
    namespace.queue("nic0", QUEUE)?;
    namespace.address("nic0", &address(Version::V6, host))
}
