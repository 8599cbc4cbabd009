// SPDX-License-Identifier: ISC
//! The steps that make a network, each with the step that takes it back.

use std::{env, fs, net::Ipv4Addr, path::Path};

use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};

use super::State;
use crate::failure::failure;

/// What `net up` is asked for.
#[derive(Args, Clone, Debug)]
pub struct Wish {
    /// Name of the tap, to be given to `cargo fata run --net NAME=TAP`
    #[arg(long, value_name = "NAME", default_value = "tap0", value_parser = interface)]
    pub tap: String,

    /// Name of the bridge; one that exists is used and kept
    #[arg(long, value_name = "NAME", default_value = "fata0", value_parser = interface)]
    pub bridge: String,

    /// Address of the host on a bridge that is made
    #[arg(long, value_name = "ADDRESS/BITS", default_value = "10.0.0.1/24", value_parser = subnet)]
    pub address: Subnet,

    /// Lead packets for the world out through the host, with its address
    #[arg(long)]
    pub nat: bool,

    /// Which firewall does that [default: nft where it is installed, else iptables]
    #[arg(long, requires = "nat")]
    pub firewall: Option<Firewall>,

    /// Who may open the tap [default: who called sudo]
    #[arg(long, value_name = "USER")]
    pub user: Option<String>,
}

/// A command that translates addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Firewall {
    /// nftables
    Nft,
    /// iptables, such as a host with Docker has
    Iptables,
}

/// An address and the length of its network's prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subnet {
    /// The address.
    pub address: Ipv4Addr,
    /// Bits of the prefix.
    pub bits: u8,
}

/// A step, and its way back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// The command.
    pub todo: Vec<String>,
    /// The command that takes it back; empty where another step's does.
    pub undo: Vec<String>,
}

/// All that there is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The steps in order.
    pub steps: Vec<Step>,
    /// Steps that were done before, which stay if these fail.
    pub before: usize,
}

impl std::fmt::Display for Subnet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

impl Plan {
    /// What is to do on this host, where `state` was done already.
    pub fn new(wish: &Wish, state: &State) -> anyhow::Result<Self> {
        if exists(&wish.tap) {
            return Err(failure(
                format!("there is an interface `{}` already", wish.tap),
                "choose another name with `--tap`, or see `cargo fata net show`",
            ));
        }
        let user = wish.user.clone().or_else(|| env::var("SUDO_USER").ok());
        let firewall = wish.firewall.unwrap_or_else(|| match on_path("nft") {
            true => Firewall::Nft,
            false => Firewall::Iptables,
        });
        let forwarding = fs::read_to_string("/proc/sys/net/ipv4/ip_forward");
        let steps = steps(
            wish,
            user.as_deref(),
            &Host {
                bridge: exists(&wish.bridge),
                forwarding: forwarding.is_ok_and(|text| text.trim() == "1"),
                firewall,
            },
        );
        Ok(Self {
            steps,
            before: state.done.len(),
        })
    }
}

/// What is there already.
struct Host {
    bridge: bool,
    forwarding: bool,
    firewall: Firewall,
}

fn steps(wish: &Wish, user: Option<&str>, host: &Host) -> Vec<Step> {
    let Wish { tap, bridge, .. } = wish;
    let mut steps = Vec::new();
    let mut step = |todo: String, undo: String| {
        steps.push(Step {
            todo: words(&todo),
            undo: words(&undo),
        });
    };
    if !host.bridge {
        let address = wish.address;
        step(
            format!("ip link add name {bridge} type bridge"),
            format!("ip link delete dev {bridge}"),
        );
        step(
            format!("ip address add {address} dev {bridge}"),
            String::new(),
        );
        step(format!("ip link set dev {bridge} up"), String::new());
    }
    let owner = user.map(|user| format!(" user {user}")).unwrap_or_default();
    step(
        format!("ip tuntap add dev {tap} mode tap{owner}"),
        format!("ip tuntap delete dev {tap} mode tap"),
    );
    step(
        format!("ip link set dev {tap} master {bridge}"),
        String::new(),
    );
    step(format!("ip link set dev {tap} up"), String::new());
    if wish.nat {
        if !host.forwarding {
            step(
                "sysctl --quiet --write net.ipv4.ip_forward=1".into(),
                "sysctl --quiet --write net.ipv4.ip_forward=0".into(),
            );
        }
        match host.firewall {
            Firewall::Nft => nft(wish, step),
            Firewall::Iptables => iptables(wish, step),
        }
    }
    steps
}

