// SPDX-License-Identifier: ISC
//! A library operating system: programs sealed into unikernels.

#![no_std]

extern crate alloc;

pub mod device;
mod image;
pub mod platform;
pub mod prelude;

pub use fata_derive::{Args, Devices, main};
pub use fata_runtime::{
    Context, Error, args, console, exit, log, print, println, program, random, task, time,
};

/// What the derives and [`main`](macro@main) expand to. No promise is made about it.
#[doc(hidden)]
pub mod __private {
    pub use fata_abi as abi;
    pub use fata_runtime as runtime;
    pub use fata_wiring as wiring;

    pub use crate::image::{is_set, manifest, or};
}
