// SPDX-License-Identifier: ISC
//! Rows about images that Solo5 tests itself with (Solo5 `tests/tests.bats`), under our tenders.
//!
//! They end as there, but for what our tenders enforce and Solo5's on Linux does not: on a virtual
//! CPU what is data is not executed, and what is constant not written.

use std::time::Duration;

use super::{Lab, debug};
use crate::{
    launch::Launch,
    namespace::Namespace,
    outcome::{Check, Ending, Outcome},
    pace,
    platform::{Platform, Target},
};

/// Echo requests that the image answers before it ends, which it counts itself.
const LIMITED: u32 = 100_000;
/// The same for the image that looks at their content.
const VERIFIED: u32 = 10_000;
/// Echo requests where the image does not count.
const PINGS: u32 = 5000;
/// How long a flood may take.
const LIMIT: Duration = Duration::from_secs(30);

fn launch(lab: &Lab) -> Result<Launch, Ending> {
    lab.not_on(Platform::Unix, "images of Solo5 need a tender")?;
    lab.not_on_stock("how Solo5 runs its own is for Solo5 to test")?;
    if !lab.image.is_file() {
        let image = lab.image.display();
        return Err(Ending::Skipped(format!(
            "Solo5's test image was not built: {image}"
        )));
    }
    let memory = match lab.platform.target() {
        // Its bindings set aside 2 MB for a ring.
        Target::Hvt => "--mem=8",
        _ => "--mem=2",
    };
    Ok(lab.platform.launch(&lab.image).option(memory))
}

pub(super) fn hello(lab: &Lab) -> Check {
    let outcome = launch(lab)?.argument("Hello_Solo5").run()?;
    outcome.success()
}

pub(super) fn quiet(lab: &Lab) -> Check {
    let outcome = launch(lab)?.argument("--solo5:quiet").run()?;
    outcome.success()?;
    if outcome.output.contains("Solo5:") {
        return outcome.fails("no banner");
    }
    Ok(())
}

pub(super) fn exits(lab: &Lab) -> Check {
    launch(lab)?.argument("Output_Solo5").run()?.exits(0)
}

pub(super) fn succeeds(lab: &Lab) -> Check {
    launch(lab)?.run()?.success()
}

pub(super) fn aborts(lab: &Lab) -> Check {
    aborted(&launch(lab)?.run()?)
}

fn aborted(outcome: &Outcome) -> Check {
    outcome.aborts()?;
    outcome.says("ABORT")
}

/// A process is ended by a signal, a virtual CPU by its own handler or by the tender.
pub(super) fn faults(lab: &Lab) -> Check {
    let outcome = launch(lab)?.run()?;
    match lab.platform.target() {
        Target::Hvt => outcome.aborts(),
        _ => outcome.faults(),
    }
}

pub(super) fn faults_on_hvt(lab: &Lab) -> Check {
    lab.not_on(
        Platform::Spt,
        "its linker script for spt puts code and constants into one segment",
    )?;
    faults(lab)
}

pub(super) fn seccomp(lab: &Lab) -> Check {
    lab.not_on(Platform::Hvt, "on a virtual CPU there are no system calls")?;
    launch(lab)?.run()?.is_killed_by_filter()
}

/// On spt, whose tender in Solo5 has no core files, too.
pub(super) fn dumpcore(lab: &Lab) -> Check {
    debug::aborted(lab, launch(lab)?)
}

pub(super) fn devices(lab: &Lab) -> Check {
    let mut launch = launch(lab)?;
    for n in 0..63 {
        let file = lab.file(&format!("{n}.img"), 4096)?;
        launch = launch.block(&format!("storage{n}"), &file);
    }
    launch.run()?.success()
}

pub(super) fn block(lab: &Lab) -> Check {
    for size in [512, 4096] {
        let file = lab.file("storage.img", 4 << 20)?;
        let launch = launch(lab)?.block("storage", &file);
        let launch = launch.option(format!("--block-sector-size:storage={size}"));
        launch.run()?.success()?;
    }
    Ok(())
}

/// It ends by itself only after very many.
pub(super) fn net(lab: &Lab) -> Check {
    let namespace = network(&[("tap0", "10.0.0.1/24", 1500)])?;
    let launch = launch(lab)?.net("service0", "tap0");
    if pace::slowness() == 1 {
        let image = launch.argument("limit").start(Some(&namespace))?;
        flood(&namespace, LIMITED, "10.0.0.2")?;
        return image.wait()?.success();
    }
    let image = launch.start(Some(&namespace))?;
    flood(&namespace, pace::count(PINGS), "10.0.0.2")?;
    image.stop().map(|_| ())
}

pub(super) fn net_two(lab: &Lab) -> Check {
    let namespace = network(&[("tap0", "10.0.0.1/24", 1500), ("tap1", "10.1.0.1/24", 1500)])?;
    let launch = launch(lab)?.net("service0", "tap0");
    let image = launch.net("service1", "tap1").start(Some(&namespace))?;
    for to in ["10.0.0.2", "10.1.0.2"] {
        flood(&namespace, pace::count(PINGS), to)?;
    }
    image.stop().map(|_| ())
}

pub(super) fn net_mtu(lab: &Lab) -> Check {
    let namespace = network(&[("tap0", "10.0.0.1/24", 9000)])?;
    let launch = launch(lab)?.net("service0", "tap0");
    launch.start(Some(&namespace))?.wait()?.success()
}

/// Each frame must hold the pattern when it comes; a flood is cut to nothing shorter.
pub(super) fn net_ring(lab: &Lab) -> Check {
    let namespace = network(&[("tap0", "10.0.0.1/24", 1500)])?;
    let launch = launch(lab)?.net("service0", "tap0");
    let image = launch.start(Some(&namespace))?;
    flood(&namespace, VERIFIED, "-p deadbeef 10.0.0.2")?;
    image.wait()?.success()
}

fn network(taps: &[(&str, &str, u32)]) -> Result<Namespace, Ending> {
    let namespace = Namespace::new()?;
    for (name, address, mtu) in taps {
        namespace.tap(name, address, *mtu)?;
    }
    Ok(namespace)
}

/// Pings until so many were answered.
fn flood(namespace: &Namespace, count: u32, to: &str) -> Check {
    let limit = pace::limit(LIMIT).as_secs();
    let line = format!("ping -f -q -c {count} -w {limit} {to}");
    namespace.start(&line, 2 * LIMIT)?.wait()?.exits(0)
}
