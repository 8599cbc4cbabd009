// SPDX-License-Identifier: ISC
//! Fata is a library operating system: a program, the drivers and protocols that it uses, and its
//! configuration are compiled into one sealed image, a *unikernel*, that needs no operating system
//! below it. The same program runs as an ordinary process while it is developed.
//!
//! A unikernel is an ordinary binary crate that depends on this one.
//!
//! ```no_run
//! #![no_std]
//! #![no_main]
//! use fata::prelude::*;
//!
//! /// What the unikernel must be given. The manifest in the image is computed from this type.
//! #[derive(fata::Devices)]
//! struct Devices {
//!     /// The network that messages arrive on.
//!     service: Stack,
//! }
//!
//! /// Boot arguments, with their help.
//! #[derive(fata::Args)]
//! struct Args {
//!     /// Port to answer on.
//!     #[arg(default = 7)]
//!     port: u16,
//! }
//!
//! /// Sends every datagram back.
//! #[fata::main]
//! async fn main(devices: Devices, args: Args) -> Result<(), Error> {
//!     let socket = UdpSocket::bind(&devices.service, args.port)?;
//!     let mut buffer = [0; 1500];
//!     loop {
//!         let (len, peer) = socket.recv_from(&mut buffer).await?;
//!         socket.send_to(&buffer[..len], peer).await?;
//!     }
//! }
//! ```
//!
//! - `cargo run` starts it as a process,
//! - `cargo fata run` seals it and starts it in a sandbox,
//! - `cargo fata build` leaves the image in `dist/`.
//!
//! # Devices
//!
//! The fields of a struct that derives [`Devices`] are what a program is given, and all that it is
//! given: an image reaches nothing that is not in its manifest. Their types are [`Device`]s.
//!
//! | type | is | attached with |
//! |---|---|---|
//! | [`Nic`] | a network card: Ethernet frames | `--net:NAME=...` |
//! | [`Stack`] | the same with TCP/IP on top; brings `--ipv4` and friends | `--net:NAME=...` |
//! | [`Disk`] | a block device | `--block:NAME=...` |
//! | [`Files`] | a directory, compiled in by `#[device(embed = "directory")]` | |
//!
//! Devices compose like types do, and a crate of anyone's can add more: see [`device`]. Names are
//! checked when the program is compiled, so this does not compile:
//!
//! ```compile_fail,E0080
//! # use fata::prelude::*;
//! #[derive(fata::Devices)]
//! struct Devices {
//!     service: Nic,
//!     #[device(name = "service")] // error: two devices have the same name
//!     uplink: Nic,
//! }
//! ```
//!
//! `service` for the network and `storage` for the disk are the names to use where nothing speaks
//! for others.
//!
//! # Boot arguments
//!
//! The fields of a struct that derives [`Args`](macro@Args) are typed values of the command line
//! that the image is started with: `--port=53` or `--port 53`. Every unikernel also understands
//! `--help`, `--version`, `--logs=LEVEL`, `--name=NAME`, `--delay=DURATION`, and what tunes the
//! runtime. Defaults can be compiled in, and sealed so that no command line changes them
//! (`cargo fata configure --seal`). That two arguments have one name is an error of compilation.
//!
//! # Exit statuses
//!
//! | status | meaning |
//! |---|---|
//! | 0 | `main` returned, with `()` or `Ok` |
//! | 1 | `main` returned an error, or a device could not be connected; the message was printed |
//! | 63 | `--help` or `--version` was printed |
//! | 64 | the boot arguments are wrong; the message says which |
//! | 125 | the image itself is wrong |
//! | 255 | panic |
//!
//! A program that wants others returns a `u8`, or calls [`exit`].
//!
//! # Beside devices
//!
//! Clock, sleep, entropy, console and exit are one for each image, so they are functions rather
//! than values passed in: [`time`], [`task`], [`random`], [`console`], [`log`].
//!
//! [`Device`]: device::Device
//! [`Disk`]: device::Disk
//! [`Files`]: device::Files
//! [`Nic`]: device::Nic
//! [`Stack`]: net::Stack

#![no_std]

extern crate alloc;

pub mod device;
mod image;
mod names;
pub mod net;
pub mod platform;
pub mod prelude;

#[cfg(doctest)]
mod refusals;

pub use fata_derive::{Args, Devices, main};
pub use fata_dhcp as dhcp;
pub use fata_dns as dns;
pub use fata_http as http;
pub use fata_runtime::{
    Context, Error, args, console, exit, heap, log, print, println, program, random, task, time,
};

/// What the derives and [`main`](macro@main) expand to. No promise is made about it.
#[doc(hidden)]
pub mod __private {
    pub use fata_abi as abi;
    pub use fata_runtime as runtime;
    pub use fata_wiring as wiring;

    pub use crate::image::{is_set, manifest, or};
    pub use crate::names::checked;
}