/// A table of our own, which goes away as a whole.
fn nft(wish: &Wish, mut step: impl FnMut(String, String)) {
    let Wish {
        bridge, address, ..
    } = wish;
    let table = format!("fata-{}", wish.tap);
    step(
        format!("nft add table ip {table}"),
        format!("nft delete table ip {table}"),
    );
    step(
        format!("nft add chain ip {table} out {{ type nat hook postrouting priority srcnat ; }}"),
        String::new(),
    );
    step(
        format!("nft add rule ip {table} out ip saddr {address} oifname != {bridge} masquerade"),
        String::new(),
    );
}

/// Rules beside those of others, each removed by its own text.
fn iptables(wish: &Wish, mut step: impl FnMut(String, String)) {
    let Wish {
        bridge, address, ..
    } = wish;
    for (table, chain, rule) in [
        (
            "nat",
            "POSTROUTING",
            format!("-s {address} ! -o {bridge} -j MASQUERADE"),
        ),
        ("filter", "FORWARD", format!("-i {bridge} -j ACCEPT")),
        (
            "filter",
            "FORWARD",
            format!("-o {bridge} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"),
        ),
    ] {
        step(
            format!("iptables -t {table} -I {chain} {rule}"),
            format!("iptables -t {table} -D {chain} {rule}"),
        );
    }
}

/// No word in these commands holds a space: names are checked.
fn words(command: &str) -> Vec<String> {
    command.split_whitespace().map(str::to_owned).collect()
}

fn exists(interface: &str) -> bool {
    Path::new("/sys/class/net").join(interface).exists()
}

fn on_path(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// The kernel's rule for names of interfaces, without the characters that mean something to others.
fn interface(text: &str) -> Result<String, String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let start = text.starts_with(|c: char| c.is_ascii_alphabetic());
    if start && text.len() <= 15 && text.chars().all(fits) {
        return Ok(text.to_owned());
    }
    Err(
        "the name of an interface is a letter and up to 14 more letters, digits, `-`, `_` or `.`"
            .into(),
    )
}

fn subnet(text: &str) -> Result<Subnet, String> {
    let parse = || {
        let (address, bits) = text.split_once('/')?;
        let bits = bits.parse().ok().filter(|bits| (1..=30).contains(bits))?;
        Some(Subnet {
            address: address.parse().ok()?,
            bits,
        })
    };
    parse().ok_or_else(|| "expected an address and a prefix, such as `10.0.0.1/24`".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(nat: bool) -> Wish {
        Wish {
            tap: "tap0".into(),
            bridge: "fata0".into(),
            address: subnet("10.0.0.1/24").unwrap(),
            nat,
            firewall: None,
            user: None,
        }
    }

    fn host(bridge: bool, forwarding: bool, firewall: Firewall) -> Host {
        Host {
            bridge,
            forwarding,
            firewall,
        }
    }

    #[test]
    fn what_was_there_is_not_taken_away() {
        let steps = steps(&wish(true), None, &host(true, true, Firewall::Iptables));
        let undos: Vec<String> = steps.iter().map(|step| step.undo.join(" ")).collect();
        assert!(
            undos
                .iter()
                .all(|undo| !undo.contains("link delete") && !undo.contains("sysctl"))
        );
    }

    #[test]
    fn the_tap_belongs_to_its_user() {
        let steps = steps(
            &wish(false),
            Some("ann"),
            &host(false, false, Firewall::Nft),
        );
        assert!(
            steps
                .iter()
                .any(|step| step.todo.ends_with(&words("mode tap user ann")))
        );
        assert!(steps.iter().all(|step| step.todo[0] == "ip"));
    }

    #[test]
    fn names_cannot_smuggle_words() {
        assert!(interface("tap0").is_ok());
        for wrong in ["", "a b", "0tap", "-x", "abcdefghijklmnop", "a;b", "tap/0"] {
            assert!(interface(wrong).is_err(), "{wrong}");
        }
        for wrong in ["10.0.0.1", "10.0.0.1/0", "10.0.0.1/31", "10.0.0/24", "x/24"] {
            assert!(subnet(wrong).is_err(), "{wrong}");
        }
    }
}
