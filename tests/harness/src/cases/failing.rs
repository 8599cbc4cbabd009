// SPDX-License-Identifier: ISC
//! Rows about programs that do what must not be done, and how they are stopped.

use super::Lab;
use crate::{outcome::Check, platform::Platform};

/// Message, place and return addresses, and status 255.
pub(super) fn panic(lab: &Lab) -> Check {
    let outcome = lab.launch().run()?;
    outcome.aborts()?;
    outcome.says("on purpose: 42")?;
    outcome.says("src/main.rs:")?;
    if lab.platform == Platform::Unix {
        // The names take more memory than the program has.
        let outcome = lab.launch().variable("RUST_BACKTRACE", "1").run()?;
        outcome.aborts()?;
        outcome.says("on purpose: 42")?;
        return outcome.says("test_panic::main");
    }
    let addresses = outcome
        .output
        .lines()
        .find_map(|line| line.strip_prefix("backtrace:"));
    if addresses.is_none_or(|addresses| addresses.split_whitespace().count() < 2) {
        return outcome.fails("return addresses after `backtrace:`");
    }
    let outcome = lab.launch().argument("--backtrace=false").run()?;
    outcome.aborts()?;
    if outcome.output.contains("backtrace:") {
        return outcome.fails("no backtrace");
    }
    Ok(())
}

/// What the checks of the heap find, they name; without them the program is not stopped by them.
fn heap(lab: &Lab, message: &str) -> Check {
    let outcome = lab.launch().run()?;
    outcome.aborts()?;
    outcome.says("heap")?;
    outcome.says(message)?;
    if outcome.output.contains("REACHED") {
        return outcome.fails("an end at the check");
    }
    Ok(())
}

pub(super) fn heap_overflow(lab: &Lab) -> Check {
    heap(lab, "overwritten after its end")?;
    if lab.platform == Platform::Unix {
        // The heap of a process is in use before there is a command line to look at.
        return Ok(());
    }
    lab.launch()
        .argument("--heap-checks=false")
        .run()?
        .says("REACHED")
}

pub(super) fn heap_double_free(lab: &Lab) -> Check {
    heap(lab, "freed before")
}

pub(super) fn heap_use_after_free(lab: &Lab) -> Check {
    heap(lab, "after it was freed")
}

/// An image that asks for more than it was given ends, and says what to give.
pub(super) fn alloc_exhaustion(lab: &Lab) -> Check {
    let outcome = lab.launch().variable("RUST_BACKTRACE", "1").run()?;
    outcome.aborts()?;
    outcome.says("out of memory")?;
    outcome.says("--mem")
}

/// A system call that no device needs kills the image.
pub(super) fn seccomp(lab: &Lab) -> Check {
    lab.not_on(
        Platform::Unix,
        "a plain process makes the system calls that it likes",
    )?;
    for platform in [Platform::Hvt, Platform::Solo5Hvt] {
        lab.not_on(platform, "on a virtual CPU there are no system calls")?;
    }
    lab.launch().run()?.is_killed_by_filter()
}
