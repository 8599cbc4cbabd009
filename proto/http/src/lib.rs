// SPDX-License-Identifier: ISC
//! HTTP/1.1 for unikernels: a server, a client, and what static sites need.
//!
//! Read first: RFC 9112 (messages) and RFC 9110 (meaning). Everything runs over any
//! [`Flow`](fata_device::Flow), so TLS is a matter of which flow is handed in.
//!
//! - [`Server`] takes connections from a listener and hands each request, as an [`Exchange`], to an
//!   async function of the program.
//! - [`Site`] answers from files of the image, [`Router`] finds out what a path means.
//! - [`Client`] asks over a flow, one request after the other.
//!
//! # How it works
//!
//! What decides how long a message is keeps to bytes in and meaning out, without I/O: `head` (which
//! stands on `httparse`), `chunked`, `range`, `condition`. The async parts are thin.
//!
//! A connection has buffers only while it has something to say: they are lent from a pool when a
//! byte arrives and go back when every request was answered. A request is parsed where it lies;
//! responses gather in one buffer, which is written when no complete request is left in the input.
//!
//! # What is refused
//!
//! A message whose length two readers could see differently is answered 400 and the connection
//! closed (RFC 9112 sections 2.2, 5.1, 5.2, 6.1 and 6.3): a bare LF or CR, a folded line, space
//! before a colon, a length given twice, a length beside a transfer coding, a transfer coding in
//! HTTP/1.0. Every wait has an end, every size a bound: see [`Limits`].

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(any(test, fuzzing))]
extern crate std;

mod body;
mod chunked;
mod client;
mod clock;
mod condition;
mod date;
mod error;
mod fields;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod head;
mod io;
mod limits;
mod method;
mod mime;
mod number;
mod path;
mod range;
mod router;
mod server;
mod status;

#[cfg(test)]
mod tests;

pub use client::{Answer, Client, NotAUrl, Upload, Url};
pub use error::Error;
pub use head::Request;
pub use limits::{ClientLimits, Limits};
pub use method::Method;
pub use mime::mime;
pub use path::{Malformed, decode};
pub use router::{Found, Params, Route, Router};
pub use server::{Accept, Body, BodyWriter, Exchange, Response, Server, Site, serve_kv};
pub use status::Status;
