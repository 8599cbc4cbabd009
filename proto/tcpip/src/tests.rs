// SPDX-License-Identifier: ISC
//! Stacks against each other and against scripted peers, on a wire in memory with a clock that
//! stands still until nothing is left to do.

mod dhcp;
mod hostile;
mod responder;
mod slaac;
mod tcp;
mod udp;
mod world;
