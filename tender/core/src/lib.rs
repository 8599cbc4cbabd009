// SPDX-License-Identifier: ISC
//! What tenders share: command line, image loader, host devices, sandbox.
//!
//! A tender is the host side of a unikernel. Whatever its way of running an image, it is a [`Tender`]
//! first: it reads [`options`], parses the image with [`elf`], and connects the devices of the
//! image's manifest to the host with [`attach`]; [`boot`] is what it tells the image. Before the guest
//! runs, it gives up its rights ([`sandbox`]) and all system calls that nothing needs ([`seccomp`]). A
//! unikernel built as a plain process is its own tender, and uses options and devices too.
//!
//! Facts: Solo5 `docs/architecture.md`, `include/elf_abi.h`, `include/mft_abi.h`.

pub mod attach;
pub mod boot;
pub mod elf;
mod error;
pub mod options;
pub mod sandbox;
pub mod seccomp;
pub mod system;
mod tender;

pub use error::Error;
pub use tender::{FAILURE, Guest, Never, Tender};
