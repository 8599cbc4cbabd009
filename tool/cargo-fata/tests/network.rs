// SPDX-License-Identifier: ISC
//! `net up` and `net down` for real, in a network namespace without any way out.

use std::{
    path::Path,
    process::{Command, Output},
};

/// A namespace that goes away with the value, whatever the test came to.
struct Namespace(String);

impl Namespace {
    /// Makes one, or says why it cannot.
    fn new(purpose: &str) -> Option<Self> {
        let name = format!("fata-{purpose}-{}", std::process::id());
        let made = Command::new("ip").args(["netns", "add", &name]).output();
        match made {
            Ok(output) if output.status.success() => Some(Self(name)),
            Ok(output) => {
                let reason = String::from_utf8_lossy(&output.stderr).trim().to_owned();
                println!("SKIP network: cannot make a network namespace: {reason}");
                None
            }
            Err(error) => {
                println!("SKIP network: cannot run `ip`: {error}");
                None
            }
        }
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Output {
        let mut command = Command::new("ip");
        command
            .args(["netns", "exec", &self.0, program])
            .args(arguments);
        command.output().unwrap()
    }

    /// Everything that `net up` could leave behind.
    fn content(&self) -> String {
        let script = "ip -o link; ip -o address; cat /proc/sys/net/ipv4/ip_forward; \
                      nft list ruleset || iptables-save";
        let output = self.run("sh", &["-c", script]);
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn net(&self, state: &Path, arguments: &[&str]) -> Output {
        let state = state.to_str().unwrap();
        let mut all = vec!["net", "--state", state];
        all.extend(arguments);
        self.run(env!("CARGO_BIN_EXE_cargo-fata"), &all)
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = Command::new("ip")
            .args(["netns", "delete", &self.0])
            .output();
    }
}

#[test]
fn what_is_made_is_removed_exactly() {
    let Some(namespace) = Namespace::new("exact") else {
        return;
    };
    let state = tempfile::tempdir().unwrap();
    let before = namespace.content();

    let up = namespace.net(state.path(), &["up", "--nat"]);
    assert!(up.status.success(), "{up:?}");
    let between = namespace.content();
    assert!(
        between.contains("tap0") && between.contains("10.0.0.1/24"),
        "{between}"
    );
    assert!(between.contains("masquerade"), "{between}");

    let again = namespace.net(state.path(), &["up"]);
    assert!(!again.status.success(), "a second tap0");
    let second = namespace.net(state.path(), &["up", "--tap", "tap1"]);
    assert!(second.status.success(), "{second:?}");

    let down = namespace.net(state.path(), &["down"]);
    assert!(down.status.success(), "{down:?}");
    assert_eq!(namespace.content(), before);
    assert!(!state.path().join("net.json").exists());
}

#[test]
fn a_failure_half_way_leaves_nothing() {
    let Some(namespace) = Namespace::new("half") else {
        return;
    };
    let state = tempfile::tempdir().unwrap();
    let before = namespace.content();
    let up = namespace.net(state.path(), &["up", "--user", "nobody-of-this-name"]);
    assert!(!up.status.success(), "a tap for nobody");
    assert_eq!(namespace.content(), before);
    assert!(!state.path().join("net.json").exists());
}
