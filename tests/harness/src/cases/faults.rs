// SPDX-License-Identifier: ISC
//! Rows about memory that must not be touched in that way.
//!
//! A process is ended by a signal. On a virtual CPU the image itself reports the exception, with the
//! address and the registers, and ends with 255; there the report is judged, too.

use super::Lab;
use crate::{
    outcome::{Check, Ending, Outcome, Status},
    platform::{Platform, Target},
};

/// The program uses an address that is none.
pub(super) fn exception(lab: &Lab) -> Check {
    faults(lab, |outcome| outcome.says("#GP general protection fault"))
}

/// The program writes to the null pointer.
pub(super) fn zeropage(lab: &Lab) -> Check {
    faults(lab, |outcome| {
        outcome.says("#PF page fault, writing to 0x0, where there is no memory")
    })
}

/// The program writes where it may only read or execute.
pub(super) fn writes(lab: &Lab) -> Check {
    faults(lab, |outcome| {
        let address = touched(outcome, "#PF page fault, writing to ")?;
        outcome.says(&format!("cr2 {address:#018x}"))?;
        outcome.says("which is not allowed there")
    })
}

/// The program calls what it may only read or write.
pub(super) fn executes(lab: &Lab) -> Check {
    faults(lab, |outcome| {
        let address = touched(outcome, "#PF page fault, executing ")?;
        // The instruction that cannot be fetched is the one that faults.
        outcome.says(&format!("rip {address:#018x}"))?;
        outcome.says("which is not allowed there")
    })
}

/// The guard page stops it, not what lies behind.
pub(super) fn stack_overflow(lab: &Lab) -> Check {
    lab.not_on(Platform::Solo5Spt, "the stock tender offers no guard page")?;
    if lab.platform == Platform::Unix {
        let outcome = lab.launch().run()?;
        if outcome.status == Status::Killed(6) && outcome.output.contains("overflow") {
            // std explains the fault at its own guard page and aborts.
            return Ok(());
        }
        return outcome.faults();
    }
    faults(lab, |outcome| {
        touched(outcome, "#PF page fault, writing to ")?;
        outcome.says("where there is no memory")?;
        outcome.says("the stack is used up")
    })
}

/// It ends in that way, and on a virtual CPU with a report that `judge` finds right.
fn faults(lab: &Lab, judge: fn(&Outcome) -> Check) -> Check {
    let outcome = lab.launch().run()?;
    if lab.platform.target() != Target::Hvt {
        return outcome.faults();
    }
    outcome.aborts()?;
    if outcome.output.contains("REACHED") {
        return outcome.fails("an end at the fault");
    }
    for part in ["exception: ", "rip 0x", "cr3 0x", "backtrace: 0x"] {
        outcome.says(part)?;
    }
    judge(&outcome)
}

/// The address that follows `kind` in the report.
fn touched(outcome: &Outcome, kind: &str) -> Result<u64, Ending> {
    let after = outcome.output.split_once(kind).map(|(_, after)| after);
    let number = after.and_then(|after| {
        let digits = after.strip_prefix("0x")?;
        let end = digits.find(|digit: char| !digit.is_ascii_hexdigit())?;
        u64::from_str_radix(&digits[..end], 16).ok()
    });
    match number {
        Some(address) => Ok(address),
        None => outcome.fails(&format!("`{kind}` and an address")),
    }
}
