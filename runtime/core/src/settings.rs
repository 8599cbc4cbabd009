// SPDX-License-Identifier: ISC
//! The boot arguments that every unikernel understands.

use alloc::{string::String, vec::Vec};
use core::time::Duration;

use crate::{Args, args::Size};

/// The runtime's own boot arguments.
#[derive(Args)]
#[args(crate = crate)]
// Those that must be dropped come last, so that a wrong one before needs no code to drop them.
pub(crate) struct Settings {
    /// Wait before the program starts.
    #[arg(default = "0")]
    pub(crate) delay: Duration,
    /// Guard the blocks of the heap and stop when one is damaged.
    #[expect(
        dead_code,
        reason = "`heap` finds it by itself, before there is a heap"
    )]
    #[arg(default = true)]
    pub(crate) heap_checks: bool,
    /// Print return addresses when the program panics.
    #[arg(default = true)]
    pub(crate) backtrace: bool,
    /// Memory for the stack; the rest is heap.
    #[expect(
        dead_code,
        reason = "`stack` finds it by itself, before there is a heap"
    )]
    #[arg(default = "256K")]
    pub(crate) stack_size: Size,
    /// What to log: a level (off, error, warn, info, debug, trace), or levels of single targets as
    /// in `*:info,tcp:debug`.
    // A server's log is how its operator learns its address and that it is up, hence info.
    #[arg(default = "info", value = "LEVEL")]
    pub(crate) logs: Vec<crate::logging::Rule>,
    /// Name of this instance, such as its host name, instead of the name of the program.
    #[arg(value = "NAME")]
    pub(crate) name: Option<String>,
}
