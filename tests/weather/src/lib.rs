// SPDX-License-Identifier: ISC
//! Bad weather between real hosts, and transfers that must arrive through it byte for byte.
//!
//! - [`forecast`] is what can be asked for, as options of a command line;
//! - [`port`] is a tap as a [`Net`](fata_device::Net), [`chain`] the middleware over it, [`link`]
//!   two of them joined: the program `fata-weather-link`;
//! - [`transfer`] is a stream that follows from a seed, sent, fetched or sent back; the program
//!   `fata-weather-peer` does it with Linux's sockets, `tests/unikernels/transfer` with Fata's;
//! - [`world`] puts hosts into network namespaces with the link between them.
//!
//! The build machines' kernel has no netem, and this weather follows from a seed.

#![forbid(unsafe_code)]

pub mod chain;
pub mod clock;
pub mod forecast;
pub mod link;
pub mod port;
pub mod transfer;
pub mod world;
