// SPDX-License-Identifier: ISC
//! What tenders share: command line, image loader, host devices.
//!
//! A tender is the host side of a unikernel. Whatever its way of running an image, it reads
//! [`options`], parses the image with [`elf`], and connects the devices of the image's manifest to
//! the host with [`attach`]. A unikernel built as a plain process is its own tender and uses the
//! first and the last of these too.
//!
//! Facts: Solo5 `docs/architecture.md`, `include/elf_abi.h`, `include/mft_abi.h`.

pub mod attach;
pub mod elf;
mod error;
pub mod options;

pub use error::Error;
