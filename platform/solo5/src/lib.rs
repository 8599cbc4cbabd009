// SPDX-License-Identifier: ISC
//! What the platforms of Solo5's targets, spt and hvt, have in common: what a tender lays out and
//! offers, the devices of the manifest, buffers for frames, completions of blocks.
//!
//! The targets differ in how a guest asks for something, by system calls or by hypercalls; nothing
//! here asks. Start with [`machine`], which holds all state; [`nic`] and [`disk`] say what a device
//! takes, [`pool`] lends the memory, [`block`] carries requests out by the target's calls.

#![no_std]

#[cfg(test)]
extern crate std;

pub mod block;
mod boot;
pub mod completions;
pub mod disk;
pub mod machine;
pub mod nic;
pub mod notes;
mod offload;
pub mod pool;
pub mod seed;
