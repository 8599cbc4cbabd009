// SPDX-License-Identifier: ISC
//! Rows about addresses that are leased: our client at a server of others, our server with clients
//! of others.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

use super::Lab;
use crate::{
    namespace::Namespace,
    outcome::{Check, Ending},
    pace, workspace,
};

/// How long it may take until there is a lease.
const LIMIT: Duration = Duration::from_secs(30);

fn need(program: &str) -> Result<PathBuf, Ending> {
    let missing = || Ending::Skipped(format!("`{program}` is not installed"));
    workspace::on_path(program).ok_or_else(missing)
}

/// A stack without arguments gets an address of dnsmasq, and can be reached at it.
pub(super) fn client(lab: &Lab) -> Check {
    need("dnsmasq")?;
    need("bash")?;
    let namespace = Namespace::new()?;
    namespace.tap("tap0", "10.0.0.1/24", 1500)?;
    let leases = lab.scratch.join("leases");
    // Of an earlier run: dnsmasq would give the next one another address.
    let _ = fs::remove_file(&leases);
    let line = dnsmasq(&leases.display().to_string());
    let server = namespace.start(&format!("{line} --port=0"), 2 * LIMIT)?;
    let launch = lab.launch().net("service", "tap0");
    let image = launch
        .argument("--name=unikernel-7")
        .start(Some(&namespace))?;
    match reached(lab, &namespace) {
        Ok(()) => {}
        Err(Ending::Failed(how)) => {
            let said = server.stop()?.output;
            return image.stop()?.fails(&format!("a lease; {how}\n{said}"));
        }
        Err(other) => return Err(other),
    }
    image.wait()?.success()?;
    let known = fs::read_to_string(&leases).unwrap_or_default();
    let server = server.stop()?;
    // "expiry mac address name client-id": the name was sent, and the hardware address is the id.
    let mut words = known.split_ascii_whitespace();
    let (mac, address, name) = (words.nth(1), words.next(), words.next());
    let id = mac.map(|mac| format!("01:{mac}"));
    match (address, name, words.next()) {
        (Some("10.0.0.60"), Some("unikernel-7"), given) if given == id.as_deref() => Ok(()),
        _ => server.fails(&format!("a lease of 10.0.0.60 to unikernel-7, not {known}")),
    }
}

/// dnsmasq as a DHCP server of one address, in the foreground, without files of the machine.
fn dnsmasq(leases: &str) -> String {
    format!(
        "dnsmasq --keep-in-foreground --conf-file=/dev/null --user=root --pid-file= \
         --interface=tap0 --bind-interfaces --dhcp-authoritative --no-ping \
         --log-facility=- --log-dhcp --dhcp-leasefile={leases} \
         --dhcp-range=10.0.0.60,10.0.0.60,1h"
    )
}

/// A resolver without arguments asks the server that DHCP names: hosts, records that need TCP, and
/// what is not there; and connects to a host of which one address is dead.
pub(super) fn names(lab: &Lab) -> Check {
    need("dnsmasq")?;
    let namespace = Namespace::new()?;
    namespace.tap("tap0", "10.0.0.1/24", 1500)?;
    let leases = lab.scratch.join("leases");
    let line = dnsmasq(&leases.display().to_string());
    let piece = "x".repeat(200);
    let server = namespace.start(
        &format!(
            "{line} --no-resolv --no-hosts --local=/example.test/ --edns-packet-max=512 \
             --host-record=host.example.test,10.0.0.1,fd00::dead \
             --cname=alias.example.test,host.example.test \
             --txt-record=big.example.test,{piece},{piece},{piece},{piece} \
             --mx-host=example.test,host.example.test,10 \
             --srv-host=_http._tcp.example.test,host.example.test,80,1,2"
        ),
        2 * LIMIT,
    )?;
    let launch = lab.launch().net("service", "tap0");
    let image = launch.argument("--ipv6=fd00::2/64");
    match image.start(Some(&namespace))?.wait()?.success() {
        Err(Ending::Failed(how)) => server.stop()?.fails(&format!("right answers; {how}")),
        other => other,
    }
}

