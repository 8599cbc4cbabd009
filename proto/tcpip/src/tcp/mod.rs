// SPDX-License-Identifier: ISC
//! TCP (RFC 9293).

pub(crate) mod buffer;
pub(crate) mod congestion;
pub(crate) mod connection;
pub(crate) mod options;
pub(crate) mod segment;
pub(crate) mod seq;
