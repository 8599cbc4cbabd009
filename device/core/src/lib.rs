// SPDX-License-Identifier: ISC
//! What a program may expect of a device, whoever made it.
//!
//! Four traits, each in a file that is its specification: [`Net`] (Ethernet frames), [`Block`]
//! (numbered blocks), [`Kv`] (values under names) and [`Flow`] (a byte stream). Protocols and
//! stores are written against them, so the same code runs over a real device, over one in memory
//! and through bad weather.
//!
//! - [`memory`]: one device of each kind in memory, for tests and for programs without hardware.
//! - [`offload`]: what a card with offloads does, over one without.
//! - [`weather`]: middleware that makes a good network bad, and one that records it.
//! - [`conformance`]: one suite for each trait, which any implementation can run.
//!
//! Everything here runs on one thread: no future needs to be `Send`, and none of the traits can be
//! made into an object, because an image is linked with the devices it has.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod block;
pub mod conformance;
pub mod flow;
pub mod kv;
pub mod memory;
pub mod net;
pub mod offload;
pub mod weather;

pub use block::{Block, BlockError, BlockInfo, Buffer};
pub use flow::Flow;
pub use kv::{Kv, KvError};
pub use net::{Frame, Net, NetError, NetExt, NetInfo};
