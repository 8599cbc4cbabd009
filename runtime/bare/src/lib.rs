// SPDX-License-Identifier: ISC
//! What a sealed image has instead of a C library and `std`: the symbols and language items that
//! compiled Rust cannot do without.
//!
//! Nothing here is called by name; linking the crate is enough. It must not be linked where `std`
//! or a C library is, which is why the facade names it for sealed platforms alone.
//!
//! - [`memory`], exported by `symbols`: `memcpy` and its kin.
//! - `hooks`: panic handler, global allocator, the entropy of the `getrandom` crate.

#![no_std]

#[cfg(test)]
extern crate std;

#[cfg(not(test))]
mod hooks;
#[expect(
    clippy::multiple_unsafe_ops_per_block,
    reason = "a range is read or written in parts that are argued together"
)]
mod memory;
#[cfg(not(test))]
mod symbols;
