// SPDX-License-Identifier: ISC
//! What runs a unikernel: executor, timers, heap, entropy, boot arguments, log.
//!
//! Everything here stands on the waist ([`fata_abi::platform`]) and on nothing else, so it is the
//! same on every platform. Start with [`program::launch`], which shows the life of an image in
//! thirty lines; [`task`] and the private `executor` are its heart.
//!
//! # One thread
//!
//! An image has one thread, and this crate keeps its state for that one (see
//! [`fata_abi::platform`]). Where a program runs as a plain process and starts threads of its own,
//! only the thread that called [`program::launch`] may use this crate.

#![no_std]

extern crate alloc;
#[cfg(test)]
extern crate std;

#[cfg_attr(target_arch = "x86_64", path = "arch/x86_64.rs")]
mod arch;
pub mod args;
pub mod console;
mod error;
mod executor;
pub mod heap;
mod logging;
mod panic;
pub mod program;
pub mod random;
pub mod ready;
mod settings;
mod single;
mod stack;
pub mod task;
#[cfg(test)]
mod tests;
pub mod time;

pub use error::{Context, Error};
pub use fata_abi as abi;
pub use fata_derive::Args;
pub use log;
pub use panic::panic;
pub use program::exit;
