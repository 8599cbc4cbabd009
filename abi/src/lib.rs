// SPDX-License-Identifier: ISC
//! The waist of Fata: everything that a unikernel and what runs it must agree on, and nothing else.
//!
//! Two audiences share this crate, which is why it has no dependencies, needs no allocator and
//! knows no policy:
//!
//! - **inside an image**: [`Platform`] is what `platform/*` implement and the runtime above calls
//!   through the functions of [`platform`]; [`Frame`], [`Offload`] and [`block`] are what crosses.
//! - **outside it**: tenders and tools read an image through [`note`], [`manifest`] and [`image`], and
//!   start it by [`solo5`], [`spt`] and [`hvt`], the ABIs of Solo5's targets, with an [`offer`] beyond.
//!
//! Start with [`Platform`]: its documentation is the contract.

#![no_std]

pub mod block;
pub mod frame;
pub mod hvt;
pub mod image;
pub mod manifest;
pub mod net;
pub mod note;
pub mod offer;
pub mod platform;
pub mod solo5;
pub mod spt;

pub use block::BlockInfo;
pub use frame::Frame;
pub use net::{NetInfo, Offload};
pub use platform::{Error, Handle, HandleSet, Memory, Platform};
