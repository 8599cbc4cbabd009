// SPDX-License-Identifier: ISC
//! The core of a stub resolver: what to ask whom, which answers to believe, and what to remember.
//!
//! No sockets and no clock: [`Lookup`] says which server to ask and takes what comes back, and
//! [`Cache`] keeps it for as long as it is good. `client` drives both over a network stack.
//!
//! A forger who does not see the questions has to guess the id, the port, and the case of every
//! letter of the name (`message`), and what an answer says about other names than the one asked for
//! is not looked at.
//!
//! Read first: RFC 1034 section 5.3.1, RFC 1035 section 7, RFC 2308, RFC 5452 sections 4 and 9.

mod answer;
mod cache;
mod local;
mod lookup;
mod message;

pub use answer::{Answer, Mx, Srv};
pub use cache::{Cache, Found};
pub use local::{candidates, known, known_records};
pub use lookup::{Ask, Lookup, LookupError, Step, Transport};

#[cfg(test)]
mod tests;
