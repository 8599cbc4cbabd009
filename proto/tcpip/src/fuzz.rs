// SPDX-License-Identifier: ISC
//! The entries for a fuzzer: any bytes as frames, what programs do and pauses ([`frames`]), and as
//! what the peer of one connection says, of which every byte is checked ([`streams`]).

mod bytes;
mod frames;
mod host;
mod model;
mod stream;
#[cfg(test)]
mod tests;

pub use self::{frames::frames, stream::streams};
