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
        let (number, unit) = number_and_unit(text)?;
        let nanos: u64 = match unit {
            "ns" => 1,
            "us" => 1_000,
            "ms" => 1_000_000,
            "" | "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            "d" => 86_400_000_000_000,
            _ => return None,
        };
        Some(Self::from_nanos(number.checked_mul(nanos)?))
    }
}

/// A number of bytes: plain, or in binary units, as in `64K`, `16M` and `2G`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub usize);

impl Value for Size {
    const NAME: &'static str = "SIZE";
    const EXPECTED: &'static str = "a number of bytes such as `65536`, `64K` or `16M`";

    fn parse(text: &str) -> Option<Self> {
        let (number, unit) = number_and_unit(text)?;
        let bytes: u64 = match unit {
            "" => 1,
            "K" => 1 << 10,
            "M" => 1 << 20,
            "G" => 1 << 30,
            _ => return None,
        };
        Some(Self(usize::try_from(number.checked_mul(bytes)?).ok()?))
    }
}

fn number_and_unit(text: &str) -> Option<(u64, &str)> {
    let end = text
        .bytes()
        .position(|b| !b.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(end)?;
    Some((number.parse().ok()?, unit))
}
