// SPDX-License-Identifier: ISC
//! Crowds and attacks that a server must live through: afterwards it still answers, and has given
//! back what they took.
//!
//! - [`world`] puts the unikernel `soak` and a load in a network namespace, and [`lab`] is what a
//!   load works with there: it asks the unikernel what it holds, and judges;
//! - [`crowd`] is many connections through Linux's sockets, [`wire`] a host of the network that
//!   keeps no rules, which sends what [`frame`] makes up, and [`peer`] connections that it only
//!   plays;
//! - [`scenarios`] are what happens. The program `fata-soak-load` makes it happen, in the
//!   namespace; `fata-soak` is the long form.

#![forbid(unsafe_code)]

pub mod crowd;
pub mod frame;
pub mod lab;
pub mod peer;
pub mod scenarios;
pub mod wire;
pub mod world;
