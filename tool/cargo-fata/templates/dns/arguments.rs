// SPDX-License-Identifier: ISC
//! Types of boot arguments that only this program has.

use fata::{args::Value, dns::Prefix};

/// An address or a prefix.
pub(crate) struct Peers(pub(crate) Prefix);

impl Value for Peers {
    const NAME: &'static str = "PREFIX";
    const EXPECTED: &'static str = "an address or a prefix such as `192.0.2.0/24`";

    fn parse(text: &str) -> Option<Self> {
        text.parse().ok().map(Self)
    }
}
