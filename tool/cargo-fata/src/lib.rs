// SPDX-License-Identifier: ISC
//! `cargo fata`: makes, configures, builds, runs and explains unikernels.
//!
//! One file a command ([`new`], [`configure`], [`build`], [`run`], [`trace`], [`describe`], [`net`],
//! [`clean`], [`completions`]); each has its flags beside what they do. What several share:
//!
//! - [`cli`] puts the commands together, [`output`] decides what reaches which stream, [`failure`]
//!   is an error with its next step;
//! - [`project`] finds the package, [`config`] reads and edits its `Fata.toml`, [`devices`] are
//!   the flags that name host resources, [`interrupt`] is who a Ctrl-C is for;
//! - [`image`] reads a finished image, whoever made it. It is given files that nobody vouches for
//!   and never panics.
//!
//! Start with [`build`]: the other commands lead to it or follow it.

#![forbid(unsafe_code)]

pub mod build;
pub mod clean;
pub mod cli;
pub mod completions;
pub mod config;
pub mod configure;
pub mod describe;
pub mod devices;
pub mod failure;
pub mod image;
pub mod interrupt;
pub mod net;
pub mod new;
pub mod output;
pub mod project;
pub mod run;
pub mod trace;

pub use cli::main;
