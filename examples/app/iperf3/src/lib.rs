// SPDX-License-Identifier: ISC
//! A server of iperf3's protocol, over any sockets.
//!
//! Start with [`server`], which shows a test from its first byte to its last. [`flow`] says what is
//! asked of sockets and has the loops whose speed is measured, [`udp`] the same for datagrams;
//! [`meter`] counts. [`wire`] and [`json`] are bytes and their meaning.
//!
//! Read first: the states of the protocol in iperf3's wiki (`IperfProtocolStates`), and what
//! `iperf3 --debug` prints.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod flow;
pub mod json;
pub mod meter;
pub mod server;
pub mod udp;
pub mod wire;

pub use flow::{Flow, Gone};
pub use server::Server;
pub use udp::{Datagrams, NoDatagrams};
