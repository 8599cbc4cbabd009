// SPDX-License-Identifier: ISC
//! A bed for tests of virtual machines: Linux with a real KVM, on a machine that has none.
//!
//! QEMU's own translator emulates AMD's SVM, so the module `kvm-amd` of a Linux inside it gives a
//! `/dev/kvm` on which tenders run as they do on hardware, only slower: some 20 times. The machine
//! has no disk and no network. What it needs goes in with one initramfs, its files come out by a
//! virtio port, what its job says by a serial line as it is said.
//!
//! A [`Payload`] is what is put in; a [`Bed`] boots it and brings back a [`Report`]:
//!
//! - [`kernel`] gets Debian's kernel for clouds, without installing it;
//! - [`payload`] collects files, and programs with the libraries that they load; [`cpio`] writes
//!   them down as the kernel wants them;
//! - `init.sh` is the first process inside; [`machine`] starts the emulator and ends it in time.
//!
//! `cargo run -p fata-nested -- FOLDER` runs `FOLDER/job.sh` inside, for whoever wants to look.

#![forbid(unsafe_code)]

pub mod cpio;
pub mod kernel;
pub mod machine;
pub mod payload;

pub use machine::{Bed, Report, Stall};
pub use payload::Payload;
