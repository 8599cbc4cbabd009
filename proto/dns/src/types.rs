// SPDX-License-Identifier: ISC
//! Record types: their numbers, names and the shape of their data.
//!
//! One table drives the reading of zone files, and [`layout`] says which names inside record data
//! the server must know as names: to compress them (only the types of RFC 1035 allow that, RFC 3597
//! section 4) or to find the addresses that belong to them.
//!
//! Read first: the IANA registry of DNS parameters; RFC 3597 section 5 for unknown types.

use core::fmt::{self, Write};

/// A record type.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Type(pub u16);

macro_rules! types {
    ($($name:ident $code:literal)*) => {
        impl Type {
            $(#[doc = concat!("Type `", stringify!($name), "`.")] pub const $name: Self = Self($code);)*
        }
    };
}

types! {
    A 1 NS 2 CNAME 5 SOA 6 MB 7 PTR 12 MX 15 TXT 16 RT 21 AAAA 28 SRV 33 KX 36 DNAME 39 OPT 41 DS 43
    RRSIG 46 NSEC 47 DNSKEY 48 TSIG 250 IXFR 251 AXFR 252 MAILB 253 MAILA 254 ANY 255
}

/// Types that RFC 4034 allows beside a CNAME, with their forerunners of RFC 2535.
const BESIDE_CNAME: [Type; 5] = [Type(24), Type(25), Type(30), Type::RRSIG, Type::NSEC];

impl Type {
    /// The type that `text` names: a mnemonic in any case, or `TYPE` and a number.
    pub fn from_text(text: &[u8]) -> Option<Self> {
        if let Some(known) = TABLE
            .iter()
            .find(|known| known.name.bytes().eq_ignore_ascii_case(text))
        {
            return Some(Self(known.code));
        }
        let (prefix, digits) = text.split_at_checked(4)?;
        if !prefix.eq_ignore_ascii_case(b"TYPE") || !digits.first()?.is_ascii_digit() {
            return None;
        }
        core::str::from_utf8(digits).ok()?.parse().ok().map(Self)
    }

    /// The format of its data in text, a letter a field as `master/rdata.rs` explains them; none
    /// for types that have only the form of RFC 3597.
    pub(crate) fn format(self) -> Option<&'static [u8]> {
        self.known().map(|known| known.format.bytes())
    }

    /// Whether it stands only for queries, or for a message, and never in a zone (RFC 6895
    /// section 3.1).
    pub(crate) fn is_meta(self) -> bool {
        self.0 == 0 || self == Self::OPT || (128..=255).contains(&self.0)
    }

    pub(crate) fn may_stand_beside_cname(self) -> bool {
        BESIDE_CNAME.contains(&self)
    }

    fn known(self) -> Option<&'static Known> {
        TABLE.iter().find(|known| known.code == self.0)
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.known() {
            Some(known) => known
                .name
                .bytes()
                .iter()
                .try_for_each(|&byte| f.write_char(byte.into())),
            None => write!(f, "TYPE{}", self.0),
        }
    }
}

impl fmt::Debug for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Where names that the server must know stand in the data of a type: `prefix` bytes, then `names`
/// names, then anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(crate) prefix: u8,
    pub(crate) names: u8,
    pub(crate) compress: bool,
}

/// The layout of a type's data.
pub(crate) const fn layout(rtype: Type) -> Layout {
    let (prefix, names, compress) = match rtype.0 {
        2..=5 | 7..=9 | 12 => (0, 1, true),
        6 | 14 => (0, 2, true),
        15 => (2, 1, true),
        18 | 21 | 36 => (2, 1, false),
        33 => (6, 1, false),
        39 => (0, 1, false),
        _ => (0, 0, false),
    };
    Layout {
        prefix,
        names,
        compress,
    }
}

struct Known {
    code: u16,
    name: Short<10>,
    format: Short<9>,
}

/// A short text in its place, which takes half the room of a reference to one.
struct Short<const N: usize> {
    len: u8,
    text: [u8; N],
}

impl<const N: usize> Short<N> {
    const fn new(text: &str) -> Self {
        let mut short = Self {
            len: text.len() as u8,
            text: [0; N],
        };
        let (place, _) = short.text.split_at_mut(text.len());
        place.copy_from_slice(text.as_bytes());
        short
    }

