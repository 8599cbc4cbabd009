// SPDX-License-Identifier: ISC
//! Stacks against each other and against scripted peers, on a wire in memory with a clock that
//! stands still until nothing is left to do.

mod conflict;
mod crowd;
mod dhcp;
mod hostile;
mod raw;
mod responder;
mod script;
mod simulator;
mod slaac;
mod tcp;
mod udp;
mod world;
