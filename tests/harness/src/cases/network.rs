// SPDX-License-Identifier: ISC
//! Rows about network devices: floods of pings, in a network that they cannot leave.

use std::time::Duration;

use super::Lab;
use crate::{
    launch::Running,
    namespace::Namespace,
    outcome::{Check, Ending, Outcome},
};

/// Echo requests that must be answered.
const PINGS: u32 = 10_000;
/// How long that may take.
const LIMIT: Duration = Duration::from_secs(30);

/// One interface answers a flood.
pub(super) fn one(lab: &Lab) -> Check {
    let namespace = Namespace::new()?;
    namespace.tap("tap0", "10.0.0.1/24", 1500)?;
    let launch = lab
        .launch()
        .net("service", "tap0")
        .argument(format!("--count={PINGS}"));
    let image = launch.start(Some(&namespace))?;
    answered(&flood(&namespace, "10.0.0.2")?.wait()?)?;
    image.wait()?.success()
}

/// Two interfaces answer two floods at once, each for itself.
pub(super) fn two(lab: &Lab) -> Check {
    let namespace = Namespace::new()?;
    namespace.tap("tap0", "10.0.0.1/24", 1500)?;
    namespace.tap("tap1", "10.1.0.1/24", 1500)?;
    let launch = lab.launch().net("service", "tap0").net("second", "tap1");
    let launch = launch.argument(format!("--count={PINGS}"));
    let image = launch.start(Some(&namespace))?;
    let first = flood(&namespace, "10.0.0.2")?;
    let second = flood(&namespace, "10.1.0.2")?;
    answered(&first.wait()?)?;
    answered(&second.wait()?)?;
    image.wait()?.success()
}

/// The device says how long its frames may be, and carries one of that length.
pub(super) fn mtu(lab: &Lab) -> Check {
    let namespace = Namespace::new()?;
    namespace.tap("tap0", "10.0.0.1/24", 9000)?;
    let launch = lab.launch().net("service", "tap0").argument("--mtu=9000");
    let image = launch.argument("--count=100").start(Some(&namespace))?;
    // 9000 bytes with the headers of IPv4 and ICMP, never in fragments.
    answered(&namespace.run("ping -q -M do -s 8972 -i 0.002 -c 100 -w 15 10.0.0.2")?)?;
    image.wait()?.success()
}

/// With `-w`, ping goes on until that many were answered, or time is up.
fn flood(namespace: &Namespace, to: &str) -> Result<Running, Ending> {
    let limit = LIMIT.as_secs();
    let line = format!("ping -f -q -c {PINGS} -w {limit} {to}");
    namespace.start(&line, LIMIT + Duration::from_secs(5))
}

fn answered(ping: &Outcome) -> Check {
    ping.exits(0)
}
