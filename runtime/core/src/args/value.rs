// SPDX-License-Identifier: ISC
//! Types that a boot argument can have.

use alloc::string::String;
use core::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6},
    time::Duration,
};

/// A type that can be typed.
pub trait Value: Sized {
    /// Stands for the value in help, in capitals.
    const NAME: &'static str;
    /// Completes the sentence "value of `--x` is not ...".
    const EXPECTED: &'static str;

    /// The value of `text`, if it is one.
    fn parse(text: &str) -> Option<Self>;
}

macro_rules! values {
    ($($type:ty, $name:literal, $expected:literal;)*) => {$(
        impl Value for $type {
            const NAME: &'static str = $name;
            const EXPECTED: &'static str = $expected;

            fn parse(text: &str) -> Option<Self> {
                text.parse().ok()
            }
        }
    )*};
}

values! {
    u8, "N", "a whole number from 0 to 255";
    u16, "N", "a whole number from 0 to 65535";
    u32, "N", "a whole number from 0 to 4294967295";
    u64, "N", "a whole number from 0 to 2^64-1";
    usize, "N", "a whole number from 0 to 2^64-1";
    i8, "N", "a whole number from -128 to 127";
    i16, "N", "a whole number from -32768 to 32767";
    i32, "N", "a whole number from -2147483648 to 2147483647";
    i64, "N", "a whole number from -2^63 to 2^63-1";
    isize, "N", "a whole number from -2^63 to 2^63-1";
    bool, "BOOL", "`true` or `false`";
    char, "CHARACTER", "a single character";
    Ipv4Addr, "IPV4", "an IPv4 address such as `10.0.0.2`";
    Ipv6Addr, "IPV6", "an IPv6 address such as `fd00::2`";
    IpAddr, "IP", "an IP address such as `10.0.0.2` or `fd00::2`";
    SocketAddrV4, "IPV4:PORT", "an address with port such as `10.0.0.2:53`";
    SocketAddrV6, "[IPV6]:PORT", "an address with port such as `[fd00::2]:53`";
    SocketAddr, "IP:PORT", "an address with port such as `10.0.0.2:53` or `[fd00::2]:53`";
}

impl Value for String {
    const NAME: &'static str = "TEXT";
    const EXPECTED: &'static str = "text";

    fn parse(text: &str) -> Option<Self> {
        Some(Self::from(text))
    }
}

/// Seconds, or another unit if it is named: `ns`, `us`, `ms`, `s`, `m`, `h`, `d`.
impl Value for Duration {
    const NAME: &'static str = "DURATION";
    const EXPECTED: &'static str = "a duration such as `10` (seconds), `500ms` or `2h`";

    fn parse(text: &str) -> Option<Self> {
        const UNITS: &[(&str, u64)] = &[
            ("ns", 1),
            ("us", 1_000),
            ("ms", 1_000_000),
            ("", 1_000_000_000),
            ("s", 1_000_000_000),
            ("m", 60_000_000_000),
            ("h", 3_600_000_000_000),
            ("d", 86_400_000_000_000),
        ];
        quantity(text, UNITS).map(Self::from_nanos)
    }
}

/// A number of bytes: plain, or in binary units, as in `64K`, `16M` and `2G`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub usize);

impl Value for Size {
    const NAME: &'static str = "SIZE";
    const EXPECTED: &'static str = "a number of bytes such as `65536`, `64K` or `16M`";

    fn parse(text: &str) -> Option<Self> {
        const UNITS: &[(&str, u64)] = &[("", 1), ("K", 1 << 10), ("M", 1 << 20), ("G", 1 << 30)];
        let bytes = quantity(text, UNITS)?;
        Some(Self(usize::try_from(bytes).ok()?))
    }
}

/// A whole number followed by one of `units`, multiplied by what that stands for.
#[inline(never)]
fn quantity(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let mut number: u64 = 0;
    let mut rest = text.as_bytes();
    while let [digit @ b'0'..=b'9', more @ ..] = rest {
        number = number
            .checked_mul(10)?
            .checked_add(u64::from(digit - b'0'))?;
        rest = more;
    }
    if rest.len() == text.len() {
        return None;
    }
    let (_, factor) = units.iter().find(|(unit, _)| unit.as_bytes() == rest)?;
    number.checked_mul(*factor)
}
