// SPDX-License-Identifier: ISC
//! A network of its own for a test: taps and loopback, and no route anywhere else.
//!
//! A process that does nothing holds the network namespace, and ends when its standard input does.
//! So the namespace, with the taps in it, goes with the harness, however that ends. Without root
//! the holder is root in a user namespace of its own. See network_namespaces(7), user_namespaces(7).

use std::{
    ffi::OsString,
    process::{Child, Command, Stdio},
    time::Duration,
};

use crate::{
    launch::Running,
    outcome::{Ending, Outcome},
    workspace,
};

/// How long configuration may take.
const LIMIT: Duration = Duration::from_secs(20);

/// A network namespace.
#[derive(Debug)]
pub struct Namespace {
    holder: Child,
    root: bool,
}

impl Namespace {
    /// Makes one, with loopback up.
    ///
    /// # Errors
    ///
    /// A skip that names what this machine lacks.
    pub fn new() -> Result<Self, Ending> {
        Self::make(None)
    }

    /// Makes one that a process in this one can enter, also without root.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn beside(&self) -> Result<Self, Ending> {
        Self::make(Some(self))
    }

    fn make(neighbour: Option<&Self>) -> Result<Self, Ending> {
        for program in ["unshare", "nsenter", "ip", "ping"] {
            if workspace::on_path(program).is_none() {
                return Err(Ending::Skipped(format!("`{program}` is not installed")));
            }
        }
        if !std::path::Path::new("/dev/net/tun").exists() {
            return Err(Ending::Skipped("no `/dev/net/tun` for taps".to_owned()));
        }
        let root = is_root();
        let mut words = neighbour.map(Self::prefix).unwrap_or_default();
        words.extend(["unshare".into(), "--net".into()]);
        if !root && neighbour.is_none() {
            words.extend(["--user".into(), "--map-root-user".into()]);
        }
        // `cat` ends with its input, which is ours.
        words.push("cat".into());
        let mut command = Command::new(&words[0]);
        command
            .args(&words[1..])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let holder = command.spawn();
        let holder = holder.map_err(|error| Ending::Skipped(format!("no `unshare`: {error}")))?;
        let mut namespace = Self { holder, root };
        namespace.wait_until_held()?;
        namespace.ip("link set lo up")?;
        Ok(namespace)
    }

    /// The holder answers what it is told, once it is in its namespace.
    fn wait_until_held(&mut self) -> Result<(), Ending> {
        use std::io::{Read, Write};
        let refused = || {
            Ending::Skipped(
                "no network namespaces here; run as root, or allow user namespaces".into(),
            )
        };
        let (Some(input), Some(output)) = (&mut self.holder.stdin, &mut self.holder.stdout) else {
            return Err(refused());
        };
        let mut echo = [0; 1];
        let held = input
            .write_all(b"x")
            .and_then(|()| output.read_exact(&mut echo));
        held.map_err(|_| refused())
    }

    /// Adds a tap with an address.
    ///
    /// # Errors
    ///
    /// A skip if there can be no taps here.
    pub fn tap(&self, name: &str, address: &str, mtu: u32) -> Result<(), Ending> {
        let made = self.run(&format!("ip tuntap add {name} mode tap"))?;
        if made.exits(0).is_err() {
            return Err(Ending::Skipped(format!(
                "cannot make a tap: {}",
                made.output.trim()
            )));
        }
        self.ip(&format!("address add {address} dev {name}"))?;
        self.ip(&format!("link set {name} mtu {mtu} up"))
    }

    /// Adds a switch with taps in it, which have no address here: hosts are behind them.
    ///
    /// # Errors
    ///
    /// A skip if there can be none here.
    pub fn bridge(&self, name: &str, taps: &[&str]) -> Result<(), Ending> {
        // Nobody here speaks, not even to find neighbours.
        self.shell("echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6")?;
        let made = self.run(&format!(
            "ip link add {name} type bridge stp_state 0 mcast_snooping 0"
        ))?;
        if made.exits(0).is_err() {
            return Err(Ending::Skipped(format!(
                "cannot make a bridge: {}",
                made.output.trim()
            )));
        }
        for tap in taps {
            self.ip(&format!("tuntap add {tap} mode tap"))?;
            self.ip(&format!("link set {tap} master {name} up"))?;
        }
        self.ip(&format!("link set {name} up"))
    }

    /// Adds an address to an interface, for use at once.
    ///
    /// # Errors
    ///
    /// If that is refused.
    pub fn address(&self, interface: &str, address: &str) -> Result<(), Ending> {
        self.ip(&format!("address add {address} dev {interface} nodad"))
    }

    /// Says how many frames wait in an interface that is not read.
    ///
    /// # Errors
    ///
    /// If that is refused.
    pub fn queue(&self, interface: &str, frames: u32) -> Result<(), Ending> {
        self.ip(&format!("link set {interface} txqueuelen {frames}"))
    }

    /// Deletes an interface.
    ///
    /// # Errors
    ///
    /// If there is none of that name.
    pub fn delete(&self, interface: &str) -> Result<(), Ending> {
        self.ip(&format!("link delete {interface}"))
    }

    /// Where a process in a [`beside`](Self::beside) one, or root, finds it.
    pub fn path(&self) -> String {
        format!("/proc/{}/ns/net", self.holder.id())
    }

    /// Adds a cable to `other`, with an address at either end.
    ///
    /// # Errors
    ///
    /// If there can be none here.
    pub fn veth(&self, other: &Self, here: &str, there: &str) -> Result<(), Ending> {
        let holder = other.holder.id();
        self.ip(&format!(
            "link add veth0 type veth peer name veth1 netns {holder}"
        ))?;
        self.ip(&format!("address add {here} dev veth0"))?;
        self.ip("link set veth0 up")?;
        other.ip(&format!("address add {there} dev veth1"))?;
        other.ip("link set veth1 up")
    }

    fn ip(&self, words: &str) -> Result<(), Ending> {
        self.run(&format!("ip {words}"))?.exits(0)
    }

    fn shell(&self, script: &str) -> Result<(), Ending> {
        let mut words = self.prefix();
        words.extend(["sh".into(), "-c".into(), script.into()]);
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]);
        Running::start(command, LIMIT)?.wait()?.exits(0)
    }

    /// Runs a command line, split at spaces, in the namespace.
    ///
    /// # Errors
    ///
    /// If it cannot be started or takes too long.
    pub fn run(&self, line: &str) -> Result<Outcome, Ending> {
        self.start(line, LIMIT)?.wait()
    }

    /// Starts a command line, split at spaces, in the namespace.
    ///
    /// # Errors
    ///
    /// If it cannot be started.
    pub fn start(&self, line: &str, limit: Duration) -> Result<Running, Ending> {
        let mut words = self.prefix();
        words.extend(line.split(' ').map(OsString::from));
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]);
        Running::start(command, limit)
    }

    /// What comes before a command to run it in the namespace.
    pub fn prefix(&self) -> Vec<OsString> {
        let mut words = vec!["nsenter".to_owned(), "--target".to_owned()];
        words.push(self.holder.id().to_string());
        if !self.root {
            words.extend(["--user".to_owned(), "--preserve-credentials".to_owned()]);
        }
        words.push("--net".to_owned());
        words.into_iter().map(OsString::from).collect()
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

fn is_root() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let uids = status.lines().find_map(|line| line.strip_prefix("Uid:"));
    uids.and_then(|uids| uids.split_ascii_whitespace().nth(1)) == Some("0")
}
