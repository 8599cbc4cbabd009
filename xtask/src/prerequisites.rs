// SPDX-License-Identifier: ISC
//! Programs that tests and benchmarks use beside cargo, and where they come from.

use std::process::Command;

use anyhow::Result;

use crate::process;

/// A program, the Debian package that has it, and what is left out without it.
pub(crate) struct Tool {
    program: &'static str,
    package: &'static str,
    purpose: &'static str,
}

const fn tool(program: &'static str, package: &'static str, purpose: &'static str) -> Tool {
    Tool {
        program,
        package,
        purpose,
    }
}

/// What `cargo xtask test` uses.
pub(crate) const FOR_TESTS: &[Tool] = &[
    tool("ip", "iproute2", "taps and network namespaces"),
    tool("ping", "iputils-ping", "network tests"),
    tool("dig", "bind9-dnsutils", "DNS tests"),
    tool("named-checkzone", "bind9-utils", "zone file tests"),
    tool("kdig", "knot-dnsutils", "DNS tests"),
    tool("nsd", "nsd", "DNS tests, as the judge"),
    tool("dnsmasq", "dnsmasq-base", "DHCP tests, as server"),
    tool("busybox", "busybox", "DHCP tests, as client"),
    tool("dhclient", "isc-dhcp-client", "DHCP tests, as client"),
    tool("iperf3", "iperf3", "network tests, as the client"),
    tool("curl", "curl", "HTTP tests, as client"),
    tool("nginx", "nginx", "HTTP tests, as the judge"),
    tool(
        "qemu-system-x86_64",
        "qemu-system-x86",
        "the nested machine, for hvt where KVM is missing",
    ),
    tool("gdb", "gdb", "tests of `--gdb` and `--dumpcore`"),
    tool("g++", "g++", "libFuzzer"),
];

/// What `cargo xtask bench` uses beyond that.
pub(crate) const FOR_BENCHMARKS: &[Tool] = &[
    tool("dnsperf", "dnsperf", "load on DNS servers"),
    tool("iperf3", "iperf3", "bulk transfers"),
    tool("ethtool", "ethtool", "the peer without offloads"),
    tool("wrk", "wrk", "load on web servers"),
    tool("nginx", "nginx", "the peer as a web server"),
];

/// Installs what is missing where that can be done without asking (root on Debian); otherwise says
/// what to install and what will be skipped.
pub(crate) fn ensure(tools: &[Tool], install: bool) -> Result<()> {
    let missing = missing(tools);
    if missing.is_empty() {
        return Ok(());
    }
    if install && process::exists("apt-get") && is_root()? {
        let mut packages: Vec<&str> = missing.iter().map(|tool| tool.package).collect();
        packages.dedup();
        eprintln!("installing {}", packages.join(", "));
        process::run("apt-get", &["-qq", "update"])?;
        let status = Command::new("apt-get")
            .args(["-qq", "-y", "--no-install-recommends", "install"])
            .args(&packages)
            .env("DEBIAN_FRONTEND", "noninteractive")
            .stdout(std::process::Stdio::null())
            .status()?;
        if status.success() {
            return Ok(());
        }
    }
    eprintln!("note: some programs are missing; tests that need them are skipped:");
    for tool in self::missing(tools) {
        eprintln!(
            "  {:<16} {} (Debian: apt install {})",
            tool.program, tool.purpose, tool.package
        );
    }
    Ok(())
}

fn missing(tools: &[Tool]) -> Vec<&Tool> {
    tools
        .iter()
        .filter(|tool| !process::exists(tool.program))
        .collect()
}

fn is_root() -> Result<bool> {
    Ok(process::capture("id", &["-u"])?.trim() == "0")
}