/// Talks to port 7 of the image until it answers, then tells it to stop.
fn reached(lab: &Lab, namespace: &Namespace) -> Check {
    let start = Instant::now();
    loop {
        let ping = namespace.run("ping -q -c 1 -w 1 10.0.0.60")?;
        match ping.exits(0) {
            Ok(()) => break,
            Err(failed) if start.elapsed() > pace::limit(LIMIT) => return Err(failed),
            Err(_) => {}
        }
    }
    let text = "#!/bin/bash\nprintf stop > /dev/udp/10.0.0.60/7\n";
    namespace
        .run(&script(lab, "stop", text)?.display().to_string())?
        .exits(0)
}

/// The server of the examples leases addresses to the clients of busybox and of ISC.
pub(super) fn server(lab: &Lab) -> Check {
    need("busybox")?;
    let namespace = Namespace::new()?;
    namespace.tap("tap0", "10.9.0.1/32", 1500)?;
    let launch = lab.launch().net("service", "tap0");
    let launch = launch.argument("--ipv4=10.0.0.2/24");
    let launch = launch.argument("--pool=10.0.0.100-10.0.0.109");
    let launch = launch.argument("--router=10.0.0.1");
    let launch = launch.argument("--dns-server=10.0.0.3");
    let launch = launch.argument("--domain=example.org");
    let image = launch.argument("--mtu=1400").start(Some(&namespace))?;
    match busybox(lab, &namespace).and_then(|()| dhclient(lab, &namespace)) {
        Err(Ending::Failed(how)) => image.stop()?.fails(&format!("leases; {how}")),
        other => other,
    }
}

/// Its script prints what it was given.
fn busybox(lab: &Lab, namespace: &Namespace) -> Check {
    let script = script(lab, "udhcpc", "#!/bin/sh\necho \"$1\"\nenv\n")?;
    // Asks ten times, and again when the interface or the server was not ready.
    let line = "busybox udhcpc -i tap0 -f -n -q -t 10 -T 1 -O mtu -s";
    let leased = namespace.run(&format!("{line} {}", script.display()))?;
    for line in [
        "bound",
        "ip=10.0.0.100",
        "mask=24",
        "router=10.0.0.1",
        "dns=10.0.0.3",
        "domain=example.org",
        "mtu=1400",
        "serverid=10.0.0.2",
        "lease=3600",
    ] {
        if !leased.output.lines().any(|printed| printed == line) {
            return leased.fails(&format!("`{line}`"));
        }
    }
    Ok(())
}

/// It does not tell itself apart from busybox's by an identifier, so it is the same machine under
/// its hardware address, and another to the server, which must give it the next address.
fn dhclient(lab: &Lab, namespace: &Namespace) -> Check {
    need("dhclient")?;
    let script = script(lab, "dhclient", "#!/bin/sh\nenv\n")?;
    let file = |name: &str| lab.scratch.join(name).display().to_string();
    let _ = fs::remove_file(file("dhclient.leases"));
    let line = format!(
        "dhclient -4 -1 -d -cf /dev/null -lf {} -pf {} -sf {} tap0",
        file("dhclient.leases"),
        file("dhclient.pid"),
        script.display()
    );
    let running = namespace.start(&line, LIMIT)?;
    let bound = said(&file("dhclient.leases"), "fixed-address 10.0.0.101;");
    let client = running.stop()?;
    if bound {
        Ok(())
    } else {
        client.fails("a lease of 10.0.0.101")
    }
}

/// Waits until a file says something.
fn said(file: &str, text: &str) -> bool {
    let start = Instant::now();
    while start.elapsed() < pace::limit(LIMIT) {
        if fs::read_to_string(file).is_ok_and(|content| content.contains(text)) {
            return true;
        }
        thread::sleep(Duration::from_millis(20));
    }
    false
}

fn script(lab: &Lab, name: &str, text: &str) -> Result<PathBuf, Ending> {
    let path = lab.scratch.join(format!("{name}.sh"));
    fs::write(&path, text)
        .and_then(|()| fs::set_permissions(&path, fs::Permissions::from_mode(0o755)))
        .map_err(|error| Ending::Failed(format!("cannot write {path:?}: {error}")))?;
    Ok(path)
}
