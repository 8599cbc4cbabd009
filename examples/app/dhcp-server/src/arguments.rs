// SPDX-License-Identifier: ISC
//! Types of boot arguments that only this program has.

use core::net::Ipv4Addr;

use fata::{
    args::Value,
    dhcp::server::{Fixed, Identity},
};

/// A range of addresses to give away.
pub(crate) struct Pool(pub(crate) Ipv4Addr, pub(crate) Ipv4Addr);

impl Value for Pool {
    const NAME: &'static str = "FIRST-LAST";
    const EXPECTED: &'static str = "a range of addresses such as `10.0.0.100-10.0.0.199`";

    fn parse(text: &str) -> Option<Self> {
        let (first, last) = text.split_once('-')?;
        Some(Self(first.parse().ok()?, last.parse().ok()?))
    }
}

/// An address for one client.
pub(crate) struct Host(pub(crate) Fixed);

impl Value for Host {
    const NAME: &'static str = "MAC=IPV4";
    const EXPECTED: &'static str = "a client and its address such as `02:00:00:00:00:01=10.0.0.7`";

    fn parse(text: &str) -> Option<Self> {
        let (mac, address) = text.split_once('=')?;
        let mut hardware = [0; 6];
        let mut bytes = mac.split(':');
        for byte in &mut hardware {
            *byte = u8::from_str_radix(bytes.next()?, 16).ok()?;
        }
        let is_whole = bytes.next().is_none();
        let address = address.parse().ok()?;
        is_whole.then_some(Self(Fixed {
            client: Identity::Hardware(hardware),
            address,
        }))
    }
}