    fn bytes(&self) -> &[u8] {
        self.text.get(..usize::from(self.len)).unwrap_or(&[])
    }
}

macro_rules! table {
    ($($code:literal $name:literal $format:literal)*) => {
        &[$(Known { code: $code, name: Short::new($name), format: Short::new($format) }),*]
    };
}

static TABLE: &[Known] = table! {
    1 "A" "a"
    2 "NS" "N"
    3 "MD" "N"
    4 "MF" "N"
    5 "CNAME" "N"
    6 "SOA" "NNwtttt"
    7 "MB" "N"
    8 "MG" "N"
    9 "MR" "N"
    12 "PTR" "N"
    13 "HINFO" "ss"
    14 "MINFO" "NN"
    15 "MX" "hN"
    16 "TXT" "S"
    17 "RP" "nn"
    18 "AFSDB" "hN"
    19 "X25" "s"
    20 "ISDN" "S"
    21 "RT" "hN"
    22 "NSAP" "o"
    23 "NSAP-PTR" "n"
    24 "SIG" "Tgbtiihn6"
    25 "KEY" "hbg6"
    26 "PX" "hnn"
    27 "GPOS" "sss"
    28 "AAAA" "q"
    29 "LOC" "L"
    33 "SRV" "hhhN"
    35 "NAPTR" "hhsssn"
    36 "KX" "hN"
    37 "CERT" "chg6"
    39 "DNAME" "N"
    42 "APL" "P"
    43 "DS" "hgbx"
    44 "SSHFP" "bbx"
    45 "IPSECKEY" "bbbG6"
    46 "RRSIG" "Tgbtiihn6"
    47 "NSEC" "nm"
    48 "DNSKEY" "hbg6"
    49 "DHCID" "6"
    50 "NSEC3" "bbhXHm"
    51 "NSEC3PARAM" "bbhX"
    52 "TLSA" "bbbx"
    53 "SMIMEA" "bbbx"
    56 "NINFO" "S"
    58 "TALINK" "nn"
    59 "CDS" "hgbx"
    60 "CDNSKEY" "hbg6"
    61 "OPENPGPKEY" "6"
    62 "CSYNC" "whm"
    63 "ZONEMD" "wbbx"
    64 "SVCB" "hnk"
    65 "HTTPS" "hnk"
    99 "SPF" "S"
    104 "NID" "hl"
    105 "L32" "ha"
    106 "L64" "hl"
    107 "LP" "hn"
    108 "EUI48" "e"
    109 "EUI64" "E"
    256 "URI" "hhv"
    257 "CAA" "bsv"
    258 "AVC" "S"
    261 "RESINFO" "S"
    262 "WALLET" "S"
    32768 "TA" "hgbx"
    32769 "DLV" "hgbx"
};

#[cfg(test)]
mod tests {
    use super::*;

    /// The server finds names where the parser put them.
    #[test]
    fn layouts_agree_with_formats() {
        for known in TABLE {
            let rtype = Type(known.code);
            let format = known.format.bytes();
            let first = format.iter().position(|&field| field == b'N');
            let prefix: u8 = format[..first.unwrap_or(0)]
                .iter()
                .map(|field| match field {
                    b'b' => 1,
                    b'h' => 2,
                    other => panic!("field {other} before a name in {rtype}"),
                })
                .sum();
            let layout = layout(rtype);
            assert_eq!(layout.prefix, prefix, "{rtype}");
            let names = format.iter().filter(|&&field| field == b'N').count();
            assert_eq!(usize::from(layout.names), names, "{rtype}");
        }
    }

    /// RFC 3597 section 5.
    #[test]
    fn text_forms() {
        assert_eq!(Type::from_text(b"aaaa"), Some(Type::AAAA));
        assert_eq!(Type::from_text(b"TYPE28"), Some(Type::AAAA));
        assert_eq!(Type::from_text(b"type65535"), Some(Type(65535)));
        assert_eq!(Type::from_text(b"TYPE65536"), None);
        assert_eq!(Type::from_text(b"TYPE+1"), None);
        assert_eq!(Type::from_text(b"TYPE"), None);
        assert_eq!(Type::from_text(b"IN"), None);
    }
}
