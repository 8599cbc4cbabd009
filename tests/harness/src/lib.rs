// SPDX-License-Identifier: ISC
//! The matrix: every unikernel of `tests/unikernels` on every platform that this machine has.
//!
//! A row is a [`cases::Case`]: one fact, the unikernel that shows it, and a function that launches
//! it and judges. A column is a [`platform::Platform`]. [`matrix::run`] builds the images, fills the
//! cells and prints them.
//!
//! - [`images`] builds, the sealed images with `cargo fata` itself;
//! - [`launch`] starts a process and waits for it, with a limit; [`outcome`] judges how it ended;
//! - [`remote`] is a debugger's side of gdb's protocol;
//! - [`namespace`] is the only network that a test may flood: one without a way out;
//! - [`cases`] are the rows; `nested` takes them to a machine with KVM, and [`cell`] is what comes
//!   back.
//!
//! A cell passes, fails, is skipped (the machine lacks something, and the reason names it), or does
//! not apply (the fact is none on that platform, and the reason says why).

#![forbid(unsafe_code)]

pub mod cases;
pub mod cell;
pub mod images;
pub mod launch;
pub mod matrix;
pub mod namespace;
mod nested;
pub mod outcome;
pub mod pace;
pub mod platform;
pub mod remote;
mod workspace;
