// SPDX-License-Identifier: ISC
//! The terminal sends an interrupt (Ctrl-C) to all that run in it: also to the tool, which would end
//! before the program that it is meant for.

use std::sync::{Arc, atomic::AtomicBool};

use anyhow::Context;
use signal_hook::{consts::SIGINT, flag};

/// Lives through interrupts from here on; programs that are started do not inherit that. Each sets
/// what is returned.
pub fn leave_to_others() -> anyhow::Result<Arc<AtomicBool>> {
    let noted = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&noted);
    flag::register(SIGINT, flag).context("cannot take notice of an interrupt")?;
    Ok(noted)
}
