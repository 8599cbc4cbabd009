// SPDX-License-Identifier: ISC
//! Stacks against each other and against scripted peers, on a wire in memory with a clock that
//! stands still until nothing is left to do.

mod crowd;
mod dhcp;
mod raw;
mod responder;
mod script;
mod simulator;
mod tcp;
mod udp;
mod world;
