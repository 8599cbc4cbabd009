// SPDX-License-Identifier: ISC
//! TCP: listeners and connections over smoltcp's sockets.
//!
//! - `table`: which connections exist that no program holds: those that a listener has not handed
//!   out yet, and those that were dropped and have to end in order.
//! - [`listener`], [`stream`]: what a program holds.
//!
//! Read first: RFC 9293 section 3.3.2 (the states).

pub(crate) mod listener;
pub(crate) mod stream;
mod table;

pub(crate) use table::{Table, remove, zeroed};
